"""The journal of walks down: what was begun, with which snapshot, and how it ended."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import Connection, Engine

from pinwheel.reconcile import steps
from pinwheel.reconcile.strategy import Downgrade
from pinwheel.reconcile.tables import ensure, tables

_table = tables.journal
SAVING, RUNNING, DONE, FAILED, LEFT = "saving", "running", "done", "failed", "left"
"""``saving``: its snapshot may be incomplete. ``left``: the schema went another way since."""


@frozen(kw_only=True)
class Entry:
    """One walk. A ``running`` one that nobody runs any more was killed."""

    id: int
    state: str
    from_revision: str
    from_version: str
    to_revision: str
    to_version: str
    strategy: str
    snapshot: str | None
    message: str | None
    inside: bool
    """It died inside of a migration that the database can not take back."""


def unfinished(connection: Connection) -> Entry | None:
    """The newest walk, when it was begun and neither reached its target nor was left for another way."""
    if not sa.inspect(connection).has_table(_table.name):
        return None
    row = connection.execute(sa.select(_table).order_by(_table.c.id.desc()).limit(1)).mappings().first()
    if row is None or row["state"] in (DONE, LEFT):
        return None
    inside = sa.inspect(connection).has_table(steps.TABLE)
    return Entry(
        **{name: row[name] for name in _table.columns.keys() & Entry.__annotations__.keys()}, inside=inside
    )


def begin(engine: Engine, walk: Downgrade, *, strategy: str, snapshot: str | None, now: datetime) -> int:
    """Write down that a walk begins, and commit; its id."""
    with engine.begin() as connection:
        ensure(connection)
        done: Any = connection.execute(
            _table.insert().values(
                state=SAVING if snapshot else RUNNING,
                started_at=now,
                from_revision=walk.from_revision,
                from_version=walk.from_version,
                to_revision=walk.to_revision,
                to_version=walk.to_version,
                strategy=strategy,
                host=socket.gethostname()[:250],
                snapshot=snapshot,
            )
        )
        return int(done.inserted_primary_key[0])


def running(engine: Engine, entry: int) -> None:
    """Its snapshot is complete."""
    with engine.begin() as connection:
        connection.execute(_table.update().where(_table.c.id == entry).values(state=RUNNING))


def end(engine: Engine, entry: int, state: str, *, now: datetime, message: str | None = None) -> None:
    with engine.begin() as connection:
        connection.execute(
            _table.update().where(_table.c.id == entry).values(state=state, ended_at=now, message=message)
        )
