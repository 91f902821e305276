"""One transaction over both sides: Pinwheel's tables in SQLite, Airflow's rows in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TypeVar

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pinwheel.services.ports.memory.airflow import Airflow
from pinwheel.services.ports.unit import Unit
from pinwheel.store import tables as t

T = TypeVar("T")


class MemoryUnit:
    """Implements :class:`pinwheel.services.ports.unit.Unit`."""

    def __init__(self, airflow: Airflow) -> None:
        self.airflow = airflow
        self.connection = _connect()
        _driver(_tables()).backup(_driver(self.connection))
        self._inside = False

    def run(self, work: Callable[[Session], T]) -> T:
        with self._both_or_neither() as session:
            done = work(session)
            session.commit()
            return done

    def rehearse(self, work: Callable[[Unit], T]) -> T:
        before = self.airflow.tables.copy()
        with self._both_or_neither() as session:
            try:
                return work(_Rehearsal(session, self))
            finally:
                self.airflow.tables = before

    def now(self) -> datetime:
        return self.airflow.now

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        self.airflow.announced.extend(events)

    @contextmanager
    def _both_or_neither(self) -> Iterator[Session]:
        """A session that is undone unless it was committed; on an error Airflow's rows are too.

        :raises RuntimeError: inside of another one, which would wait for it for ever in a real database.
        """
        if self._inside:
            raise RuntimeError("A transaction was begun inside of another one")
        before = self.airflow.tables.copy()
        self._inside = True
        try:
            with Session(self.connection) as session:
                yield session
        except BaseException:
            self.airflow.tables = before
            raise
        finally:
            self._inside = False


class _Rehearsal:
    """In a transaction that will be undone, so there is nothing to announce."""

    def __init__(self, session: Session, of: MemoryUnit) -> None:
        self._session = session
        self._of = of

    def run(self, work: Callable[[Session], T]) -> T:
        return work(self._session)

    def rehearse(self, work: Callable[[Unit], T]) -> T:
        return self._of.rehearse(work)

    def now(self) -> datetime:
        return self._of.now()

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        return


@cache
def _engine() -> Engine:
    """One for all, since an engine compiles each statement once; each connection is a database of its own."""
    return create_engine("sqlite://", poolclass=NullPool)


def _connect() -> Connection:
    connection = _engine().connect()
    # As Airflow does for its SQLite.
    _driver(connection).execute("PRAGMA foreign_keys=ON")
    return connection


@cache
def _tables() -> Connection:
    """A database with Pinwheel's tables and nothing in them, which is copied."""
    connection = _connect()
    t.metadata.create_all(connection)
    # Alembic makes this one where the tables are migrated.
    Table(t.VERSION_TABLE, MetaData(), Column("version_num", String(32))).create(connection)
    connection.commit()
    return connection


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
