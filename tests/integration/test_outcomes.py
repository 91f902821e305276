"""What a run came to is written down with its end, on the release that it ran on, and stays."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from harness import asked
from harness.prebuilt import Prebuilt, Text, finish_run, start_run
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.run import bindings
from pinwheel.services.show import fleet
from pinwheel.services.show.line import line
from pinwheel.store import tables as t


@pytest.fixture
def world(airflow_database: Any) -> Prebuilt:
    """Releases 1 and 2 of the Dag ``d``."""
    made = Prebuilt()
    made.push({"d": Text()})
    made.push({"d": Text(body=1)})
    return made


def run(world: Prebuilt, run_id: str, state: str, build: int | None = None) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id=run_id, build=build)
    start_run("d", run_id)
    finish_run("d", run_id, state)


def by_hand(world: Prebuilt, run_id: str, **values: Any) -> None:
    """Somebody marks the run, and no listener is told."""
    from airflow.models.dagrun import DagRun

    world.host.unit.run(lambda s: s.execute(update(DagRun).where(DagRun.run_id == run_id).values(**values)))


def came_to(world: Prebuilt) -> dict[tuple[str, int], tuple[str, int | None, int | None]]:
    """State, release and number of the build, by run and clear number."""
    query = select(t.outcome, t.build.c.build).outerjoin(t.build, t.build.c.id == t.outcome.c.build_id)
    rows = world.host.unit.run(lambda s: s.execute(query).all())
    return {(row.run_id, row.seq): (row.state, row.release, row.build) for row in rows}


def test_a_run_that_is_cleared_and_ends_again_has_an_outcome_for_each_time(world: Prebuilt) -> None:
    run(world, "r", "failed")
    assert came_to(world) == {("r", 0): ("failed", 2, 2)}
    asked.clear(world.host, "d", ["r"], actor="ada", build=1)
    assert came_to(world) == {("r", 0): ("failed", 2, 2)}
    start_run("d", "r")
    finish_run("d", "r", "success")
    assert came_to(world) == {("r", 0): ("failed", 2, 2), ("r", 1): ("success", 1, 1)}


def test_the_outcome_stands_for_the_instant_at_which_the_run_ended(world: Prebuilt) -> None:
    from airflow.models.dagrun import DagRun

    run(world, "r", "success")
    ends = world.host.unit.run(
        lambda s: (s.scalar(select(DagRun.end_date)), s.scalar(select(t.outcome.c.ended_at)))
    )
    assert ends[0] == ends[1] is not None


def test_a_run_on_a_build_that_was_never_released_came_to_something_on_no_release(world: Prebuilt) -> None:
    change.apply(world.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
    world.push({"d": Text(body=2)})
    run(world, "tried", "failed", build=3)
    assert came_to(world) == {("tried", 0): ("failed", None, 3)}


def test_what_a_run_came_to_stays_when_somebody_marks_it_afterwards(world: Prebuilt) -> None:
    run(world, "r", "failed")
    by_hand(world, "r", state="success")
    bindings.record_outcomes(world.host)
    assert came_to(world) == {("r", 0): ("failed", 2, 2)}


def test_it_stands_on_the_version_that_the_run_was_bound_to_not_on_a_later_one(world: Prebuilt) -> None:
    """Airflow's "clear on the latest version" moves the row of a run, the binding stays what it was."""
    from airflow.models.dagrun import DagRun

    asked.trigger(world.host, "d", actor="ada", run_id="old", build=1)
    start_run("d", "old")
    second = select(t.release.c.dag_version_id).where(t.release.c.release == 2).scalar_subquery()
    move = update(DagRun).where(DagRun.run_id == "old").values(created_dag_version_id=second)
    world.host.unit.run(lambda s: s.execute(move))
    finish_run("d", "old", "failed")
    assert came_to(world) == {("old", 0): ("failed", 1, 1)}


