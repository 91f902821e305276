"""Acts of persons on a Dag's rollouts: what the cells of :mod:`table` mean.

Where a Dag has two live rollouts, a pin, a rollback, a freeze and an era act on both; each other act is on
the one ahead, or on the other where that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from pinwheel.core.rollout.decide import begin, ending, saved_end
from pinwheel.core.rollout.effects import Act, AsToday, Effect, Prove, Record, RejectPlace, Save
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import Answer, Verdict, approvers, why_not_approve
from pinwheel.core.rollout.promote import (
    ask,
    lift,
    overtake,
    promote,
    promote_at,
    release_newest,
    release_now,
    require_no_approval,
    to_begin,
    unpin,
)
from pinwheel.core.rollout.refusals import Deed, not_before_words, refused, refused_by_rules
from pinwheel.core.rollout.state import Cause, Rollout, State, at_step, ended, paused, resumed
from pinwheel.core.rollout.steps import Approve
from pinwheel.core.rollout.table import ON_BOTH, ON_THE_DAG, TABLE, Do, No, Verb, where


def act(deed: Deed, facts: Facts, now: datetime) -> Act:
    """What follows, or the reason why not.

    :raises Conflict: the table refuses it in this state (fact ``problem``), or the rollout has moved.
    :raises Refused: it is an approval of somebody who may not approve this.
    """
    if deed.verb in ON_BOTH:
        return _on_both(deed, facts, now)
    on_watched = deed.watched and deed.verb not in ON_THE_DAG
    target = facts.watched if on_watched else facts.ahead or facts.watched
    if target is None and on_watched:
        raise refused(No.NOTHING_LIVE, deed, facts)
    _require_seen(deed, target, facts)
    cell = TABLE[deed.verb].at(where(target))
    if isinstance(cell, No):
        raise refused(cell, deed, facts)
    effects = _done(cell, deed, target, facts, now)
    return Act(effects=effects, said=_said(cell, deed, effects))


def _said(cell: Do, deed: Deed, effects: Sequence[Effect]) -> str:
    """What is told of it, besides what the effects say."""
    if cell is Do.COUNT and not effects:
        return "you approved it already"
    if cell in (Do.ASK_AT, Do.PROMOTE_AT) and deed.at is not None:
        return not_before_words(deed.at)
    return cell.value


def _require_seen(deed: Deed, target: Rollout | None, facts: Facts) -> None:
    expected = deed.expected_generation
    if expected is None or (target is not None and target.generation == expected):
        return
    found = "it has ended"
    if target is not None:
        found = f"it is {target.state}, at generation {target.generation} instead of {expected}"
    raise refused(No.STALE_GENERATION, deed, facts, found)


def _on_both(deed: Deed, facts: Facts, now: datetime) -> Act:
    live: list[Rollout | None] = [each for each in (facts.ahead, facts.watched) if each is not None]
    targets = live or [None]
    _require_seen(deed, facts.watched if deed.watched else targets[0], facts)
    if deed.takes and facts.closed:
        raise refused_by_rules(No.RULE_CLOSED, deed, facts, facts.closed)
    effects: list[Effect] = []
    said: list[str] = []
    for target in targets:
        cell = TABLE[deed.verb].at(where(target))
        match cell:
            case Do.WITHDRAW:
                effects += saved_end(target, State.WITHDRAWN, deed.said(), now)
            case Do.ROLL_BACK:
                effects += saved_end(target, State.ROLLED_BACK, deed.said(), now)
            case Do.PAUSE_FOR_ERA:
                assert target is not None
                why = facts.era.said if facts.era is not None else deed.said()
                effects.append(Save(rollout=paused(target, Cause.ERA, why, now)))
            case Do.AS_TODAY | Do.HOLD | Do.STAYS:
                pass
            case _:
                raise ValueError(f"{deed.verb} is not of both rollouts: {cell}")
        said.append(cell.value)
    if deed.verb in (Verb.PIN, Verb.ROLLBACK):
        effects.append(AsToday())
    return Act(effects=tuple(effects), said="; ".join(dict.fromkeys(said)))


def _done(cell: Do, deed: Deed, target: Rollout | None, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    match cell:
        case Do.BEGIN:
            return begin(to_begin(deed, facts), facts, now)
        case Do.PROMOTE:
            return promote(deed, facts, now)
        case Do.PROMOTE_AT:
            return promote_at(deed, facts, now)
        case Do.RELEASE_NEWEST:
            return release_newest(deed, facts, now)
        case Do.UNPIN:
            return unpin(deed, facts)
        case Do.LIFT | Do.LIFT_AND_GO:
            return lift(deed, facts, goes=cell is Do.LIFT_AND_GO)
        case Do.AS_TODAY:
            return (AsToday(),)
        case Do.STAYS | Do.HOLD:
            return ()
        case _:
            assert target is not None
            return _on(cell, deed, target, facts, now)


def _on(cell: Do, deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    """What is done to one live rollout."""
    match cell:
        case Do.COUNT:
            return _count(deed, rollout, facts, now)
        case Do.REJECT:
            return _reject(deed, rollout, facts, now)
        case Do.PAUSE:
            return (Save(rollout=paused(rollout, Cause.PERSON, deed.said(), now, by=deed.by)),)
        case Do.TAKE_OVER:
            return _take_over(deed, rollout, now)
        case Do.RESUME:
            return (Save(rollout=resumed(rollout, now)),)
        case Do.RETRY:
            return _retry(deed, rollout, facts, now)
        case Do.SKIP:
            return _skip(deed, rollout, facts, now)
        case Do.PROVE:
            recorded = _recorded(deed, rollout, Answer.SKIPPED, now)
            ends = ending(rollout, State.PROVEN, deed.said(), now, facts)
            return (recorded, Prove(place=rollout.place), *ends)
        case Do.RESTART:
            candidate = to_begin(deed, facts)
            superseded = Save(rollout=ended(rollout, State.SUPERSEDED, deed.said(), now))
            return (superseded, *begin(candidate, evolve(facts, ahead=None), now))
        case Do.ABORT:
            return ending(rollout, State.ABORTED, deed.said(), now, facts)
        case Do.ASK | Do.ASK_AT:
            return ask(deed, rollout, facts, now)
        case Do.RELEASE:
            return release_now(deed, rollout, facts, now)
        case Do.OVERTAKE:
            return overtake(deed, rollout, facts, now)
        case Do.UNPIN_AHEAD:
            if not rollout.knows_pin:
                return ()
            withdrawn = Save(rollout=ended(rollout, State.WITHDRAWN, deed.said(), now))
            return (withdrawn, *unpin(deed, evolve(facts, ahead=None)))
        case _:
            raise ValueError(f"not of a rollout: {cell}")


def _recorded(deed: Deed, rollout: Rollout, answer: Answer, now: datetime) -> Record:
    return Record(
        verdict=Verdict(
            subject=rollout.place,
            name=deed.verb.value,
            answer=answer,
            actor=deed.by,
            at=now,
            reason=deed.reason,
            rollout=rollout.id,
            step=rollout.step,
            attempt=rollout.attempt,
        )
    )


def _count(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    gate = rollout.at_gate
    if not isinstance(gate, Approve):
        raise refused(No.NOT_ASKED, deed, facts)
    why_not = why_not_approve(gate, rollout, deed.by, facts.gates)
    if why_not is not None:
        raise refused(No.MAY_NOT_APPROVE, deed, facts, why_not)
    if deed.by in approvers(gate, rollout, facts.gates, now):
        return ()
    return (_recorded(deed, rollout, Answer.PASSED, now),)


def _reject(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    recorded = (_recorded(deed, rollout, Answer.FAILED, now),) if rollout.at_gate is not None else ()
    why = deed.reason or deed.said()
    reject = RejectPlace(place=rollout.place, instead=facts.active, reason=why, by=deed.by)
    return (*recorded, reject, *ending(rollout, State.REJECTED, deed.said(), now, facts))


def _take_over(deed: Deed, rollout: Rollout, now: datetime) -> tuple[Effect, ...]:
    """What paused it is seen by whoever takes it over, and does not pause it again."""
    if rollout.paused_by_person:
        return ()
    taken = paused(rollout, Cause.PERSON, deed.said(), now, by=deed.by)
    return (Save(rollout=evolve(taken, set_aside=now)),)


def _retry(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    if rollout.at_gate is None:
        raise refused(No.NOT_RETRIED, deed, facts)
    again = at_step(rollout, rollout.step, now, attempt=rollout.attempt + 1, set_aside=now)
    return (Save(rollout=again),)


def _skip(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    if rollout.at_gate is None:
        raise refused(No.NOT_SKIPPED, deed, facts)
    require_no_approval(deed, rollout, facts)
    promoters = rollout.promoters | {deed.by}
    skipped = at_step(rollout, rollout.step + 1, now, promoters=promoters)
    return (_recorded(deed, rollout, Answer.SKIPPED, now), Save(rollout=skipped))
