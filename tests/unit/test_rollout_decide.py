"""What rollouts do by themselves: each row of automation, and what a build does when it arrives."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from attrs import evolve

from harness.rollouts import APPROVE, CHECK, HOUR, LATER, MINUTE, NOW, place, plan, rollout, verdict
from pinwheel.core.rollout.decide import arrive, decide, holds, holds_without, way_back
from pinwheel.core.rollout.effects import (
    Act,
    Advance,
    Begin,
    Decision,
    Effect,
    GoBack,
    Next,
    PinDag,
    Prove,
    RejectPlace,
    Save,
    Take,
    Wait,
)
from pinwheel.core.rollout.facts import Enough, Facts, Fired, GoesOn, Unclear
from pinwheel.core.rollout.gate import Answer, GateFacts, Verdict
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Candidate, Cause, Rollout, Slot, State, paused, resumed
from pinwheel.core.rollout.steps import Check, Newer, OnTimeout, Plan

ACTIVE = place(1)
FREEZE = Hold(kind=HoldKind.FREEZE, reason="the month's end", until=LATER + HOUR)
WINDOW = Hold(kind=HoldKind.WINDOW, reason="office hours", until=LATER + MINUTE)
ERA = Hold(kind=HoldKind.ERA, reason="the past", since=NOW)
FIRED = Fired(said="2 of 5 runs failed", at=LATER)
TAKEN = Take(place=place(2), expected_release=7)


def facts_of(ahead: Rollout | None = None, watched: Rollout | None = None, **more: Any) -> Facts:
    made: dict[str, Any] = {
        "dag_id": "sales",
        "ahead": ahead,
        "watched": watched,
        "active": watched.place if watched is not None else ACTIVE,
        "active_release": 7,
        "newest": Candidate(place=(ahead or watched or rollout()).place),
    }
    return Facts(**made | more)


def watching(build: int = 2, **values: Any) -> Rollout:
    made = {"watched": True, "step": 1, "state": State.WATCHING, "released_at": NOW, "proven": ACTIVE}
    return rollout(build, **made | values)


def decided(each: Rollout, at: datetime = LATER, **more: Any) -> Decision:
    facts = facts_of(each, **more) if each.slot is Slot.AHEAD else facts_of(watched=each, **more)
    return decide(each, facts, at)


def saved(decision: Act | Advance | Wait) -> Rollout:
    (found,) = [each.rollout for each in decision.effects if isinstance(each, Save)]
    return found


def kinds(effects: tuple[Effect, ...]) -> list[type]:
    return [type(effect) for effect in effects]


def gates(*verdicts: Verdict) -> GateFacts:
    return GateFacts(verdicts=verdicts)


# --- gates


def test_a_gate_that_passed_leads_to_the_next_step_whose_time_begins_then() -> None:
    after_error = rollout(2, CHECK, Check(name="cd"), set_aside=NOW - HOUR, attempt=3)
    found = decided(after_error, gates=gates(verdict(Answer.PASSED)))
    assert isinstance(found, Advance)
    moved = saved(found)
    assert (moved.state, moved.step, moved.attempt, moved.since) == (State.WAITING, 1, 1, LATER)
    assert (moved.set_aside, moved.generation) == (None, 2)
    assert "check ci passed" in found.said


@pytest.mark.acceptance("rollouts", 16)
def test_a_failed_gate_rejects_the_place_and_the_next_build_starts_afresh() -> None:
    failing = rollout(2, CHECK, watched=True)
    found = decided(failing, gates=gates(verdict(Answer.FAILED)))
    assert kinds(found.effects) == [RejectPlace, Save, Next]
    reject = found.effects[0]
    assert isinstance(reject, RejectPlace)
    assert (reject.place, reject.instead, reject.by) == (place(2), ACTIVE, None)
    assert "check ci failed" in reject.reason
    ended = saved(found)
    assert (ended.state, ended.ended_at, ended.slot) == (State.REJECTED, LATER, None)
    then = arrive(facts_of(newest=Candidate(place=place(3), plan=failing.plan)), LATER)
    (begun,) = then.effects
    assert isinstance(begun, Begin)
    assert (begun.rollout.place, begun.rollout.step, begun.rollout.state) == (place(3), 0, State.WAITING)


@pytest.mark.acceptance("rollouts", 14)
@pytest.mark.parametrize("answer", [Answer.ERROR, Answer.INCONCLUSIVE])
def test_an_error_and_what_is_neither_pause(answer: Answer) -> None:
    found = decided(rollout(2, CHECK), gates=gates(verdict(answer)))
    assert isinstance(found, Advance)
    moved = saved(found)
    assert (moved.state, moved.cause, moved.paused_by) == (State.PAUSED, Cause(answer.value), None)
    assert moved.why == found.said


@pytest.mark.parametrize(
    ("on_timeout", "state"), [(OnTimeout.PAUSE, State.PAUSED), (OnTimeout.ABORT, State.ABORTED)]
)
def test_a_check_without_an_answer_pauses_or_aborts(on_timeout: OnTimeout, state: State) -> None:
    check = Check(name="ci", timeout=HOUR, on_timeout=on_timeout)
    waits = decided(rollout(2, check), LATER - MINUTE)
    assert isinstance(waits, Wait)
    assert (waits.until, waits.said) == (LATER, "waits for check ci")
    assert [held.kind for held in waits.held] == [HoldKind.GATE]
    assert (waits.held[0].until, waits.held[0].since) == (LATER, NOW)
    over = decided(rollout(2, check))
    assert saved(over).state is state
    if state is State.PAUSED:
        assert saved(over).cause is Cause.TIMEOUT
    else:
        assert kinds(over.effects) == [Save, Next]


@pytest.mark.acceptance("rollouts", 61)
def test_resume_after_an_inconclusive_verdict_goes_on_and_does_not_loop() -> None:
    facts = {"gates": gates(verdict(Answer.INCONCLUSIVE))}
    stopped = saved(decided(rollout(2, CHECK), **facts))
    again = resumed(stopped, LATER)
    assert isinstance(decided(again, **facts), Wait), "it does not pause again"
    assert isinstance(decided(again, LATER + 100 * HOUR, **facts), Wait), "and does not pass by itself"
    better = gates(verdict(Answer.INCONCLUSIVE), verdict(Answer.PASSED, at=LATER + MINUTE))
    assert saved(decided(again, LATER + HOUR, gates=better)).step == 1


@pytest.mark.parametrize("state", [State.WAITING, State.PAUSED, State.WATCHING])
def test_a_dag_that_can_not_be_held_any_more_has_its_rollouts_withdrawn(state: State) -> None:
    each = watching() if state is State.WATCHING else rollout(2, CHECK, state=state)
    found = decided(each, gone="the Dag is retired")
    assert kinds(found.effects) == [Save], "and nothing of it is released instead"
    assert (saved(found).state, saved(found).why) == (State.WITHDRAWN, "the Dag is retired")


def test_what_is_paused_waits_for_a_person() -> None:
    each = paused(rollout(2, CHECK, watched=True), Cause.ERROR, "no answer", NOW)
    found = decided(each, gates=gates(verdict(Answer.PASSED)))
    assert isinstance(found, Wait)
    assert (found.said, found.until) == ("paused: no answer", None)
    (held,) = found.held
    assert (held.kind, held.reason, held.since, held.by) == (HoldKind.PAUSED, "no answer", NOW, None)


def test_nothing_is_decided_of_a_rollout_that_has_ended() -> None:
    with pytest.raises(ValueError, match="rollout 2 has ended: aborted"):
        decide(rollout(2, state=State.ABORTED, ended_at=NOW), facts_of(), LATER)


# --- the release


def at_release(**values: Any) -> Rollout:
    return rollout(2, APPROVE, watched=True, **{"step": 1} | values)


def test_a_release_takes_the_place_and_is_watched_if_its_plan_has_a_watch() -> None:
    found = decided(at_release(attempt=2, set_aside=NOW, cause=None))
    assert found.effects[0] == TAKEN
    assert kinds(found.effects) == [Take, Save]
    moved = saved(found)
    assert (moved.state, moved.step, moved.slot) == (State.WATCHING, 2, Slot.WATCHED)
    assert (moved.released_at, moved.since, moved.ended_at) == (LATER, LATER, None)
    assert (moved.attempt, moved.set_aside) == (1, None)
    unwatched = decided(rollout(2, APPROVE, step=1))
    assert kinds(unwatched.effects) == [Take, Save, Next]
    done = saved(unwatched)
    assert (done.state, done.step, done.released_at, done.ended_at) == (State.RELEASED, 1, LATER, LATER)


HOLDS: dict[str, tuple[dict[str, Any], dict[str, Any], HoldKind, datetime | None]] = {
    "pin": ({}, {"pinned": True}, HoldKind.PIN, None),
    "rejected": ({}, {"rejected": frozenset({place(2)})}, HoldKind.REJECTED, None),
    "era": ({}, {"era": ERA}, HoldKind.ERA, None),
    "freeze": ({}, {"closed": (FREEZE,)}, HoldKind.FREEZE, FREEZE.until),
    "window": ({}, {"closed": (WINDOW,)}, HoldKind.WINDOW, WINDOW.until),
    "gate": ({}, {"closed": (Hold(kind=HoldKind.GATE, reason="four-eyes"),)}, HoldKind.GATE, None),
    "watch": ({}, {"watched": watching(1)}, HoldKind.WATCH, None),
    "at": (
        {"asked_by": "ada", "not_before": LATER + HOUR},
        {},
        HoldKind.AT,
        LATER + HOUR,
    ),
    "by hand": ({"plan": plan(APPROVE, by_hand=True)}, {}, HoldKind.BY_HAND, None),
}


@pytest.mark.parametrize("name", HOLDS)
def test_whatever_holds_a_place_at_its_release_is_told_and_lets_it_go_when_it_ends(name: str) -> None:
    values, facts, kind, until = HOLDS[name]
    found = decided(at_release(**values), **facts)
    assert isinstance(found, Wait)
    assert [held.kind for held in found.held] == [kind]
    assert (found.until, found.said) == (until, found.held[0].reason)
    free = values if name == "by hand" else {}
    assert isinstance(decided(at_release(**free, asked_by="ada")), Act)


def test_all_that_holds_a_place_is_told_in_order_and_the_next_look_is_at_the_first_edge() -> None:
    everything: dict[str, Any] = {}
    for _, facts, _, _ in HOLDS.values():
        everything |= facts
    everything["closed"] = (WINDOW, FREEZE)
    each = at_release(plan=plan(APPROVE, by_hand=True), not_before=LATER + HOUR)
    found = decided(each, **everything)
    assert isinstance(found, Wait)
    told = [HoldKind.PIN, HoldKind.REJECTED, HoldKind.ERA, HoldKind.FREEZE, HoldKind.WINDOW, HoldKind.WATCH]
    assert [held.kind for held in found.held] == [*told, HoldKind.AT, HoldKind.BY_HAND]
    assert found.until == WINDOW.until
    assert holds(each, facts_of(each, **everything), LATER) == found.held


def test_at_its_gate_a_place_tells_what_will_hold_it_later_and_a_required_gate_once() -> None:
    required = Hold(kind=HoldKind.GATE, reason="four-eyes")
    found = decided(rollout(2, CHECK), closed=(FREEZE, required))
    assert isinstance(found, Wait)
    assert [(held.kind, held.reason) for held in found.held] == [
        (HoldKind.FREEZE, FREEZE.reason),
        (HoldKind.GATE, "check ci"),
    ]


def test_an_ask_that_knew_the_pin_is_released_under_it() -> None:
    each = at_release(asked_by="ada", knows_pin=True, plan=plan(APPROVE))
    found = decided(each, pinned=True)
    assert kinds(found.effects) == [Take, Save, Next]
    assert saved(found).state is State.RELEASED


def test_an_instant_that_has_come_holds_nothing_any_more() -> None:
    assert isinstance(decided(at_release(asked_by="ada", not_before=LATER)), Act)


def test_a_newer_place_that_replaces_does_not_wait_for_the_watch_which_ends() -> None:
    ahead, watched = at_release(plan=plan(APPROVE, watched=True, newer=Newer.REPLACE)), watching(1)
    found = decide(ahead, facts_of(ahead, watched), LATER)
    assert kinds(found.effects) == [Save, Take, Save]
    first, last = found.effects[0], found.effects[2]
    assert isinstance(first, Save)
    assert isinstance(last, Save)
    assert (first.rollout.place, first.rollout.state) == (place(1), State.SUPERSEDED)
    assert (last.rollout.place, last.rollout.state) == (place(2), State.WATCHING)


# --- the watch


def test_a_watch_goes_on_until_there_was_enough() -> None:
    assert decided(watching()) == Wait(said="nobody has looked at its runs yet")
    goes_on = GoesOn(said="3 of 5 runs", until=LATER + HOUR)
    assert decided(watching(), watch=goes_on) == Wait(said="3 of 5 runs", until=LATER + HOUR)
    found = decided(watching(), watch=Enough(said="5 of 5 runs"))
    assert found.effects[0] == Prove(place=place(2))
    assert kinds(found.effects) == [Prove, Save, Next]
    assert (saved(found).state, saved(found).why) == (State.PROVEN, "5 of 5 runs")


def test_while_another_is_ahead_nothing_else_sets_out_when_a_watch_ends() -> None:
    watched = watching(1)
    found = decide(watched, facts_of(rollout(2), watched, watch=Enough(said="well")), LATER)
    assert kinds(found.effects) == [Prove, Save]


@pytest.mark.acceptance("rollouts", 53)
def test_a_rule_that_fires_goes_back_to_the_proven_place_pins_and_rejects() -> None:
    found = decided(watching(), watch=FIRED)
    assert isinstance(found, Act)
    assert found.effects[:3] == (
        GoBack(place=ACTIVE, expected_release=7, reason=FIRED.said),
        PinDag(reason=FIRED.said),
        RejectPlace(place=place(2), instead=ACTIVE, reason=FIRED.said),
    )
    assert kinds(found.effects[3:]) == [Save], "under a pin nothing else sets out"
    assert (saved(found).state, saved(found).why) == (State.ROLLED_BACK, FIRED.said)


@pytest.mark.acceptance("rollouts", 57)
def test_a_breach_while_the_next_build_waits_for_an_approval_still_acts_and_withdraws_that() -> None:
    ahead, watched = rollout(3, APPROVE), watching(2)
    found = decide(watched, facts_of(ahead, watched, watch=FIRED), LATER)
    assert kinds(found.effects) == [GoBack, PinDag, RejectPlace, Save, Save]
    last = found.effects[-1]
    assert isinstance(last, Save)
    assert (last.rollout.place, last.rollout.state) == (place(3), State.WITHDRAWN)
    assert last.rollout.why == "the Dag was rolled back"


@pytest.mark.acceptance("rollouts", 52)
def test_nothing_goes_back_in_the_look_that_releases_a_newer_place() -> None:
    replaces = rollout(3, plan=plan(watched=True, newer=Newer.REPLACE))
    watched = watching(2)
    facts = facts_of(replaces, watched, watch=FIRED)
    assert decide(watched, facts, LATER) == Wait(said="a newer place is being released")
    assert kinds(decide(replaces, facts, LATER).effects) == [Save, Take, Save]
    # Where the newer one is held, or not there yet, the watch acts.
    held = evolve(facts, closed=(FREEZE,))
    assert GoBack in kinds(decide(watched, held, LATER).effects)
    at_gate = rollout(3, plan=plan(APPROVE, newer=Newer.REPLACE))
    assert GoBack in kinds(decide(watched, evolve(facts, ahead=at_gate), LATER).effects)
    stopped = paused(replaces, Cause.ERROR, "?", NOW)
    assert GoBack in kinds(decide(watched, evolve(facts, ahead=stopped), LATER).effects)


PAUSES: dict[Cause, tuple[dict[str, Any], dict[str, Any]]] = {
    Cause.STALE: ({}, {"watch": evolve(FIRED, at=LATER - HOUR - MINUTE)}),
    Cause.NOT_ALONE: ({}, {"watch": evolve(FIRED, not_alone=True)}),
    Cause.NO_WAY_BACK: ({"proven": None}, {"watch": FIRED}),
    Cause.NO_RUNS: ({}, {"watch": Unclear(said="no run came", cause=Cause.NO_RUNS, at=LATER)}),
    Cause.ERROR: ({}, {"watch": Unclear(said="who knows", cause=Cause.ERROR, at=LATER)}),
    Cause.ERA: ({}, {"era": ERA}),
}


@pytest.mark.acceptance("rollouts", 50)
@pytest.mark.parametrize("cause", PAUSES)
def test_what_a_watch_can_not_act_on_pauses_it_with_its_cause(cause: Cause) -> None:
    values, facts = PAUSES[cause]
    found = decided(watching(**values), **facts)
    assert isinstance(found, Advance)
    moved = saved(found)
    assert (moved.state, moved.cause, moved.slot) == (State.PAUSED, cause, Slot.WATCHED)
    assert moved.why == found.said


@pytest.mark.acceptance("rollouts", 61)
@pytest.mark.parametrize("cause", PAUSES)
def test_a_watch_that_is_resumed_does_not_pause_for_the_same_again(cause: Cause) -> None:
    values, facts = PAUSES[cause]
    again = resumed(saved(decided(watching(**values), **facts)), LATER)
    assert (again.state, again.slot) == (State.WATCHING, Slot.WATCHED)
    assert isinstance(decided(again, LATER + MINUTE, **facts), Wait)


def test_a_failure_of_an_hour_ago_is_acted_on_and_an_older_one_is_not() -> None:
    assert GoBack in kinds(decided(watching(), watch=evolve(FIRED, at=LATER - HOUR)).effects)
    late = decided(watching(), watch=evolve(FIRED, at=LATER - HOUR - timedelta(seconds=1)))
    assert saved(late).cause is Cause.STALE


def test_an_era_that_was_set_aside_lets_the_watch_go_on_but_nothing_goes_back_under_it() -> None:
    aside = watching(set_aside=LATER - MINUTE)
    assert decided(aside, era=ERA, watch=GoesOn(said="so far")) == Wait(said="so far")
    fired = decided(aside, era=ERA, watch=FIRED)
    assert (saved(fired).state, saved(fired).cause) == (State.PAUSED, Cause.ERA)
    newer_era = evolve(ERA, since=LATER)
    assert saved(decided(aside, era=newer_era)).cause is Cause.ERA
    assert saved(decided(watching(), era=evolve(ERA, since=None))).cause is Cause.ERA
    assert isinstance(decided(aside, era=evolve(ERA, since=None)), Wait)


@pytest.mark.acceptance("rollouts", 50, 53)
def test_the_way_back_is_a_proven_place_that_is_another_and_not_rejected() -> None:
    each = watching(3, proven=place(1))
    assert way_back(each, facts_of(watched=each, proven=place(2))) == place(1), (
        "as it was when it was released"
    )
    assert way_back(each, facts_of(watched=each)) == place(1)
    assert way_back(evolve(each, proven=None), facts_of(watched=each, proven=place(2))) == place(2)
    assert way_back(evolve(each, proven=None), facts_of(watched=each, proven=place(3))) is None
    rejected = frozenset({place(1)})
    assert way_back(each, facts_of(watched=each, proven=place(2), rejected=rejected)) == place(2)
    both = frozenset({place(1), place(2)})
    assert way_back(each, facts_of(watched=each, proven=place(2), rejected=both)) is None


def test_a_watch_ends_when_new_runs_take_another_place() -> None:
    for each in (watching(), paused(watching(), Cause.ERROR, "?", NOW)):
        found = decided(each, active=place(3))
        assert kinds(found.effects) == [Save, Next]
        assert saved(found).state is State.SUPERSEDED


# --- arrivals


def arrival(build: int, made: Plan, **more: Any) -> Act | Wait:
    return arrive(facts_of(**{"newest": Candidate(place=place(build), plan=made)} | more), LATER)


def told(found: Act | Wait) -> list[str]:
    """What an arrival does, in words."""
    words = []
    for effect in found.effects:
        match effect:
            case Begin(rollout=each):
                words.append(f"begin {each.place.build_id} {each.state} {each.step}")
            case Save(rollout=each):
                words.append(f"{each.place.build_id} {each.state}")
            case Take(place=taken):
                words.append(f"take {taken.build_id}")
            case _:
                raise AssertionError(effect)
    return words


REPLACES = plan(watched=True, newer=Newer.REPLACE)
GATED, SOAKED, ONCE = plan(APPROVE, watched=True), plan(watched=True), plan()


@pytest.mark.parametrize(
    ("made", "more", "expected"),
    [
        (GATED, {}, ["begin 2 waiting 0"]),
        (plan(by_hand=True), {}, ["begin 2 waiting 0"]),
        (ONCE, {}, ["take 2"]),
        (SOAKED, {}, ["take 2", "begin 2 watching 1"]),
        (ONCE, {"closed": (FREEZE,)}, ["begin 2 waiting 0"]),
        (SOAKED, {"closed": (WINDOW,)}, ["begin 2 waiting 0"]),
        (SOAKED, {"watched": watching(1)}, ["begin 2 waiting 0"]),
        (ONCE, {"watched": watching(1)}, ["begin 2 waiting 0"]),
        (
            evolve(SOAKED, newer=Newer.REPLACE),
            {"watched": watching(1)},
            ["1 superseded", "take 2", "begin 2 watching 1"],
        ),
        # Under an era it is released as ever, and takes no effect; a watch of it would see nothing.
        (ONCE, {"era": ERA}, ["take 2"]),
        (SOAKED, {"era": ERA}, ["begin 2 waiting 0"]),
        # The first build of a Dag, one that can not be held.
        (GATED, {"active": None}, ["take 2"]),
        (GATED, {"active": None, "closed": (FREEZE,)}, ["take 2"]),
        (GATED, {"gone": "its bundle keeps no versions"}, ["take 2"]),
    ],
)
def test_a_build_that_arrives_sets_out_as_its_plan_says(
    made: Plan, more: dict[str, Any], expected: list[str]
) -> None:
    assert told(arrival(2, made, **more)) == expected


def test_a_rollout_begins_with_what_is_known_of_its_place() -> None:
    candidate = Candidate(
        place=place(2), plan=GATED, policy="critical", revision=3, authors=None, proven=ACTIVE
    )
    (begun,) = arrive(facts_of(newest=candidate), LATER).effects
    assert isinstance(begun, Begin)
    expected = {"dag_id": "sales", "policy": "critical", "revision": 3, "authors": None, "proven": ACTIVE}
    assert {name: getattr(begun.rollout, name) for name in expected} == expected
    assert (begun.rollout.began_at, begun.rollout.since, begun.rollout.generation) == (LATER, LATER, 1)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"pinned": True}, HoldKind.PIN),
        ({"rejected": frozenset({place(2)})}, HoldKind.REJECTED),
        ({"stopped": rollout(2, state=State.ABORTED, why="not today", ended_at=NOW)}, HoldKind.ABORTED),
    ],
)
@pytest.mark.parametrize("made", [GATED, SOAKED, ONCE])
@pytest.mark.acceptance("rollouts", 92)
def test_a_build_that_is_held_does_not_set_out(made: Plan, more: dict[str, Any], kind: HoldKind) -> None:
    found = arrival(2, made, **more)
    assert isinstance(found, Wait)
    assert [held.kind for held in found.held] == [kind]
    facts = facts_of(newest=Candidate(place=place(2), plan=made), **more)
    assert [held.kind for held in holds_without(facts, LATER)] == [kind]


def test_a_newer_build_than_the_aborted_one_sets_out() -> None:
    stopped = rollout(1, state=State.ABORTED, ended_at=NOW)
    assert told(arrival(2, GATED, stopped=stopped, active=place(9))) == ["begin 2 waiting 0"]


def test_all_that_holds_a_newest_build_without_a_rollout_is_told_in_order() -> None:
    stopped = rollout(2, state=State.ABORTED, ended_at=NOW, why="not today")
    facts = facts_of(pinned=True, rejected=frozenset({place(2)}), stopped=stopped)
    assert [held.kind for held in holds_without(facts, LATER)] == [HoldKind.PIN, HoldKind.REJECTED]
    aborted = holds_without(facts_of(stopped=stopped), LATER)
    assert aborted == (Hold(kind=HoldKind.ABORTED, reason="not today", since=NOW),)
    assert holds_without(facts_of(rollout(2), pinned=True), LATER) == ()
    assert holds_without(facts_of(pinned=True, active=place(2)), LATER) == ()
    assert holds_without(facts_of(pinned=True, newest=None), LATER) == ()


def test_of_two_builds_in_a_minute_the_first_is_superseded_and_never_released() -> None:
    first = rollout(2, APPROVE, step=1)
    assert told(arrival(3, GATED, ahead=first)) == ["2 superseded", "begin 3 waiting 0"]
    assert told(arrival(3, ONCE, ahead=first)) == ["2 superseded", "take 3"]


def test_an_equal_digest_supersedes_nothing() -> None:
    for ahead in (rollout(2, APPROVE), paused(rollout(2), Cause.ERROR, "?", NOW), rollout(2, step=0)):
        newer_commit = Candidate(place=place(2, "c9"), plan=GATED)
        assert arrive(facts_of(ahead, newest=newer_commit), LATER).effects == ()
    of_the_active = Candidate(place=place(1, "c9"), plan=GATED)
    assert arrive(facts_of(newest=of_the_active), LATER).effects == ()


def test_a_build_that_comes_back_while_another_is_ahead_ends_that() -> None:
    """The newest build is in force again: what came in between is not released any more."""
    back = Candidate(place=place(1, "c9"), plan=GATED)
    found = arrive(facts_of(rollout(2, APPROVE), newest=back, rejected=frozenset({back.place})), LATER)
    assert told(found) == ["2 superseded"]


@pytest.mark.acceptance("rollouts", 90)
@pytest.mark.parametrize("made", [GATED, SOAKED, ONCE])
def test_a_persons_pause_goes_over_to_the_next_build_and_a_causes_does_not(made: Plan) -> None:
    stopped = paused(rollout(2, APPROVE), Cause.PERSON, "lunch", NOW, by="ada")
    found = arrival(3, made, ahead=stopped)
    assert told(found) == ["2 superseded", "begin 3 paused 0"]
    begun = found.effects[1]
    assert isinstance(begun, Begin)
    assert (begun.rollout.cause, begun.rollout.paused_by) == (Cause.PERSON, "ada")
    assert begun.rollout.why == "the one before it was paused"
    by_cause = paused(rollout(2, APPROVE), Cause.ERROR, "no answer", NOW)
    assert "begin 3 paused 0" not in told(arrival(3, made, ahead=by_cause))


QUEUED = plan(APPROVE, watched=True, newer=Newer.QUEUE)
BY_PERSON = {"state": State.PAUSED, "cause": Cause.PERSON}
BY_CAUSE = {"state": State.PAUSED, "cause": Cause.TIMEOUT}


@pytest.mark.acceptance("rollouts", 93)
@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({"ahead": rollout(2, plan=QUEUED)}, None),
        ({"ahead": rollout(2, plan=QUEUED, **BY_PERSON)}, None),
        ({"ahead": rollout(2, plan=QUEUED, **BY_CAUSE)}, ["2 superseded", "begin 3 waiting 0"]),
        ({"watched": watching(2, plan=QUEUED, step=2)}, None),
        ({"watched": watching(2, plan=QUEUED, step=2, **BY_PERSON)}, None),
        ({"watched": watching(2, plan=QUEUED, step=2, **BY_CAUSE)}, ["begin 3 waiting 0"]),
        ({"ahead": rollout(2, APPROVE), "watched": watching(1, plan=QUEUED, step=2)}, None),
    ],
)
def test_behind_a_rollout_that_queues_a_newer_build_waits_unless_a_cause_has_paused_it(
    live: dict[str, Any], expected: list[str] | None
) -> None:
    """Its own plan says so: what a policy says since changes no running rollout."""
    for made in (GATED, QUEUED):
        found = arrival(3, made, **live)
        if expected is None:
            assert isinstance(found, Wait)
            assert [held.kind for held in found.held] == [HoldKind.QUEUE]
            newest = Candidate(place=place(3), plan=made)
            told_held = holds_without(facts_of(**live, newest=newest), LATER)
            assert [held.kind for held in told_held] == [HoldKind.QUEUE]
        else:
            assert told(found) == expected


def test_without_a_build_nothing_sets_out() -> None:
    assert arrive(facts_of(newest=None), LATER) == Wait(said="there is no build yet")


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (
            State,
            {
                *("waiting", "watching", "paused", "proven", "released"),
                *("rejected", "rolled_back", "aborted", "superseded", "withdrawn"),
            },
        ),
        (Slot, {"ahead", "watched"}),
        (
            Cause,
            {
                *("person", "inconclusive", "error", "timeout", "stale"),
                *("no way back", "not alone", "no runs", "era"),
            },
        ),
    ],
)
def test_each_word_of_a_rollout_is_stored_as_it_always_was(words: type[StrEnum], stored: set[str]) -> None:
    assert {word.value for word in words} == stored