def test_without_a_binding_it_stands_on_the_version_of_the_runs_row(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    world.host.unit.run(lambda s: s.execute(delete(t.binding)))
    finish_run("d", "r", "failed")
    assert came_to(world) == {("r", 0): ("failed", 2, 2)}


def test_a_binding_without_its_release_is_told_by_its_version(world: Prebuilt) -> None:
    """Bindings of Pinwheel before outcomes do not name release and build."""
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    world.host.unit.run(lambda s: s.execute(update(t.binding).values(release=None, build_id=None)))
    finish_run("d", "r", "failed")
    assert came_to(world) == {("r", 0): ("failed", 2, 2)}


def test_an_end_that_no_listener_saw_is_recorded_by_the_processor(world: Prebuilt) -> None:
    for run_id in ("marked", "running", "queued"):
        asked.trigger(world.host, "d", actor="ada", run_id=run_id)
    for run_id in ("marked", "running"):
        start_run("d", run_id)
    by_hand(world, "marked", state="failed")
    assert bindings.record_outcomes(world.host) == 1
    assert came_to(world) == {("marked", 0): ("failed", 2, 2)}
    assert bindings.record_outcomes(world.host) == 0


def test_the_processor_looks_at_the_newest_runs_and_at_those_that_ran_a_moment_ago(world: Prebuilt) -> None:
    from airflow.models.dagrun import DagRun

    for run_id in ("first", "second", "third"):
        asked.trigger(world.host, "d", actor="ada", run_id=run_id)
        by_hand(world, run_id, state="success")
    first = world.host.unit.run(lambda s: s.scalar(select(func.min(DagRun.id))))
    assert bindings.record_outcomes(world.host, newest=1) == 1
    assert bindings.record_outcomes(world.host, newest=1) == 0
    assert bindings.record_outcomes(world.host, {first}, newest=1) == 1
    assert set(came_to(world)) == {("third", 0), ("first", 0)}
    assert bindings.record_outcomes(world.host, newest=10, limit=1) == 1


def test_runs_of_dags_that_are_not_managed_are_no_matter_of_the_processor(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    by_hand(world, "r", state="failed")
    world.host.unit.run(lambda s: s.execute(delete(t.dag)))
    assert bindings.record_outcomes(world.host) == 0


def counted(world: Prebuilt) -> dict[int, dict[str, int]]:
    """What the line says that runs came to, by release; releases without runs are left out."""
    found = line(world.host, "d")
    return {one.release: dict(one.runs) for one in found.releases if one.runs}


def in_fleet(world: Prebuilt, **wish: Any) -> list[dict[str, int]]:
    """What the fleet says of the runs on the active release of each Dag that fits."""
    return [one.runs for one in fleet.fleet(world.host, fleet.Wish(**wish), lambda: ["d"]).dags]


def again(world: Prebuilt, run_id: str, state: str, build: int | None = None) -> None:
    asked.clear(world.host, "d", [run_id], actor="ada", build=build)
    start_run("d", run_id)
    finish_run("d", run_id, state)


def test_a_run_that_failed_and_went_well_on_another_release_counts_on_both(world: Prebuilt) -> None:
    run(world, "r", "failed")
    assert counted(world) == {2: {"failed": 1}}
    asked.clear(world.host, "d", ["r"], actor="ada", build=1)
    assert counted(world) == {2: {"failed": 1}, 1: {"queued": 1}}
    assert in_fleet(world, failing=True) == [{"failed": 1}]
    start_run("d", "r")
    finish_run("d", "r", "success")
    assert counted(world) == {2: {"failed": 1}, 1: {"success": 1}}


def test_on_one_release_each_run_counts_once_as_it_went_last(world: Prebuilt) -> None:
    run(world, "r", "failed")
    run(world, "other", "success")
    asked.clear(world.host, "d", ["r"], actor="ada")
    assert counted(world) == {2: {"queued": 1, "success": 1}}
    assert in_fleet(world, failing=True) == []
    start_run("d", "r")
    finish_run("d", "r", "failed")
    assert counted(world) == {2: {"failed": 1, "success": 1}}
    assert in_fleet(world, failing=True) == [{"failed": 1, "success": 1}]
    again(world, "r", "success")
    assert counted(world) == {2: {"success": 2}}
    assert in_fleet(world, failing=True) == []
    assert in_fleet(world) == [{"success": 2}]


def test_what_failed_still_counts_when_airflow_has_forgotten_the_run(world: Prebuilt) -> None:
    """`airflow db clean` removes runs."""
    from airflow.models.dagrun import DagRun

    run(world, "r", "failed")
    world.host.unit.run(lambda s: s.execute(delete(DagRun)))
    assert counted(world) == {2: {"failed": 1}}
    assert in_fleet(world, failing=True) == [{"failed": 1}]


def test_an_end_that_is_not_recorded_yet_counts_by_airflows_row(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="r")
    by_hand(world, "r", state="failed")
    assert counted(world) == {2: {"failed": 1}}
    assert in_fleet(world, failing=True) == [{"failed": 1}]
    bindings.record_outcomes(world.host)
    assert counted(world) == {2: {"failed": 1}}
    assert in_fleet(world, failing=True) == [{"failed": 1}]


def back(world: Prebuilt) -> list[str]:
    """The runs that a rollback from release 2 runs again; its plan says the same."""
    (planned,), (done,) = (
        change.apply(world.host, asked.change(Verb.ROLLBACK, ["d"], rerun_failed=True, plan=plan))
        for plan in (True, False)
    )
    assert planned.rerun == done.rerun
    return list(done.rerun)


def test_a_rollback_runs_again_what_failed_on_the_release_and_was_not_run_again_since(
    world: Prebuilt,
) -> None:
    for run_id in ("failed", "cleared", "better", "elsewhere", "forgiven"):
        run(world, run_id, "failed")
    run(world, "good", "success")
    run(world, "older", "failed", build=1)
    asked.clear(world.host, "d", ["cleared"], actor="ada")
    again(world, "better", "success")
    again(world, "elsewhere", "failed", build=1)
    by_hand(world, "forgiven", state="success")
    asked.trigger(world.host, "d", actor="ada", run_id="unrecorded")
    by_hand(world, "unrecorded", state="failed")
    assert sorted(back(world)) == ["failed", "unrecorded"]


def test_what_failed_on_the_release_is_told_by_its_outcome_not_by_the_runs_row(world: Prebuilt) -> None:
    """Airflow's "clear on the latest version" moves the rows of runs that ended, too."""
    from airflow.models.dagrun import DagRun

    run(world, "on_2", "failed")
    run(world, "on_1", "failed", build=1)
    ids = {
        row.release: row.dag_version_id
        for row in world.host.unit.run(lambda s: s.execute(select(t.release)).all())
    }
    for run_id, release in (("on_2", 1), ("on_1", 2)):
        move = update(DagRun).where(DagRun.run_id == run_id)
        world.host.unit.run(lambda s, m=move, r=release: s.execute(m.values(created_dag_version_id=ids[r])))
    assert back(world) == ["on_2"]
