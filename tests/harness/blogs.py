"""The Dag of the blog post in its three shapes, and which tasks have a place at which date.

As its text describes it (2019's tasks end on 2019-12-31 23:59), as its code is printed (they end with 2020),
and as described with a join and a task in the middle that 2020 has no more. Of the first the tasks that
differ execute Python and print what ran; all others are empty operators, as in the post.
"""

from __future__ import annotations

from datetime import UTC, datetime

DESCRIBED, PRINTED, JOINED, FED = "blog", "blog_printed", "blog_joined", "blog_fed"
SHAPES = (DESCRIBED, PRINTED, JOINED)
START, END = datetime(2019, 11, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
_2020 = datetime(2020, 1, 1, tzinfo=UTC)
_LAST_OF_2019 = {
    DESCRIBED: datetime(2019, 12, 31, 23, 59, tzinfo=UTC),
    PRINTED: datetime(2020, 12, 31, 23, tzinfo=UTC),
}

_TOP = """
from datetime import datetime, timedelta
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, task

START, END = datetime(2019, 11, 1), datetime(2021, 1, 1)
OLD = dict(start_date=START, end_date=datetime({end}))
NEW = dict(start_date=datetime(2020, 1, 1), end_date=END)
"""
_DAG = """
with DAG("{dag_id}", schedule="@monthly", start_date=START, end_date=END, catchup=True, max_active_runs=30):
"""
_TASKS = """
    common = EmptyOperator(task_id="common_start", start_date=START, end_date=END)
    old = [{first}("task_1_2019", **OLD), EmptyOperator(task_id="task_2_2019", **OLD)]
    new = [{first}("task_1_2020", **NEW), EmptyOperator(task_id="task_2_2020", **NEW)]
    common >> [old[0], new[0]]
    old[0] >> old[1]
    new[0] >> new[1]
"""
_PRINTING = """
    def first(task_id, **dates):
        @task(task_id=task_id, retries=2, retry_delay=timedelta(seconds=1), **dates)
        def show():
            print(f"EXEC_MARK={task_id}")
            print(f"EXEC_FILE={__file__}")
        return show()
"""
_EMPTY = """
    def first(task_id, **dates):
        return EmptyOperator(task_id=task_id, **dates)
"""
_JOIN = """
    join = EmptyOperator(task_id="join")
    [old[1], new[1]] >> join
    middle = EmptyOperator(task_id="middle", **OLD)
    join >> middle >> EmptyOperator(task_id="last")
"""


def sources() -> dict[str, str]:
    """The three files, and the described one as a Dag that asset events start, with what writes the asset."""
    top = _TOP.replace("{end}", "2019, 12, 31, 23, 59")
    tasks = _TASKS.replace("{first}", "first")

    def scheduled(dag_id: str) -> str:
        return _DAG.replace("{dag_id}", dag_id)

    fed = f'\nwith DAG("{FED}", schedule=[Asset("orders")], start_date=START, end_date=END):\n'
    feeds = '\nwith DAG("feeds", schedule=None, start_date=START):\n'
    feeds += '    EmptyOperator(task_id="write", outlets=[Asset("orders")])\n'
    return {
        f"{DESCRIBED}.py": top + scheduled(DESCRIBED) + _PRINTING + tasks,
        f"{PRINTED}.py": _TOP.replace("{end}", "2020, 12, 31, 23") + scheduled(PRINTED) + _EMPTY + tasks,
        f"{JOINED}.py": top + scheduled(JOINED) + _EMPTY + tasks + _JOIN,
        f"{FED}.py": top + fed + _EMPTY + tasks + feeds,
    }


def tasks_at(dag_id: str, date: datetime) -> set[str]:
    """Those that have a place at a date, by the definition: a window holds both its ends, and one that is the
    Dag's own earliest start or latest end is open there.
    """
    found = {"common_start"}
    if date <= _LAST_OF_2019.get(dag_id, _LAST_OF_2019[DESCRIBED]):
        found |= {"task_1_2019", "task_2_2019"} | ({"middle"} if dag_id == JOINED else set())
    if date >= _2020:
        found |= {"task_1_2020", "task_2_2020"}
    return found | ({"join", "last"} if dag_id == JOINED else set())


MONTHS = [datetime(2019 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(10, 25)]
"""All that its schedule has."""
BY_HAND = (
    datetime(2019, 12, 15, 10, tzinfo=UTC),
    datetime(2019, 12, 31, 23, 59, 30, tzinfo=UTC),
    datetime(2020, 6, 10, 7, tzinfo=UTC),
)
"""Logical dates of runs by hand; on the second neither year has a place in the described Dag."""
BACKFILLS = (
    ("2019-08-01", "2019-10-01", "none"),
    ("2021-02-01", "2021-03-01", "none"),
    ("2019-12-01", "2020-01-01", "completed"),
    ("2020-02-01", "2020-03-01", "failed"),
)
"""First and last date, before its start and after its end too, and what is done with dates that ran."""
