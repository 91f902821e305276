"""What a rollout does by itself: the rows of automation, from what is known and an instant.

:func:`decide` is asked for each live rollout, :func:`arrive` when a build arrives, or when a Dag's newest
place is free to go. Nothing is decided from an event: the same facts at the same instant give the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never

from attrs import evolve

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
from pinwheel.core.rollout.gate import Error, Failed, Inconclusive, Passed, Waits, judge
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import (
    Candidate,
    Cause,
    Place,
    Rollout,
    Slot,
    State,
    at_step,
    begun,
    ended,
    in_force,
    paused,
)
from pinwheel.core.rollout.steps import Approve, Check, Gate, Newer, Release, Watch
from pinwheel.core.rollout.steps import Wait as WaitGate

FRESH = timedelta(hours=1)
"""An older failure is not acted on: whoever was to see it has gone on since."""
BACK = "the Dag was rolled back"


def decide(rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    """What this live rollout of the Dag does now."""
    if facts.gone is not None:
        return _ends(rollout, State.WITHDRAWN, facts.gone, now, facts)
    if rollout.slot is Slot.WATCHED and facts.active != rollout.place:
        return _ends(rollout, State.SUPERSEDED, "new runs take another place", now, facts)
    match rollout.state:
        case State.PAUSED:
            return Wait(said=f"paused: {rollout.why}", held=holds(rollout, facts, now))
        case State.WATCHING:
            return _watch(rollout, facts, now)
        case State.WAITING:
            return _waiting(rollout, facts, now)
        case _:
            raise ValueError(f"rollout {rollout.id} has ended: {rollout.state}")


def arrive(facts: Facts, now: datetime) -> Act | Wait:
    """What the Dag's newest place does when it arrives, or when nothing holds it any more."""
    candidate, ahead = facts.newest, facts.ahead
    if candidate is None:
        return Wait(said="there is no build yet")
    if ahead is not None and ahead.place.build_id == candidate.place.build_id:
        return Wait(said="the same build is on its way")
    held = _not_its_turn(facts)
    if held is None and facts.waits:
        held = unwanted(candidate, facts)
    if held is not None:
        return Wait(said=held.said, held=(held,))
    if facts.active is None or (facts.gone is not None and facts.waits):
        taken = (*_gives_way(ahead, now), _take(candidate.place, facts))
        return Act(effects=taken, said="there is nothing to hold it back for")
    gives_way = _gives_way(ahead, now)
    if not facts.waits:
        return Act(effects=gives_way, said="the newest build is in force")
    begun_anew = begin(candidate, evolve(facts, ahead=None), now, paused_by=_person_behind(ahead))
    return Act(effects=(*gives_way, *begun_anew), said="a newer build")


def begin(
    candidate: Candidate, facts: Facts, now: datetime, *, paused_by: str | None = None
) -> tuple[Effect, ...]:
    """The candidate sets out: released where nothing comes before that, else at its first step."""
    rollout = begun(facts.dag_id, candidate, now)
    if paused_by is not None:
        said = "the one before it was paused"
        return (Begin(rollout=paused(rollout, Cause.PERSON, said, now, by=paused_by)),)
    if not candidate.plan.at_once:
        return (Begin(rollout=rollout),)
    unwatched = candidate.plan.watch is None
    # Without a watch nothing of it would be under way: under an era it is released as ever, and waits there.
    if holds(rollout, evolve(facts, era=None) if unwatched else facts, now):
        return (Begin(rollout=rollout),)
    if unwatched:
        return (_take(candidate.place, facts),)
    return (
        *_watch_gives_way(facts, now),
        _take(candidate.place, facts),
        Begin(rollout=in_force(rollout, now, before=facts.before, proven=facts.proven)),
    )


def holds(rollout: Rollout, facts: Facts, now: datetime) -> tuple[Hold, ...]:
    """Why the place of a rollout ahead is not in force, in the order of :class:`HoldKind`."""
    gate = rollout.at_gate
    found = [*_shut(rollout, facts)]
    if rollout.paused:
        found.append(
            Hold(
                kind=HoldKind.PAUSED,
                reason=rollout.why or rollout.cause or "",
                since=rollout.paused_at,
                by=rollout.paused_by,
            )
        )
    elif gate is not None:
        said = judge(gate, rollout, facts.gates, now)
        found.append(
            Hold(
                kind=HoldKind.GATE,
                reason=said.said,
                since=rollout.since,
                until=said.until if isinstance(said, Waits) else None,
            )
        )
    if rollout.not_before is not None and rollout.not_before > now:
        found.append(
            Hold(
                kind=HoldKind.AT,
                reason=f"not before {rollout.not_before:%Y-%m-%d %H:%M:%S} UTC",
                since=rollout.asked_at,
                until=rollout.not_before,
                by=rollout.asked_by,
            )
        )
    if rollout.plan.release.by_hand and rollout.asked_by is None:
        found.append(Hold(kind=HoldKind.BY_HAND, reason="it is released when somebody promotes it"))
    return _in_order(found)


