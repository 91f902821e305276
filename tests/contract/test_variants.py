"""Variants of real Dags: what we make of Airflow's serialization is what Airflow makes of the smaller Dag."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pinwheel.core.structure.windows import segments, windows
from pinwheel.core.structure.without import without

START, YEAR_END = datetime(2019, 11, 1, tzinfo=UTC), datetime(2019, 12, 31, 23, 59, tzinfo=UTC)
NEXT, PRINTED_END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 12, 31, 23, tzinfo=UTC)
DAG_END = datetime(2021, 1, 1, tzinfo=UTC)


def serialized(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    found: dict[str, Any] = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    return found


def blog(*, end_of_2019: datetime) -> dict[str, Any]:
    """The Dag of the blog post (``task_1_2019`` until then, ``task_1_2020`` from 2020 on)."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    with DAG("blog", schedule="@monthly", start_date=START, end_date=DAG_END) as dag:
        common = EmptyOperator(task_id="common_start", start_date=START, end_date=DAG_END)
        old = [
            EmptyOperator(task_id=f"task_{n}_2019", start_date=START, end_date=end_of_2019) for n in (1, 2)
        ]
        new = [EmptyOperator(task_id=f"task_{n}_2020", start_date=NEXT, end_date=DAG_END) for n in (1, 2)]
        common >> [old[0], new[0]]
        old[0] >> old[1]
        new[0] >> new[1]
    return serialized(dag)


OLD, NEW = {"task_1_2019", "task_2_2019"}, {"task_1_2020", "task_2_2020"}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        # As the text describes it: in the minute before midnight there is neither branch.
        (YEAR_END, [(None, NEW), (YEAR_END + timedelta(microseconds=1), OLD | NEW), (NEXT, OLD)]),
        # As the code is printed: 2020 has both branches.
        (PRINTED_END, [(None, NEW), (NEXT, set()), (PRINTED_END + timedelta(microseconds=1), OLD)]),
    ],
    ids=["described", "printed"],
)
def test_the_blogs_dag_has_three_segments(
    end: datetime, expected: list[tuple[datetime | None, set[str]]]
) -> None:
    found = segments(windows(blog(end_of_2019=end)))
    assert [(one.starts_at, set(one.absent)) for one in found] == expected


def grouped(present: Callable[[str], bool], more: Collection[tuple[str, str]] = (), **dates: Any) -> Any:
    """A Dag with groups, labels and a mapped task, of the tasks that are present, with further edges."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG, Label, TaskGroup

    made: dict[str, Any] = {}

    def add(task_id: str, **values: Any) -> None:
        if present(task_id):
            made[task_id] = EmptyOperator(
                task_id=task_id.rpartition(".")[2], **values, **dates.get(task_id, {})
            )

    def order(above: str, below: str, label: str | None = None) -> None:
        if above in made and below in made:
            if label is None:
                made[above] >> made[below]
            else:
                made[above] >> Label(label) >> made[below]

    with DAG("grouped", schedule=None, **dates.get("dag", {})) as dag:
        add("start")
        if any(map(present, ("load.one", "load.deep.two", "load.deep.three"))):
            with TaskGroup("load"):
                add("load.one")
                if any(map(present, ("load.deep.two", "load.deep.three"))):
                    with TaskGroup("deep"):
                        add("load.deep.two", trigger_rule="none_failed")
                        add("load.deep.three")
        if present("each"):
            made["each"] = PythonOperator.partial(
                task_id="each", python_callable=str, **dates.get("each", {})
            ).expand(op_args=[[1], [2]])
        add("end", trigger_rule="all_done")
        order("start", "load.one")
        order("start", "load.deep.two", "twice")
        order("load.deep.two", "load.deep.three")
        order("load.one", "each")
        order("load.deep.three", "each")
        order("each", "end", "last")
        for above, below in more:
            made[above] >> made[below]
    return dag


ALL = ("start", "load.one", "load.deep.two", "load.deep.three", "each", "end")


@pytest.mark.acceptance("dates", 4)
@pytest.mark.parametrize(
    ("absent", "bridges"),
    [
        ({"load.one"}, []),
        ({"load.deep.two"}, [("start", "load.deep.three")]),
        ({"load.deep.two", "load.deep.three"}, []),
        ({"load.one", "load.deep.two", "load.deep.three"}, [("start", "each")]),
        ({"each"}, [("load.one", "end"), ("load.deep.three", "end")]),
        ({"load.one", "load.deep.three", "each"}, [("load.deep.two", "end")]),
        ({"start", "end"}, []),
        ({"start", "load.one", "load.deep.two", "load.deep.three", "each"}, []),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else "",
)
def test_a_variant_is_what_airflow_serializes_of_a_dag_without_the_tasks(
    absent: set[str], bridges: list[tuple[str, str]]
) -> None:
    """The further edges are what the author would write, so that the order holds that held through them."""
    dates = {task_id: {"end_date": YEAR_END} for task_id in sorted(absent)}
    full = grouped(lambda task_id: True, **dates, dag={"start_date": START})
    smaller = grouped(lambda task_id: task_id not in absent, bridges)
    assert normal(without(serialized(full), absent)) == normal(serialized(smaller))


def test_a_variant_of_nothing_absent_is_the_dag_without_its_dates() -> None:
    dates = {task_id: {"end_date": YEAR_END} for task_id in ("load.one", "each")}
    full = grouped(lambda task_id: True, **dates, dag={"start_date": START, "end_date": DAG_END})
    assert normal(without(serialized(full), ())) == normal(serialized(grouped(lambda task_id: True)))


def test_a_variant_can_be_read_back_and_its_tasks_have_no_dates() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    variant = without(blog(end_of_2019=YEAR_END), NEW)
    dag = DagSerialization.from_dict(variant)
    assert sorted(dag.task_dict) == ["common_start", *sorted(OLD)]
    assert {(task.start_date, task.end_date) for task in dag.tasks} == {(None, None)}
    assert (dag.start_date, dag.end_date) == (None, None)
    assert dag.task_dict["common_start"].downstream_task_ids == {"task_1_2019"}
    assert sorted(dag.task_group.children) == ["common_start", *sorted(OLD)]


def normal(data: Any) -> Any:
    """Without what is no part of the structure, and with what has no order in order."""
    if isinstance(data, dict):
        return {
            key: sorted(value) if key.endswith("_ids") and isinstance(value, list) else normal(value)
            for key, value in data.items()
            if key not in ("fileloc", "relative_fileloc", "_processor_dags_folder", "client_defaults")
            and not (key.endswith("_ids") and value == [] and key == "downstream_task_ids")
        }
    return [normal(one) for one in data] if isinstance(data, list) else data
