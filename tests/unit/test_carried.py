"""What the effects of a rollout come to: the steps of its Dag's release, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.builds import build
from harness.rollouts import rollout, verdict
from pinwheel.core.errors import Conflict
from pinwheel.core.release.carried import Carried, Surroundings, carried
from pinwheel.core.release.decide import Decision, Lift, Reject, Release, SetTrack
from pinwheel.core.release.rejection import Rejection
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
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.state import Place

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
OLD, NEW = build(1), build(2)
TODAY = Decision(steps=(Release(build=OLD, kind=Kind.UNPIN),), reason="as ever")


def at(number: int, version: str | None = None) -> Place:
    """The place of a build, in the version of its own unless told."""
    return Place(build_id=100 + number, version=version or f"v{number}")


def around(*, seqs: dict[str, int] | None = None, **state: Any) -> Surroundings:
    """Build 1 is active as release 7; build 2 stands in version ``v2``, and as the newest in ``v3``."""
    known: dict[str, Any] = {
        "dag_id": "sales",
        "active_release": 7,
        "active_build": OLD,
        "newest_build": NEW,
    } | state
    return Surroundings(
        state=DagState(**known),
        builds={each.id: each for each in (OLD, NEW)},
        newest={OLD.id: "v1", NEW.id: "v3"},
        seqs=seqs or {},
    )


def not_asked() -> Decision:
    raise AssertionError("nobody asked what would be done without rollouts")


def of(*effects: Effect, surroundings: Surroundings | None = None) -> Carried:
    return carried(effects, surroundings or around(), "said", not_asked)


def rejection(id: int, **changes: Any) -> Rejection:
    made: dict[str, Any] = {"dag_id": "sales", "build_id": NEW.id, "actor": "bob", "reason": None, "at": WHEN}
    return Rejection(id=id, **made | changes)


def test_without_effects_nothing_changes_and_it_is_said_why() -> None:
    made = of()
    assert made == Carried(decision=Decision(steps=(), reason="said"))
    assert not made.changes and not made.then_next and not made.past_rules


# Releases


def test_a_place_in_an_older_version_is_released_in_that_one() -> None:
    made = of(Take(place=at(2), expected_release=7))
    assert made.decision == Decision(steps=(Release(build=NEW, kind=Kind.AUTO, version="v2"),), reason="said")
    assert made.changes and not made.past_rules and made.moves == ()


def test_in_the_newest_version_of_its_build_no_version_is_named_so_that_the_dag_may_follow() -> None:
    made = of(Take(place=at(2, "v3"), expected_release=7))
    assert made.decision.steps == (Release(build=NEW, kind=Kind.AUTO, version=None),)


def test_of_a_build_whose_newest_version_nobody_knows_the_version_is_named() -> None:
    known = around()
    unknown = Surroundings(state=known.state, builds=known.builds, newest={})
    made = of(Take(place=at(2, "v3"), expected_release=7), surroundings=unknown)
    assert made.decision.steps == (Release(build=NEW, kind=Kind.AUTO, version="v3"),)


def test_what_somebody_releases_is_promoted() -> None:
    made = of(Take(place=at(2, "v3"), expected_release=7, by="ada"))
    assert made.decision.steps == (Release(build=NEW, kind=Kind.PROMOTE),)
    assert not made.past_rules


def test_what_is_released_past_rules_is_told() -> None:
    made = of(Take(place=at(2, "v3"), expected_release=7, by="ada", past_rules=True), Next())
    assert made.past_rules


def test_the_way_back_is_a_rollback_in_the_version_that_was_proven_be_it_the_newest() -> None:
    made = of(GoBack(place=at(1), expected_release=7, reason="it failed"))
    assert made.decision.steps == (Release(build=OLD, kind=Kind.ROLLBACK, version="v1"),)
    assert not made.past_rules


@pytest.mark.parametrize(
    "effect",
    [
        Take(place=at(2), expected_release=6),
        Take(place=at(2), expected_release=None),
        GoBack(place=at(1), expected_release=6, reason="it failed"),
    ],
)
def test_nothing_is_released_where_another_release_is_active_than_was_decided_on(
    effect: Take | GoBack,
) -> None:
    with pytest.raises(Conflict) as raised:
        of(effect)
    error = raised.value
    assert error.failed == "Cannot release a place of sales"
    assert error.found == f"its active release is 7, not {effect.expected_release}"
    assert error.remedy == "Look again: pinwheel rollout show sales"
    assert error.facts == {"dag_id": "sales", "problem": "stale-generation"}


def test_a_dag_without_an_active_release_takes_what_was_decided_on_none() -> None:
    made = of(Take(place=at(2), expected_release=None), surroundings=around(active_release=None))
    assert made.decision.changes


# Pins, rejections


@pytest.mark.parametrize(
    ("effect", "track"), [(PinDag(reason="hold"), Track.PINNED), (UnpinDag(by="ada"), Track.AUTO)]
)
def test_a_dag_is_pinned_and_unpinned(effect: Effect, track: Track) -> None:
    assert of(effect).decision.steps == (SetTrack(track=track),)


def told(made: Carried) -> tuple[object, ...]:
    """All of the one rejection, also what is only told of it."""
    (step,) = made.decision.steps
    assert isinstance(step, Reject)
    assert step.build == NEW
    return step.instead, step.first_seq, step.last_seq, step.after, step.until


SEQS = {"v0": 1, "v2": 4, "v3": 6}


@pytest.mark.parametrize(
    ("place", "instead", "seqs", "expected"),
    [
        pytest.param(at(2), None, SEQS, (None, None, None, None, None), id="nothing stays"),
        pytest.param(at(2), at(1), SEQS, (OLD, None, None, None, None), id="another build stays"),
        pytest.param(at(2), at(9), SEQS, (None, None, None, None, None), id="one that nobody knows stays"),
        pytest.param(
            at(2, "v3"), at(2), SEQS, (None, 5, 6, "v2", "v3"), id="it stays as it was: what came after"
        ),
        pytest.param(
            at(2, "v3"),
            at(2),
            {"v2": 5, "v3": 6},
            (None, 6, 6, "v2", "v3"),
            id="the version right after that",
        ),
        pytest.param(
            at(2, "v3"),
            at(2, "lost"),
            SEQS,
            (None, 6, 6, None, "v3"),
            id="where that stood nobody knows: this version",
        ),
        pytest.param(
            at(2),
            at(2, "v3"),
            SEQS,
            (None, 4, 4, None, "v2"),
            id="a later one stays: this version",
        ),
        pytest.param(at(2), at(2), SEQS, (None, 4, 4, None, "v2"), id="the same one stays: this version"),
        pytest.param(
            at(2, "lost"),
            at(2),
            SEQS,
            (None, None, None, None, None),
            id="nobody knows where it stood: all versions",
        ),
    ],
)
def test_what_is_rejected_is_the_build_or_its_versions_after_the_one_that_stays(
    place: Place, instead: Place | None, seqs: dict[str, int], expected: tuple[object, ...]
) -> None:
    effect = RejectPlace(place=place, instead=instead, reason="wrong totals")
    assert told(of(effect, surroundings=around(seqs=seqs))) == expected


def test_lifting_a_place_frees_its_build_in_all_versions() -> None:
    own = (rejection(1), rejection(2, first_seq=4, last_seq=6))
    others = (rejection(3, build_id=OLD.id, inputs_digest="i1"), rejection(4, lifted_at=WHEN))
    made = of(LiftPlace(place=at(2), by="ada", reason=None), surroundings=around(rejections=(*own, *others)))
    assert made.decision.steps == (Lift(rejections=own),)


# What is written, and what comes after


def test_what_is_written_of_rollouts_comes_in_order_and_releases_nothing() -> None:
    moves: Sequence[Any] = (
        Record(verdict=verdict(Answer.PASSED)),
        Save(rollout=rollout(1)),
        Prove(place=at(1)),
        Begin(rollout=rollout(2)),
    )
    made = of(*moves)
    assert made.moves == moves
    assert made.decision == Decision(steps=(), reason="said")
    assert made.changes, "rollouts do, although nothing is released"


def test_the_next_place_is_looked_at_where_that_is_an_effect() -> None:
    made = of(Next())
    assert made.then_next and not made.changes
    assert not of(PinDag(reason="hold")).then_next


def test_a_decision_has_the_steps_of_all_effects_in_their_order() -> None:
    made = of(
        PinDag(reason="it failed"),
        RejectPlace(place=at(2), instead=at(1), reason="it failed"),
        GoBack(place=at(1), expected_release=7, reason="it failed"),
    )
    assert [type(step) for step in made.decision.steps] == [SetTrack, Reject, Release]


def test_what_is_asked_as_ever_is_decided_so_with_its_own_reason() -> None:
    made = carried([AsToday()], around(), "said", lambda: TODAY)
    assert made.decision == TODAY


def test_where_a_rollout_has_moved_before_both_reasons_are_told() -> None:
    moved = Save(rollout=rollout(2))
    made = carried([moved, AsToday()], around(), "said", lambda: TODAY)
    assert made.decision == Decision(steps=TODAY.steps, reason="as ever; said")
    assert made.moves == (moved,)
    after = carried([AsToday(), moved], around(), "said", lambda: TODAY)
    assert after.decision.reason == "as ever", "what moves of itself afterwards is no news"


def test_steps_of_today_come_beside_those_of_other_effects() -> None:
    made = carried(
        [LiftPlace(place=at(2), by="ada", reason="ok"), AsToday()], around(), "said", lambda: TODAY
    )
    assert made.decision.steps == (Lift(rejections=()), *TODAY.steps)


def test_where_nothing_is_to_be_done_as_ever_nothing_changes() -> None:
    made = carried([AsToday()], around(), "said", lambda: Decision(steps=(), reason="it is active"))
    assert not made.changes and made.decision.reason == "it is active"
