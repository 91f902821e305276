"""What was rolled back does not come back by itself: over services, tables and Airflow's rows."""

from __future__ import annotations

from typing import Any

import pytest

from harness import asked
from harness.operations import World
from harness.prebuilt import Text
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import status as dag_status
from pinwheel.services.show.builds import builds

pytestmark = pytest.mark.airflow


@pytest.fixture
def world(airflow_database: Any) -> World:
    return World()


def do(world: World, verb: Verb, **more: Any) -> Any:
    (outcome,) = change.apply(world.host, asked.change(verb=verb, dag_ids=["a"], actor="ada", **more))
    return outcome


def active(world: World) -> int | None:
    (status,) = dag_status.status(world.host, dag_ids=["a"])
    return status.active_build


def rejected(world: World) -> dict[int | None, str | None]:
    return {b.build: b.rejected.reason for b in builds(world.host, "a") if b.rejected is not None}


def test_an_unpin_releases_no_build_that_was_rolled_back_but_the_next_push_does(world: World) -> None:
    back = do(world, Verb.ROLLBACK, reason="wrong totals")
    assert (back.build, back.rejected, back.track) == (1, 2, "pinned")
    assert rejected(world) == {2: "wrong totals"}
    unpinned = do(world, Verb.UNPIN)
    assert (unpinned.kind, unpinned.track, active(world)) == (None, "auto", 1)
    assert "ada rejected it" in unpinned.message and "wrong totals" in unpinned.message
    world.pusher.push({"a": Text("assets")})
    assert active(world) == 3


def test_a_push_that_brings_the_rejected_content_back_does_not_release_it(world: World) -> None:
    do(world, Verb.ROLLBACK, reason="wrong totals")
    do(world, Verb.UNPIN)
    world.pusher.push({"a": Text("assets")})
    world.pusher.push({"a": Text("daily")})
    (status,) = dag_status.status(world.host, dag_ids=["a"])
    assert (status.active_build, status.newest_build, status.held) == (3, 2, True)
    assert [hold.kind for hold in status.holds] == ["rejected"]


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PIN, Verb.ROLLBACK])
def test_a_person_releases_a_rejected_build_with_a_reason_which_lifts_the_rejection(
    world: World, verb: Verb
) -> None:
    do(world, Verb.ROLLBACK, reason="wrong totals")
    with pytest.raises(Refused) as refused:
        do(world, verb, build=2)
    assert "ada rejected it" in refused.value.found and "wrong totals" in refused.value.found
    assert "reason" in refused.value.remedy
    outcome = do(world, verb, build=2, reason="the totals were right")
    assert (outcome.lifted, active(world)) == (True, 2)
    assert 2 not in rejected(world)


def test_the_way_back_passes_over_what_is_rejected(world: World) -> None:
    world.pusher.push({"a": Text("assets")})
    do(world, Verb.REJECT, build=2, reason="wrong totals")
    assert do(world, Verb.ROLLBACK).build == 1


def test_what_is_not_to_blame_comes_back_with_an_unpin(world: World) -> None:
    back = do(world, Verb.ROLLBACK, reason="not its fault", to_blame=False)
    assert (back.build, back.rejected, rejected(world)) == (1, None, {})
    assert (do(world, Verb.UNPIN).build, active(world)) == (2, 2)


def test_a_lift_releases_at_once_what_nothing_else_holds(world: World) -> None:
    do(world, Verb.ROLLBACK, reason="wrong totals")
    do(world, Verb.UNPIN)
    lifted = do(world, Verb.LIFT, build=2, reason="they were right")
    assert (lifted.kind, lifted.build, lifted.lifted, active(world)) == ("auto", 2, True, 2)
    (row,) = [dict(r._mapping) for r in world.host.unit.run(_ledger)]
    assert (row["lifted_by"], row["lifted_reason"]) == ("ada", "they were right")


def _ledger(session: Any) -> Any:
    from sqlalchemy import select

    from pinwheel.store import tables as t

    return session.execute(select(t.rejection)).all()
