"""A Dag that runs once a month, over three eras, and what each of its runs should be. In all from 2018-11 to
2026-10, 96 months.

Its builds differ in structure: each has a task of its own, and one that prints what really ran, whose window
is three months of the era that the build is for. All others are empty operators, which the scheduler ends by
itself. The active build, the fourth, is of no era.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from harness.processes import wait_for
from harness.soak import size

OF_AN_ERA = size(32, gate=6)
MONTHS = [datetime(2018 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(10, 10 + 3 * OF_AN_ERA)]
_SECOND, _THIRD = (f"{MONTHS[n * OF_AN_ERA]:%Y-%m}" for n in (1, 2))
ERAS = {1: (None, _SECOND), 2: (_SECOND, _THIRD), 3: (_THIRD, None)}
"""By build: the first day of its era and the first one after it."""
SHOWN = {build: f"{MONTHS[(build - 1) * OF_AN_ERA + OF_AN_ERA // 5]:%Y-%m}" for build in ERAS}
"""By build: the month before the first of the three that print."""
ACTIVE = 4
BACKFILL = {
    "from_date": f"{MONTHS[0]:%Y-%m}-01T00:00:00Z",
    "to_date": f"{MONTHS[-1]:%Y-%m}-01T00:00:00Z",
    "max_active_runs": 48,
}
"""All of them, for Airflow's backfills and ours."""


def source(dag_id: str, build: int, *, catchup: bool = False) -> dict[str, str]:
    before = _day(SHOWN.get(build, "2030-01"))
    last = _day(f"{before.year + (before.month + 2) // 12}-{(before.month + 2) % 12 + 1:02}")
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
    end_date=datetime({MONTHS[-1]:%Y, %-m}, 1),
    catchup={catchup},
    is_paused_upon_creation={catchup},
    max_active_runs=48,
):

    @task(start_date=datetime({before:%Y, %-m}, 2), end_date=datetime({last:%Y, %-m}, 2), **AGAIN)
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


NEWEST_TRY = (
    "NOT EXISTS (SELECT 1 FROM task_instance n WHERE n.dag_id = i.dag_id AND n.run_id = i.run_id"
    " AND n.task_id = i.task_id AND n.try_number > i.try_number)"
)
"""Of a task instance ``i`` that is not mapped: from 3.4 on earlier tries are rows beside it."""


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
        f" AND {NEWEST_TRY}"
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


def post(env: Any, path: str, **body: Any) -> None:
    reply = env.api().post(path, json=body, timeout=300)
    assert not reply.is_error, f"{path}: {reply.status_code} {reply.text[:2000]}"


class Months:
    """Such Dags in a deployment, with builds and eras; ``catchup`` says of each whether it catches up."""

    def __init__(
        self, env: Any, releases: Any, bundle: str, repo: Any, *, catchup: Mapping[str, bool]
    ) -> None:
        self.env = env
        self.dag_ids = sorted(catchup)
        self.total = len(MONTHS) * len(catchup)
        self.commits: dict[int, str] = {}
        for build in (*ERAS, ACTIVE):
            files: dict[str, str] = {}
            for dag_id, catches_up in catchup.items():
                files |= source(dag_id, build, catchup=catches_up)
            self.commits[build] = repo.commit(files)
            releases.wait_settled(bundle, self.commits[build])
        eras = [{"from": first, "until": after, "build": build} for build, (first, after) in ERAS.items()]
        for dag_id in self.dag_ids:
            path = f"/pinwheel/api/v1/dags/{dag_id}/timeline"
            reply = env.api().put(path, json={"verb": "set", "eras": eras}, timeout=300)
            assert not reply.is_error, reply.text

    def post(self, path: str, **body: Any) -> None:
        post(self.env, path, **body)

    def ended(self) -> int:
        query = "SELECT count(*) FROM dag_run WHERE dag_id LIKE 'months%' AND state IN ('success', 'failed')"
        return int(self.env.scalar(query))

    def wait_ended(self, count: int) -> None:
        wait_for(
            lambda: self.ended() >= count,
            600,
            lambda: f"{self.ended()} of {count} runs ended\n{self.env.tails()}",
            0.5,
        )

    def clear_all(self, dag_id: str) -> None:
        """As Airflow's page of a run does it, with its latest version."""
        for row in self.env.rows(
            "SELECT run_id FROM dag_run WHERE dag_id = :d ORDER BY logical_date", d=dag_id
        ):
            path = f"/api/v2/dags/{dag_id}/dagRuns/{row['run_id']}/clear"
            self.post(path, dry_run=False, run_on_latest_version=True)

    def all_came_right(self, *, tries: int) -> None:
        """Wait for the end of all; each was on the build of its era, as those that print say too."""
        self.wait_ended(self.total)
        wrong: dict[tuple[str, datetime], Any] = {}
        for dag_id in self.dag_ids:
            came = came_of(self.env, dag_id)
            assert sorted(came) == MONTHS
            for date, ran in came.items():
                if ran != (right := expected(date, self.commits)):
                    wrong[dag_id, date] = (ran, right)
        assert not wrong, f"{len(wrong)} of {self.total}: {list(wrong.items())[:4]}"
        query = (
            "SELECT r.dag_id, r.run_id, r.logical_date, i.try_number FROM dag_run r JOIN task_instance i"
            " ON i.dag_id = r.dag_id AND i.run_id = r.run_id"
            f" WHERE r.dag_id LIKE 'months%' AND i.task_id = 'show' AND {NEWEST_TRY}"
        )
        printing = self.env.rows(query)
        assert len(printing) == 9 * len(self.dag_ids)
        for row in printing:
            assert row["try_number"] >= tries
            marks = self.env.marks(row["dag_id"], row["run_id"], "show", row["try_number"])
            assert marks["EXEC_MARK"] == f"m{build_of(row['logical_date'])}"
