"""The same story told to services over both sides: every answer is the same.

What the ports are held to one by one might fit together differently: here whole answers are compared, ids of
rows and instants left out. The story is a list of steps, and Hypothesis makes up others.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from harness import asked
from harness.asked import history
from harness.hypothesis_profiles import machine
from harness.inprocess import bound_airflow
from harness.pushing import BROKEN, File, Pusher
from harness.sides import MemorySide, RealSide, Side
from pinwheel.core.errors import PinwheelError
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.history import grid
from pinwheel.services.run import bindings
from pinwheel.services.show import builds, events, fleet, line, status
from pinwheel.services.upkeep import repair

DAGS = ("a", "b")
FILES = {
    "plain": File(),
    "body": File(body=1),
    "tasks": File(tasks=("only", "more"), tags=("x",)),
    "assets": File(schedule="assets", outlets=True, owner="ada"),
    "daily": File(schedule="daily", display_name="Daily"),
    "broken": BROKEN,
}
Step = tuple[Any, ...]
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00|Z)?")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@define
class Player:
    """Plays steps on one side."""

    side: Side
    pusher: Pusher
    runs: list[tuple[str, str]] = field(factory=list)

    def play(self, step: Step) -> Any:
        """What the step gave, or the words of its refusal."""
        self.side.tick()
        name, *arguments = step
        try:
            return getattr(self, name)(*arguments)
        except PinwheelError as error:
            return type(error).__name__, str(error)

    def push(self, dag_id: str, file: str) -> Any:
        return self.pusher.push({dag_id: FILES[file]})

    def remove(self, dag_id: str) -> Any:
        return self.pusher.push(removed=[dag_id])

    def verb(self, verb: Verb, dag_id: str, build: int | None, reason: str | None) -> Any:
        wanted = asked.change(verb=verb, dag_ids=[dag_id], actor="ada", build=build, reason=reason)
        planned = evolve(wanted, request=evolve(wanted.request, plan=True))
        return change.apply(self.side.host, planned), change.apply(self.side.host, wanted)

    def both_back(self) -> Any:
        return change.apply(
            self.side.host,
            asked.change(verb=Verb.ROLLBACK, dag_ids=DAGS, actor="ada", rerun_failed=True),
        )

    def run(self, dag_id: str, build: int | None, state: str) -> Any:
        """A run is triggered, its tasks run once, and it ends; or it goes on."""
        run_id = f"r{len(self.runs)}"
        made = asked.trigger(self.side.host, dag_id, actor="ada", run_id=run_id, build=build)
        self.runs.append((dag_id, run_id))
        self._execute(dag_id, run_id, 1, state)
        return made

    def stock_run(self, dag_id: str) -> Any:
        """One that Airflow makes, with nobody recording its start."""
        if not self._known(dag_id):
            return None
        run_id = f"r{len(self.runs)}"
        self.side.make_run(dag_id, run_id)
        self.runs.append((dag_id, run_id))
        self.side.start_run(dag_id, run_id)
        return bindings.record_bindings(self.side.host)

    def again(self, which: int, build: int | None, only_failed: bool, state: str) -> Any:
        """A run is cleared and runs again."""
        if not self.runs:
            return None
        dag_id, run_id = self.runs[which % len(self.runs)]
        (done,) = asked.clear(
            self.side.host, dag_id, [run_id], actor="ada", build=build, only_failed=only_failed
        )
        if done.changed and self._state(dag_id, run_id) == "queued":
            self._execute(dag_id, run_id, 2 + which, state)
        return done

    def foreign(self, dag_id: str, what: str) -> Any:
        """Another writer changes Airflow's rows; that is repaired."""
        if not self._known(dag_id):
            return None
        if what == "row":
            self.side.change_dag(dag_id, None)
        else:
            self.side.foreign_version(dag_id)
        return [(drift.dag_id, drift.found) for drift in repair.repair_drift(self.side.host)]

    def _known(self, dag_id: str) -> bool:
        return bool(self.side.host.unit.run(lambda s: self.side.host.reads.airflow_dags(s, [dag_id])))

    def _state(self, dag_id: str, run_id: str) -> str:
        found = self.side.host.unit.run(lambda s: self.side.host.reads.some_runs(s, dag_id, [run_id]))
        return found[run_id].state

    def _execute(self, dag_id: str, run_id: str, number: int, state: str) -> None:
        self.side.start_run(dag_id, run_id)
        rows = self.side.host.unit.run(lambda s: self.side.host.reads.instance_rows(s, dag_id, run_id))
        for row in rows:
            if row.state is None:
                self.side.tick()
                self.side.execute(dag_id, run_id, row.task_id, row.try_number + 1, state)
        if state != "running":
            self.side.tick()
            self.side.end_run(dag_id, run_id, state)
            bindings.record_outcomes(self.side.host)

    def answers(self) -> dict[str, Any]:
        """All that is shown."""
        host = self.side.host
        found: dict[str, Any] = {
            "status": status.status(host),
            "fleet": fleet.fleet(host, fleet.Wish(retired=True), lambda: set(DAGS)),
            "events": events.events(host, limit=1000),
            "events, folded": events.events(host, limit=1000, fold=True),
            "drift": host.unit.run(lambda s: host.rows.drifted(s)),
            "airflow": host.unit.run(lambda s: _airflow(host, s)),
            "errors": self.side.errors("dags"),
        }
        for view in found["status"]:
            dag_id = view.dag_id
            found[f"builds of {dag_id}"] = builds.builds(host, dag_id)
            found[f"releases of {dag_id}"] = builds.releases(host, dag_id)
            found[f"line of {dag_id}"] = line.line(host, dag_id)
            found[f"history of {dag_id}"] = history(host, dag_id)
            page = grid.page(host, dag_id)
            found[f"grid of {dag_id}"] = page
            if page.runs:
                names = [run.run_id for run in page.runs]
                found[f"cells of {dag_id}"] = grid.cells(host, dag_id, names, ["only", "more"])
                found[f"rows of {dag_id}"] = grid.rows(host, dag_id, sorted(page.versions))
        return found


