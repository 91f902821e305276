"""Pushes, verdicts, people, rules and the keeper in any order, with faults in between, over ports in memory.

What a walk expects of each step it says by itself; the rest are :mod:`harness.invariants`. A fault is an
error before a statement: what was under way did not happen. Faults at commits are real databases' matter.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from attrs import frozen

from harness import asked, invariants
from harness.faults import TRIED, Injected, Points
from harness.invariants import Broken
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import PinwheelError
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.acts import act
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.refusals import Deed
from pinwheel.core.rollout.state import Place, Slot
from pinwheel.core.rollout.table import Verb as Asked
from pinwheel.services.release.loading import load
from pinwheel.services.rollout import advance
from pinwheel.services.rollout.advance import Sweep
from pinwheel.services.rules import facts
from pinwheel.store import dags, rollouts, verdicts
from pinwheel.store import tables as t

DAGS = ("a", "b")
CHECK = "{check: {name: ci, timeout: 4h}}"
STEPS = {
    "at once": "release",
    "a check": f"{CHECK}, release",
    "two checks": f"{CHECK}, {{check: {{name: data, timeout: 4h, on_timeout: abort}}}}, release",
    "a wait": "{wait: {for: 1h}}, release",
    "a watch": "release, {soak: {runs: 2}}",
    "a check and a watch": f"{CHECK}, release, {{soak: {{runs: 3, at_most: 3d}}}}",
    "by hand": f"{CHECK}, {{release: by-hand}}",
}
BACK = ("{}", "{when: first-failure}", "{when: never, early: true}", "{rerun_failed: true}", "{slower: true}")
ENDS = (None, None, None, None, "failed", "failed", "failed", "heartbeat timeout", "unheard of")
"""How runs end; None: well."""
RULES = {
    "open": "rules: []",
    "a freeze": "rules: [{name: month end, freeze: {reason: month end}}]",
    "mornings": 'rules: [{name: mornings, deny: {hours: "00:00-12:00", zone: UTC}}]',
}


@frozen(kw_only=True)
class Moment:
    """What there is of each Dag between two steps."""

    releases: int
    pinned: frozenset[str]
    rejected: frozenset[tuple[str, int]]
    """Dag and build, of builds that are rejected wherever they stand."""
    closed: bool
    knows_pin: frozenset[str]
    """Dags of which what is ahead may be released under a pin."""
    gated: bool
    ways_back: frozenset[tuple[str, int]]
    """Dag and build, of places to which a watch may go back: proven, or active when something sets out."""
    watched: frozenset[str]


class Walk:
    """One world and one seed."""

    def __init__(self, seed: int) -> None:
        self.choice = random.Random(seed)
        self.world = Rolling()
        self.engine = self.world.host.unit.connection.engine  # type: ignore[attr-defined]
        self.steps, self.rules = "at once", "open"
        self.versions: list[str] = []
        self.faults = self.number = 0
        self.of_watches = seed % 2 == 1
        """Every other one is about releases under watch: what ran before proves its builds."""
        self.push()
        if self.of_watches:
            for dag_id in DAGS:
                self.world.ran(*(f"before-{number}" for number in range(6)), dag_id=dag_id)
        self.rule()

    # What happens

    def push(self) -> None:
        some = self.choice.sample(DAGS, self.choice.randint(1, len(DAGS))) if self.versions else DAGS
        # A few bodies, so that a build comes back and a digest was judged before.
        self.versions.append(
            self.world.push(**{dag_id: File(body=self.choice.randrange(5)) for dag_id in some})
        )

    def turn(self) -> None:
        self.world.airflow.tick(self.choice.choice([1, 1, 1, 40, 3600, 5 * 3600]))
        done = advance.turn(self.world.host, _clock())
        for _, error in done.faults:
            if not isinstance(error, Injected):
                raise error

    def verdict(self) -> None:
        world, dag_id = self.world, self.choice.choice(DAGS)
        subjects: list[Any] = [OfVersion(bundle="dags", version=self.choice.choice(self.versions[-2:]))]
        for build in world.rows(t.build):
            if build.id == world.row(dag_id).newest_build_id:
                subjects.append(OfDigest(digest=build.digest))
                subjects.append(Place(build_id=build.id, version=self.versions[-1]))
        subject = self.choice.choice(subjects)
        answer = self.choice.choice([Answer.PASSED, Answer.PASSED, Answer.FAILED, Answer.ERROR])
        name = self.choice.choice(["ci", "ci", "data"])

        def work(session: Any) -> None:
            now = world.host.unit.now()
            said = Verdict(subject=subject, name=name, answer=answer, actor="bot", at=now)
            verdicts.add(session, said, dag_id=dag_id if isinstance(subject, Place) else None)
            rollouts.wake(session, now)

        world.host.unit.run(work)

    def rule(self) -> None:
        steps, rules = self.choice.choice([*STEPS]), self.choice.choice(["open", "open", *RULES])
        if self.of_watches:
            steps, rules = self.choice.choice(["a watch", "a watch", "a check and a watch"]), "open"
        back = f", rollback: {self.choice.choice(BACK)}" if "soak" in STEPS[steps] else ""
        newer = self.choice.choice(["supersede", "replace", "queue"])
        policy = f"policies: [{{name: all, dags: all, newer: {newer}, steps: [{STEPS[steps]}]{back}}}]"
        self.world.platform(f"{RULES[rules]}\n{policy}")
        self.steps, self.rules = steps, rules

    def person(self) -> None:
        verb = self.choice.choice(
            [
                Verb.PROMOTE,
                Verb.PROMOTE,
                Verb.PIN,
                Verb.UNPIN,
                Verb.UNPIN,
                Verb.ROLLBACK,
                Verb.REJECT,
                Verb.LIFT,
            ]
        )
        dag_id, more = self.choice.choice(DAGS), {}
        if verb is Verb.PROMOTE:
            in_two_hours = self.world.now() + timedelta(hours=2)
            more = self.choice.choice([{}, {"at": in_two_hours}, {"now": True, "reason": "a fix"}])
        if verb in (Verb.REJECT, Verb.LIFT):
            more = {"build": self.world.status(dag_id).newest_build}
        with suppress(PinwheelError):
            self.world.do(verb, dag_id, **more)

    def runs(self) -> None:
        """One or two runs end, perhaps unrecorded; perhaps one is cleared before anybody looks."""
        for _ in range(self.choice.randint(1, 2)):
            dag_id, self.number = self.choice.choice(DAGS), self.number + 1
            run_id, failed = f"r{self.number}", self.choice.choice(ENDS)
            self.world.ran(run_id, failed=failed, dag_id=dag_id, recorded=self.choice.random() < 0.8)
            if failed and self.choice.random() < 0.3:
                with suppress(PinwheelError):
                    asked.clear(self.world.host, dag_id, [run_id], actor="ada")

    def on_the_watch(self) -> None:
        """Somebody acts on what is on its way."""
        verb = self.choice.choice(["pause", "resume", "abort", "skip", "resume"])
        more = {"watched": True} if self.choice.random() < 0.6 else {}
        with suppress(PinwheelError):
            self.world.act(verb, dag_id=self.choice.choice(DAGS), **more)

    def sweep(self) -> None:
        for _, error in Sweep(self.world.host).look().faults:
            if not isinstance(error, Injected):
                raise error

    # A step, with or without a fault

    def step(self) -> None:
        acts = {
            self.turn: 6,
            self.verdict: 5,
            self.runs: 12 if self.of_watches else 3,
            self.push: 3,
            self.person: 3,
            self.rule: 1 if self.of_watches else 2,
            self.on_the_watch: 1,
            self.sweep: 1,
        }
        (work,) = self.choice.choices([*acts], [*acts.values()])
        before = self.moment()
        if self.choice.random() < 0.5:
            self._with_a_fault(work)
        else:
            work()
        self._require(work, before)

    def _with_a_fault(self, work: Callable[[], None]) -> None:
        def fails(_: Any) -> None:
            if "commit" not in points.seen[-1]:
                TRIED["exception"] += 1
                self.faults += 1
                raise Injected

        points = Points(self.engine, self.choice.randrange(1, 40), fails)
        with suppress(Injected), points:
            work()

    # What is to be

    def moment(self) -> Moment:
        world = self.world
        rows = {row.dag_id: row for row in world.rows(t.dag)}
        rejected = [row for row in world.rows(t.rejection) if row.lifted_at is None and row.first_seq is None]
        ahead = [row for row in world.rows(t.rollout) if row.slot == Slot.AHEAD.value]
        morning = self.rules == "mornings" and world.now().hour < 12
        return Moment(
            releases=max((row.id for row in world.rows(t.release)), default=0),
            pinned=frozenset(dag_id for dag_id, row in rows.items() if row.track == "pinned"),
            rejected=frozenset((row.dag_id, row.build_id) for row in rejected),
            closed=self.rules == "a freeze" or morning,
            knows_pin=frozenset(row.dag_id for row in ahead if row.knows_pin and row.asked_by),
            gated=self.steps not in ("at once", "a watch"),
            ways_back=frozenset(
                (dag_id, build_id)
                for dag_id, build_id in [
                    *((dag_id, row.proven_build_id) for dag_id, row in rows.items()),
                    *((row.dag_id, row.proven_build_id) for row in world.rows(t.rollout) if row.slot),
                ]
                if build_id is not None
            ),
            watched=frozenset(row.dag_id for row in world.rows(t.rollout) if row.slot == Slot.WATCHED.value),
        )

    def _require(self, work: Callable[[], None], before: Moment) -> None:
        self.world.host.unit.run(lambda session: invariants.check_rollouts(session.connection()))
        after, by_itself = self.moment(), work in (self.push, self.turn, self.sweep)
        live = [row for row in self.world.rows(t.rollout) if row.slot is not None]
        slots = [(row.dag_id, row.slot) for row in live]
        _require(len(slots) == len(set(slots)), f"two rollouts of a Dag at one place: {slots}")
        for row in self.world.rows(t.release):
            if row.id <= before.releases or not by_itself or row.release == 1:
                continue
            name = f"release {row.release} of {row.dag_id} by {work.__name__}"
            _require((row.dag_id, row.build_id) not in before.rejected, f"{name}: its build is rejected")
            if row.kind == "rollback":
                self._require_right_way_back(row, name, before, after)
                continue
            # Time goes on within a step: what opens meanwhile is open.
            _require(not (before.closed and after.closed), f"{name}: the window is closed")
            pin_known = row.dag_id in before.knows_pin
            _require(row.dag_id not in before.pinned or pin_known, f"{name}: the Dag is pinned")
            if before.gated:
                rolled = [
                    each
                    for each in self.world.rows(t.rollout)
                    if (each.dag_id, each.build_id, each.released_at)
                    == (row.dag_id, row.build_id, row.created_at)
                ]
                _require(rolled, f"{name}: no rollout released it, and there are gates")
        for row in live:
            self._require_a_way_out(row.dag_id, row.slot)

    def _require_right_way_back(self, row: Any, name: str, before: Moment, after: Moment) -> None:
        _require(row.actor == "pinwheel", f"{name}: not by itself")
        _require(row.dag_id not in before.pinned, f"{name}: the Dag was pinned, so it was rolled back before")
        _require(row.dag_id in after.pinned, f"{name}: the Dag is not pinned")
        _require(row.dag_id not in after.watched, f"{name}: something is watched after it")
        # What a step proved and then left is a way back too: the rollout says which it was.
        own = [
            each.proven_build_id
            for each in self.world.rows(t.rollout)
            if each.dag_id == row.dag_id and each.state == "rolled_back"
        ]
        known = (row.dag_id, row.build_id) in before.ways_back or row.build_id in own
        _require(known, f"{name}: its place was never proven")

    def _require_a_way_out(self, dag_id: str, slot: str) -> None:
        deed = Deed(verb=Asked.ABORT, by="ada", reason="so", watched=slot == Slot.WATCHED.value)
        known = self.facts(dag_id)
        act(deed, known, self.world.now())

    def facts(self, dag_id: str) -> Facts:
        host = self.world.host

        def work(session: Any) -> Facts:
            rows, now = dags.rows(session, [dag_id]), host.unit.now()
            known = facts.know(session, rows)
            loaded = load(host, session, rows, others=known.build_ids)
            return facts.find(host, session, known, loaded, now=now)[dag_id].facts

        return host.unit.run(work)

    def end(self) -> None:
        """Nothing holds them any more: what lives goes on to its end, unless something paused it."""
        self.steps, self.rules = "at once", "open"
        self.world.platform(RULES["open"])
        for dag_id in DAGS:
            with suppress(PinwheelError):
                self.world.do(Verb.UNPIN, dag_id)
        for turn in range(4):
            self.world.airflow.tick(24 * 3600)
            assert not advance.turn(self.world.host, _clock()).faults
            for dag_id in DAGS:
                self.world.ran(*(f"last-{turn}-{number}" for number in range(3)), dag_id=dag_id)
        self.world.airflow.tick()
        assert not advance.turn(self.world.host, _clock()).faults
        self.world.host.unit.run(lambda session: invariants.check_rollouts(session.connection()))
        for row in self.world.rows(t.rollout):
            asked = row.at_step == "release" and self.facts(row.dag_id).ahead is not None
            stays = row.slot is None or row.state == "paused" or (asked and row.asked_by is None)
            _require(stays, f"rollout {row.id} of {row.dag_id} stays {row.state} at {row.at_step}")


def _clock() -> Callable[[], float]:
    """With which a turn looks a few times and ends, although something is always due."""
    return itertools.count(0, 0.1).__next__


def _require(holds: object, sentence: str) -> None:
    if not holds:
        raise Broken(sentence)
