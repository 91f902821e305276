"""The audit trail. Written in the transaction of the change, never altered.

Events have a batch: those of one batch and kind are told in one line where somebody asks for that. It is the
transaction that wrote them, unless whoever writes names another, which may reach over several.

But for two kinds, which count in one event what would be many (:func:`recount`): parses that are folded into
an unstable build, and Dags that follow to a bundle version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from attrs import field, frozen
from sqlalchemy import ColumnElement, FromClause, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, SessionTransaction

from pinwheel.core.chunks import chunks
from pinwheel.core.event import TOLD_OF_BUNDLES, EventKind
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
    batch: str | None = None,
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
        batch=batch,
    )


def add_all(session: Session, rows: Sequence[dict[str, Any]], *, batch: str | None = None) -> None:
    """As :func:`add`, many at once; each row names every column but the id and the batch.

    Without a ``batch`` that is the transaction.
    """
    if rows:
        batch = batch or _transaction(session)
        session.execute(insert(t.event), [{"batch": batch, **row} for row in rows])


_TRANSACTIONS: WeakKeyDictionary[SessionTransaction, str] = WeakKeyDictionary()


def _transaction(session: Session) -> str:
    """A name of the transaction that the session is in."""
    return _TRANSACTIONS.setdefault(session.get_transaction() or session.begin(), str(uuid4()))


def of_kind(session: Session, dag_id: str, kind: EventKind, *, since: datetime | None = None) -> list[Event]:
    """All events of a Dag of a kind that is rare, or those since then; oldest first."""
    query = select(t.event).where(t.event.c.dag_id == dag_id, t.event.c.kind == kind)
    if since is not None:
        query = query.where(t.event.c.at >= since)
    query = query.order_by(t.event.c.at, t.event.c.id)
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


def _words(given: Collection[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


@frozen(kw_only=True)
class Wanted:
    """Which events. All that is given must hold."""

    dag_ids: frozenset[str] | None = field(default=None, converter=_words)
    """Those of other Dags are left out, not those of no Dag."""
    kinds: frozenset[str] | None = field(default=None, converter=_words)
    actor: str | None = None
    search: str | None = None
    """Stands in the reason, in letters of either case."""
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Only before it."""


ANY = Wanted()


def listed(
    session: Session,
    wanted: Wanted = ANY,
    *,
    limit: int = 100,
    before_id: int | None = None,
    fold: bool = False,
) -> list[Event]:
    """Events, newest first. With ``fold`` of each batch and kind the newest that is wanted, and no other."""
    query = select(t.event).where(*_holds(t.event, wanted)).order_by(t.event.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(t.event.c.id < before_id)
    if fold:
        later = t.event.alias("later")
        query = query.where(
            ~exists(
                select(later.c.id)
                .where(
                    later.c.batch == t.event.c.batch,
                    later.c.kind == t.event.c.kind,
                    later.c.id > t.event.c.id,
                    *_holds(later, wanted),
                )
                .correlate(t.event)
            )
        )
    return [Event.from_row(row._mapping) for row in session.execute(query)]


def alike(session: Session, wanted: Wanted, heads: Collection[Event]) -> dict[int, Alike]:
    """By id of each of these events: which wanted ones are of its batch and kind, itself among them."""
    ids = {(head.batch, str(head.kind)): head.id for head in heads if head.batch is not None}
    kinds = sorted({kind for _, kind in ids})
    of = t.event.c
    found: dict[int, Alike] = {}
    for batches in chunks(sorted({batch for batch, _ in ids})):
        query = (
            select(
                of.batch,
                of.kind,
                func.count().label("events"),
                func.count(of.dag_id.distinct()).label("dags"),
                func.min(of.at).label("first_at"),
            )
            .where(of.batch.in_(batches), of.kind.in_(kinds), *_holds(t.event, wanted))
            .group_by(of.batch, of.kind)
        )
        for row in session.execute(query):
            # A batch may have another of these kinds, whose line is on another page.
            if (row.batch, row.kind) in ids:
                found[ids[row.batch, row.kind]] = Alike(
                    events=row.events, dags=row.dags, first_at=row.first_at
                )
    return found


def paths(session: Session, wanted: Wanted, batches: Collection[str]) -> dict[str, int]:
    """By batch: of how many files its wanted broken builds are."""
    of = t.event.c
    found: dict[str, set[Any]] = {}
    for chunk in chunks(sorted(set(batches))):
        query = select(of.batch, of.details).where(
            of.batch.in_(chunk), of.kind == EventKind.BROKEN, *_holds(t.event, wanted)
        )
        for row in session.execute(query):
            found.setdefault(row.batch, set()).add(row.details.get("path"))
    return {batch: len(places) for batch, places in found.items()}


@frozen(kw_only=True)
class Alike:
    """Events that are told in one line."""

    events: int
    dags: int
    """How many Dags they are of."""
    first_at: datetime


def _holds(events: FromClause, wanted: Wanted) -> list[ColumnElement[bool]]:
    of = events.c
    found: list[ColumnElement[bool]] = []
    if wanted.dag_ids is not None:
        found.append(or_(of.dag_id.in_(sorted(wanted.dag_ids)), of.dag_id.is_(None)))
    if wanted.kinds:
        found.append(of.kind.in_(sorted(wanted.kinds)))
    if wanted.actor is not None:
        found.append(of.actor == wanted.actor)
    if wanted.search is not None:
        found.append(of.reason.icontains(wanted.search, autoescape=True))
        found.append(of.kind.not_in(sorted(TOLD_OF_BUNDLES)))
    if wanted.batch is not None:
        found.append(of.batch == wanted.batch)
    if wanted.since is not None:
        found.append(of.at >= wanted.since)
    if wanted.until is not None:
        found.append(of.at < wanted.until)
    return found


def last_id(session: Session) -> int:
    """Id of the newest event; 0 when there is none."""
    return int(session.scalar(select(func.max(t.event.c.id))) or 0)


def dag_ids_after(session: Session, after: int, *, dag_id: str | None, limit: int) -> list[str]:
    """Dags that events after that id were about (or that one Dag, if they were), at most *limit*."""
    query = select(t.event.c.dag_id).where(t.event.c.id > after, t.event.c.dag_id.is_not(None)).distinct()
    if dag_id is not None:
        query = query.where(t.event.c.dag_id == dag_id)
    return [found for found in session.scalars(query.limit(limit)) if found is not None]
