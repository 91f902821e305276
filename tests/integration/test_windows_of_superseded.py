"""Runs that stay on a superseded build with task windows: its rows for dates are gone, and made again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.models.dag_version import DagVersion
from airflow.utils.session import create_session
from sqlalchemy import select

from harness.dag_runs import DagRuns
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from harness.windowed import COMMON, OLD, PRINTED, blog, numbers
from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.core.run.binding import BoundBy
from pinwheel.services.release import variants
from pinwheel.services.upkeep.keeping_runs import Keeping
from pinwheel.store import bindings
from pinwheel.store.bindings import NewBinding

AT = datetime(2019, 11, 15, tzinfo=UTC)


@pytest.fixture
def seeder(sqlite: Any, tmp_path: Any) -> Iterator[Seeder]:
    with listening_airflow(sqlite):
        yield Seeder(tmp_path)


def on_own_row(dag: DagRuns, version: str) -> tuple[str, Any]:
    """A run of 2019 on the row and bundle version of the first release, with all tasks; and that row."""
    run_id = dag.run(None, run_after=AT)
    with create_session() as session:
        number = DagVersion.version_number == 1
        row = session.scalars(select(DagVersion.id).where(DagVersion.dag_id == "blog", number)).one()
    dag.host.unit.run(
        lambda s: dag.host.runs.rebind_run(s, "blog", run_id, dag_version_id=row, bundle_version=version)
    )
    return run_id, row


def bound(dag: DagRuns, scheduler: Scheduler, run_id: str) -> None:
    """It waits for the keeper, which binds it; and ends with the tasks of its date."""
    scheduler.turn(3)
    assert dag.came(run_id).state == "queued"
    assert Keeping(dag.host, lambda: 0.0).bind_ahead() == 1
    scheduler.settle()
    assert dag.came(run_id).state == "success" and dag.came(run_id).present == COMMON | OLD


@pytest.mark.acceptance("dates", 27)
@pytest.mark.skipif(not airflow_34_plus(), reason="nobody can choose a bundle version in Airflow before 3.4")
def test_a_run_for_which_somebody_chose_its_bundle_version_has_the_tasks_of_its_date(seeder: Seeder) -> None:
    first = seeder.push(blog())
    seeder.push(blog(PRINTED))
    variants.make_missing(seeder.host)
    assert -1_000_001 not in numbers(), "of the first build none is left"
    dag, scheduler = DagRuns(seeder.host, "blog"), Scheduler()
    dag.unpause()
    run_id, _ = on_own_row(dag, first)
    bound(dag, scheduler, run_id)
    (binding,) = dag.bindings(run_id)
    assert (binding.bound_by, binding.segment, binding.bundle_version) == (BoundBy.HAND, 1, first)
    seeder.push(blog(end="2021, 2, 1"))
    assert -1_000_001 in numbers(), "it is needed"


@pytest.mark.acceptance("dates", 2)
def test_a_run_from_before_its_dag_was_judged_has_them_when_it_is_cleared_after_the_next_release(
    seeder: Seeder,
) -> None:
    first = seeder.push(blog())
    dag, scheduler = DagRuns(seeder.host, "blog"), Scheduler()
    run_id, row = on_own_row(dag, first)
    stays = NewBinding(
        dag_id="blog",
        run_id=run_id,
        seq=0,
        dag_version_id=row,
        bundle_version=first,
        bound_by=BoundBy.ACTIVE,
        bound_at=seeder.host.unit.now(),
    )
    seeder.host.unit.run(lambda s: bindings.add_all(s, [stays]))
    dag.unpause()
    scheduler.settle()
    assert dag.came(run_id).state == "success" and len(dag.came(run_id).present) == 5
    seeder.push(blog(PRINTED))
    dag.clear(run_id)
    bound(dag, scheduler, run_id)
    assert [(one.seq, one.bundle_version, one.segment) for one in dag.bindings(run_id)][1:] == [(1, first, 1)]
