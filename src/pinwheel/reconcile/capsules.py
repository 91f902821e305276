"""Capsules in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.database import current_revision
from pinwheel.reconcile.installed import Deployment
from pinwheel.reconcile.signing import Keys
from pinwheel.reconcile.tables import ensure, tables

_table = tables.capsule


def put(connection: Connection, capsule: Capsule, *, now: datetime) -> bool:
    """Store it in the caller's transaction; False when the same one is there already.

    One is kept for each version and revision; what is stored replaces an older one of the same.
    """
    ensure(connection)
    same = (_table.c.airflow_version == capsule.airflow_version) & (_table.c.revision == capsule.revision)
    if connection.scalar(sa.select(_table.c.signature).where(same)) == capsule.signature:
        return False
    connection.execute(_table.delete().where(same))
    connection.execute(
        _table.insert().values(
            airflow_version=capsule.airflow_version,
            revision=capsule.revision,
            stored_at=now,
            header=capsule.header_text,
            key_id=capsule.key_id,
            signature=capsule.signature,
            archive=capsule.archive,
        )
    )
    return True


def keep(
    connection: Connection,
    deployment: Deployment,
    *,
    now: datetime,
    make: Callable[[], Capsule] | None = None,
) -> str:
    """Store one of the installed Airflow when the schema is its own, in the caller's transaction.

    A sentence says what was done. ``make`` gives a capsule that was packed before.
    """
    if not deployment.keys:
        return "No capsule is stored, since this deployment has no Fernet key"
    if current_revision(connection) != deployment.history.head:
        return "No capsule is stored, since the schema is not the installed Airflow's"
    for capsule in stored(connection):
        if capsule.airflow_version == deployment.version and capsule.check(deployment.keys) is None:
            return f"A capsule of Airflow {deployment.version} is stored"
    put(connection, (make or deployment.capsule)(), now=now)
    return f"Stored a capsule of Airflow {deployment.version}"


def stored(connection: Connection) -> list[Capsule]:
    """All of them as they are stored, unchecked, the newest first. Empty without the table."""
    if not sa.inspect(connection).has_table(_table.name):
        return []
    rows = connection.execute(sa.select(_table).order_by(_table.c.id.desc()))
    return [
        Capsule(
            header_text=row.header,
            key_id=row.key_id,
            signature=row.signature,
            archive=bytes(row.archive),
            id=row.id,
            stored_at=row.stored_at if row.stored_at.tzinfo else row.stored_at.replace(tzinfo=UTC),
        )
        for row in rows
    ]


def drop(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(_table.delete().where(_table.c.id.in_(ids)))


def sound(found: Sequence[Capsule], keys: Keys) -> list[Capsule]:
    """Those that one of the keys signed."""
    return [capsule for capsule in found if capsule.check(keys) is None]


def best(found: Sequence[Capsule], revision: str, target: str | None = None) -> Capsule | None:
    """The one to walk down from *revision* with: it ends there, or at the nearest revision after it."""
    able = [
        capsule
        for capsule in found
        if revision in (history := capsule.history) and (target is None or target in history)
    ]
    return min(
        able,
        key=lambda capsule: len(capsule.history.between(capsule.revision, revision)),
        default=None,
    )
