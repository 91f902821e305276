"""The audit trail. Written in the transaction of the change, never altered.

But for two kinds, which count in one event what would be many (:func:`recount`): parses that are folded into
an unstable build, and Dags that follow to a bundle version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.records import Event
from pinwheel.store import tables as t


def add(
    session: Session,
    kind: EventKind,
    *,
    now: datetime,
    actor: str,
    dag_id: str | None = None,
    bundle_name: str | None = None,
    reason: str | None = None,
    details: Mapping[str, Json],
) -> None:
    add_all(
        session,
        [
            {
                "at": now,
                "kind": kind,
                "dag_id": dag_id,
                "bundle_name": bundle_name,
                "actor": actor,
                "reason": reason,
                "details": dict(details),
            }
        ],
    )


def add_all(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """As :func:`add`, many at once; each row names every column but the id."""
    if rows:
        session.execute(insert(t.event), rows)


def of_kind(session: Session, dag_id: str, kind: EventKind) -> list[Event]:
    """All events of a Dag of a kind that is rare."""
    query = select(t.event).where(t.event.c.dag_id == dag_id, t.event.c.kind == kind)
    return [Event.from_row(row._mapping) for row in session.execute(query)]


def newest(session: Session, dag_id: str, kind: EventKind) -> Event | None:
    """The last event of a Dag of this kind."""
    query = select(t.event).where(t.event.c.dag_id == dag_id, t.event.c.kind == kind)
    row = session.execute(query.order_by(t.event.c.at.desc(), t.event.c.id.desc()).limit(1)).one_or_none()
    return Event.from_row(row._mapping) if row else None


def recount(session: Session, event_id: int, details: Mapping[str, Json]) -> None:
    """Count on in an event that stands for many. The caller has locked its Dag."""
    session.execute(update(t.event).where(t.event.c.id == event_id).values(details=dict(details)))


def count(
    session: Session,
    kind: EventKind,
    *,
    now: datetime,
    actor: str,
    bundle_name: str,
    version: str,
    dags: int,
) -> None:
    """Say of so many more Dags of a bundle that this happened to them with this version: one event for all.

    Two at once may leave an event each.
    """
    query = select(t.event).where(
        t.event.c.dag_id.is_(None), t.event.c.kind == kind, t.event.c.bundle_name == bundle_name
    )
    row = session.execute(query.order_by(t.event.c.id.desc()).limit(1)).one_or_none()
    if row is not None and row.details.get("bundle_version") == version:
        recount(session, row.id, {**row.details, "dags": row.details.get("dags", 0) + dags})
        return
    details: dict[str, Json] = {"bundle_version": version, "dags": dags}
    add(session, kind, now=now, actor=actor, bundle_name=bundle_name, details=details)


def listed(
    session: Session,
    *,
    dag_ids: Collection[str] | None = None,
    kinds: Collection[str] | None = None,
    actor: str | None = None,
    limit: int = 100,
    before_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Event]:
    """Events, newest first, of ``since`` or later and before ``until``.

    ``dag_ids`` leaves out those of other Dags (not those of no Dag).
    """
    query = select(t.event).order_by(t.event.c.id.desc()).limit(limit)
    if dag_ids is not None:
        query = query.where(or_(t.event.c.dag_id.in_(sorted(dag_ids)), t.event.c.dag_id.is_(None)))
    if kinds:
        query = query.where(t.event.c.kind.in_(sorted(kinds)))
    if actor is not None:
        query = query.where(t.event.c.actor == actor)
    if before_id is not None:
        query = query.where(t.event.c.id < before_id)
    if since is not None:
        query = query.where(t.event.c.at >= since)
    if until is not None:
        query = query.where(t.event.c.at < until)
    return [Event.from_row(row._mapping) for row in session.execute(query)]


def last_id(session: Session) -> int:
    """Id of the newest event; 0 when there is none."""
    return int(session.scalar(select(func.max(t.event.c.id))) or 0)


def dag_ids_after(session: Session, after: int, *, dag_id: str | None, limit: int) -> list[str]:
    """Dags that events after that id were about (or that one Dag, if they were), at most *limit*."""
    query = select(t.event.c.dag_id).where(t.event.c.id > after, t.event.c.dag_id.is_not(None)).distinct()
    if dag_id is not None:
        query = query.where(t.event.c.dag_id == dag_id)
    return [found for found in session.scalars(query.limit(limit)) if found is not None]
