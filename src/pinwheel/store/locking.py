"""Locks and inserts that behave alike on SQLite, PostgreSQL and MySQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import ManagedDag
from pinwheel.store import tables as t


def dialect_of(session: Session) -> str:
    return session.get_bind().dialect.name


def insert_missing(
    session: Session, table: Table, values: dict[str, Any] | list[dict[str, Any]], keys: Sequence[str]
) -> int:
    """Insert rows whose key is not there yet; return how many were. Concurrent writers do not collide."""
    if not values:
        return 0
    dialect = dialect_of(session)
    if dialect == "mysql":
        statement: Any = mysql.insert(table).values(values).prefix_with("IGNORE")
    elif dialect == "postgresql":
        statement = postgresql.insert(table).values(values).on_conflict_do_nothing(index_elements=keys)
    elif dialect == "sqlite":
        statement = sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=keys)
    else:
        statement = insert(table).values(values)
    result: Any = session.execute(statement)
    return max(int(result.rowcount), 0)


def insert_all(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert rows that all name the same columns; their ids, in the same order."""
    if not rows:
        return []
    if session.get_bind().dialect.insert_executemany_returning_sort_by_parameter_order:
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(session.scalars(statement, list(rows)))
    return [int(session.execute(insert(table), row).inserted_primary_key[0]) for row in rows]  # type: ignore[attr-defined]


def begin_write(session: Session) -> None:
    """Say at the start of a transaction that it will write.

    SQLite lets a transaction that has read before it writes fail at once when somebody else wrote in
    between; one that asks for the write lock first waits for it. Elsewhere nothing is needed.
    """
    if dialect_of(session) == "sqlite":
        session.execute(update(t.dag).where(t.dag.c.dag_id.is_(None)).values(track=t.dag.c.track))


def lock_dags(session: Session, dag_ids: Collection[str]) -> dict[str, ManagedDag]:
    """Hold these Dags until the transaction ends; others wait. In order of id, so batches do not deadlock.

    Returns them by id, as they are once nobody else can change them. SQLite has no row locks, but one
    write lock: see :func:`begin_write`.
    """
    begin_write(session)
    found: dict[str, ManagedDag] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        rows = session.execute(
            select(t.dag).where(t.dag.c.dag_id.in_(chunk)).order_by(t.dag.c.dag_id).with_for_update()
        )
        found.update({row.dag_id: ManagedDag.from_row(row._mapping) for row in rows})
    return found
