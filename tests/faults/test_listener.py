"""The scheduler never dies of Pinwheel: the listener inside Airflow's own guarded transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from harness import asked
from harness.airflow_env import AirflowEnv
from harness.faults import TRIED, Points, airflow_engine, loses_reply, raises
from harness.inprocess import bound_airflow
from harness.operations import World
from pinwheel.services.run import bindings
from pinwheel.store import tables as t


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    from pinwheel.airflow3.run import listener

    with bound_airflow(made):
        listener._ready.clear()
        yield made
        listener._ready.clear()
    made.drop()


@pytest.fixture
def world(database: Any) -> World:
    return World()


def scheduler_starts(run_ids: list[str], between: Callable[[int, Any], None] = lambda *_: None) -> None:
    """What `_start_queued_dagruns` does with a batch: one guarded transaction, the listener for each run."""
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from pinwheel.airflow3.run import listener

    manager = get_listener_manager()
    if not manager.pm.is_registered(listener):
        manager.add_listener(listener)
    with create_session() as session, prohibit_commit(session) as guard:
        for number, run_id in enumerate(run_ids):
            query = select(DagRun).where(DagRun.run_id == run_id).with_for_update(skip_locked=True)
            run = session.scalars(query).one()
            between(number, session)
            run.set_state(DagRunState.RUNNING)
            run.notify_dagrun_state_changed(msg="started")
        guard.commit()


def queued(world: World, count: int = 3) -> list[str]:
    return [asked.trigger(world.host, "b", actor="ada", run_id=f"run-{n}").run_id for n in range(count)]


def states(database: Any) -> dict[str, str]:
    with database.engine().connect() as connection:
        return {row[0]: row[1] for row in connection.execute(sa.text("SELECT run_id, state FROM dag_run"))}


def scheduler_ends(run_ids: list[str]) -> None:
    """What `_schedule_all_dag_runs` does with runs that failed: one guarded transaction."""
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from pinwheel.airflow3.run import listener

    manager = get_listener_manager()
    if not manager.pm.is_registered(listener):
        manager.add_listener(listener)
    with create_session() as session, prohibit_commit(session) as guard:
        for run_id in run_ids:
            run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
            run.set_state(DagRunState.FAILED)
            run.notify_dagrun_state_changed(msg="task_failure")
        guard.commit()


def ended(database: Any) -> dict[str, tuple[str, int | None]]:
    """State and release by run, of the outcomes."""
    query = sa.select(t.outcome.c.run_id, t.outcome.c.state, t.outcome.c.release)
    with database.engine().connect() as connection:
        return {row.run_id: (row.state, row.release) for row in connection.execute(query)}


def bound(database: Any) -> list[str]:
    with database.engine().connect() as connection:
        return list(connection.scalars(sa.select(t.binding.c.run_id).order_by(t.binding.c.run_id)))


def forget_bindings(database: Any) -> None:
    with database.engine().begin() as connection:
        connection.execute(sa.delete(t.binding))


def test_each_started_run_is_bound_in_the_schedulers_own_transaction(database: Any, world: World) -> None:
    runs = queued(world)
    forget_bindings(database)
    scheduler_starts(runs)
    assert states(database) == dict.fromkeys(runs, "running")
    assert bound(database) == runs


@pytest.mark.airflow
@pytest.mark.postgres
def test_what_it_wrote_is_there_when_airflows_own_scheduler_has_ended(postgres: Any, tmp_path: Path) -> None:
    """A real `airflow scheduler`, and nobody else who could record bindings; read from another connection."""
    made = postgres.create("scheduler")
    with bound_airflow(made):
        world = World()
        runs = queued(world)
        asked.trigger(world.host, "b", actor="ada", run_id="ending")
    forget_bindings(made)
    with made.engine().begin() as connection:
        connection.execute(sa.text("UPDATE dag SET is_paused = false WHERE dag_id = 'b'"))
        connection.execute(sa.text("UPDATE task_instance SET state = 'success' WHERE run_id = 'ending'"))
        connection.execute(sa.text("UPDATE dag_run SET state = 'running' WHERE run_id = 'ending'"))
    with AirflowEnv(tmp_path, made) as env:
        env.cli("airflow", "scheduler", "--num-runs", "2", check=True)
    after = states(made)
    assert after.pop("ending") == "success"
    started = [run_id for run_id, state in after.items() if state != "queued"]
    assert set(runs) & set(started) and set(bound(made)) == set(started)
    assert ended(made) == {"ending": ("success", 2)} | {
        run_id: (state, 2) for run_id, state in after.items() if state in ("success", "failed")
    }
    made.drop()


def test_a_transaction_that_is_rolled_back_takes_the_bindings_with_it(database: Any, world: World) -> None:
    runs = queued(world)
    forget_bindings(database)
    TRIED["scheduler fault"] += 1

    def fails(number: int, _: Any) -> None:
        if number == 2:
            raise RuntimeError("the scheduler dies")

    with pytest.raises(RuntimeError):
        scheduler_starts(runs, fails)
    assert states(database) == dict.fromkeys(runs, "queued")
    assert bound(database) == []


def test_a_session_that_goes_on_after_a_rollback_records_nothing_of_what_was_rolled_back(
    database: Any, world: World
) -> None:
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from pinwheel.airflow3.run import listener

    runs = queued(world)
    forget_bindings(database)
    if not get_listener_manager().pm.is_registered(listener):
        get_listener_manager().add_listener(listener)
    with create_session() as session:
        for run_id, undo in zip(runs[:2], (True, False), strict=True):
            run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
            run.set_state(DagRunState.RUNNING)
            run.notify_dagrun_state_changed(msg="started")
            if undo:
                session.rollback()
    assert bound(database) == runs[1:2]


def test_however_many_runs_a_transaction_starts_their_bindings_are_one_statement(
    database: Any, world: World
) -> None:
    from airflow import settings

    runs = queued(world)
    forget_bindings(database)
    scheduler_starts(runs[:1])
    statements: list[str] = []
    sa.event.listen(settings.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    scheduler_starts(runs[1:])
    assert len([text for text in statements if t.binding.name in text]) == 1
    assert bound(database) == runs


def test_each_run_that_ends_has_its_outcome_in_the_schedulers_own_transaction(
    database: Any, world: World
) -> None:
    from airflow import settings

    runs = queued(world)
    scheduler_starts(runs)
    statements: list[str] = []
    sa.event.listen(settings.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    scheduler_ends(runs)
    # However many runs end: their bindings are read, their outcomes are written, and the keeper is signalled.
    ours = [text for text in statements if "pinwheel_" in text]
    assert [text.split()[0] for text in ours] == ["SELECT", "INSERT", "INSERT"]
    assert "INTO pinwheel_outcome" in ours[1] and "INTO pinwheel_signal" in ours[2]
    assert states(database) == dict.fromkeys(runs, "failed")
    assert ended(database) == dict.fromkeys(runs, ("failed", 2))


def test_runs_end_although_their_outcomes_cannot_be_written(database: Any, world: World) -> None:
    runs = queued(world)
    scheduler_starts(runs)
    TRIED["listener fault"] += 1
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE pinwheel_outcome RENAME TO elsewhere"))
    scheduler_ends(runs)
    assert states(database) == dict.fromkeys(runs, "failed")
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO pinwheel_outcome"))
    assert ended(database) == {}
    assert bindings.record_outcomes(world.host) == len(runs)
    assert ended(database) == dict.fromkeys(runs, ("failed", 2))


def test_a_binding_that_is_there_already_is_no_error(database: Any, world: World) -> None:
    runs = queued(world)
    TRIED["binding conflict"] += len(runs)
    assert bound(database) == runs
    scheduler_starts(runs)
    assert states(database) == dict.fromkeys(runs, "running")
    assert bound(database) == runs


def test_runs_start_although_the_tables_were_never_made(database: Any, world: World) -> None:
    runs = queued(world)
    _drop(database)
    scheduler_starts(runs)
    assert states(database) == dict.fromkeys(runs, "running")


def test_runs_start_although_the_tables_vanish_under_a_running_scheduler(database: Any, world: World) -> None:
    runs = queued(world)
    scheduler_starts(runs[:1])
    _drop(database)
    scheduler_starts(runs[1:])
    assert states(database) == dict.fromkeys(runs, "running")


def fails_in_sql(dbapi_connection: Any) -> None:
    """The database refuses a statement: on PostgreSQL nothing more can be done before a rollback."""
    TRIED["sql error"] += 1
    dbapi_connection.cursor().execute("SELECT no_such_column_of_ours")


KINDS: dict[str, Callable[[Any], None]] = {
    "exception": raises,
    "lost reply": loses_reply,
    "sql error": fails_in_sql,
}


def started_again(database: Any, run_ids: list[str]) -> None:
    """As queued runs that were cleared: what is noted of them has to be read first."""
    with database.engine().begin() as connection:
        connection.execute(
            sa.text("UPDATE dag_run SET state = 'queued', clear_number = clear_number + 1 WHERE run_id IN :r")
            .bindparams(sa.bindparam("r", expanding=True))
            .params(r=run_ids)
        )


def points_of_the_listener(runs: list[str]) -> list[str]:
    """What the listener asks the database at a commit of the scheduler, its savepoint included."""
    from pinwheel.airflow3.run import listener

    listener._ready.clear()
    with Points(airflow_engine()) as points:
        scheduler_starts(runs)
    first = points.seen.index(next(text for text in points.seen if _is_ours(text)))
    last = max(n for n, text in enumerate(points.seen) if _is_ours(text))
    assert [text for text in points.seen[first : last + 1] if text.startswith("UPDATE dag_run")] == []
    assert any("INSERT INTO pinwheel_binding" in text for text in points.seen[first : last + 1])
    return points.seen[: last + 1]


def _is_ours(text: str) -> bool:
    return "pinwheel" in text or "SAVEPOINT" in text or "pg_catalog" in text or "PRAGMA" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_runs_start_whichever_of_our_statements_fails(database: Any, world: World, kind: str) -> None:
    from pinwheel.airflow3.run import listener

    runs = queued(world, 2)
    scheduler_starts(runs)
    started_again(database, runs)
    points = points_of_the_listener(runs)
    for at, statement in enumerate(points, 1):
        if not _is_ours(statement):
            continue
        started_again(database, runs)
        listener._ready.clear()
        before = len(bound(database))
        with capture_logs() as logs, Points(airflow_engine(), at, KINDS[kind]) as faulty:
            if kind == "sql error" and statement.startswith("SAVEPOINT") and _is_postgres(database):
                # No savepoint to go back to: loud, and nothing was done.
                with pytest.raises(sa.exc.DBAPIError):
                    scheduler_starts(runs)
                assert set(states(database).values()) == {"queued"}
                continue
            scheduler_starts(runs)
        assert faulty.seen[at - 1] == statement
        assert states(database) == dict.fromkeys(runs, "running"), statement
        said = [entry for entry in logs if "could not record" in entry["event"]]
        assert len(said) == 1 and said[0]["log_level"] == "warning" and said[0]["exc_info"], statement
        assert said[0]["reason"]
        assert len(bound(database)) == before
        assert bindings.record_bindings(world.host) == len(runs)
    # and then as if nothing had been
    started_again(database, runs)
    before = len(bound(database))
    scheduler_starts(runs)
    assert len(bound(database)) == before + len(runs)


def _is_postgres(database: Any) -> bool:
    return bool(database.engine().dialect.name == "postgresql")


def test_what_the_listener_missed_the_processor_records(database: Any, world: World) -> None:
    runs = queued(world)
    forget_bindings(database)
    TRIED["listener fault"] += 1
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE pinwheel_binding RENAME TO elsewhere"))
    scheduler_starts(runs)
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO pinwheel_binding"))
    assert bound(database) == []
    assert bindings.record_bindings(world.host) == len(runs)
    assert bound(database) == runs


def test_a_run_that_was_rebound_and_ended_between_two_looks_is_recorded(database: Any, world: World) -> None:
    (run_id,) = queued(world, 1)
    scheduler_starts([run_id])
    watched: set[int] = set()
    assert bindings.record_bindings(world.host, watched) == 0
    with database.engine().begin() as connection:
        connection.execute(
            sa.text("UPDATE dag_run SET clear_number = 1, state = 'success' WHERE run_id = :r"), {"r": run_id}
        )
    assert bindings.record_bindings(world.host, watched) == 1
    assert bound(database) == [run_id, run_id]
    assert bindings.record_bindings(world.host, watched) == 0
    assert watched == set()


def test_a_run_without_a_session_is_left_alone() -> None:
    from airflow.models.dagrun import DagRun

    from pinwheel.airflow3.run import listener

    listener.note_start(DagRun(dag_id="d", run_id="r"))
    listener.on_dag_run_success(dag_run=DagRun(dag_id="d", run_id="r"), msg="")


def _drop(database: Any) -> None:
    TRIED["tables dropped"] += 1
    with database.engine().begin() as connection:
        t.metadata.drop_all(connection)
