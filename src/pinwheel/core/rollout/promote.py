"""What somebody releases, or lets set out: promotes, a pin's end, a rejection's end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import evolve

from pinwheel.core.rollout.decide import released, unwanted
from pinwheel.core.rollout.effects import AsToday, Begin, Effect, LiftPlace, Next, Save, Take, UnpinDag
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.refusals import Deed, refused, refused_by_rules
from pinwheel.core.rollout.state import Candidate, Place, Rollout, State, begun, ended, in_force, moved
from pinwheel.core.rollout.steps import Approve, Party, Plan, Release
from pinwheel.core.rollout.table import No


def ask(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    _require_open_then(deed, facts)
    if rollout.asked_by is not None and rollout.not_before == deed.at:
        return ()
    require_no_approval(deed, rollout, facts)
    promoters = rollout.promoters | {deed.by}
    return (Save(rollout=moved(rollout, **_asked(deed, now), promoters=promoters)),)


def require_no_approval(deed: Deed, rollout: Rollout, facts: Facts) -> None:
    """:raises Refused: who becomes a promoter has approved it, at a gate where no promoter may."""
    own = (each for each in facts.gates.verdicts if (each.rollout, each.actor) == (rollout.id, deed.by))
    for verdict in own:
        gate = rollout.plan.steps[verdict.step] if verdict.step is not None else None
        excludes = gate.excludes if isinstance(gate, Approve) else ()
        if verdict.answer is Answer.PASSED and Party.PROMOTER in excludes:
            raise refused(No.MAY_NOT_PROMOTE, deed, facts)


def _asked(deed: Deed, now: datetime) -> dict[str, Any]:
    return {"asked_by": deed.by, "asked_at": now, "not_before": deed.at}


def _require_open_then(deed: Deed, facts: Facts) -> None:
    if deed.at is not None and facts.closed_then:
        raise refused_by_rules(No.CLOSED_THEN, deed, facts, facts.closed_then)


def to_begin(deed: Deed, facts: Facts) -> Candidate:
    """The newest place, for a rollout from its first step.

    :raises Conflict: it can not have one.
    """
    candidate = _newest(deed, facts)
    if facts.pinned:
        raise refused(No.PINNED, deed, facts)
    if candidate.place in facts.rejected:
        raise refused(No.REJECTED, deed, facts)
    return candidate


def _newest(deed: Deed, facts: Facts) -> Candidate:
    if facts.gone is not None:
        raise refused(No.GONE, deed, facts, facts.gone)
    if facts.newest is None:
        raise refused(No.NO_BUILD, deed, facts)
    if facts.newest.place == facts.active:
        raise refused(No.ACTIVE, deed, facts)
    return facts.newest


def _lifted(deed: Deed, place: Place, facts: Facts) -> tuple[Effect, ...]:
    """What frees a place that may be rejected.

    :raises Conflict: it is, and nobody said why it is right after all.
    """
    if place not in facts.rejected:
        return ()
    if not deed.reason:
        raise refused(No.REJECTED, deed, facts)
    return (LiftPlace(place=place, by=deed.by, reason=deed.reason),)


def promote(deed: Deed, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    candidate = facts.newest
    if candidate is None or facts.gone is not None or candidate.place == facts.active:
        return (AsToday(),)
    if not facts.pinned and not candidate.plan.at_once and facts.active is not None:
        lifted = _lifted(deed, candidate.place, facts)
        asked = begun(facts.dag_id, candidate, now, **_asked(deed, now), promoters=frozenset({deed.by}))
        return (*lifted, Begin(rollout=asked))
    if facts.closed and facts.active is not None:
        raise refused_by_rules(No.RULE_CLOSED, deed, facts, facts.closed)
    return (AsToday(), *(_watched_from_now(candidate, facts, now) if facts.waits else ()))


def _watched_from_now(candidate: Candidate, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    """The watch of what a person releases, where there is something that can be gone back to by itself."""
    if candidate.plan.watch is None or facts.pinned or facts.active is None:
        return ()
    begins = begun(facts.dag_id, candidate, now)
    return (Begin(rollout=in_force(begins, now, before=facts.before, proven=facts.proven)),)


def promote_at(deed: Deed, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    candidate = _newest(deed, facts)
    _require_open_then(deed, facts)
    lifted = _lifted(deed, candidate.place, facts)
    # Under a pin only what rules require is asked: a person decides there, past the steps of a policy.
    # Without that wish, which a pause ends, nothing is released there.
    under_pin = Plan(steps=(*candidate.required, Release(by_hand=True)), newer=candidate.plan.newer)
    asked = begun(
        facts.dag_id,
        candidate,
        now,
        plan=under_pin if facts.pinned else candidate.plan,
        knows_pin=facts.pinned,
        promoters=frozenset({deed.by}),
        **_asked(deed, now),
    )
    return (*lifted, Begin(rollout=asked))


def _by_hand(deed: Deed, place: Place, facts: Facts) -> tuple[Effect, ...]:
    """The place takes effect past gates and rules, and is not rejected any more."""
    lifted = _lifted(deed, place, facts)
    taken = Take(place=place, expected_release=facts.active_release, by=deed.by, past_rules=True)
    return (*lifted, taken)


def release_now(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    by_itself = released(evolve(rollout, promoters=rollout.promoters | {deed.by}), facts, now)
    taken = _by_hand(deed, rollout.place, facts)
    return (*taken, *(effect for effect in by_itself if not isinstance(effect, Take)))


def overtake(deed: Deed, rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    candidate, ahead = facts.newest, facts.ahead
    if candidate is None or candidate.place == rollout.place:
        raise refused(No.RELEASED, deed, facts)
    if ahead is not None and ahead.place == candidate.place:
        return release_now(deed, ahead, facts, now)
    live = [each for each in (ahead, rollout) if each is not None]
    superseded = [Save(rollout=ended(each, State.SUPERSEDED, deed.said(), now)) for each in live]
    return (*superseded, *_by_hand(deed, candidate.place, facts), *_watched_from_now(candidate, facts, now))


def release_newest(deed: Deed, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    candidate = _newest(deed, facts)
    return (*_by_hand(deed, candidate.place, facts), *_watched_from_now(candidate, facts, now))


def unpin(deed: Deed, facts: Facts) -> tuple[Effect, ...]:
    if not facts.pinned or facts.gone is not None:
        return (AsToday(),)
    candidate = facts.newest
    goes = facts.waits and candidate is not None and unwanted(candidate, facts) is None
    if goes and candidate is not None and candidate.plan.at_once and facts.closed:
        raise refused_by_rules(No.RULE_CLOSED, deed, facts, facts.closed)
    return (UnpinDag(by=deed.by), Next())


def lift(deed: Deed, facts: Facts, *, goes: bool) -> tuple[Effect, ...]:
    assert deed.place is not None, "the place whose rejections are lifted"
    if deed.place.build_id not in {each.build_id for each in facts.rejected}:
        return ()
    lifted = LiftPlace(place=deed.place, by=deed.by, reason=deed.reason)
    return (lifted, Next()) if goes and facts.gone is None else (lifted,)
