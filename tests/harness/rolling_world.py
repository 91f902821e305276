"""Rollouts on Airflow's real tables: policies, pushes, verdicts, and turns of the keeper."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from attrs import evolve, frozen

from harness.faults import airflow_engine
from harness.operations import DAGS, World
from harness.platform_file import put_in_force
from harness.sides import RealSide
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.gate import Answer, OfVersion, Verdict
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services.rollout import acts, advance
from pinwheel.services.rules.overriding import Who
from pinwheel.services.run import bindings
from pinwheel.store import rollouts, verdicts
from pinwheel.store import tables as t

NOTHING = "rules: []"
CHECKED = "policies: [{name: checked, dags: all, steps: [{check: {name: ci}}, release]}]"
TWICE = "policies: [{name: twice, dags: all, steps: [{check: {name: ci}}, {check: {name: data}}, release]}]"
FREEZE = "rules: [{name: month end, freeze: {reason: month end}}]"


class RollingWorld(World):
    """Three Dags. The clock is the machine's, and ``tick`` lets it run ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()
        self.serials = itertools.count()
        self.since = Since(ids={})
        self.host = evolve(self.host, unit=_unit(self))
        self.pusher.host = self.host

    def tick(self, seconds: float = 1) -> None:
        self.ahead += timedelta(seconds=seconds)

    def platform(self, text: str) -> None:
        """Let a platform's file be in force, from now on."""
        put_in_force(self.host, text)

    def say(self, answer: str, *, name: str = "ci", version: str | None = None, wake: bool = True) -> None:
        """A verdict on a bundle version, the newest unless told. Without *wake* the signal is lost."""
        about = OfVersion(bundle=self.pusher.bundle_name, version=version or self.pusher.version())

        def work(session: Any) -> None:
            now = self.host.unit.now()
            said = Verdict(subject=about, name=name, answer=Answer(answer), actor="ci", at=now)
            verdicts.add(session, said)
            if wake:
                rollouts.wake_about(session, now, version=about.version)

        self.host.unit.run(work)

    def ran(self, dag_id: str, *run_ids: str, failed: bool = False) -> None:
        """Runs that ended, well or with a task that says that it failed; recorded without a listener."""
        side = RealSide()
        for run_id in run_ids:
            side.make_run(dag_id, run_id)
            side.start_run(dag_id, run_id)
            bindings.record_bindings(self.host, set())
            rows = self.host.unit.run(lambda s, one=run_id: self.host.reads.instance_rows(s, dag_id, one))
            for task_id in sorted({row.task_id for row in rows}):
                side.execute(dag_id, run_id, task_id, 1, "failed" if failed else "success")
                if failed:
                    side.say(dag_id, run_id, "failed", task_id, on_host=True)
            side.end_run(dag_id, run_id, "failed" if failed else "success")
        bindings.record_outcomes(self.host)

    def abort(self, *dag_ids: str) -> None:
        """End what is on its way, or watched, of these Dags."""
        for dag_id in dag_ids:
            wanted = RolloutRequest(dag_id=dag_id, verb="abort", reason="enough", watched=True)
            acts.act(self.host, wanted, Who(actor="ada"))

    def wake(self) -> None:
        self.host.unit.run(lambda session: rollouts.wake(session, self.host.unit.now()))

    def turn(self, seconds: float = 1) -> advance.Turn:
        """A turn of the keeper, so much later."""
        self.tick(seconds)
        return advance.turn(self.host, lambda: 0.0)

    def all_turns(self, seconds: float = 31) -> None:
        """Turns until nothing goes on any more, the first after what failed is looked at again."""
        self.turn(seconds)
        while self.turn().moved:
            pass

    def clear(self) -> None:
        """No rule and no policy is in force, nothing of ``a`` is on its way, its newest build is active."""
        self.platform(NOTHING)
        self.free("a")
        self.pusher.push({"a": self.next_text()})
        self.since = Since.now(airflow_engine())

    def seen(self) -> Seen:
        """What became of the Dags since they were cleared."""
        return self.since.seen(airflow_engine())


def _unit(world: RollingWorld) -> Any:
    from pinwheel.airflow3.unit import AirflowUnit

    class Ahead(AirflowUnit):
        def now(self) -> datetime:
            return super().now() + world.ahead

    return Ahead()


@frozen(kw_only=True)
class Seen:
    """What became of the Dags since an instant, in numbers that are the same each time it is done."""

    rollouts: tuple[str, ...]
    """State and step of those that have begun since, the oldest first."""
    released: tuple[tuple[str, str], ...]
    """Dag and kind of each release since."""
    active: tuple[tuple[str, bool, str, bool], ...]
    """Dag, whether its newest build is active, its track, and whether it is retired."""
    rejected: int
    events: tuple[tuple[str, int], ...]
    verdicts: int


