"""Each try shows the release and the code that it ran, whatever Airflow's rows say later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from harness import asked
from harness.asked import clear, history, trigger
from harness.inprocess import bound_airflow
from harness.life import Life, dag
from harness.seed import Seeder
from pinwheel.services.run import bindings
from pinwheel.services.show.builds import releases
from pinwheel.store import tables as t


@pytest.fixture
def seeder(database_source: Any, tmp_path: Path) -> Iterator[Seeder]:
    database = database_source.create()
    with bound_airflow(database):
        yield Seeder(tmp_path)
    database.drop()


def shown(seeder: Seeder, **arguments: Any) -> list[tuple[Any, ...]]:
    return [
        (row.task_id, row.try_number, row.state, row.release, row.build)
        for row in history(seeder.host, "d", **arguments)
    ]


def version_ids(seeder: Seeder) -> list[Any]:
    return seeder.host.unit.run(
        lambda s: list(s.scalars(select(t.release.c.dag_version_id).order_by(t.release.c.release)))
    )


@pytest.fixture
def life(seeder: Seeder) -> Life:
    seeder.push({"d.py": dag("a", "b")})
    bound = trigger(seeder.host, "d", actor="ada", run_id="r1")
    life = Life(seeder, bound.run_id)
    assert shown(seeder) == []
    life.execute("a", 1)
    life.execute("b", 1)
    life.set_run("success")
    return life


def test_tries_before_and_after_a_clear_on_the_latest_version(seeder: Seeder, life: Life) -> None:
    first = releases(seeder.host, "d")[0].bundle_version
    second = seeder.push({"d.py": dag("a", "c", mark="m2")})
    life.stock_clear(latest=True)
    cleared = [("a", 1, "success", 1, 1), ("b", 1, "success", 1, 1)]
    assert shown(seeder) == cleared
    life.execute("a", 2)
    life.execute("c", 1)
    assert shown(seeder) == [
        ("a", 1, "success", 1, 1),
        ("a", 2, "success", 2, 2),
        ("b", 1, "success", 1, 1),
        ("c", 1, "success", 2, 2),
    ]
    rows = history(seeder.host, "d", run_id="r1")
    assert [row.bundle_version for row in rows] == [first, second, first, second]
    # The run was asked for by hand, but for the active build, and Airflow cleared it.
    assert [row.bound_by for row in rows] == ["active"] * 4
    assert shown(seeder, task_id="b") == [("b", 1, "success", 1, 1)]


def test_a_clear_keeps_the_version_unless_asked(seeder: Seeder, life: Life) -> None:
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    clear(seeder.host, "d", ["r1"], actor="ada")
    life.execute("a", 2)
    clear(seeder.host, "d", ["r1"], actor="ada", build=2)
    life.execute("a", 3)
    assert [row for row in shown(seeder) if row[0] == "a"] == [
        ("a", 1, "success", 1, 1),
        ("a", 2, "success", 1, 1),
        ("a", 3, "success", 2, 2),
    ]


def test_rows_that_airflow_points_elsewhere_do_not_matter(seeder: Seeder, life: Life) -> None:
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    life.relabel(version_ids(seeder)[1])
    assert shown(seeder) == [("a", 1, "success", 1, 1), ("b", 1, "success", 1, 1)]


def test_a_skipped_or_failed_upstream_task_is_listed(seeder: Seeder, life: Life) -> None:
    clear(seeder.host, "d", ["r1"], actor="ada")
    life.execute("a", 2, "failed")
    life.execute("b", 2, "upstream_failed")
    assert shown(seeder) == [
        ("a", 1, "success", 1, 1),
        ("a", 2, "failed", 1, 1),
        ("b", 1, "success", 1, 1),
        ("b", 2, "upstream_failed", 1, 1),
    ]


def test_without_a_binding_airflows_own_row_is_asked(seeder: Seeder, life: Life) -> None:
    seeder.host.unit.run(lambda s: s.execute(delete(t.binding)))
    assert shown(seeder) == [("a", 1, "success", 1, 1), ("b", 1, "success", 1, 1)]


def test_what_ran_before_pinwheel_has_no_build(seeder: Seeder, life: Life) -> None:
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun

    def work(session: Any) -> Any:
        session.execute(delete(t.binding))
        version = DagVersion(dag_id="d", version_number=99, bundle_name="seed", bundle_version="0" * 40)
        session.add(version)
        session.flush()
        session.execute(update(DagRun).values(bundle_version="0" * 40, created_dag_version_id=version.id))
        return version.id

    life.relabel(seeder.host.unit.run(work))
    assert shown(seeder) == [("a", 1, "success", None, None), ("b", 1, "success", None, None)]
    assert {row.bundle_version for row in history(seeder.host, "d")} == {None}


def test_runs_are_newest_first_and_limited(seeder: Seeder, life: Life) -> None:
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    trigger(seeder.host, "d", actor="ada", run_id="r2")
    Life(seeder, "r2").execute("a", 1)
    assert [(row.run_id, row.release) for row in history(seeder.host, "d")] == [
        ("r2", 2),
        ("r1", 1),
        ("r1", 1),
    ]
    assert [row.run_id for row in history(seeder.host, "d", limit=1)] == ["r2"]


def test_a_trial_run_has_a_build_but_no_release(seeder: Seeder, life: Life) -> None:
    from pinwheel.core.release.decide import Verb
    from pinwheel.services import change

    change.apply(seeder.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    trigger(seeder.host, "d", actor="ada", run_id="r2", build=2)
    Life(seeder, "r2").execute("a", 1)
    assert shown(seeder, run_id="r2") == [("a", 1, "success", None, 2)]


def test_versions_before_pinwheel_are_listed_when_asked(seeder: Seeder, life: Life) -> None:
    from airflow.models.dag_version import DagVersion

    seeder.push({"d.py": dag("a")})

    def work(session: Any) -> None:
        session.execute(delete(t.release).where(t.release.c.release == 1))
        session.execute(
            update(DagVersion).where(DagVersion.version_number == 1).values(bundle_version="f" * 40)
        )

    seeder.host.unit.run(work)
    assert [r.release for r in releases(seeder.host, "d")] == [2]
    before = releases(seeder.host, "d", include_before=True)[1]
    assert (before.release, before.kind, before.build) == (1, "before", None)
    assert before.bundle_version == "f" * 40


@pytest.mark.parametrize("looked_at_before", [True, False])
def test_of_a_run_moved_while_it_ran_only_what_is_certain_is_told(
    seeder: Seeder, life: Life, looked_at_before: bool
) -> None:
    """Airflow's clear "on the latest" moves a running run; the Dag processor notes it a moment later."""
    from airflow.models.dagrun import DagRun

    life.set_run("running")
    life.execute("b", 2, "running")
    watched: set[int] = set()
    bindings.record_bindings(seeder.host, watched)
    assert watched
    if not looked_at_before:
        watched.clear()
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    moved = {"clear_number": 1, "created_dag_version_id": version_ids(seeder)[1]}
    seeder.host.unit.run(lambda s: s.execute(update(DagRun).where(DagRun.run_id == "r1").values(**moved)))
    life.execute("a", 1, "up_for_retry")
    assert bindings.record_bindings(seeder.host, watched) == 1
    life.execute("a", 2)
    life.execute("b", 3)
    shown_now = {(row[0], row[1]): row[3] for row in shown(seeder)}
    # Of b the second try was in work: it may have begun before or after.
    first = 1 if looked_at_before else None
    assert shown_now == {("a", 2): 2, ("b", 3): 2} | {k: first for k in shown_now if k[1] == 1}


def test_a_task_that_was_skipped_and_not_cleared_stays_with_the_version_that_skipped_it(
    seeder: Seeder, life: Life
) -> None:
    def of_b() -> tuple[Any, ...]:
        return [row for row in shown(seeder) if row[0] == "b"][-1][2:]

    life.mark("b", "skipped")
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    clear(seeder.host, "d", ["r1"], actor="ada", build=2, task_ids=["a"])
    life.execute("a", 2)
    assert of_b() == ("skipped", 1, 1)
    clear(seeder.host, "d", ["r1"], actor="ada", build=2)
    life.mark("b", "skipped")
    assert of_b() == ("skipped", 2, 2)
