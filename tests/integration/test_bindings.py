"""Each binding says the release and the build that the run uses, whoever wrote it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from harness import asked
from harness.prebuilt import Prebuilt, Text, start_run
from pinwheel.services.run import bindings
from pinwheel.store import tables as t


@pytest.fixture
def world(airflow_database: Any) -> Prebuilt:
    """Builds 1 and 2 of the Dag ``d`` were released; 2 is active."""
    made = Prebuilt()
    made.push({"d": Text("daily")})
    made.push({"d": Text("daily", body=1)})
    return made


def bound(world: Prebuilt) -> dict[tuple[str, int], tuple[int | None, int | None]]:
    """Release and number of the build, by run and clear number."""
    query = (
        select(t.binding.c.run_id, t.binding.c.seq, t.binding.c.release, t.build.c.build)
        .outerjoin(t.build, t.build.c.id == t.binding.c.build_id)
        .order_by(t.binding.c.run_id, t.binding.c.seq)
    )
    rows = world.host.unit.run(lambda s: s.execute(query).all())
    return {(row.run_id, row.seq): (row.release, row.build) for row in rows}


def end(world: Prebuilt, run_id: str, state: str) -> None:
    from airflow.models.dagrun import DagRun

    world.host.unit.run(
        lambda s: s.execute(update(DagRun).where(DagRun.run_id == run_id).values(state=state))
    )


def forget_bindings(world: Prebuilt) -> None:
    world.host.unit.run(lambda s: s.execute(delete(t.binding)))


def pinned_with_a_held_build(world: Prebuilt) -> None:
    from pinwheel.core.release.decide import Verb
    from pinwheel.services import change

    change.apply(world.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
    world.push({"d": Text("daily", body=2)})


def test_a_triggered_run_is_bound_to_its_release_or_to_the_build_that_was_never_released(
    world: Prebuilt,
) -> None:
    pinned_with_a_held_build(world)
    asked.trigger(world.host, "d", actor="ada", run_id="active")
    asked.trigger(world.host, "d", actor="ada", run_id="older", build=1)
    asked.trigger(world.host, "d", actor="ada", run_id="tried", build=3)
    assert bound(world) == {("active", 0): (2, 2), ("older", 0): (1, 1), ("tried", 0): (None, 3)}


def test_a_cleared_run_is_bound_to_what_it_runs_again_on(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    end(world, "r", "failed")
    asked.clear(world.host, "d", ["r"], actor="ada", build=1)
    assert bound(world) == {("r", 0): (2, 2), ("r", 1): (1, 1)}
    end(world, "r", "failed")
    asked.clear(world.host, "d", ["r"], actor="ada")
    assert bound(world)["r", 2] == (1, 1)


@pytest.mark.parametrize("build", [1, None])
def test_runs_of_a_backfill_are_bound_to_its_build(world: Prebuilt, build: int | None) -> None:
    asked.backfill(
        world.host,
        "d",
        from_date=datetime.fromisoformat("2024-03-01T00:00:00+00:00"),
        to_date=datetime.fromisoformat("2024-03-03T23:00:00+00:00"),
        build=build,
    )
    assert list(bound(world).values()) == [(build or 2, build or 2)] * 3


def test_the_scheduler_binds_the_runs_that_it_starts_to_their_release(world: Prebuilt) -> None:
    pinned_with_a_held_build(world)
    asked.trigger(world.host, "d", actor="ada", run_id="active")
    asked.trigger(world.host, "d", actor="ada", run_id="tried", build=3)
    forget_bindings(world)
    for run_id in ("active", "tried"):
        start_run("d", run_id)
    assert bound(world) == {("active", 0): (2, 2), ("tried", 0): (None, 3)}


def test_what_no_scheduler_recorded_is_bound_to_its_release_too(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    start_run("d", "r")
    forget_bindings(world)
    assert bindings.record_bindings(world.host) == 1
    assert bound(world) == {("r", 0): (2, 2)}