def holds_without(facts: Facts, now: datetime) -> tuple[Hold, ...]:
    """Why the newest build is not in force where it has no rollout of its own."""
    candidate = facts.newest
    if candidate is None or not facts.waits:
        return ()
    if facts.ahead is not None and facts.ahead.place.build_id == candidate.place.build_id:
        return ()
    found = (_not_its_turn(facts), unwanted(candidate, facts))
    return _in_order(held for held in found if held is not None)


def _in_order(found: Iterable[Hold]) -> tuple[Hold, ...]:
    order = list(HoldKind)
    return tuple(sorted(found, key=lambda held: order.index(held.kind)))


def _shut(rollout: Rollout, facts: Facts) -> list[Hold]:
    """What lets a place not be released whatever its gates say."""
    found = []
    if facts.pinned and not rollout.knows_pin:
        found.append(Hold(kind=HoldKind.PIN, reason="the Dag is pinned"))
    if rollout.place in facts.rejected:
        found.append(Hold(kind=HoldKind.REJECTED, reason="it is rejected"))
    if facts.era is not None:
        found.append(facts.era)
    at_gate = rollout.at_gate is not None
    found += [each for each in facts.closed if not (at_gate and each.kind is HoldKind.GATE)]
    if facts.watched is not None and rollout.plan.newer is not Newer.REPLACE:
        found.append(
            Hold(
                kind=HoldKind.WATCH,
                reason="the release before it is watched",
                since=facts.watched.released_at,
            )
        )
    return found


def _not_its_turn(facts: Facts) -> Hold | None:
    """What lets the newest place not set out yet, whichever it is."""
    if facts.pinned:
        return Hold(kind=HoldKind.PIN, reason="the Dag is pinned")
    for live in (facts.ahead, facts.watched):
        if live is not None and _keeps_its_turn(live):
            return Hold(
                kind=HoldKind.QUEUE, reason="the rollout before it is on its way", since=live.began_at
            )
    return None


def unwanted(candidate: Candidate, facts: Facts) -> Hold | None:
    """What lets this place not set out: somebody, or something, has judged it."""
    if candidate.place in facts.rejected:
        return Hold(kind=HoldKind.REJECTED, reason="it is rejected")
    stopped = facts.stopped
    if stopped is not None and stopped.place.build_id == candidate.place.build_id:
        why = stopped.why or "its rollout was aborted"
        return Hold(kind=HoldKind.ABORTED, reason=why, since=stopped.ended_at)
    return None


def _keeps_its_turn(live: Rollout) -> bool:
    """Whether what is newer queues behind it: where a cause has paused it, it yields, not to a person."""
    return live.plan.newer is Newer.QUEUE and (not live.paused or live.paused_by_person)


def _person_behind(ahead: Rollout | None) -> str | None:
    """Who paused the rollout that gives way: that goes over to the next."""
    return (ahead.paused_by or "somebody") if ahead is not None and ahead.paused_by_person else None


def saved_end(rollout: Rollout | None, state: State, why: str, now: datetime) -> tuple[Effect, ...]:
    """A live rollout ends, where there is one."""
    return () if rollout is None else (Save(rollout=ended(rollout, state, why, now)),)


def _gives_way(ahead: Rollout | None, now: datetime) -> tuple[Effect, ...]:
    return saved_end(ahead, State.SUPERSEDED, "a newer build arrived", now)


def _watch_gives_way(facts: Facts, now: datetime) -> tuple[Effect, ...]:
    """The watch ends, since another place is released."""
    return saved_end(facts.watched, State.SUPERSEDED, "a newer place was released", now)


def _take(place: Place, facts: Facts) -> Take:
    return Take(place=place, expected_release=facts.active_release)


def _ends(rollout: Rollout, state: State, why: str, now: datetime, facts: Facts) -> Act:
    return Act(effects=ending(rollout, state, why, now, facts), said=why)


def ending(rollout: Rollout, state: State, why: str, now: datetime, facts: Facts) -> tuple[Effect, ...]:
    """The rollout ends; what queued behind it sets out, unless something else is on its way."""
    other = facts.ahead if rollout.slot is Slot.WATCHED else None
    then = () if other is not None or facts.gone is not None else (Next(),)
    return (*saved_end(rollout, state, why, now), *then)