@frozen(kw_only=True)
class Since:
    """The highest ids that there were."""

    ids: dict[str, int]

    @classmethod
    def now(cls, engine: sa.Engine) -> Since:
        with engine.connect() as connection:
            return cls(
                ids={
                    table.name: connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
                    for table in (t.rollout, t.release, t.rejection, t.event, t.verdict)
                }
            )

    def seen(self, engine: sa.Engine) -> Seen:
        with engine.connect() as connection:

            def rows(table: sa.Table) -> list[Any]:
                query = sa.select(table).where(table.c.id > self.ids[table.name]).order_by(table.c.id)
                return list(connection.execute(query))

            kinds = Counter(row.kind for row in rows(t.event))
            return Seen(
                rollouts=tuple(f"{row.dag_id}: {row.state} at {row.step}" for row in rows(t.rollout)),
                released=tuple(sorted((row.dag_id, row.kind) for row in rows(t.release))),
                active=tuple(
                    (
                        row.dag_id,
                        row.active_build_id == row.newest_build_id,
                        row.track == "pinned" or row.retired,
                    )
                    for row in connection.execute(sa.select(t.dag).order_by(t.dag.c.dag_id))
                ),
                rejected=len(rows(t.rejection)),
                events=tuple(sorted(kinds.items())),
                verdicts=len(rows(t.verdict)),
            )


@frozen(kw_only=True)
class Transition:
    """A way of a rollout from one state to the next, that can be gone on one database for ever."""

    name: str
    ready: Callable[[RollingWorld], Any]
    """Bring a Dag to where it is due."""
    act: Callable[[RollingWorld], Any] = RollingWorld.turn
    ends: Sequence[str] = ()
    """What the rollouts are that have begun since *ready* did, at the end."""
    again: Callable[[RollingWorld], Any] = RollingWorld.all_turns
    """What goes on with it when it was broken off."""


def _waits(world: RollingWorld, text: str = CHECKED, *, said: str | None = None) -> None:
    world.clear()
    world.platform(text)
    world.pusher.push({"a": world.next_text()})
    world.turn()
    if said is not None:
        world.say(said)


def _held_by_a_freeze(world: RollingWorld) -> None:
    _waits(world, f"{FREEZE}\n{CHECKED}", said="passed")
    world.turn()
    world.platform(CHECKED)


def _is_overtaken(world: RollingWorld) -> None:
    _waits(world)
    world.arrive(world.next_text())


def _registers_again(world: RollingWorld) -> None:
    world.register()
    world.all_turns()


def _asked_for(world: RollingWorld) -> None:
    world.clear()
    world.change(Verb.PIN)
    world.pusher.push({"a": world.next_text()})
    world.change(Verb.PROMOTE, at=world.host.unit.now() + timedelta(hours=1))
    world.turn()
    world.tick(3600)


def _goes(world: RollingWorld) -> None:
    from pinwheel.services.ingest import settle

    _waits(world)
    _, seq = world.pusher.advance(())
    settle.settle(
        world.host,
        bundle_name=world.pusher.bundle_name,
        seq=seq,
        paths={f"{dag_id}.py" for dag_id in DAGS if dag_id != "a"},
        grace_seconds=0,
    )


def _is_watched(world: RollingWorld, *, failed: bool, section: str = "") -> None:
    """A release under watch, whose Dag ran well before, and of which the deciding run has ended."""
    world.clear()
    serial = next(world.serials)
    world.ran("a", *(f"before-{serial}-{number}" for number in range(5)))
    world.platform(
        f"policies: [{{name: watched, dags: all, steps: [release, {{soak: {{runs: 2}}}}]{section}}}]"
    )
    world.pusher.push({"a": world.next_text()})
    world.turn()
    world.ran("a", f"one-{serial}", f"two-{serial}", failed=failed)


TRANSITIONS = [
    Transition(
        name="the next step",
        ready=lambda world: _waits(world, TWICE, said="passed"),
        ends=["a: waiting at 1"],
    ),
    Transition(name="rejected", ready=lambda world: _waits(world, said="failed"), ends=["a: rejected at 0"]),
    Transition(name="paused", ready=lambda world: _waits(world, said="error"), ends=["a: paused at 0"]),
    Transition(name="released", ready=_held_by_a_freeze, ends=["a: released at 1"]),
    Transition(name="released at an instant", ready=_asked_for, ends=["a: released at 0"]),
    Transition(
        name="superseded",
        ready=_is_overtaken,
        act=RollingWorld.register,
        ends=["a: superseded at 0", "a: waiting at 0"],
        again=_registers_again,
    ),
    Transition(name="withdrawn", ready=_goes, ends=["a: withdrawn at 0"]),
    Transition(name="proven", ready=lambda world: _is_watched(world, failed=False), ends=["a: proven at 1"]),
    Transition(
        name="rolled back by itself",
        ready=lambda world: _is_watched(world, failed=True),
        ends=["a: rolled_back at 1"],
    ),
    Transition(
        name="rolled back and run again",
        ready=lambda world: _is_watched(world, failed=True, section=", rollback: {rerun_failed: true}"),
        ends=["a: rolled_back at 1"],
    ),
]
