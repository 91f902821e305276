"""Faults at exact points of a transaction: between any two statements, before and after the commit."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from harness.databases import Database

TRIED: Counter[str] = Counter()
"""Faults injected in this session, by kind."""

BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"


class Injected(Exception):
    """The fault itself, where it is an exception."""


class Points:
    """Numbers the points of what is done inside, from 1, and does something at one of them.

    A point is: before each statement, before each commit, after each commit. ``seen`` lists what stood there.
    """

    def __init__(
        self, engine: sa.Engine, at: int | None = None, action: Callable[[Any], None] | None = None
    ) -> None:
        self.engine = engine
        self.at = at
        self.action = action
        self.seen: list[str] = []
        self._do_commit: Any = None

    def __enter__(self) -> Points:
        sa.event.listen(self.engine, "before_cursor_execute", self._statement)
        self._do_commit = self.engine.dialect.do_commit
        self.engine.dialect.do_commit = self._commit  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self.engine, "before_cursor_execute", self._statement)
        self.engine.dialect.do_commit = self._do_commit  # type: ignore[method-assign]

    def _statement(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        self._reach(statement, conn.connection.dbapi_connection)

    def _commit(self, dbapi_connection: Any) -> None:
        self._reach(BEFORE_COMMIT, dbapi_connection)
        self._do_commit(dbapi_connection)
        self._reach(AFTER_COMMIT, dbapi_connection)

    def _reach(self, what: str, dbapi_connection: Any) -> None:
        self.seen.append(what)
        if len(self.seen) == self.at and self.action is not None:
            self.action(dbapi_connection)


def airflow_engine() -> sa.Engine:
    """The engine that Airflow in this process uses now."""
    from airflow import settings

    assert settings.engine is not None
    return settings.engine


def raises(_: Any) -> None:
    """The process meets an unexpected error."""
    TRIED["exception"] += 1
    raise Injected


def loses_reply(_: Any) -> None:
    """The connection breaks; what was sent before it was done."""
    TRIED["lost connection"] += 1
    raise sa.exc.OperationalError("(injected)", {}, Exception("server closed the connection unexpectedly"))


def kills(_: Any) -> None:
    """The process dies."""
    os.kill(os.getpid(), signal.SIGKILL)


def cuts(url: str) -> Callable[[Any], None]:
    """PostgreSQL really cuts the connection."""

    def cut(dbapi_connection: Any) -> None:
        TRIED["cut connection"] += 1
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        real = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        pid = real.get_backend_pid()
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:p, 5000)"), {"p": pid})

    return cut


def in_child(database: Database, work: Callable[[], None]) -> int:
    """Fork, bind Airflow to the database anew, do the work; the exit code, negative for a signal."""
    process = start_child(database, work)
    return wait_child(process)


def start_child(database: Database, work: Callable[[], None]) -> int:
    from harness.inprocess import bound_airflow

    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with bound_airflow(database):
            work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait_child(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def no_waiting(monkeypatch: Any) -> Iterator[None]:
    """Retries follow at once."""
    import tenacity.nap

    with monkeypatch.context() as patch:
        patch.setattr(tenacity.nap, "time", types.SimpleNamespace(sleep=lambda _: None))
        yield