def _airflow(host: Any, session: Any) -> Any:
    """What Airflow's rows say, without the forms: their hashes differ between the sides."""
    return [
        {
            "dag": (dag.dag_id, dag.bundle_name, dag.bundle_version, dag.relative_fileloc, dag.is_stale),
            "version": (dag.version_number, dag.dag_version_bundle, dag.dag_version_bundle_version),
            "code": dag.source_code,
        }
        for dag in host.reads.airflow_dags(session)
    ]


def comparable(value: Any) -> Any:
    """Plain values without instants and ids of Airflow's rows, which no two deployments share."""
    if hasattr(value, "__attrs_attrs__"):
        return {each.name: comparable(getattr(value, each.name)) for each in value.__attrs_attrs__}
    if isinstance(value, Mapping):
        return {str(comparable(key)): comparable(each) for key, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(str(comparable(each)) for each in value)
    if isinstance(value, (list, tuple)):
        return [comparable(each) for each in value]
    if isinstance(value, str):
        return _ID.sub("id", _INSTANT.sub("instant", value))
    if isinstance(value, datetime):
        return "instant"
    return "id" if isinstance(value, UUID) else value


@contextlib.contextmanager
def both(sqlite: Any) -> Iterator[tuple[Player, Player]]:
    """The same empty deployment on both sides."""
    database = sqlite.create()
    with bound_airflow(database):
        sides: tuple[Side, Side] = MemorySide(), RealSide()
        for side in sides:
            side.add_bundle("dags", url="https://git/{version}")
        memory, real = (Player(side, Pusher(side.host)) for side in sides)
        yield memory, real
    database.drop()


def tell(sqlite: Any, story: list[Step]) -> None:
    with both(sqlite) as (memory, real):
        for number, step in enumerate(story):
            given_there, given_here = comparable(real.play(step)), comparable(memory.play(step))
            assert given_here == given_there, f"step {number}: {step}"
        there, here = real.answers(), memory.answers()
        assert here.keys() == there.keys()
        for name in there:
            assert comparable(here[name]) == comparable(there[name]), name


STORIES: dict[str, list[Step]] = {
    "a rollback with its runs": [
        ("push", "a", "plain"),
        ("push", "b", "tasks"),
        ("run", "a", None, "success"),
        ("push", "a", "body"),
        ("push", "b", "plain"),
        ("run", "a", None, "failed"),
        ("run", "b", None, "failed"),
        ("run", "b", 1, "running"),
        ("both_back",),
        ("push", "a", "assets"),
        ("verb", Verb.PROMOTE, "a", None, None),
        ("verb", Verb.UNPIN, "b", None, "over"),
        ("verb", Verb.LIFT, "b", 2, "right"),
    ],
    "tries and clears": [
        ("push", "a", "plain"),
        ("run", "a", None, "failed"),
        ("verb", Verb.PIN, "a", None, "held"),
        ("push", "a", "tasks"),
        ("run", "a", 2, "failed"),
        ("again", 0, 2, False, "success"),
        ("again", 1, 1, True, "success"),
        ("again", 0, 1, False, "failed"),
        ("again", 0, None, True, "success"),
        ("again", 1, None, True, "success"),
        ("stock_run", "a"),
        ("again", 2, 2, False, "success"),
        ("verb", Verb.PROMOTE, "a", None, None),
        ("run", "a", 1, "success"),
    ],
    "errors, moves and other writers": [
        ("push", "a", "assets"),
        ("push", "b", "daily"),
        ("push", "a", "broken"),
        ("foreign", "a", "row"),
        ("foreign", "b", "version"),
        ("stock_run", "b"),
        ("foreign", "b", "version"),
        ("remove", "b"),
        ("run", "b", None, "success"),
        ("verb", Verb.PIN, "b", 1, None),
        ("push", "a", "daily"),
        ("verb", Verb.REJECT, "a", 2, "wrong"),
        ("verb", Verb.ROLLBACK, "a", None, None),
        ("verb", Verb.ROLLBACK, "a", 2, None),
        ("verb", Verb.ROLLBACK, "a", 2, "right"),
        ("remove", "a"),
        ("push", "a", "plain"),
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_answered_alike_by_both_sides(sqlite: Any, name: str) -> None:
    tell(sqlite, STORIES[name])


_dag = st.sampled_from(DAGS)
_build = st.sampled_from([None, None, 1, 2, 3])
_reason = st.sampled_from([None, "why"])
_state = st.sampled_from(["success", "failed", "running"])
_verb = st.sampled_from([Verb.PIN, Verb.UNPIN, Verb.PROMOTE, Verb.ROLLBACK, Verb.REJECT, Verb.LIFT])
STEPS = st.one_of(
    st.tuples(st.just("push"), _dag, st.sampled_from(sorted(FILES))),
    st.tuples(st.just("push"), _dag, st.sampled_from(sorted(FILES))),
    st.tuples(st.just("verb"), _verb, _dag, _build, _reason),
    st.tuples(st.just("verb"), _verb, _dag, _build, _reason),
    st.tuples(st.just("run"), _dag, _build, _state),
    st.tuples(st.just("again"), st.integers(0, 3), _build, st.booleans(), _state),
    st.tuples(st.just("remove"), _dag),
    st.tuples(st.just("stock_run"), _dag),
    st.tuples(st.just("foreign"), _dag, st.sampled_from(["row", "version"])),
    st.tuples(st.just("both_back")),
)


@machine(examples=10, steps=1)
@given(st.lists(STEPS, min_size=6, max_size=16))
def test_any_story_is_answered_alike_by_both_sides(sqlite: Any, story: list[Step]) -> None:
    tell(sqlite, [("push", "a", "plain"), ("push", "b", "plain"), *story])
