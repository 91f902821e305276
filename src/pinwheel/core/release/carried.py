"""What the effects of a rollout mean for its Dag: the steps of a release, and what is left to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Conflict
from pinwheel.core.release.decide import Decision, Reject, Release, SetTrack, Step, freed
from pinwheel.core.release.state import DagState, Kind, Track
from pinwheel.core.rollout.effects import (
    AsToday,
    Begin,
    Effect,
    GoBack,
    LiftPlace,
    Next,
    PinDag,
    Prove,
    Record,
    RejectPlace,
    Save,
    Take,
    UnpinDag,
)

Move = Begin | Save | Record | Prove
"""What is written of rollouts, in order."""


@frozen(kw_only=True)
class Carried:
    """What one act, or one turn of a rollout, does to its Dag."""

    decision: Decision
    """Without steps: no release comes of it, and nothing of the Dag changes."""
    moves: tuple[Move, ...] = ()
    then_next: bool = False
    """After that the Dag's newest place is looked at as if it had just arrived."""
    past_rules: bool = False
    """It was released past gates and rules."""

    @property
    def changes(self) -> bool:
        return self.decision.changes or bool(self.moves)


@frozen(kw_only=True)
class Surroundings:
    """What the effects' places are."""

    state: DagState
    builds: Mapping[int, Build]
    newest: Mapping[int, str]
    """By id of a build, the newest version in which it stands."""
    seqs: Mapping[str, int] = field(factory=dict)
    """By version of the Dag's bundle, its place in their order."""


def carried(
    effects: Sequence[Effect], around: Surroundings, said: str, as_today: Callable[[], Decision]
) -> Carried:
    """*as_today* decides what was asked as without rollouts.

    :raises Conflict: the Dag's active release is not the one on which the effects were decided.
    """
    steps: list[Step] = []
    moves: list[Move] = []
    then_next = past_rules = False
    reason = said
    for effect in effects:
        match effect:
            case AsToday():
                today = as_today()
                steps += today.steps
                reason = today.reason if not moves else f"{today.reason}; {said}"
            case Take():
                steps.append(_taken(effect, around))
                past_rules = past_rules or effect.past_rules
            case GoBack(place=place):
                _require(effect.expected_release, around)
                steps.append(
                    Release(build=around.builds[place.build_id], kind=Kind.ROLLBACK, version=place.version)
                )
            case PinDag():
                steps.append(SetTrack(track=Track.PINNED))
            case UnpinDag():
                steps.append(SetTrack(track=Track.AUTO))
            case RejectPlace():
                steps.append(_rejected(effect, around))
            case LiftPlace(place=place):
                steps.append(freed(around.state, around.builds[place.build_id]))
            case Begin() | Save() | Record() | Prove():
                moves.append(effect)
            case Next():
                then_next = True
            case _:
                assert_never(effect)
    return Carried(
        decision=Decision(steps=tuple(steps), reason=reason),
        moves=tuple(moves),
        then_next=then_next,
        past_rules=past_rules,
    )


def _taken(take: Take, around: Surroundings) -> Release:
    _require(take.expected_release, around)
    place = take.place
    newest = around.newest.get(place.build_id) == place.version
    return Release(
        build=around.builds[place.build_id],
        kind=Kind.PROMOTE if take.by is not None else Kind.AUTO,
        # In the newest version the Dag may go on following as ever.
        version=None if newest else place.version,
    )


def _require(expected: int | None, around: Surroundings) -> None:
    state = around.state
    if expected != state.active_release:
        raise Conflict(
            f"Cannot release a place of {state.dag_id}",
            found=f"its active release is {state.active_release}, not {expected}",
            remedy=f"Look again: pinwheel rollout show {state.dag_id}",
            dag_id=state.dag_id,
            problem="stale-generation",
        )


def _rejected(reject: RejectPlace, around: Surroundings) -> Reject:
    build, place, instead = around.builds[reject.place.build_id], reject.place, reject.instead
    if instead is None or instead.build_id != place.build_id:
        return Reject(build=build, instead=around.builds.get(instead.build_id) if instead else None)
    first, last = around.seqs.get(instead.version), around.seqs.get(place.version)
    if last is None:
        return Reject(build=build)
    # The same build: only the versions after the one that stays are at fault.
    return Reject(
        build=build,
        first_seq=min(last, first + 1) if first is not None else last,
        last_seq=last,
        after=instead.version if first is not None and first < last else None,
        until=place.version,
    )
