"""What Kargo's and Argo Rollouts' rules ask for and their users complain about, from runs to what is done.

Verdict and decision together: what the keeper does of what it read. Where Argo has analyses here are runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from harness.rollouts import APPROVE, HOUR, MINUTE, NOW, place, plan, rollout, verdict
from harness.watched import WELL_BEFORE, at, before, seen, watching
from pinwheel.core.rollout.decide import arrive, decide
from pinwheel.core.rollout.effects import Act, Decision, GoBack, PinDag, Prove, RejectPlace, Save, Wait
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import Answer, GateFacts
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Candidate, Cause, Rollout, State, resumed
from pinwheel.core.rollout.steps import Newer, Watch
from pinwheel.core.rollout.verdict import says
from pinwheel.core.rollout.watched import Control, Evidence
from pinwheel.core.rollout.way_back import Failures, When

SOON = at(10)
ALSO = frozenset({"ci"})


def looked(
    each: Rollout, runs: str | Evidence, *, now: datetime = SOON, earlier: str | None = None, **more: Any
) -> Decision:
    """What the keeper does of a watched release when it looks."""
    evidence = runs if isinstance(runs, Evidence) else seen(runs)
    compared = WELL_BEFORE if earlier is None else before(earlier)
    return decide(each, facts(each, watch=says(each, evidence, compared, now), **more), now)


def facts(each: Rollout | None = None, **more: Any) -> Facts:
    made: dict[str, Any] = {
        "dag_id": "sales",
        "watched": each,
        "active": place(2),
        "active_release": 7,
        "newest": Candidate(place=place(2)),
        "proven": place(1),
    }
    return Facts(**made | more)


def saved(decision: Decision) -> Rollout:
    found = [each.rollout for each in decision.effects if isinstance(each, Save)]
    return found[0]


def went_back(decision: Decision) -> int | None:
    """To which build, if it did."""
    found = [each.place.build_id for each in decision.effects if isinstance(each, GoBack)]
    return found[0] if found else None


# --- Kargo: automatic rollback


@pytest.mark.acceptance("rollouts", 47)
def test_it_goes_back_to_the_proven_build_pins_the_dag_and_names_the_runs() -> None:
    found = looked(watching(), "..F")
    assert went_back(found) == 1
    reason = "1 of 3 runs of build 8 failed (r3); build 7: none of 50"
    assert PinDag(reason=reason) in found.effects
    assert RejectPlace(place=place(2), instead=place(1), reason=reason) in found.effects
    assert (saved(found).state, saved(found).why) == (State.ROLLED_BACK, reason)


def test_a_build_that_fails_no_more_often_than_the_one_before_is_proven() -> None:
    found = looked(watching(), "F.F..", earlier="F..F." + "." * 45)
    assert Prove(place=place(2)) in found.effects
    assert (saved(found).state, saved(found).why) == (State.PROVEN, "5 of 5 runs ended, 2 of them failed")


@pytest.mark.acceptance("rollouts", 48, 49)
def test_after_a_rollback_nothing_is_watched_and_no_newer_build_sets_out() -> None:
    """Kargo's users: auto-promotion loops on failure (kargo #3016, #5147)."""
    assert went_back(looked(watching(), "F")) == 1
    then = facts(active=place(1), pinned=True, rejected=frozenset({place(2)}))
    for newest in (place(2), place(3)):
        for made in (plan(), plan(watched=True), plan(APPROVE)):
            found = arrive(evolve(then, newest=Candidate(place=newest, plan=made)), SOON)
            assert isinstance(found, Wait)
            assert [held.kind for held in found.held] == [HoldKind.PIN]


@pytest.mark.acceptance("rollouts", 50)
@pytest.mark.parametrize(
    ("proven", "rejected"), [(None, ()), (place(1), (place(1),)), (place(2), ())], ids=str
)
def test_without_a_proven_build_that_may_be_taken_it_pauses(proven: Any, rejected: tuple[Any, ...]) -> None:
    each = watching(proven=None)
    found = looked(each, "FF", proven=proven, rejected=frozenset(rejected))
    assert (saved(found).state, saved(found).cause) == (State.PAUSED, Cause.NO_WAY_BACK)
    assert saved(found).why == ("no other place is proven: a run of build 8 failed (r1); build 7: none of 50")


@pytest.mark.acceptance("rollouts", 51)
def test_a_failure_older_than_an_hour_pauses_however_late_anybody_looks() -> None:
    each = watching()
    assert went_back(looked(each, "..F", now=at(3) + HOUR)) == 1
    late = looked(each, "..F", now=at(4) + HOUR)
    assert (saved(late).cause, went_back(late)) == (Cause.STALE, None)
    # A second one does not make the first younger.
    again = looked(each, seen([*seen("..F").runs, *evolved_runs(minutes=70)]), now=at(71))
    assert saved(again).cause is Cause.STALE


def evolved_runs(minutes: float) -> tuple[Any, ...]:
    return tuple(evolve(run, run_id="later", ended_at=at(minutes)) for run in seen("F").runs)


@pytest.mark.acceptance("rollouts", 52)
def test_nothing_goes_back_in_the_look_that_releases_a_newer_build() -> None:
    replaces = rollout(3, plan=plan(watched=True, newer=Newer.REPLACE))
    found = looked(watching(), "F", ahead=replaces)
    assert found == Wait(said="a newer place is being released")
    freeze = Hold(kind=HoldKind.FREEZE, reason="the month's end")
    assert went_back(looked(watching(), "F", ahead=replaces, closed=(freeze,))) == 1


@pytest.mark.acceptance("rollouts", 53)
def test_the_way_back_passes_a_rejected_build() -> None:
    """Argo's users: a fast rollback may land on an aborted revision (argo-rollouts #3039)."""
    each = watching(proven=place(0))
    assert went_back(looked(each, "F", rejected=frozenset({place(1)}))) == 0