def released(rollout: Rollout, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    """The place of a rollout ahead takes effect; whatever was watched is watched no more."""
    done = in_force(rollout, now, before=facts.before, proven=facts.proven)
    return (
        *_watch_gives_way(facts, now),
        _take(rollout.place, facts),
        Save(rollout=done),
        *(() if done.live else (Next(),)),
    )


def _waiting(rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    step = rollout.at
    match step:
        case Approve() | Check() | WaitGate():
            return _gate(step, rollout, facts, now)
        case Release():
            return _release(rollout, facts, now)
        case Watch():
            raise ValueError(f"rollout {rollout.id} waits at its watch")
        case _:
            assert_never(step)


def _gate(gate: Gate, rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    said = judge(gate, rollout, facts.gates, now)
    match said:
        case Passed():
            return Advance(rollout=at_step(rollout, rollout.step + 1, now), said=said.said)
        case Failed():
            reject = RejectPlace(place=rollout.place, instead=facts.active, reason=said.said)
            ends = ending(rollout, State.REJECTED, said.said, now, facts)
            return Act(effects=(reject, *ends), said=said.said)
        case Inconclusive() if said.ends:
            return _ends(rollout, State.ABORTED, said.said, now, facts)
        case Inconclusive() | Error():
            return Advance(rollout=paused(rollout, said.cause, said.said, now), said=said.said)
        case Waits():
            return Wait(said=f"waits for {said.said}", until=said.until, held=holds(rollout, facts, now))
        case _:
            assert_never(said)


def _release(rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    held = holds(rollout, facts, now)
    if not held:
        return Act(effects=released(rollout, facts, now), said="all steps before the release have passed")
    edges = [each.until for each in held if each.until is not None]
    return Wait(said=held[0].said, until=min(edges, default=None), held=held)


def _watch(rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    era = facts.era
    if era is not None and not (rollout.set_aside and rollout.is_set_aside(era.since or rollout.set_aside)):
        return Advance(rollout=paused(rollout, Cause.ERA, era.said, now), said=era.said)
    if _is_replaced(facts, now):
        return Wait(said="a newer place is being released")
    says = facts.watch
    match says:
        case None:
            return Wait(said="nobody has looked at its runs yet")
        case GoesOn():
            return Wait(said=says.said, until=says.until)
        case Enough():
            prove = Prove(place=rollout.place)
            ends = ending(rollout, State.PROVEN, says.said, now, facts)
            return Act(effects=(prove, *ends), said=says.said)
        case Fired() | Unclear() if rollout.is_set_aside(says.at):
            return Wait(said=f"set aside: {says.said}")
        case Unclear():
            return Advance(rollout=paused(rollout, says.cause, says.said, now), said=says.said)
        case Fired():
            return _fired(says, rollout, facts, now)
        case _:
            assert_never(says)


def _is_replaced(facts: Facts, now: datetime) -> bool:
    """Whether the same look releases a newer place, which ends this watch."""
    ahead = facts.ahead
    if ahead is None or ahead.state is not State.WAITING or not isinstance(ahead.at, Release):
        return False
    return not holds(ahead, facts, now)


def _fired(fired: Fired, rollout: Rollout, facts: Facts, now: datetime) -> Decision:
    back = way_back(rollout, facts)
    if fired.not_alone:
        cause, why = Cause.NOT_ALONE, f"not only this Dag: {fired.said}"
    elif now - fired.at > FRESH:
        cause, why = Cause.STALE, f"more than an hour ago: {fired.said}"
    elif facts.era is not None:
        cause, why = Cause.ERA, f"an era holds the present: {fired.said}"
    elif back is None:
        cause, why = Cause.NO_WAY_BACK, f"no other place is proven: {fired.said}"
    else:
        return Act(effects=_back(fired, rollout, back, facts, now), said=fired.said)
    return Advance(rollout=paused(rollout, cause, why, now), said=why)


def way_back(rollout: Rollout, facts: Facts) -> Place | None:
    """The proven place to which a rollback by itself goes; None: there is none."""
    for place in (rollout.proven, facts.proven):
        if place is not None and place != rollout.place and place not in facts.rejected:
            return place
    return None


def _back(fired: Fired, rollout: Rollout, back: Place, facts: Facts, now: datetime) -> tuple[Effect, ...]:
    return (
        GoBack(place=back, expected_release=facts.active_release, reason=fired.said),
        PinDag(reason=fired.said),
        RejectPlace(place=rollout.place, instead=back, reason=fired.said),
        *saved_end(rollout, State.ROLLED_BACK, fired.said, now),
        *saved_end(facts.ahead, State.WITHDRAWN, BACK, now),
    )
