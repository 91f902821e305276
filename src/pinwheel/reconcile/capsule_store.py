"""Capsules in the database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from pinwheel.core.errors import HostError, PinwheelError, Refused
from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.database import another_connection, current_revision, words_of
from pinwheel.reconcile.installed import Deployment
from pinwheel.reconcile.signing import Keys
from pinwheel.reconcile.tables import ensure, tables

_table = tables.capsule
_SIGNED = ("header", "key_id", "signature", "archive")

Begin = Callable[[], AbstractContextManager[Connection]]
"""Gives a connection in a transaction, which is committed at the end, or rolled back after an error."""


def keep(
    deployment: Deployment,
    *,
    now: datetime,
    begin: Begin | None = None,
    make: Callable[[], Capsule] | None = None,
) -> bool:
    """Have a capsule of the installed Airflow in the database; False when a sound one was there.

    ``begin`` gives the transaction to write in, by default one of the deployment's engine; ``make`` a capsule
    that was packed before.

    :raises Refused: there is no Fernet key, the schema is another Airflow's, or the database user may not.
    :raises HostError: it was written, and another connection does not see it.
    """
    deployment.keys.require()
    begin = begin or deployment.engine.begin
    with begin() as connection:
        if current_revision(connection) != deployment.history.head:
            raise Refused(
                f"Cannot store a capsule of Airflow {deployment.version}",
                found="the schema is not the installed Airflow's",
                remedy="Bring it there with: airflow db migrate",
            )
        if _own(connection, deployment):
            return False
    return store(deployment, (make or deployment.capsule)(), now=now, begin=begin)


def is_stored(deployment: Deployment, *, new: bool) -> str:
    """A sentence about what :func:`keep` did."""
    what = f"capsule of Airflow {deployment.version}"
    return f"Stored a {what}" if new else f"A {what} is stored"


def not_stored(error: Exception) -> str:
    """A sentence, or two, about what kept :func:`keep` from it."""
    if isinstance(error, PinwheelError):
        return f"No capsule is stored: {'. '.join(filter(None, [error.found, error.remedy]))}"
    return f"No capsule is stored: {type(error).__name__}: {words_of(error)}"


def store(deployment: Deployment, capsule: Capsule, *, now: datetime, begin: Begin | None = None) -> bool:
    """Store it, and read it back from another connection; False when it is there already.

    Of two that store at once one wins, and the other gets False.

    :raises Refused: the database user may not.
    :raises HostError: it was written, and another connection does not see it.
    """
    begin = begin or deployment.engine.begin
    for last in (False, True):
        try:
            with begin() as connection:
                new = put(connection, capsule, now=now)
            break
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            # The other one may have been faster; or both have stopped each other, and this one is to yield.
            if _is_kept(deployment):
                return False
            if last:
                raise Refused(
                    f"Cannot store a capsule of Airflow {deployment.version}",
                    found=words_of(error),
                    remedy="Connect as a user that may create and write Pinwheel's tables, such as the "
                    "owner of Airflow's: [database] sql_alchemy_conn",
                ) from error
    if not _is_kept(deployment):
        raise HostError(
            f"Cannot store a capsule of Airflow {deployment.version}",
            found="it was written and committed, and another connection does not see it",
            remedy="Run once more: pinwheel db capsule store",
        )
    return new


def put(connection: Connection, capsule: Capsule, *, now: datetime) -> bool:
    """Write it in the caller's transaction; False when the same one is there already.

    One is kept for each version and revision; what is stored replaces an older one of the same.
    """
    ensure(connection)
    if _is_stored(connection, capsule):
        return False
    # From here on SQLite keeps others from writing: what it shows now stays. Elsewhere the key tells of them.
    connection.execute(_table.delete().where(sa.false()))
    if _is_stored(connection, capsule):
        return False
    same = (_table.c.airflow_version == capsule.airflow_version) & (_table.c.revision == capsule.revision)
    # By their ids: never what another one stored since.
    drop(connection, connection.scalars(sa.select(_table.c.id).where(same)).all())
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


def _is_stored(connection: Connection, capsule: Capsule) -> bool:
    return any(found.same_as(capsule) for found in stored(connection))


def _own(connection: Connection, deployment: Deployment) -> bool:
    """Whether a sound one of the installed Airflow is there."""
    return any(
        (known.airflow_version, known.revision) == (deployment.version, deployment.history.head)
        for known in sound(stored(connection), deployment.keys)
    )


def _is_kept(deployment: Deployment) -> bool:
    with another_connection(deployment.engine) as connection:
        return _own(connection, deployment)


def stored(connection: Connection) -> list[Capsule]:
    """All of them as they are stored, unchecked, the newest first. Empty without the table.

    Whatever somebody wrote into its columns is read as it is, for the signature to tell.
    """
    if not sa.inspect(connection).has_table(_table.name):
        return []
    rows = connection.execute(
        sa.select(_table.c.id, *(_as_it_is(connection, _table.c[name]) for name in _SIGNED)).order_by(
            _table.c.id.desc()
        )
    ).all()
    return [
        Capsule(
            header_text=_text(row.header),
            key_id=_text(row.key_id),
            signature=_text(row.signature),
            archive=bytes(row.archive),
            id=row.id,
            stored_at=_stored_at(connection, row.id),
        )
        for row in rows
    ]


def _as_it_is(connection: Connection, column: Any) -> Any:
    # On SQLite a column holds values of any type, and text that is no UTF-8 can not be fetched as text.
    return (
        sa.cast(column, sa.LargeBinary).label(column.name) if connection.dialect.name == "sqlite" else column
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="surrogateescape")


def _stored_at(connection: Connection, capsule: int) -> datetime | None:
    """None: no date that every calendar knows, which somebody else must have written."""
    with contextlib.suppress(ValueError, OverflowError, AttributeError):
        found: Any = connection.scalar(
            sa.select(_as_it_is(connection, _table.c.stored_at)).where(_table.c.id == capsule)
        )
        if isinstance(found, bytes):
            found = datetime.fromisoformat(found.decode())
        aware: datetime = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware if 1 < aware.year < 9999 else None
    return None


def drop(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(_table.delete().where(_table.c.id.in_(ids)))


def prune(connection: Connection, revision: str, keys: Keys) -> tuple[list[Capsule], list[Capsule]]:
    """Delete, in a transaction of its own, those that no downgrade from *revision* can use.

    Deleted and kept ones. The best one for the way down stays, and those of older versions, which still tell
    what their schema is.
    """
    everything = stored(connection)
    usable = sound(everything, keys)
    way_down = best(usable, revision)
    useful = {
        way_down.id if way_down else None,
        *(capsule.id for capsule in usable if revision not in capsule.history),
    }
    gone = [capsule for capsule in everything if capsule.id not in useful]
    connection.rollback()
    with connection.begin():
        drop(connection, [capsule.id for capsule in gone if capsule.id is not None])
    return gone, [capsule for capsule in everything if capsule.id in useful]


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
