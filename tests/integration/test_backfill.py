"""Backfills and clears on a chosen build: runs, tasks, bindings and history are that build's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from harness import asked, faults
from harness.asked import clear, history, trigger
from harness.inprocess import bound_airflow
from harness.seed import Seeder
from pinwheel.cli.main import main
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.change import apply
from pinwheel.services.run.backfill import Backfilled
from pinwheel.services.show import status as dag_status
from pinwheel.services.show.builds import releases
from pinwheel.services.show.events import events
from pinwheel.store import bindings

DAG = """
    import datetime
    from airflow.sdk import DAG, task

    with DAG(
        "d", schedule={schedule}, start_date=datetime.datetime(2024, 1, 1), catchup=False, {more}
    ):
        {tasks}
"""
TASK = """
        @task({options})
        def {name}():
            print({mark!r})
        {name}()
"""


def dag(
    *tasks: tuple[str, str], schedule: str = "'@daily'", more: str = "", mark: str = "m", dag_id: str = "d"
) -> str:
    bodies = "".join(TASK.format(name=name, options=options, mark=mark) for name, options in tasks)
    return DAG.format(schedule=schedule, more=more, tasks=bodies).replace('"d"', f'"{dag_id}"')


FIRST = dag(("a", "queue='one', retries=1"), ("gone", ""))
SECOND = dag(
    ("a", "queue='two', retries=3, pool_slots=2"), ("fresh", "queue='big'"), schedule="'0 */12 * * *'"
)


MADE = ("backfill_dag_run", "task_instance", "dag_run", "backfill", "pinwheel_binding")
"""Tables of what a backfill makes."""


@pytest.fixture
def seeder(database_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seeder]:
    bundle = {
        "name": "seed",
        "classpath": "pinwheel.bundles.FolderBundle",
        "kwargs": {"path": str(tmp_path / "folder")},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("PINWHEEL_ACTOR", "ada")
    monkeypatch.delenv("PINWHEEL_URL", raising=False)
    database = database_source.create()
    with bound_airflow(database):
        yield Seeder(tmp_path)
    database.drop()


@pytest.fixture
def held(seeder: Seeder) -> Seeder:
    """Build 1 (a, gone; daily) is active and pinned; build 2 (a, fresh; twice a day) was never released."""
    seeder.push({"d.py": FIRST})
    apply(seeder.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
    seeder.push({"d.py": SECOND})
    return seeder


def wish(first: int = 1, last: int = 3, **more: Any) -> dict[str, Any]:
    dates = {
        "from_date": datetime(2024, 2, first, tzinfo=UTC),
        "to_date": datetime(2024, 2, last, tzinfo=UTC),
    }
    return {**dates, **more}


def backfill(seeder: Seeder, wanted: dict[str, Any] | None = None, **more: Any) -> Backfilled:
    return asked.backfill(seeder.host, "d", **(wanted or wish()), **more)


def dag_runs(seeder: Seeder) -> list[Any]:
    from airflow.models.dagrun import DagRun

    return seeder.host.unit.run(
        lambda s: s.scalars(select(DagRun).order_by(DagRun.logical_date)).unique().all()
    )


def tis(seeder: Seeder, run_id: str) -> dict[str, Any]:
    from airflow.models.taskinstance import TaskInstance

    found = seeder.host.unit.run(
        lambda s: s.scalars(select(TaskInstance).where(TaskInstance.run_id == run_id)).unique().all()
    )
    return {ti.task_id: ti for ti in found}


def end_runs(seeder: Seeder, state: str = "success", *run_ids: str) -> None:
    """Play scheduler and workers: every task of these runs (of all) ran once and ended so."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    def work(session: Any) -> None:
        table = TaskInstance.__table__
        live = (table.c.working_set.is_(True),) if "working_set" in table.c else ()
        for run in session.scalars(select(DagRun)).unique():
            if run_ids and run.run_id not in run_ids:
                continue
            now = seeder.host.unit.now()
            session.execute(
                update(table)
                .where(table.c.run_id == run.run_id, table.c.state.is_(None), *live)
                .values(try_number=1, state=state, start_date=now, end_date=now + timedelta(milliseconds=1))
            )
            run.state, run.start_date = state, now

    seeder.host.unit.run(work)


