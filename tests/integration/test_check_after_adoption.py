"""Runs of before Pinwheel, of a Dag with task windows: which tasks they had is in their instances."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.utils.session import create_session

from harness.dag_runs import DagRuns
from harness.inprocess import bound_airflow
from harness.scheduling import Scheduler, listening
from harness.seed import Seeder, serialized_dags
from harness.windowed import blog, tasks_at
from pinwheel.core.request import ClearDatedRequest
from pinwheel.services.ingest import adopt
from pinwheel.services.release import variants
from pinwheel.services.timeline import check, clear_runs, show
from pinwheel.store import tables as t

RIGHT = (datetime(2019, 12, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC))
WRONG = datetime(2020, 2, 1, tzinfo=UTC)
"""Of a backfill, in which Airflow leaves no task out."""


@pytest.fixture
def database(sqlite: Any) -> Iterator[Any]:
    made = sqlite.create()
    with bound_airflow(made), listening():
        yield made
    made.drop()


@pytest.mark.acceptance("dates", 2)
@pytest.mark.parametrize("noted", [False, True], ids=["of stock", "noted before adoption"])
def test_runs_of_before_adoption_are_judged_by_their_task_instances(
    database: Any, tmp_path: Path, noted: bool
) -> None:
    """``noted``: by the listener, which could not tell of which build they were."""
    seeder = Seeder(tmp_path / "seed")
    ((name, source),) = blog().items()
    (tmp_path / name).write_text(textwrap.dedent(source))
    parsed = serialized_dags(tmp_path, name)
    with create_session() as session:
        update_dag_parsing_results_in_db(seeder.bundle_name, "c" * 40, parsed, {}, None, set(), session)
    dag, scheduler = DagRuns(seeder.host, "blog"), Scheduler()
    dag.unpause()
    right = [dag.run(date, run_type="scheduled") for date in RIGHT]
    wrong = dag.run(WRONG, run_type="backfill")
    scheduler.settle()
    assert [dag.came(run_id).present for run_id in right] == [tasks_at(date) for date in RIGHT]
    assert dag.came(wrong).present > tasks_at(WRONG)
    assert {(one.build_id, one.segment) for run_id in (*right, wrong) for one in dag.bindings(run_id)} == {
        (None, None)
    }
    if not noted:
        with create_session() as session:
            session.execute(sa.delete(t.binding))

    adopt.adopt(dag.host)
    assert variants.make_missing(dag.host)
    assert [one.run_id for one in check.check(dag.host, "blog").differ] == [wrong]
    (gap,) = show.show(dag.host, "blog").stretches
    assert gap.counts is not None and (gap.counts.runs, gap.counts.match) == (3, 2)
    asked = ClearDatedRequest(dag_id="blog")
    assert [one.run_id for one in clear_runs.clear(dag.host, asked, actor="ada").runs] == [wrong]
    scheduler.settle()
    assert (dag.came(wrong).state, dag.came(wrong).present) == ("success", tasks_at(WRONG))
    assert check.check(dag.host, "blog").differ == ()
