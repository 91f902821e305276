"""Why a Dag is held: one function over what is active, what is newest and what the Dag's track says."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from attrs import evolve

from harness.builds import build
from pinwheel.core.release.behind import Behind, BehindKind, Lag, behind
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Track
from pinwheel.core.release.why_held import why_held
from pinwheel.core.rollout.hold import Hold, HoldKind

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
PIN = Hold(kind=HoldKind.PIN, reason="month end", since=SINCE, until=None, by="ada")
REJECTION = Rejection(id=1, dag_id="sales", build_id=102, actor="bob", reason="wrong totals", at=LATER)


def state(track: Track, active: int | None, newest: int | None) -> DagState:
    return DagState(
        dag_id="sales",
        track=track,
        active_build=build(active) if active else None,
        newest_build=build(newest) if newest else None,
        track_actor="ada",
        track_reason="month end",
        track_since=SINCE,
    )


def is_held(dag: DagState) -> bool:
    return bool(why_held(dag, dag.rejection_of(dag.newest_build), later=dag.later))


@pytest.mark.parametrize(("active", "newest"), [(1, 2), (2, 1)])
def test_a_pinned_dag_whose_newest_build_is_not_active_is_held_by_its_pin(active: int, newest: int) -> None:
    held = state(Track.PINNED, active, newest)
    assert why_held(held, None, later=False) == (PIN,)
    assert is_held(held)


@pytest.mark.parametrize(("track", "others"), [(Track.AUTO, ()), (Track.PINNED, (PIN,))])
def test_a_dag_whose_newest_build_is_rejected_is_held_by_that_after_its_pin(
    track: Track, others: tuple[Hold, ...]
) -> None:
    held = evolve(state(track, 1, 2), rejections=(REJECTION,))
    rejected = Hold(kind=HoldKind.REJECTED, reason="wrong totals", since=LATER, until=None, by="bob")
    assert why_held(held, REJECTION, later=False) == (*others, rejected)
    assert is_held(held)


@pytest.mark.parametrize("track", list(Track))
def test_a_rejection_of_what_runs_or_of_an_older_build_holds_nothing(track: Track) -> None:
    assert why_held(state(track, 2, 2), REJECTION, later=False) == ()
    older = evolve(state(Track.AUTO, 1, 3), rejections=(REJECTION,))
    assert not is_held(older)


@pytest.mark.parametrize(
    ("track", "active", "newest"),
    [
        *itertools.product([Track.AUTO], [None, 1], [None, 1, 2]),
        *itertools.product([Track.PINNED], [None], [None, 1]),
        (Track.PINNED, 1, None),
        (Track.PINNED, 1, 1),
    ],
)
def test_nothing_else_holds_a_dag(track: Track, active: int | None, newest: int | None) -> None:
    free = state(track, active, newest)
    assert why_held(free, None, later=False) == ()
    assert not is_held(free)


def test_a_pin_holds_a_dag_whose_active_build_stands_in_a_later_version_than_its_new_runs_take() -> None:
    at_head = evolve(state(Track.PINNED, 1, 1), version="c2", places={build(1).id: Head(seq=2, version="c2")})
    assert not is_held(at_head)
    still = evolve(at_head, version="c1")
    assert why_held(still, None, later=still.later) == (PIN,)
    assert is_held(still)
    assert not is_held(evolve(still, retired=True)), "what is gone waits in no version"
    assert not is_held(evolve(still, track=Track.AUTO)), "it follows by itself"


def test_a_dag_is_behind_by_the_versions_shown_after_its_own_and_says_of_what_kind() -> None:
    lag = Lag(version="c1", seq=3, head_seq=13, newest_version="c11", at_head=True)
    assert behind(lag, waits=False) == Behind(versions=10, kind=BehindKind.OTHER_FILES)
    assert behind(lag, waits=True) == Behind(versions=10, kind=BehindKind.TRACED)
    broken_at_head = evolve(lag, at_head=False)
    assert behind(broken_at_head, waits=False) == Behind(versions=10, kind=BehindKind.TRACED)
    assert behind(evolve(lag, seq=13), waits=False) is None
    assert behind(evolve(lag, seq=None), waits=True) is None, "the version never showed: nobody can tell"
    assert behind(None, waits=False) is None


@pytest.mark.parametrize(
    ("version", "later"),
    [("c11", False), ("c1", True), pytest.param(None, False, id="the version never showed")],
)
def test_the_newest_build_stands_in_a_later_version_where_that_is_another_one(
    version: str | None, later: bool
) -> None:
    lag = Lag(version=version, seq=3, head_seq=13, newest_version="c11", at_head=True)
    assert lag.later is later
