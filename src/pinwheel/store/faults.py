"""What processors caught and have not seen mended yet: one row for each bundle and place."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from pinwheel.core import text
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

PROCESSOR = ""
"""The bundle name of a fault that concerns no bundle."""


@frozen(kw_only=True)
class Fault:
    """One thing that failed and has not worked since."""

    bundle_name: str
    """Empty where no bundle is concerned."""
    place: str
    """``make``, ``refresh``, or the call of Airflow's loop in which it was caught."""
    error: str
    version: str | None
    """The bundle version that it failed on, where one is known."""
    since: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> Fault:
        return cls(
            bundle_name=row.bundle_name,
            place=row.place,
            error=row.error,
            version=row.version,
            since=row.since,
        )


def record(
    session: Session, *, bundle_name: str, place: str, error: str, version: str | None, now: datetime
) -> bool:
    """Note a fault; False when the same text at the same version is noted already.

    Safe to repeat and from several processes: the row of a place holds the newest text, since the time from
    which it differed in nothing but numbers.
    """
    error = text.fit_end(error, text.ERROR)
    values = {"error": error, "version": version}
    key = {"bundle_name": bundle_name, "place": place}
    if insert_missing(session, t.fault, {**key, **values, "since": now}, list(key)):
        return True
    held = session.execute(
        select(t.fault).where(t.fault.c.bundle_name == bundle_name, t.fault.c.place == place)
    ).one_or_none()
    if held is not None and (held.error, held.version) == (error, version):
        return False
    same = held is not None and (text.without_numbers(held.error), held.version) == (
        text.without_numbers(error),
        version,
    )
    session.execute(
        update(t.fault)
        .where(t.fault.c.bundle_name == bundle_name, t.fault.c.place == place)
        .values(**values, since=held.since if held is not None and same else now)
    )
    return True


def clear(session: Session, *, bundle_name: str, places: Collection[str]) -> bool:
    """Forget faults of these places: they worked. False when there was none."""
    gone = session.execute(
        delete(t.fault).where(t.fault.c.bundle_name == bundle_name, t.fault.c.place.in_(sorted(places)))
    )
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def clear_others(session: Session, bundle_names: Collection[str]) -> None:
    """Forget the faults of all bundles but these."""
    known = set(session.scalars(select(t.fault.c.bundle_name).distinct()))
    if gone := known - set(bundle_names):
        session.execute(delete(t.fault).where(t.fault.c.bundle_name.in_(sorted(gone))))


def errors_at(session: Session, place: str, bundle_names: Collection[str]) -> dict[str, str]:
    """What fails at one place, by bundle, of those of these bundles where it does."""
    if not bundle_names:
        return {}
    rows = session.execute(
        select(t.fault.c.bundle_name, t.fault.c.error)
        .where(t.fault.c.place == place, t.fault.c.bundle_name.in_(sorted(bundle_names)))
        .order_by(t.fault.c.bundle_name)
    )
    return {row.bundle_name: row.error for row in rows}


def listed(session: Session) -> list[Fault]:
    """All present faults, by bundle and place."""
    rows = session.execute(select(t.fault).order_by(t.fault.c.bundle_name, t.fault.c.place))
    return [Fault.from_row(row) for row in rows]
