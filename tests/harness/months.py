"""A Dag that runs once a month from 2018-11 to 2026-10, over three eras, and what each of its runs should be.

Its builds differ in structure: each has a task of its own, and one that prints what really ran, whose window
is three months of the era that the build is for. All others are empty operators, which the scheduler ends by
itself. The active build, the fourth, is of no era.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import frozen

MONTHS = [datetime(2018 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(10, 106)]
ERAS = {1: (None, "2021-07"), 2: ("2021-07", "2024-03"), 3: ("2024-03", None)}
"""By build: the first day of its era and the first one after it."""
SHOWN = {1: "2019-05", 2: "2022-01", 3: "2025-06"}
"""By build: the month before the first of the three that print."""
ACTIVE = 4


def source(dag_id: str, build: int, *, catchup: bool = False) -> dict[str, str]:
    year, month = map(int, SHOWN.get(build, "2030-01").split("-"))
    return {
        f"{dag_id}.py": f"""
from datetime import datetime, timedelta
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

AGAIN = dict(retries=5, retry_delay=timedelta(seconds=1))
with DAG(
    "{dag_id}",
    schedule="@monthly",
    start_date=datetime(2018, 11, 1),
    end_date=datetime(2026, 10, 1),
    catchup={catchup},
    is_paused_upon_creation={catchup},
    max_active_runs=48,
):

    @task(start_date=datetime({year}, {month}, 2), end_date=datetime({year}, {month + 3}, 2), **AGAIN)
    def show():
        print("EXEC_MARK=m{build}")
        print(f"EXEC_FILE={{__file__}}")

    EmptyOperator(task_id="start") >> EmptyOperator(task_id="only_{build}") >> show()
"""
    }


def build_of(date: datetime) -> int:
    (found,) = (
        build
        for build, (first, after) in ERAS.items()
        if (first is None or _day(first) <= date) and (after is None or date < _day(after))
    )
    return found


def prints(date: datetime) -> bool:
    before = _day(SHOWN[build_of(date)])
    return 1 <= (date.year - before.year) * 12 + date.month - before.month <= 3


def tasks_of(date: datetime) -> set[str]:
    return {"start", f"only_{build_of(date)}"} | ({"show"} if prints(date) else set())


def _day(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-01T00:00:00+00:00")


@frozen(kw_only=True)
class Ran:
    """What came of a month."""

    state: str
    commit: str | None
    tasks: frozenset[str]
    """Those that succeeded, of the instances that are there; one that did not has its state after it."""
    structure: frozenset[int]
    """Numbers of the builds whose rows the run and its instances name."""


def came_of(env: Any, dag_id: str) -> dict[datetime, Ran]:
    """By logical date, from Airflow's rows."""
    rows = env.rows(
        "SELECT r.logical_date, r.state, r.bundle_version, i.task_id, i.state AS task_state,"
        " abs(mod(v.version_number, 1000000)) AS of_run, abs(mod(w.version_number, 1000000)) AS of_task,"
        " v.version_number AS whole"
        " FROM dag_run r JOIN dag_version v ON v.id = r.created_dag_version_id"
        " LEFT JOIN task_instance i ON i.dag_id = r.dag_id AND i.run_id = r.run_id AND i.state <> 'removed'"
        " LEFT JOIN dag_version w ON w.id = i.dag_version_id WHERE r.dag_id = :d",
        d=dag_id,
    )
    found: dict[datetime, Ran] = {}
    for row in rows:
        date = row["logical_date"]
        task = row["task_id"] if row["task_state"] == "success" else f"{row['task_id']} {row['task_state']}"
        before = found.get(date, Ran(state="", commit=None, tasks=frozenset(), structure=frozenset()))
        found[date] = Ran(
            state=row["state"],
            commit=row["bundle_version"],
            tasks=before.tasks | {task},
            structure=before.structure | {int(row["of_run"]), int(row["of_task"] or 0)},
        )
    return found


def expected(date: datetime, commits: dict[int, str]) -> Ran:
    build = build_of(date)
    return Ran(
        state="success",
        commit=commits[build],
        tasks=frozenset(tasks_of(date)),
        structure=frozenset({build}),
    )