def end_backfills(seeder: Seeder) -> None:
    from airflow.models.backfill import Backfill

    seeder.host.unit.run(lambda s: s.execute(update(Backfill).values(completed_at=seeder.host.unit.now())))


def associations(seeder: Seeder, backfill_id: int) -> list[tuple[Any, ...]]:
    from airflow.models.backfill import BackfillDagRun

    rows = seeder.host.unit.run(
        lambda s: s.scalars(
            select(BackfillDagRun)
            .where(BackfillDagRun.backfill_id == backfill_id)
            .order_by(BackfillDagRun.sort_ordinal)
        ).all()
    )
    return [(row.sort_ordinal, row.dag_run_id is not None, row.exception_reason) for row in rows]


def days(made: Backfilled) -> list[tuple[str, str]]:
    return [(run.logical_date.strftime("%d %H"), run.outcome) for run in made.runs if run.logical_date]


def test_a_backfill_on_a_held_build_is_that_builds_from_the_first_moment(held: Seeder) -> None:
    from airflow.models.backfill import Backfill

    made = backfill(
        held, wish(max_active_runs=2, dag_run_conf={"k": 1}), build=2, reason="try it on last week"
    )
    assert (made.build, made.release) == (2, None)
    assert days(made) == [
        ("01 00", "new"),
        ("01 12", "new"),
        ("02 00", "new"),
        ("02 12", "new"),
        ("03 00", "new"),
    ]

    rows = dag_runs(held)
    assert [run.run_id for run in rows] == [run.run_id for run in made.runs]
    versions = {run.created_dag_version_id for run in rows}
    assert len(versions) == 1
    for run in rows:
        assert (run.run_type, run.state, run.triggered_by.value) == ("backfill", "queued", "backfill")
        assert (run.backfill_id, run.conf, run.triggering_user_name) == (made.backfill, {"k": 1}, "ada")
        assert run.bundle_version == made.bundle_version
        tasks = tis(held, run.run_id)
        assert {name: (ti.queue, ti.max_tries, ti.pool_slots) for name, ti in tasks.items()} == {
            "a": ("two", 3, 2),
            "fresh": ("big", 0, 1),
        }
        assert {ti.dag_version_id for ti in tasks.values()} == versions
    row = held.host.unit.run(lambda s: s.get(Backfill, made.backfill))
    assert (row.max_active_runs, row.dag_run_conf, row.completed_at) == (2, {"k": 1}, None)
    assert (row.from_date, row.to_date) == (wish()["from_date"], wish()["to_date"])
    assert (row.reprocess_behavior, row.triggering_user_name) == ("none", "ada")
    assert associations(held, row.id) == [(n, True, None) for n in range(1, 6)]

    bound = held.host.unit.run(lambda s: bindings.of_runs(s, "d", [run.run_id for run in rows]))
    assert len(bound) == 5
    for (binding,) in bound.values():
        assert (binding.dag_version_id, binding.bound_by, binding.actor) == (*versions, "trial", "ada")
    (event,) = events(held.host, limit=1)
    assert (event.kind, event.reason, event.actor) == ("backfill", "try it on last week", "ada")
    assert (event.build, event.release, event.new) == (2, None, 5)
    end_runs(held)
    assert {(row.build, row.release) for row in history(held.host, "d")} == {(2, None)}
    (status,) = dag_status.status(held.host)
    assert (status.active_release, status.active_build, status.track) == (1, 1, "pinned")
    assert [release.release for release in releases(held.host, "d")] == [1]


def test_a_backfill_on_a_released_build_uses_its_release(held: Seeder) -> None:
    apply(held.host, asked.change(verb=Verb.PROMOTE, dag_ids=["d"], actor="ada"))
    made = backfill(held, build=1)
    assert (made.build, made.release) == (1, 1)
    assert days(made) == [("01 00", "new"), ("02 00", "new"), ("03 00", "new")]
    assert set(tis(held, str(made.runs[0].run_id))) == {"a", "gone"}


