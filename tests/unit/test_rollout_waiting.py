"""What a rollout waits for, how far it has come, and what its acts would be answered with."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from harness.rollouts import APPROVE, CHECK, HOUR, LATER, NOW, place, plan, rollout, verdict
from pinwheel.core.rollout.facts import Enough, Facts, GoesOn
from pinwheel.core.rollout.gate import Answer, GateFacts
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Candidate, Cause, Rollout, State, at_step, ended, in_force, paused
from pinwheel.core.rollout.steps import Wait
from pinwheel.core.rollout.waiting import Awaited, Awaits, Reached, answers, awaits, reached

P, S, H, A = Reached.PASSED, Reached.SKIPPED, Reached.HERE, Reached.AHEAD


def facts(live: Rollout, **more: Any) -> Facts:
    slot = {"ahead": live} if live.released_at is None else {"watched": live}
    known = {"active": place(1), "active_release": 1, "newest": Candidate(place=live.place, plan=live.plan)}
    return Facts(**{"dag_id": "sales", **known, **slot, **more})


def waits(live: Rollout, **more: Any) -> tuple[Awaited, str]:
    found = awaits(live, facts(live, **more), LATER)
    return found.kind, found.words


@pytest.mark.parametrize(
    ("gate", "awaited", "until"),
    [
        (APPROVE, Awaited.PERSON, NOW + APPROVE.expires),
        (CHECK, Awaited.CHECK, None),
        (Wait(span=2 * HOUR), Awaited.TIME, NOW + 2 * HOUR),
        (Wait(idle=True), Awaited.RUNS, NOW + 24 * HOUR),
    ],
)
def test_at_a_gate_it_waits_for_what_the_gate_asks(gate: Any, awaited: Awaited, until: Any) -> None:
    live = rollout(2, gate)
    found = awaits(live, facts(live), LATER)
    assert (found.kind, found.until) == (awaited, until)


def test_a_gate_that_has_passed_waits_for_nobody() -> None:
    gates = GateFacts(verdicts=(verdict(Answer.PASSED),))
    kind, words = waits(rollout(2, CHECK), gates=gates)
    assert kind is Awaited.NOBODY and words.startswith("check ci passed")


def test_a_pause_waits_for_a_person_whatever_it_is_at() -> None:
    for live in (rollout(2, CHECK), in_force(rollout(2, watched=True), NOW)):
        stopped = paused(live, Cause.ERROR, "no answer", NOW)
        assert waits(stopped) == (Awaited.PERSON, "somebody to go on: no answer")


def test_what_is_watched_waits_for_its_runs() -> None:
    live = in_force(rollout(2, watched=True), NOW)
    assert waits(live) == waits(live, watch=Enough(said="x")) == (Awaited.RUNS, "the runs that are watched")
    found = awaits(live, facts(live, watch=GoesOn(said="3 of 5", until=LATER)), LATER)
    assert found == Awaits(kind=Awaited.RUNS, words="3 of 5", until=LATER)


def closed(kind: HoldKind, **more: Any) -> Hold:
    return Hold(kind=kind, reason=kind.value, **more)


@pytest.mark.parametrize(
    ("more", "awaited"),
    [
        ({}, (Awaited.NOBODY, "it is about to be released")),
        ({"pinned": True}, (Awaited.PERSON, "the Dag is pinned")),
        ({"closed": (closed(HoldKind.WINDOW, until=LATER + HOUR),)}, (Awaited.TIME, "window")),
        ({"closed": (closed(HoldKind.FREEZE),)}, (Awaited.PERSON, "freeze")),
        (
            {"watched": in_force(rollout(1, watched=True), NOW)},
            (Awaited.RUNS, "the release before it is watched"),
        ),
    ],
)
def test_at_its_release_it_waits_for_what_holds_it(more: Any, awaited: Any) -> None:
    assert waits(rollout(2), **more) == awaited


def test_of_what_holds_it_what_a_person_can_end_is_told_first() -> None:
    by_hand = rollout(2, plan=plan(by_hand=True))
    window = closed(HoldKind.WINDOW, until=LATER + HOUR)
    assert waits(by_hand, closed=(window,))[0] is Awaited.PERSON
    asked = evolve(by_hand, asked_by="ada", not_before=LATER + HOUR)
    found = awaits(asked, facts(asked), LATER)
    assert (found.kind, found.until) == (Awaited.TIME, LATER + HOUR)


def test_what_has_ended_waits_for_nobody_and_says_how_it_ended() -> None:
    assert waits(ended(rollout(2), State.ABORTED, "abort by ada", NOW)) == (Awaited.NOBODY, "abort by ada")
    released = in_force(rollout(2), NOW)
    assert waits(released) == (Awaited.NOBODY, "released")


def test_steps_are_passed_skipped_here_or_ahead() -> None:
    live = rollout(2, CHECK, APPROVE, watched=True)
    assert reached(live, ()) == (H, A, A, A)
    second = at_step(live, 1, NOW)
    assert (reached(second, ()), reached(second, {0})) == ((P, H, A, A), (S, H, A, A))
    watched = in_force(second, NOW)
    assert reached(watched, ()) == (P, P, P, H)
    assert reached(ended(watched, State.PROVEN, "", NOW), ()) == (P, P, P, P)
    assert reached(ended(watched, State.PROVEN, "", NOW), {3}) == (P, P, P, S)
    assert reached(ended(watched, State.ROLLED_BACK, "", NOW), ()) == (P, P, P, H)
    assert reached(in_force(rollout(2, CHECK), NOW), ()) == (P, P)


def told(live: Rollout, **more: Any) -> dict[str, str | None]:
    return {each.verb: each.problem for each in answers(live, facts(live, **more), LATER)}


def test_each_act_is_answered_as_the_table_of_acts_does() -> None:
    assert told(rollout(2, APPROVE)) == {
        "approve": None,
        "reject": None,
        "pause": None,
        "resume": "not-paused",
        "retry": "under-way",
        "skip": None,
        "restart": None,
        "abort": None,
        "promote": None,
        "promote --now": None,
    }
    found = {each.verb: each.words for each in answers(rollout(2), facts(rollout(2)), LATER)}
    assert (found["pause"], found["resume"]) == ("paused", "it is not paused")


def test_an_approval_is_possible_though_it_is_not_said_by_whom() -> None:
    only = evolve(APPROVE, persons=frozenset({"ada"}))
    assert told(rollout(2, only))["approve"] is None


def test_acts_are_on_the_watched_one_though_another_is_ahead() -> None:
    live = in_force(rollout(1, watched=True), NOW)
    found = told(live, ahead=rollout(2, APPROVE))
    assert (found["approve"], found["skip"], found["abort"]) == ("released", None, None)


def test_of_one_that_was_aborted_a_restart_is_left() -> None:
    stopped = ended(rollout(2, CHECK), State.ABORTED, "abort by ada", NOW)
    known = Facts(
        dag_id="sales",
        newest=Candidate(place=place(2), plan=plan(CHECK)),
        active=place(1),
        stopped=stopped,
    )
    assert [(each.verb, each.problem) for each in answers(stopped, known, LATER)] == [("restart", None)]
    assert answers(evolve(stopped, id=1), known, LATER) == ()
    for slot in ("ahead", "watched"):
        assert answers(stopped, evolve(known, **{slot: rollout(3)}), LATER) == ()
