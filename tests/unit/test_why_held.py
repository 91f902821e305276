"""Why a Dag is held: one function over what is active, what is newest and what the Dag's track says."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from harness.builds import build
from pinwheel.core.release import DagState, Track
from pinwheel.core.why_held import Hold, HoldKind, why_held

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


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


@pytest.mark.parametrize(("active", "newest"), [(1, 2), (2, 1)])
def test_a_pinned_dag_whose_newest_build_is_not_active_is_held_by_its_pin(active: int, newest: int) -> None:
    held = state(Track.PINNED, active, newest)
    assert why_held(held) == (Hold(kind=HoldKind.PIN, reason="month end", since=SINCE, until=None, by="ada"),)
    assert held.held


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
    assert why_held(free) == ()
    assert not free.held
