"""Gates that rules require: which of them a place has not passed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from pinwheel.core.release.rule import named
from pinwheel.core.rollout.gate import Answer, GateFacts, Verdict, last_verdict
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Place, Rollout
from pinwheel.core.rollout.steps import Approve, Check, Gate, Party, Wait


@frozen(kw_only=True)
class Asker:
    """Somebody lets a place take effect at once, without its rollout."""

    by: str | None


def unmet(
    gates: Sequence[Gate],
    own: Rollout | None,
    place: Place,
    facts: GateFacts,
    now: datetime,
    asker: Asker | None,
) -> tuple[Hold, ...]:
    """The required gates that a place has not passed, neither in its rollout nor by a verdict that counts.

    What is to pass them yet in its rollout is no hindrance to that; who lets the place take effect without it
    needs what has passed.
    """
    return tuple(
        Hold(kind=HoldKind.GATE, reason=f"a rule requires {_spoken(gate)}")
        for gate in gates
        if not (own is not None and _is_passed(gate, own, place, facts, now, asker))
        and not _is_met(gate, place, facts, now)
    )


def _is_passed(
    gate: Gate, own: Rollout, place: Place, facts: GateFacts, now: datetime, asker: Asker | None
) -> bool:
    """Whether a rollout has passed a gate that a rule requires, as strictly as the rule is by now.

    What it comes to yet is no hindrance before. When an approval is over is said by the gate at which it is
    given, and by none that was passed.
    """
    at = next((at for at, step in enumerate(own.plan.gates) if named(step) == named(gate)), None)
    if at is None:
        return False
    if at >= own.step:
        return asker is None
    if any(_is_skip(each, own, at) for each in facts.verdicts):
        return True
    match gate, own.plan.gates[at]:
        case Check(), _:
            # Its verdict may have expired, or be another since.
            return _is_met(gate, place, facts, now)
        case Approve(), Approve() as passed:
            approved = {each.actor for each in facts.verdicts if each.rollout == own.id}
            # Who approved it is its promoter now too.
            promoted = asker is not None and Party.PROMOTER in gate.excludes and asker.by in approved
            return passed.count >= gate.count and passed.excludes >= gate.excludes and not promoted
        case Wait(span=span), Wait(span=passed_span) if span is not None and passed_span is not None:
            return passed_span >= span
        case Wait(until=until), _ if until is not None:
            return until <= now
        case _:
            return True


def _is_skip(verdict: Verdict, own: Rollout, at: int) -> bool:
    return verdict.answer is Answer.SKIPPED and (verdict.rollout, verdict.step) == (own.id, at)


def _is_met(gate: Gate, place: Place, facts: GateFacts, now: datetime) -> bool:
    match gate:
        case Check():
            last = last_verdict(gate, place, facts, now)
            return last is not None and last.answer is Answer.PASSED
        case Approve():
            # Persons approve what rolls out: whom that excludes is known of a rollout only.
            return False
        case Wait(idle=True):
            return bool(facts.idle)
        case Wait(until=until):
            return until is not None and until <= now


def _spoken(gate: Gate) -> str:
    match gate:
        case Check(name=name):
            return f"check {name}"
        case Approve(count=count):
            return f"{count} approval{'s' if count > 1 else ''}"
        case Wait(idle=True):
            return "that no run of the Dag is active"
        case Wait(until=until):
            return f"to wait until {until:%Y-%m-%d %H:%M} UTC" if until is not None else "a time to go by"
