"""Leases: which of several processes does a duty. Times are the database's, so clocks need not agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, literal_column, select, update
from sqlalchemy.orm import Session

from pinwheel.store import tables as t
from pinwheel.store.locking import dialect_of, insert_missing

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def take(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Take or renew a lease; False when another process holds it. Given up when *seconds* have passed.

    The row stays locked until the transaction ends: what is written in the same one is written by the holder.
    """
    insert_missing(session, t.lease, {"name": name, "holder": "", "until": _LONG_AGO}, ["name"])
    now = _clock(session)
    taken = session.execute(
        update(t.lease)
        .where(t.lease.c.name == name, (t.lease.c.holder == holder) | (t.lease.c.until < now))
        .values(holder=holder, until=now + timedelta(seconds=seconds))
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]


def hold(session: Session, name: str) -> None:
    """Let others who hold this name wait until the transaction ends. Nobody gets a lease by it."""
    insert_missing(session, t.lease, {"name": name, "holder": "", "until": _LONG_AGO}, ["name"])
    session.execute(update(t.lease).where(t.lease.c.name == name).values(holder=""))


def give_up(session: Session, name: str, holder: str) -> None:
    """Let another process take it at once."""
    session.execute(
        update(t.lease)
        .where(t.lease.c.name == name, t.lease.c.holder == holder)
        .values(holder="", until=_LONG_AGO)
    )


def holder_of(session: Session, name: str) -> str | None:
    """Who holds a lease that has not run out."""
    now = _clock(session)
    return session.scalar(
        select(t.lease.c.holder).where(t.lease.c.name == name, t.lease.c.until >= now, t.lease.c.holder != "")
    )


def say(session: Session, name: str, holder: str, seconds: float) -> None:
    """Say that a process lives; so it counts until *seconds* have passed."""
    insert_missing(session, t.lease, {"name": name, "holder": "", "until": _LONG_AGO}, ["name"])
    until = _clock(session) + timedelta(seconds=seconds)
    session.execute(update(t.lease).where(t.lease.c.name == name).values(holder=holder, until=until))


def said(session: Session, prefix: str) -> tuple[datetime, list[tuple[str, datetime]]]:
    """The database's present, and of each row whose name begins so its holder and until when it counts."""
    rows = session.execute(
        select(t.lease.c.holder, t.lease.c.until).where(t.lease.c.name.startswith(prefix, autoescape=True))
    )
    return _clock(session), [(row.holder, row.until) for row in rows]


def forget(session: Session, prefix: str, after: timedelta) -> None:
    """Remove the rows whose name begins so that ran out so long ago."""
    before = _clock(session) - after
    session.execute(
        delete(t.lease).where(t.lease.c.name.startswith(prefix, autoescape=True), t.lease.c.until < before)
    )


def remove(session: Session, name: str) -> None:
    """Nobody goes by this row any more."""
    session.execute(delete(t.lease).where(t.lease.c.name == name))


def _clock(session: Session) -> datetime:
    """The database's present, to the microsecond where it has that."""
    dialect = dialect_of(session)
    if dialect == "sqlite":
        text = session.scalar(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now")))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    if dialect == "mysql":
        found = session.scalar(select(literal_column("UTC_TIMESTAMP(6)")))
    else:
        # Not now(): that is when the transaction began, which may have waited for the row
        found = session.scalar(select(func.clock_timestamp()))
    assert isinstance(found, datetime)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
