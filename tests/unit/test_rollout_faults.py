"""Each fault of the rollouts' machine breaks a rule, or a table: they see something."""

from __future__ import annotations

import pytest

from harness.rollout_faults import faulty
from harness.rollout_tables import compared
from harness.rollout_world import Machine, RuleBroken, World, explore
from harness.rollouts import CHECK, plan
from pinwheel.core.rollout.steps import Newer
from pinwheel.core.rollout.table import Verb

GATED = World(plan=plan(CHECK, watched=True), eras=True, builds=2)
THREE = World(plan=plan(CHECK, watched=True), windows=False)
REJECTED = World(plan=plan(CHECK), windows=False, builds=2, rejects=True)
QUEUED = World(plan=plan(CHECK, newer=Newer.QUEUE), windows=False)
WATCHED = World(plan=plan(watched=True))
BY_HAND = World(plan=plan(by_hand=True), builds=2)

RULES: dict[str, tuple[World, str, str, str]] = {
    "a rollback by itself does not pin": (
        *(WATCHED, "decide"),
        *("        PinDag(reason=fired.said),\n", ""),
    ),
    "a rollback by itself does not reject": (
        *(WATCHED, "decide"),
        *("        RejectPlace(place=rollout.place, instead=back, reason=fired.said),\n", ""),
    ),
    "a rollback leaves what is ahead": (
        *(WATCHED, "decide"),
        *("        *saved_end(facts.ahead, State.WITHDRAWN, BACK, now),\n", ""),
    ),
    "a rollback goes to a rejected place": (
        *(WATCHED, "decide"),
        *(" and place not in facts.rejected:", ":"),
    ),
    "a rollback under an era": (
        *(GATED, "decide"),
        *("    elif facts.era is not None:\n", "    elif False:\n"),
    ),
    "windows are not asked": (
        *(WATCHED, "decide"),
        *("    found += [each for each in facts.closed", "    found += [each for each in ()"),
    ),
    "an era is not asked": (
        *(GATED, "decide"),
        *("    if facts.era is not None:\n        found", "    if False:\n        found"),
    ),
    "a rejection is not asked at the release": (
        *(REJECTED, "decide"),
        *("    if rollout.place in facts.rejected:", "    if False:"),
    ),
    "a rejection is not asked at the arrival": (
        *(WATCHED, "decide"),
        *("    if candidate.place in facts.rejected:", "    if False:"),
    ),
    "a pin is not asked at the arrival": (
        *(WATCHED, "decide"),
        *("    if facts.pinned:\n        return Hold", "    if False:\n        return Hold"),
    ),
    "an instant is not waited for": (
        *(BY_HAND, "decide"),
        *("rollout.not_before > now:", "False:"),
    ),
    "by hand is not asked": (
        *(BY_HAND, "decide"),
        *("rollout.plan.release.by_hand and rollout.asked_by is None:", "False:"),
    ),
    "what is watched is not waited for": (
        *(WATCHED, "decide"),
        *("    if facts.watched is not None and rollout.plan", "    if False and rollout.plan"),
    ),
    "a release leaves the watch before it": (
        *(WATCHED, "decide"),
        *("    return saved_end(facts.watched, ", "    return ()\n    return saved_end(facts.watched, "),
    ),
    "a newer build keeps the one ahead": (
        *(THREE, "decide"),
        *("    return saved_end(ahead, ", "    return ()\n    return saved_end(ahead, "),
    ),
    "a gate that failed lets through": (
        *(GATED, "decide"),
        *("        case Passed():\n", "        case Passed() | Failed():\n"),
    ),
    "a gate that has no answer lets through": (
        *(GATED, "decide"),
        *("        case Passed():\n", "        case Passed() | Waits():\n"),
    ),
    "a gate that had an error lets through": (
        *(GATED, "decide"),
        *("        case Passed():\n", "        case Passed() | Error():\n"),
    ),
    "what was aborted sets out by itself": (
        *(GATED, "decide"),
        *("    if stopped is not None and stopped", "    if False and stopped"),
    ),
    "what ends lets nothing else set out": (
        *(QUEUED, "decide"),
        *("*(() if done.live else (Next(),)),", "*(),"),
    ),
    "a paused rollout goes on": (
        *(GATED, "decide"),
        *(
            "    match rollout.state:\n",
            "    match State.WAITING if rollout.slot is Slot.AHEAD else rollout.state:\n",
        ),
    ),
    "a verdict on any place counts": (
        *(THREE, "gate"),
        *("of is Of.PLACE and subject == place", "True"),
    ),
    "a person's pause keeps what was asked": (
        *(BY_HAND, "state"),
        *("if cause is Cause.PERSON else {}", "if cause is not Cause.PERSON else {}"),
    ),
    "an ask outlives its rollout": (
        *(BY_HAND, "state"),
        *(
            "        **_UNASKED,\n        ended",
            "        asked_at=None,\n        not_before=None,\n        ended",
        ),
    ),
    "a write is not counted": (
        *(BY_HAND, "state"),
        *("generation=rollout.generation + 1", "generation=rollout.generation"),
    ),
    "an abort leaves it live": (
        *(BY_HAND, "acts"),
        *("return ending(rollout, State.ABORTED, deed.said(), now, facts)", "return ()"),
    ),
    "a pin leaves what is live": (
        *(WATCHED, "acts"),
        *("effects += saved_end(target, State.WITHDRAWN, deed.said(), now)", "pass"),
    ),
    "a rollback by hand leaves the watch": (
        *(WATCHED, "acts"),
        *("effects += saved_end(target, State.ROLLED_BACK, deed.said(), now)", "pass"),
    ),
    "restart begins a second one": (
        *(GATED, "acts"),
        *("return (superseded, *begin(", "return (*(), *begin("),
    ),
    "an ask under a pin needs no wish": (
        *(World(plan=plan(), builds=2), "promote"),
        *("Release(by_hand=True)", "Release()"),
    ),
    "a pin that ends leaves what was asked under it": (
        *(World(plan=plan(), builds=2), "acts"),
        *("return (withdrawn, *unpin(", "return (*(), *unpin("),
    ),
    "what is released past the rules is watched under a pin": (
        *(WATCHED, "promote"),
        *("candidate.plan.watch is None or facts.pinned or", "candidate.plan.watch is None or"),
    ),
}
"""Where it shows, the module, what stands there, and the fault."""


