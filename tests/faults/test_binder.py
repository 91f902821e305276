"""Whatever fails while a run is bound by its date: it never starts unbound, and the scheduler goes on."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from harness.eras import DATES, TASKS, Dated
from harness.faults import TRIED, airflow_engine, in_child, loses_reply, raises, start_child, wait_child
from harness.processes import TIMEOUT_FACTOR
from harness.scheduling import Scheduler, listening_airflow

pytestmark = pytest.mark.acceptance("dates", 30)

_number = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    with listening_airflow(request.getfixturevalue(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def blog(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Dated:
    return Dated(tmp_path_factory.mktemp("blog"))


@pytest.fixture(scope="module")
def plain(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Dated:
    return Dated(tmp_path_factory.mktemp("plain"), "plain", eras=False)


@pytest.fixture(scope="module")
def scheduler(blog: Dated, plain: Dated) -> Scheduler:
    return Scheduler()


def is_out_of_memory(_: Any) -> None:
    TRIED["out of memory"] += 1
    raise MemoryError


def breaks_a_key(_: Any) -> None:
    TRIED["integrity error"] += 1
    raise IntegrityError("(injected)", {}, Exception("duplicate key"))


def fails_in_sql(dbapi_connection: Any) -> None:
    """The database refuses a statement: on PostgreSQL nothing more can be done before a rollback."""
    TRIED["sql error"] += 1
    dbapi_connection.cursor().execute("SELECT no_such_column_of_ours")


KINDS: dict[str, Callable[[Any], None]] = {
    "exception": raises,
    "lost reply": loses_reply,
    "integrity": breaks_a_key,
    "sql error": fails_in_sql,
    "memory": is_out_of_memory,
}


EACH = [kind if kind == "sql error" else pytest.param(kind, marks=pytest.mark.full) for kind in KINDS]
"""What the database refuses is the hardest; the others take as long."""


class Inside:
    """Numbers the statements of one of the binder's functions, and does something at one of them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, act: Callable[[Any], None]
    ) -> None:
        self.seen: list[str] = []
        self.at, self.act, self.hit = at, act, ""
        self._on = False
        original = getattr(owner, name)

        def wrapped(*args: Any, **more: Any) -> Any:
            self._on = True
            try:
                return original(*args, **more)
            finally:
                self._on = False

        monkeypatch.setattr(owner, name, wrapped)

    def __enter__(self) -> Inside:
        sa.event.listen(airflow_engine(), "before_cursor_execute", self._statement)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(airflow_engine(), "before_cursor_execute", self._statement)

    def _statement(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not self._on:
            return
        self.seen.append(statement)
        if len(self.seen) == self.at:
            self.hit = " ".join(statement.split())
            self.act(conn.connection.dbapi_connection)


def is_savepoint(statement: str) -> bool:
    return statement.startswith(("SAVEPOINT", "RELEASE"))


def day() -> timedelta:
    """Each run has a date of its own."""
    return timedelta(hours=next(_number))


def wrong(scheduler: Scheduler, blog: Dated) -> list[Any]:
    return [
        work
        for work in scheduler.given
        if work.dag_id == blog.dag_id
        and (work.bundle_version != blog.versions[1] or work.task_id not in TASKS[1])
    ]


@pytest.mark.parametrize("kind", EACH)
def test_whichever_statement_of_a_bind_fails_the_run_waits_and_the_others_start(
    database: Any,
    blog: Dated,
    plain: Dated,
    scheduler: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    from pinwheel.airflow3.run import binder

    is_postgres = database.engine().dialect.name == "postgresql"
    ended = []
    for at in itertools.count(1):
        run_id, other = blog.run(DATES[1] + day()), plain.run(DATES[3] + day())
        scheduler.given.clear()
        died = False
        with monkeypatch.context() as patch, Inside(patch, binder, "bind", at, KINDS[kind]) as faulty:
            try:
                scheduler.schedule()
            except Exception:
                died = True
        if not faulty.hit:
            assert not died and len(faulty.seen) > 10
            scheduler.settle()
            assert blog.is_right(run_id, 1)
            break
        came = blog.came(run_id)
        if died:
            ended.append(faulty.hit)
            assert came.state == "queued", faulty.hit
        else:
            assert plain.came(other).state != "queued", faulty.hit
            assert came.state == "queued", faulty.hit
        assert [work for work in scheduler.given if work.run_id == run_id] == [], faulty.hit
        if not faulty.hit.startswith("RELEASE"):
            assert (came.bundle_version, came.present) == (f"{blog.versions[3]}?unbound", TASKS[3]), (
                faulty.hit
            )
        scheduler.settle()
        assert blog.is_right(run_id, 1) and plain.came(other).state == "success", faulty.hit
        assert len(blog.bindings(run_id)) == 1 and wrong(scheduler, blog) == [], faulty.hit
    # Only where the database refuses the savepoint itself, or its end, is the transaction lost: all undone.
    assert ended == [one for one in ended if kind == "sql error" and is_postgres and is_savepoint(one)]


def test_on_sqlite_another_writer_between_any_two_statements_of_a_bind_ends_no_scheduler(
    database: Any, blog: Dated, plain: Dated, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that read before another one wrote can write no more there, whatever it goes back to."""
    from pinwheel.airflow3.run import binder

    if database.engine().dialect.name != "sqlite":
        pytest.skip("elsewhere a writer waits, or is waited for")
    wrote = 0

    def writes(_: Any) -> None:
        nonlocal wrote
        with contextlib.suppress(sqlite3.OperationalError):
            other = sqlite3.connect(str(airflow_engine().url.database), timeout=0)
            other.execute("UPDATE dag SET last_parsed_time = last_parsed_time")
            other.commit()
            wrote += 1

    with airflow_engine().connect() as connection:
        # As Airflow's own is
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    for at in (1, 3, 5, 9, 13):
        run_id, other = blog.run(DATES[1] + day()), plain.run(DATES[3] + day())
        with monkeypatch.context() as patch, Inside(patch, binder, "bind", at, writes) as busy:
            scheduler.schedule()
        assert busy.hit and plain.came(other).state != "queued", busy.hit
        scheduler.settle()
        assert blog.is_right(run_id, 1) and len(blog.bindings(run_id)) == 1, busy.hit
    assert wrote == 1, "before the first statement nobody holds the lock, and then the bind does"


@pytest.mark.parametrize("kind", EACH)
def test_whichever_statement_of_the_look_at_unmarked_runs_fails_none_starts_unbound(
    database: Any,
    blog: Dated,
    plain: Dated,
    scheduler: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """The mark was lost, in a process that saw the Dag dated before."""
    from pinwheel.airflow3.run import binder, listener

    is_postgres = database.engine().dialect.name == "postgresql"
    try:
        for at in itertools.count(1):
            blog.set_row(None)
            run_id, other = blog.run(DATES[1] + day()), plain.run(DATES[3] + day())
            scheduler.given.clear()
            binder._seen.add(blog.dag_id)
            listener._ready["tables"] = True
            died = False
            with (
                monkeypatch.context() as patch,
                Inside(patch, listener, "_safely", at, KINDS[kind]) as faulty,
            ):
                try:
                    scheduler.schedule()
                except Exception:
                    died = True
            blog.mark()
            if not faulty.hit:
                assert not died and len(faulty.seen) > 3
                break
            if died:
                assert kind == "sql error" and is_postgres and is_savepoint(faulty.hit), faulty.hit
            else:
                assert plain.came(other).state != "queued", faulty.hit
            assert blog.came(run_id).state == "queued", faulty.hit
            scheduler.settle()
            assert blog.is_right(run_id, 1) and plain.came(other).state == "success", faulty.hit
            assert wrong(scheduler, blog) == [], faulty.hit
        scheduler.settle()
        assert blog.is_right(run_id, 1)
    finally:
        blog.mark()


def test_where_the_rules_can_not_be_read_dags_that_a_process_never_started_runs_of_wait_too(
    database: Any, blog: Dated, plain: Dated, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read of all Dags once, when it started a run of another one."""
    from pinwheel.airflow3.run import binder

    def unreadable(*_: Any) -> Any:
        raise sa.exc.ProgrammingError("SELECT", {}, Exception("permission denied"))

    blog.mark()
    scheduler.settle()
    binder._seen.clear()
    binder._read_all.clear()
    first = plain.run(DATES[3] + day())
    scheduler.settle()
    assert plain.came(first).state == "success"
    blog.set_row(None)
    run_id, other = blog.run(DATES[1] + day()), plain.run(DATES[3] + day())
    with monkeypatch.context() as patch:
        patch.setattr(binder.start_rules, "dated", unreadable)
        scheduler.turn(3)
    try:
        assert (blog.came(run_id).state, plain.came(other).state) == ("queued", "success")
        scheduler.settle()
        assert blog.is_right(run_id, 1)
    finally:
        blog.mark()


@pytest.mark.full
@pytest.mark.postgres
def test_a_scheduler_that_is_killed_at_any_statement_of_a_bind_leaves_the_run_as_it_was(
    database: Any, blog: Dated, scheduler: Scheduler
) -> None:
    if database.engine().dialect.name != "postgresql":
        pytest.skip("SQLite loses what a process that is killed had open, by itself")
    for at in itertools.count(1):
        run_id = blog.run(DATES[1] + day())
        code = in_child(database, lambda at=at: _schedule_until(at))  # type: ignore[misc]
        came = blog.came(run_id)
        assert (came.state, came.bundle_version, came.present) == (
            ("queued", f"{blog.versions[3]}?unbound", TASKS[3])
            if code
            else ("running", blog.versions[1], TASKS[1])
        ), at
        scheduler.given.clear()
        scheduler.settle()
        assert code or blog.came(run_id).state in ("running", "success")
        if code:
            assert code == -signal.SIGKILL
            TRIED["process killed"] += 1
            assert blog.is_right(run_id, 1) and wrong(scheduler, blog) == []
        else:
            assert at > 10
            break


def _schedule_until(at: int) -> None:
    from pinwheel.airflow3.run import binder

    def kills(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    scheduler = Scheduler()
    with pytest.MonkeyPatch.context() as patch, Inside(patch, binder, "bind", at, kills):
        scheduler.schedule()


@pytest.mark.postgres
@pytest.mark.acceptance("dates", 33)
def test_a_connection_that_is_cut_while_a_run_is_bound_leaves_it_as_it_was(
    database: Any, blog: Dated, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.faults import cuts
    from pinwheel.airflow3.run import binder

    if database.engine().dialect.name != "postgresql":
        pytest.skip("SQLite has no connection to cut")
    run_id = blog.run(DATES[1] + day())
    scheduler.given.clear()
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(monkeypatch.context())
        stack.enter_context(Inside(patch, binder, "bind", 6, cuts(database.url)))
        # The scheduler's own next statement finds it cut too: it tries again, or ends and is started anew.
        stack.enter_context(contextlib.suppress(sa.exc.SQLAlchemyError))
        scheduler.schedule()
    assert blog.came(run_id).state in ("queued", "running")
    scheduler.settle()
    assert blog.is_right(run_id, 1) and wrong(scheduler, blog) == []


@pytest.mark.full
@pytest.mark.postgres
@pytest.mark.acceptance("dates", 31)
def test_of_two_schedulers_one_is_killed_again_and_again_and_each_run_is_bound_once(
    database: Any, blog: Dated, tmp_path: Path
) -> None:
    """No workload is of another build than its run's date."""
    if database.engine().dialect.name != "postgresql":
        pytest.skip("SQLite has one scheduler")
    random, given = Random(7), tmp_path / "given"
    dates = {}
    for _ in range(40):
        build = random.choice([1, 2, 3])
        dates[blog.run(DATES[build] + timedelta(days=1) + day())] = build
    given.touch()
    living = [start_child(database, lambda: _turn_for_ever(given)) for _ in range(2)]
    kills, next_kill, end = 0, 0.0, time.monotonic() + 300 * TIMEOUT_FACTOR
    try:
        while _left(database, blog) and time.monotonic() < end:
            _work(database)
            # The first as soon as a run has begun: none ends without more work.
            due = time.monotonic() > next_kill if kills else _left(database, blog, "running")
            if due and kills < 20:
                place = random.randrange(2)
                os.kill(living[place], signal.SIGKILL)
                assert wait_child(living[place]) == -signal.SIGKILL
                living[place] = start_child(database, lambda: _turn_for_ever(given))
                kills, next_kill = kills + 1, time.monotonic() + random.uniform(0.5, 1.5)
                TRIED["process killed"] += 1
            time.sleep(0.1)
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
        ended = [wait_child(pid) for pid in living]
    assert ended == [-signal.SIGKILL] * 2 and kills > 0
    assert [run_id for run_id, build in dates.items() if not blog.is_right(run_id, build)] == []
    assert [run_id for run_id in dates if len(blog.bindings(run_id)) != 1] == []
    # Runs that earlier tests left waiting go on too.
    every = [line.split() for line in given.read_text().splitlines()]
    lines = [line for line in every if line[0] in dates]
    assert lines
    for run_id, task_id, version in lines:
        assert (task_id in TASKS[dates[run_id]], version) == (True, blog.versions[dates[run_id]])


def _turn_for_ever(given: Path) -> None:
    scheduler = Scheduler()
    with given.open("a") as file:
        while True:
            scheduler.schedule()
            for work in scheduler.given:
                print(work.run_id, work.task_id, work.bundle_version, file=file, flush=True)
            scheduler.given.clear()
            time.sleep(0.2)


def _left(database: Any, blog: Dated, *states: str) -> int:
    query = "SELECT count(*) FROM dag_run WHERE dag_id = :d AND state IN :s"
    with database.engine().connect() as connection:
        statement = sa.text(query).bindparams(sa.bindparam("s", expanding=True))
        return int(
            connection.scalar(statement, {"d": blog.dag_id, "s": list(states or ("queued", "running"))})
        )


def _work(database: Any) -> None:
    """What is queued succeeds; what a scheduler that was killed had in its hands is given back."""
    with database.engine().begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE task_instance SET state = 'success', start_date = now(), end_date = now()"
                " WHERE state = 'queued'"
            )
        )
