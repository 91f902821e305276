"""Dag files whose tasks have start and end dates of their own, and what stands in the tables of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from harness.faults import airflow_engine

OLD, NEW = {"task_1_2019", "task_2_2019"}, {"task_1_2020", "task_2_2020"}
COMMON = {"common_start"}
DESCRIBED, PRINTED = "2019, 12, 31, 23, 59", "2020, 12, 31, 23"
"""When the tasks of 2019 end in the blog post: as its text says, and as its code is printed."""

LAST_OF_2019 = datetime(2019, 12, 31, 23, 59, tzinfo=UTC)
FIRST_OF_2020 = datetime(2020, 1, 1, tzinfo=UTC)


def blog(
    end_of_2019: str = DESCRIBED,
    *,
    dag_id: str = "blog",
    more: str = "",
    schedule: str = "'@monthly'",
    end: str = "2021, 1, 1",
    catchup: bool = False,
) -> dict[str, str]:
    """The Dag of the blog post; ``more`` are further lines in its `with` block."""
    return {
        f"{dag_id}.py": f"""
    from datetime import datetime
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import (
        DAG, Asset, CronDataIntervalTimetable, CronPartitionTimetable, PartitionedAssetTimetable,
        StartOfMonthMapper,
    )

    START, END = datetime(2019, 11, 1), datetime({end})
    OLD = dict(start_date=START, end_date=datetime({end_of_2019}))
    NEW = dict(start_date=datetime(2020, 1, 1), end_date=END)
    with DAG("{dag_id}", schedule={schedule}, start_date=START, end_date=END, catchup={catchup}):
        common = EmptyOperator(task_id="common_start", start_date=START, end_date=END)
        old = [EmptyOperator(task_id=f"task_{{n}}_2019", **OLD) for n in (1, 2)]
        new = [EmptyOperator(task_id=f"task_{{n}}_2020", **NEW) for n in (1, 2)]
        common >> [old[0], new[0]]
        old[0] >> old[1]
        new[0] >> new[1]
        {more}
"""
    }


def segment_at(date: datetime) -> int:
    """Of the blog's Dag as it is described: the position of what holds a date."""
    return 1 + (date > LAST_OF_2019) + (date >= FIRST_OF_2020)


def tasks_at(date: datetime) -> set[str]:
    """The tasks that its author wants for data of a date."""
    return {1: COMMON | OLD, 2: COMMON, 3: COMMON | NEW}[segment_at(date)]


def plain(dag_id: str = "blog", body: int = 0) -> dict[str, str]:
    """A Dag without task windows."""
    return {
        f"{dag_id}.py": f"""
    from datetime import datetime
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    # {body}
    with DAG("{dag_id}", schedule="@monthly", start_date=datetime(2019, 11, 1), catchup=False):
        EmptyOperator(task_id="common_start")
"""
    }


def rows(query: str, **values: Any) -> list[Any]:
    with airflow_engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def numbers(dag_id: str = "blog") -> list[int]:
    """Of the Dag's version rows, the newest first."""
    query = "SELECT version_number FROM dag_version WHERE dag_id = :dag_id ORDER BY version_number DESC"
    return [number for (number,) in rows(query, dag_id=dag_id)]


def named(dag_id: str = "blog") -> str | None:
    """The bundle version in Airflow's row of the Dag."""
    ((version,),) = rows("SELECT bundle_version FROM dag WHERE dag_id = :dag_id", dag_id=dag_id)
    return str(version) if version is not None else None


def tasks_of(number: int, dag_id: str = "blog") -> dict[str, Any]:
    """The tasks that Airflow reads back from a version row."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.session import create_session

    with create_session() as session:
        version = session.scalars(
            sa.select(DagVersion).where(DagVersion.dag_id == dag_id, DagVersion.version_number == number)
        ).one()
        dag = DBDagBag(load_op_links=False).get_dag(version.id, session)
        assert dag is not None and (dag.start_date, dag.end_date) == (None, None)
        return dict(dag.task_dict)
