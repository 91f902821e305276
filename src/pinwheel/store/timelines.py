"""Timelines of Dags: whole revisions, of which none is ever changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, evolve, fields, frozen
from sqlalchemy import func, insert, or_, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.record import Record
from pinwheel.core.run.timeline import Era, Revision
from pinwheel.store import tables as t
from pinwheel.store.keeping import in_newest_revision

_ERA = tuple(column.name for column in fields(Era))


@frozen(kw_only=True)
class Change(Record):
    """What made a revision."""

    dag_id: str
    revision: int
    verb: str
    """``set`` or ``unset``."""
    actor: str
    reason: str | None
    at: datetime
    request_id: str | None


def add(session: Session, change: Change, eras: Sequence[Era]) -> None:
    """Add a revision: all eras of the timeline from now on, by their dates.

    An era's ``since_revision`` is the caller's.
    """
    session.execute(insert(t.timeline).values(**asdict(change)))
    rows = [
        {"dag_id": change.dag_id, "revision": change.revision, "position": position, **asdict(era)}
        for position, era in enumerate(eras)
    ]
    if rows:
        session.execute(insert(t.era), rows)


def newest(session: Session, dag_ids: Collection[str]) -> dict[str, Revision]:
    """The timeline in force of each of these Dags that ever had one."""
    found: dict[str, Revision] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        last = (
            select(t.timeline.c.dag_id, func.max(t.timeline.c.revision).label("revision"))
            .where(t.timeline.c.dag_id.in_(chunk))
            .group_by(t.timeline.c.dag_id)
            .subquery()
        )
        rows = session.execute(
            select(t.timeline.c.dag_id, t.timeline.c.revision, t.timeline.c.at, *_era_columns())
            .join(last, _same(last))
            .outerjoin(t.era, _same(t.era))
            .order_by(t.timeline.c.dag_id, t.era.c.position)
        )
        for row in rows.mappings():
            known = found.get(row["dag_id"]) or Revision(number=row["revision"], at=row["at"], eras=())
            found[row["dag_id"]] = _with(known, row)
    return found


def in_force(session: Session) -> dict[str, tuple[Era, ...]]:
    """The eras of the timelines as they are, by Dag; Dags without any are left out."""
    query = (
        select(t.era.c.dag_id, *_era_columns())
        .where(in_newest_revision())
        .order_by(t.era.c.dag_id, t.era.c.position)
    )
    found: dict[str, tuple[Era, ...]] = {}
    for row in session.execute(query).mappings():
        era = Era(**{name: row[f"era_{name}"] for name in _ERA})
        found[row["dag_id"]] = (*found.get(row["dag_id"], ()), era)
    return found


@frozen(kw_only=True)
class Covering:
    """An era that holds a moment, and who set it, when and why."""

    era: Era
    actor: str
    reason: str | None
    at: datetime


def covering(
    session: Session, moment: datetime, dag_ids: Collection[str] | None = None
) -> dict[str, Covering]:
    """By Dag (of these, or all), the era of its timeline as it is that holds a moment."""
    found: dict[str, Covering] = {}
    query = (
        select(t.era.c.dag_id, t.timeline.c.actor, t.timeline.c.reason, t.timeline.c.at, *_era_columns())
        .join(
            t.timeline,
            (t.timeline.c.dag_id == t.era.c.dag_id) & (t.timeline.c.revision == t.era.c.since_revision),
        )
        .where(
            in_newest_revision(),
            or_(t.era.c.starts_at.is_(None), t.era.c.starts_at <= moment),
            or_(t.era.c.ends_at.is_(None), t.era.c.ends_at > moment),
        )
    )
    parts = (
        [query]
        if dag_ids is None
        else [query.where(t.era.c.dag_id.in_(chunk)) for chunk in chunks(sorted(set(dag_ids)))]
    )
    for part in parts:
        for row in session.execute(part).mappings():
            era = Era(**{name: row[f"era_{name}"] for name in _ERA})
            found[row["dag_id"]] = Covering(era=era, actor=row["actor"], reason=row["reason"], at=row["at"])
    return found


def revisions(session: Session, dag_id: str) -> list[tuple[Change, Revision]]:
    """Every revision of a Dag's timeline, oldest first, each with what made it."""
    rows = session.execute(
        select(t.timeline, *_era_columns())
        .outerjoin(t.era, _same(t.era))
        .where(t.timeline.c.dag_id == dag_id)
        .order_by(t.timeline.c.revision, t.era.c.position)
    )
    found: dict[int, tuple[Change, Revision]] = {}
    for row in rows.mappings():
        change = Change.from_row(row)
        _, revision = found.get(
            change.revision, (change, Revision(number=change.revision, at=change.at, eras=()))
        )
        found[change.revision] = change, _with(revision, row)
    return list(found.values())


def _era_columns() -> list[Any]:
    return [t.era.c.position, *(t.era.c[name].label(f"era_{name}") for name in _ERA)]


def _same(other: Any) -> Any:
    return (t.timeline.c.dag_id == other.c.dag_id) & (t.timeline.c.revision == other.c.revision)


def _with(revision: Revision, row: Any) -> Revision:
    if row["position"] is None:
        return revision
    era = Era(**{name: row[f"era_{name}"] for name in _ERA})
    return evolve(revision, eras=(*revision.eras, era))
