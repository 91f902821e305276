"""What is known of a Dag, as far as it follows from other values of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve

from harness.builds import build
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Track

STANDS = DagState(
    dag_id="sales",
    active_build=build(1),
    newest_build=build(1),
    version="c1",
    places={build(1).id: Head(seq=5, version="c2"), build(2).id: Head(seq=9, version="c9")},
)


def rejection(number: int, **changes: object) -> Rejection:
    base = Rejection(
        id=number,
        dag_id="sales",
        build_id=build(number).id,
        actor="bob",
        reason=None,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return evolve(base, **changes)


def test_a_dag_of_which_nothing_is_known_is_free() -> None:
    state = DagState(dag_id="sales")
    assert state.pinned is False and state.retired is False and state.unused_auto_release is False
    assert state.versioned is True and state.bundle_name == ""
    assert (state.active_build_id, state.newest_build_id) == (None, None)
    assert state.later is False and state.stands_still is False


def test_a_dag_knows_its_builds_by_id_and_whether_it_is_pinned() -> None:
    state = evolve(STANDS, newest_build=build(2), track=Track.PINNED)
    assert (state.active_build_id, state.newest_build_id) == (101, 102)
    assert state.pinned is True


@pytest.mark.parametrize(
    ("changes", "stands_still", "later"),
    [
        pytest.param({}, True, True, id="its newest build is active, and stands in a later version"),
        pytest.param({"newest_build": build(2)}, True, False, id="another build is the newest"),
        pytest.param({"version": "c2"}, False, False, id="new runs take that version"),
        pytest.param({"version": None}, False, False, id="nobody knows what new runs take"),
        pytest.param({"retired": True}, False, False, id="it is gone"),
        pytest.param({"active_build": None, "newest_build": None}, False, False, id="it has no build"),
        pytest.param({"places": {}}, False, False, id="its bundle never showed the build"),
    ],
)
def test_a_dag_stands_still_where_its_active_build_stands_in_a_later_version_than_new_runs_take(
    changes: dict[str, object], stands_still: bool, later: bool
) -> None:
    state = evolve(STANDS, **changes)
    assert state.stands_still is stands_still
    assert state.later is later


def test_a_build_is_kept_by_a_rejection_of_the_version_that_it_would_be_taken_from() -> None:
    here = rejection(1, first_seq=5, last_seq=5)
    state = evolve(STANDS, rejections=(here,))
    assert state.rejection_of(build(1)) is here, "the newest version in which it stands is rejected"
    assert state.rejection_of(build(1), Head(seq=4, version="c0")) is None, "it is taken from another"
    assert state.rejection_of(None) is None and state.rejection_of(None, Head(seq=5, version="c2")) is None
    assert evolve(state, places={}).rejection_of(build(1)) is None, "nobody knows where it stands"
    assert state.rejects(build(1)) is False, "it is free in all other versions"


def test_a_build_that_is_rejected_everywhere_is_so_in_each_version() -> None:
    everywhere = rejection(1)
    state = evolve(STANDS, rejections=(everywhere,))
    assert state.rejects(build(1)) is True and state.rejects(build(2)) is False
    assert state.rejection_of(build(1)) is everywhere
    assert state.rejection_of(build(1), Head(seq=4, version="c0")) is everywhere
    assert state.rejection_of(build(2)) is None