@pytest.mark.acceptance("rollouts", 85)
@pytest.mark.parametrize("fault", RULES)
def test_each_fault_breaks_a_rule(fault: str) -> None:
    world, module, sound, unsound = RULES[fault]
    with pytest.raises(RuleBroken):
        explore(world, faulty(module, sound, unsound))


TABLES: dict[str, tuple[Verb, str, str, str]] = {
    "an approval at another gate is counted": (
        *(Verb.APPROVE, "acts"),
        *("    if not isinstance(gate, Approve):", "    if gate is None:"),
    ),
    "a rejection rejects nothing": (
        *(Verb.REJECT, "acts"),
        *("return (*recorded, reject, *ending(", "return (*recorded, *ending("),
    ),
    "a pause of a cause can not be taken over": (
        *(Verb.PAUSE, "acts"),
        *("    if rollout.paused_by_person:\n        return ()", "    if rollout.paused:\n        return ()"),
    ),
    "resume goes to the step before": (
        *(Verb.RESUME, "state"),
        *("state=State.WAITING if rollout.slot is Slot.AHEAD", "state=State.WAITING if rollout.paused"),
    ),
    "retry counts no attempt": (
        *(Verb.RETRY, "acts"),
        *("attempt=rollout.attempt + 1", "attempt=rollout.attempt"),
    ),
    "retry of a release": (
        *(Verb.RETRY, "acts"),
        *("raise refused(No.NOT_RETRIED, deed, facts)", "pass"),
    ),
    "skip goes past two steps": (
        *(Verb.SKIP, "acts"),
        *(
            "at_step(rollout, rollout.step + 1, now, promoters",
            "at_step(rollout, rollout.step + 2, now, promoters",
        ),
    ),
    "skip goes past the release": (
        *(Verb.SKIP, "acts"),
        *("raise refused(No.NOT_SKIPPED, deed, facts)", "pass"),
    ),
    "skip is not recorded": (
        *(Verb.SKIP, "acts"),
        *("return (_recorded(deed, rollout, Answer.SKIPPED, now), Save(", "return (*(), Save("),
    ),
    "what is proven by hand is not": (
        *(Verb.SKIP, "acts"),
        *("return (recorded, Prove(place=rollout.place), *ends)", "return (recorded, *ends)"),
    ),
    "restart under a pin": (
        *(Verb.RESTART, "promote"),
        *("    if facts.pinned:\n        raise", "    if False:\n        raise"),
    ),
    "restart of what is rejected": (
        *(Verb.RESTART, "promote"),
        *("    if candidate.place in facts.rejected:\n        raise", "    if False:\n        raise"),
    ),
    "promote asks no rule": (
        *(Verb.PROMOTE, "promote"),
        *("    if facts.closed and facts.active is not None:", "    if False:"),
    ),
    "promote lifts a rejection without a reason": (
        *(Verb.PROMOTE, "promote"),
        *("    if not deed.reason:", "    if False:"),
    ),
    "promote leaves the rejection": (
        *(Verb.PROMOTE, "promote"),
        *(
            "lifted = _lifted(deed, candidate.place, facts)\n        asked",
            "lifted = ()\n        asked",
        ),
    ),
    "an instant in a closed window is taken": (
        *(Verb.PROMOTE_AT, "promote"),
        *("    if deed.at is not None and facts.closed_then:", "    if False:"),
    ),
    "under a pin all gates are asked": (
        *(Verb.PROMOTE_AT, "promote"),
        *("plan=under_pin if facts.pinned else candidate.plan", "plan=candidate.plan"),
    ),
    "release now is one of automation": (
        *(Verb.PROMOTE_NOW, "promote"),
        *("by=deed.by, past_rules=True", "past_rules=False"),
    ),
    "unpin asks no rule": (
        *(Verb.UNPIN, "promote"),
        *("candidate.plan.at_once and facts.closed:", "False:"),
    ),
    "lift lets nothing set out": (
        *(Verb.LIFT, "promote"),
        *("return (lifted, Next()) if", "return (lifted,) if"),
    ),
    "an era pauses as a person does": (
        *(Verb.ERA, "acts"),
        *("paused(target, Cause.ERA, why, now)", "paused(target, Cause.ERA, why, now, by=deed.by)"),
    ),
}


@pytest.mark.acceptance("rollouts", 85)
@pytest.mark.parametrize("fault", TABLES)
def test_each_fault_of_an_act_breaks_its_table(fault: str) -> None:
    verb, module, sound, unsound = TABLES[fault]
    machine = faulty(module, sound, unsound)
    try:
        wrong = compared(verb, machine.acts.act).wrong
    except (AssertionError, AttributeError, IndexError):
        return
    assert wrong


def test_a_machine_without_a_fault_breaks_nothing() -> None:
    sound = faulty("state", "at_step(", "at_step(")
    assert explore(BY_HAND, sound) == explore(BY_HAND, Machine())
    compared(Verb.SKIP, sound.acts.act).verify()