@pytest.mark.acceptance("rollouts", 57)
def test_a_breach_acts_while_the_next_build_waits_for_an_approval() -> None:
    """Flagger's users: a breach while waiting for confirmation does not roll back (flagger #1801)."""
    waits = rollout(3, APPROVE, watched=True)
    found = looked(watching(), "F", ahead=waits)
    assert went_back(found) == 1
    last = found.effects[-1]
    assert isinstance(last, Save)
    assert (last.rollout.place, last.rollout.state) == (place(3), State.WITHDRAWN)


@pytest.mark.acceptance("rollouts", 54)
def test_what_is_nobodys_fault_moves_nothing() -> None:
    found = looked(watching(When.FIRST_FAILURE), "ihcihc")
    assert found == Wait(said="0 of 5 runs ended well")


@pytest.mark.acceptance("rollouts", 55)
def test_while_all_dags_fail_it_pauses_and_goes_on_when_somebody_says_so() -> None:
    outage = Control(failed=120, of=200, released_failed=60, released_of=100)
    found = looked(watching(), seen("FF", control=outage))
    stopped = saved(found)
    assert (stopped.cause, went_back(found)) == (Cause.NOT_ALONE, None)
    assert (stopped.why or "").startswith("not only this Dag: a run of build 8 failed (r1)")
    again = resumed(stopped, at(20))
    assert isinstance(looked(again, "FF", now=at(21)), Wait), "those two are no failures of it"
    assert went_back(looked(again, seen([*seen("FF").runs, *evolved_runs(minutes=30)]), now=at(31))) == 1


# --- Argo Rollouts: analysis


@pytest.mark.parametrize(
    ("when", "runs", "acts"),
    [
        # failureLimit: 0, 1, and 2.
        (When.FIRST_FAILURE, "....F", True),
        (Failures(failures=2, of=100), "...F.", False),
        (Failures(failures=2, of=100), "F...F", True),
        (Failures(failures=3, of=100), "F.F..", False),
        # dryRun.
        (When.NEVER, "FFFFF", False),
    ],
)
def test_a_limit_of_failures_goes_back_when_there_are_more(when: Any, runs: str, acts: bool) -> None:
    found = looked(watching(when), runs, earlier="F" * 50)
    assert (went_back(found) == 1) is acts
    assert acts or saved(found).state is State.PROVEN


@pytest.mark.acceptance("rollouts", 14, 61)
@pytest.mark.parametrize("answer", [Answer.INCONCLUSIVE, Answer.ERROR])
def test_inconclusive_and_error_pause_and_a_resume_neither_loops_nor_passes_by_itself(answer: Answer) -> None:
    """Argo's users: stuck, looping or passing after "inconclusive" (argo-rollouts #261, #3015, #3850)."""
    each = watching(When.NEVER, also=ALSO)
    given = verdict(answer, at=at(5))
    evidence = seen("..", checks=GateFacts(verdicts=(given,)))
    stopped = saved(looked(each, evidence))
    assert (stopped.state, stopped.cause) == (State.PAUSED, Cause(answer.value))
    again = resumed(stopped, at(20))
    assert looked(again, evidence, now=at(200)) == Wait(said="2 of 5 runs ended well")
    same_again = seen("..", checks=GateFacts(verdicts=(given, evolve(given, at=at(30)))))
    assert saved(looked(again, same_again, now=at(31))).state is State.PAUSED, "a new one is a new one"
    failed = seen("..", checks=GateFacts(verdicts=(given, verdict(Answer.FAILED, at=at(30)))))
    assert went_back(looked(again, failed, now=at(31))) == 1
    assert saved(looked(again, evolve(evidence, runs=seen(".....").runs), now=at(31))).state is State.PROVEN


@pytest.mark.acceptance("rollouts", 14, 61)
def test_a_failure_that_nobody_can_explain_pauses_once() -> None:
    stopped = saved(looked(watching(When.FIRST_FAILURE), "..?"))
    assert (stopped.cause, stopped.why) == (
        Cause.ERROR,
        "a run of build 8 failed, and nothing says why (r3)",
    )
    again = resumed(stopped, at(20))
    assert isinstance(looked(again, "..?", now=at(21)), Wait)
    assert saved(looked(again, "..?...", now=at(21))).state is State.PROVEN


@pytest.mark.acceptance("rollouts", 15, 61)
def test_no_run_pauses_and_after_a_resume_the_time_begins_anew() -> None:
    """Flagger's users: no traffic = no canary, no data = failure (flagger #361, #1035)."""
    each = watching(watch=Watch(at_most=2 * HOUR))
    stopped = saved(looked(each, "", now=at(120)))
    assert (stopped.state, stopped.cause, stopped.why) == (
        State.PAUSED,
        Cause.NO_RUNS,
        "no run ended in 2:00:00",
    )
    again = resumed(stopped, at(130))
    waits = looked(again, "", now=at(249))
    assert isinstance(waits, Wait)
    assert waits.until == at(250)
    assert saved(looked(again, "", now=at(250))).cause is Cause.NO_RUNS
    assert saved(looked(again, ".", now=at(250))).state is State.PROVEN


def test_a_watch_that_goes_on_is_looked_at_again_when_its_time_comes() -> None:
    each = watching(watch=Watch(runs=2, at_least=HOUR))
    found = looked(each, "..")
    assert found == Wait(said="2 of 2 runs ended well; at least until 2026-01-05 10:00 UTC", until=NOW + HOUR)
    assert isinstance(looked(each, "..", now=NOW + HOUR - MINUTE), Wait)
    assert isinstance(looked(each, "..", now=NOW + HOUR), Act)