def test_without_a_build_it_is_airflows_own(held: Seeder) -> None:
    planned = backfill(held, plan=True)
    assert (planned.backfill, planned.plan, days(planned)[0]) == (None, True, ("01 00", "new"))
    assert dag_runs(held) == []

    made = backfill(held)
    assert (made.build, made.release, len(made.runs)) == (1, 1, 3)
    assert days(made) == days(planned)
    assert set(tis(held, str(made.runs[0].run_id))) == {"a", "gone"}
    bound = held.host.unit.run(lambda s: bindings.of_runs(s, "d", [str(run.run_id) for run in made.runs]))
    assert [(b.bound_by, b.actor) for (b,) in bound.values()] == [("active", "ada")] * 3
    assert events(held.host, limit=1)[0].backfill == made.backfill


def locked(_: Any) -> None:
    raise sqlite3.OperationalError("database is locked")


@pytest.mark.parametrize("database_source", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", ["backfill", "backfill_dag_run"])
def test_airflows_own_is_tried_again_where_a_lock_undid_it_whole(
    held: Seeder, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """At its own row, which is committed first, and at its runs, after which Airflow takes that back."""
    with faults.Points(faults.airflow_engine()) as points:
        planned = backfill(held)
    held.host.unit.run(lambda s: [s.execute(text(f"DELETE FROM {name}")) for name in MADE])
    at = next(n for n, what in enumerate(points.seen, 1) if what.startswith(f"INSERT INTO {table} "))
    with faults.no_waiting(monkeypatch), faults.Points(faults.airflow_engine(), at, locked):
        made = backfill(held)
    assert days(made) == days(planned)
    assert len(dag_runs(held)) == 3
    assert held.host.unit.run(lambda s: s.scalar(text("SELECT count(*) FROM backfill"))) == 1


@pytest.mark.parametrize("database_source", ["sqlite"], indirect=True)
def test_airflows_own_is_not_tried_again_where_something_of_it_is_left(
    held: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow.models.backfill._cleanup_partial_backfill", lambda *_: None)
    with faults.Points(faults.airflow_engine()) as points:
        backfill(held)
    held.host.unit.run(lambda s: [s.execute(text(f"DELETE FROM {name}")) for name in MADE])
    at = next(n for n, what in enumerate(points.seen, 1) if what.startswith("INSERT INTO backfill_dag_run "))
    with (
        faults.no_waiting(monkeypatch),
        faults.Points(faults.airflow_engine(), at, locked),
        pytest.raises(OperationalError, match="database is locked"),
    ):
        backfill(held)
    assert held.host.unit.run(lambda s: s.scalar(text("SELECT count(*) FROM backfill"))) == 1


def test_a_plan_says_the_same_and_changes_nothing(held: Seeder) -> None:
    planned = backfill(held, build=2, plan=True)
    assert (planned.backfill, planned.plan) == (None, True)
    assert dag_runs(held) == []
    assert events(held.host, limit=1)[0].kind != "backfill"
    made = backfill(held, build=2)
    assert [(r.run_id, r.outcome) for r in planned.runs] == [(r.run_id, r.outcome) for r in made.runs]


def test_run_backwards_turns_the_order(held: Seeder) -> None:
    made = backfill(held, wish(run_backwards=True), build=1)
    assert days(made) == [("03 00", "new"), ("02 00", "new"), ("01 00", "new")]
    assert associations(held, made.backfill or 0) == [(n, True, None) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("reprocess", "outcomes"),
    [
        ("none", ["already exists", "already exists", "in flight", "new"]),
        ("failed", ["already exists", "cleared", "in flight", "new"]),
        ("completed", ["cleared", "cleared", "in flight", "new"]),
    ],
)
def test_dates_that_have_a_run_are_left_or_run_again_on_the_build(
    held: Seeder, reprocess: str, outcomes: list[str]
) -> None:
    before = backfill(held, wish(1, 3), build=1)
    first, second, _ = (str(run.run_id) for run in before.runs)
    end_runs(held, "success", first)
    end_runs(held, "failed", second)
    end_backfills(held)
    held.push({"d.py": dag(("a", "queue='three'"), ("fresh", "queue='big'"))})
    planned = backfill(held, wish(1, 4, reprocess_behavior=reprocess), build=3, plan=True)
    assert [run.outcome for run in planned.runs] == outcomes
    made = backfill(held, wish(1, 4, reprocess_behavior=reprocess, dag_run_conf={"again": True}), build=3)
    assert [run.outcome for run in made.runs] == outcomes
    assert associations(held, made.backfill or 0) == [
        (n, outcome in ("new", "cleared"), None if outcome in ("new", "cleared") else outcome)
        for n, outcome in enumerate(outcomes, start=1)
    ]
    for run, outcome in zip(made.runs, outcomes, strict=True):
        row = next(r for r in dag_runs(held) if r.run_id == run.run_id)
        bound = held.host.unit.run(lambda s, row=row: bindings.of_runs(s, "d", [row.run_id]))[row.run_id]
        if outcome == "cleared":
            assert (row.state, row.clear_number, row.backfill_id) == ("queued", 1, made.backfill)
            assert (row.run_type, row.conf) == ("backfill", {"again": True})
            tasks = tis(held, row.run_id)
            assert (tasks["a"].queue, tasks["a"].state, tasks["gone"].state) == ("three", None, "removed")
            assert tasks["fresh"].queue == "big"
            for name in ("a", "fresh"):
                assert tasks[name].dag_version_id == row.created_dag_version_id
            assert [(b.seq, b.bound_by) for b in bound] == [(0, "hand"), (1, "trial")]
            assert bound[-1].dag_version_id == row.created_dag_version_id
        elif outcome != "new":
            assert (row.clear_number, row.backfill_id, len(bound)) == (0, before.backfill, 1)
    # What was executed before keeps its build.
    tries = [(t.task_id, t.build) for t in history(held.host, "d", run_id=second)]
    assert tries == [("a", 1), ("gone", 1)]


CASES: dict[str, tuple[str, dict[str, Any], type[PinwheelError], str]] = {
    "no schedule": (dag(("a", ""), schedule="None"), wish(), Refused, "not periodic"),
    "once": (dag(("a", ""), schedule="'@once'"), wish(), Refused, "not periodic"),
    "run type": (
        dag(("a", ""), more="allowed_run_types=['scheduled', 'manual']"),
        wish(),
        Refused,
        "does not allow backfill runs",
    ),
    "backwards": (dag(("a", "depends_on_past=True")), wish(run_backwards=True), Refused, "depends_on_past"),
    "past": (dag(("a", "depends_on_past=True")), wish(), Refused, "--reprocess-behavior"),
    "order": (FIRST, wish(3, 1), InvalidInput, "must not be after"),
    "empty": (
        FIRST,
        wish()
        | {
            "from_date": datetime(2024, 2, 1, 1, tzinfo=UTC),
            "to_date": datetime(2024, 2, 1, 9, tzinfo=UTC),
        },
        InvalidInput,
        "no date of its schedule",
    ),
    "future": (
        FIRST,
        {"from_date": datetime(2124, 1, 1, tzinfo=UTC), "to_date": datetime(2124, 1, 2, tzinfo=UTC)},
        InvalidInput,
        "in the future",
    ),
    "params": (
        dag(("a", ""), more="params={'n': __import__('airflow.sdk').sdk.Param(1, type='integer')}"),
        wish(dag_run_conf={"n": "x"}),
        InvalidInput,
        "configuration",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refusals_are_airflows_in_our_words(seeder: Seeder, case: str) -> None:
    source, wanted, error, words = CASES[case]
    seeder.push({"d.py": source})
    messages = []
    for build in (1, None):
        for plan in (True, False):
            with pytest.raises(error, match=words) as refused:
                backfill(seeder, wanted, build=build, plan=plan)
            messages.append(str(refused.value))
            assert refused.value.remedy
    assert len(set(messages)) == 1
    assert dag_runs(seeder) == []


def test_what_else_is_refused(held: Seeder) -> None:
    with pytest.raises(NotFound, match="no good build of that number"):
        backfill(held, build=9)
    with pytest.raises(NotFound):
        asked.backfill(held.host, "nothing", **wish(), build=1)
    with pytest.raises(NotFound, match="Cannot find Dag nothing"):
        asked.backfill(held.host, "nothing", **wish())
    backfill(held, build=2)
    for build in (1, None):
        with pytest.raises(Conflict, match="another backfill of it"):
            backfill(held, wish(10, 12), build=build)
    end_backfills(held)
    backfill(held, wish(10, 12), build=1)
    assert len(dag_runs(held)) == 8


def test_a_partitioned_schedule_is_left_to_airflow(seeder: Seeder) -> None:
    timetable = "__import__('airflow.sdk').sdk.CronPartitionTimetable('0 0 * * *', timezone='UTC')"
    seeder.push({"d.py": dag(("a", ""), schedule=timetable)})
    with pytest.raises(Refused, match="partitioned"):
        backfill(seeder, build=1)
    planned = backfill(seeder, plan=True)
    made = backfill(seeder)
    assert [run.partition_key for run in made.runs] == [run.partition_key for run in planned.runs]
    assert all(run.partition_key and run.outcome == "new" for run in made.runs)


def test_a_retired_dag_is_not_backfilled(held: Seeder) -> None:
    apply(held.host, asked.change(verb=Verb.UNPIN, dag_ids=["d"], actor="ada"))
    held.push({"other.py": dag(("a", ""), dag_id="other")})
    from airflow.models.dag import DagModel

    held.host.unit.run(
        lambda s: s.execute(update(DagModel).where(DagModel.dag_id == "d").values(is_stale=True))
    )
    with pytest.raises(Refused, match="retired"):
        backfill(held, build=1)
    assert dag_runs(held) == []


def test_a_clear_on_another_build_removes_adds_and_moves_tasks(held: Seeder) -> None:
    bound = trigger(held.host, "d", actor="ada", build=1)
    end_runs(held, "success")
    before = tis(held, bound.run_id)
    (planned,) = clear(held.host, "d", [bound.run_id], actor="ada", build=2, plan=True)
    assert tis(held, bound.run_id)["a"].state == "success"

    (cleared,) = clear(held.host, "d", [bound.run_id], actor="ada", build=2, reason="again")
    assert (cleared.build, cleared.release, cleared.cleared) == (2, None, 2)
    assert planned == cleared
    (run,) = dag_runs(held)
    assert (run.state, run.clear_number) == ("queued", 1)
    assert run.created_dag_version_id != before["a"].dag_version_id
    after = tis(held, bound.run_id)
    assert {name: (ti.state, ti.queue) for name, ti in after.items()} == {
        "a": (None, "two"),
        "fresh": (None, "big"),
        "gone": ("removed", before["gone"].queue),
    }
    assert after["a"].max_tries == 4
    assert {after[name].dag_version_id for name in ("a", "fresh")} == {run.created_dag_version_id}
    # The rows of the tries before are not touched: Airflow shows those with the version that they ran.
    assert earlier_versions(held, bound.run_id)["a"] == {before["a"].dag_version_id}
    tries = [(t.task_id, t.state, t.build) for t in history(held.host, "d")]
    assert ("a", "success", 1) in tries
    rows = held.host.unit.run(lambda s: bindings.of_runs(s, "d", [bound.run_id]))[bound.run_id]
    assert [(b.seq, b.bound_by, b.actor) for b in rows] == [(0, "hand", "ada"), (1, "trial", "ada")]


def earlier_versions(seeder: Seeder, run_id: str) -> dict[str, set[Any]]:
    """Version ids that Airflow's rows of earlier tries hold, by task."""
    from airflow.models.taskinstance import TaskInstance

    table = TaskInstance.__table__
    if "working_set" in table.c:
        query = select(table.c.task_id, table.c.dag_version_id).where(
            table.c.run_id == run_id, table.c.working_set.is_(None)
        )
    else:
        from airflow.models.taskinstancehistory import TaskInstanceHistory

        table = TaskInstanceHistory.__table__
        query = select(table.c.task_id, table.c.dag_version_id).where(table.c.run_id == run_id)
    found: dict[str, set[Any]] = {}
    for task_id, version in seeder.host.unit.run(lambda s: s.execute(query).all()):
        found.setdefault(task_id, set()).add(version)
    return found


def test_a_clear_without_a_build_keeps_the_build_of_each_run(held: Seeder) -> None:
    one = trigger(held.host, "d", actor="ada", build=1)
    two = trigger(held.host, "d", actor="ada", build=2)
    end_runs(held, "failed")
    cleared = clear(held.host, "d", [one.run_id, two.run_id, one.run_id], actor="ada", only_failed=True)
    assert [(c.run_id, c.build, c.cleared) for c in cleared] == [(one.run_id, 1, 2), (two.run_id, 2, 2)]
    assert {name: ti.queue for name, ti in tis(held, two.run_id).items()} == {"a": "two", "fresh": "big"}


def test_clears_are_all_or_nothing(held: Seeder) -> None:
    one = trigger(held.host, "d", actor="ada", build=1)
    end_runs(held, "failed")
    with pytest.raises(NotFound, match="no such run"):
        clear(held.host, "d", [one.run_id, "nothing"], actor="ada", build=2)
    assert dag_runs(held)[0].state == "failed"
    assert tis(held, one.run_id)["a"].queue == "one"


@pytest.fixture
def pinwheel(held: Seeder, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    def run(*arguments: str, decode: bool = True) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([*arguments, "-o", "json"] if decode else list(arguments))
        out, err = capsys.readouterr()
        return code, json.loads(out) if decode and out else out, err

    return run


def test_the_commands(held: Seeder, pinwheel: Callable[..., tuple[int, Any, str]]) -> None:
    dates = ("--from-date", "2024-02-01", "--to-date", "2024-02-02")
    code, planned, _ = pinwheel("backfill", "d", *dates, "--build", "2", "--dry-run")
    assert (code, planned["plan"], planned["backfill"], planned["new"]) == (0, True, None, 3)
    code, out, _ = pinwheel("backfill", "d", *dates, "--build", "2", "--plan", decode=False)
    assert code == 0
    assert "never released" in out and "nothing was changed" in out

    code, made, _ = pinwheel("backfill", "d", *dates, "--build", "2", "--max-active-runs", "1", "-m", "why")
    assert (code, made["build"], made["release"], made["new"]) == (0, 2, None, 3)
    assert made["runs"][0] == {
        "run_id": planned["runs"][0]["run_id"],
        "logical_date": "2024-02-01T00:00:00+00:00",
        "partition_key": None,
        "outcome": "new",
    }
    code, _, err = pinwheel("backfill", "d", *dates)
    assert code == 4
    assert (
        "another backfill"
        in json.loads([line for line in err.splitlines() if line.startswith("{")][-1])["found"]
    )
    _, (event,), _ = pinwheel("events", "--kind", "backfill")
    assert (event["reason"], event["from_date"]) == ("why", "2024-02-01T00:00:00+00:00")
    assert "2024-02-01 to 2024-02-02 on build 2" in pinwheel("events", decode=False)[1]

    end_runs(held, "failed")
    ids = [run["run_id"] for run in made["runs"]]
    code, planned, _ = pinwheel("clear", "d", *ids, "--build", "1", "--plan")
    assert (code, [run["cleared"] for run in planned]) == (0, [2, 2, 2])
    code, out, _ = pinwheel("clear", "d", ids[0], "--task-id", "a", "--only-failed", decode=False)
    assert code == 0
    assert "1 task instance to run again on build 2 (never released" in out
    code, (cleared,), _ = pinwheel("clear", "d", ids[1], "--build", "1", "-m", "the old way")
    assert (code, cleared["build"], cleared["release"]) == (0, 1, 1)
    assert pinwheel("clear", "d", "nothing")[0] == 3
    assert pinwheel("clear", "d", decode=False)[0] == 2
