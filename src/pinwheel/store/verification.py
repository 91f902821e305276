"""What was verified of each file, in which tree, and the budget of CPU seconds for that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.record import Record
from pinwheel.core.release.stand import Span
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

BUDGET = "verify"
"""The name of its budget, and of its lease."""
_SINCE = func.coalesce(t.file.c.verified_at, t.file.c.parsed_at, type_=t.file.c.parsed_at.type)
"""When a file was last parsed or verified."""


@frozen(kw_only=True)
class File(Record):
    """A file that nobody has parsed in the tree of the head."""

    relative_fileloc: str
    verified_at: datetime


def unverified(session: Session, bundle_name: str, tree: str) -> list[File]:
    """The files of a bundle that are good, are judged unchanged, and were not parsed in this tree.

    Left out is what is parsed anyway (impure files, and those that are parsed in each tree) or gives
    something else each time.
    """
    columns = (t.file.c.relative_fileloc, _SINCE.label("verified_at"))
    query = select(*columns).where(t.file.c.bundle_name == bundle_name, *_to_verify(tree))
    return [File.from_row(row._mapping) for row in session.execute(query)]


def _to_verify(tree: Any) -> tuple[ColumnElement[bool], ...]:
    file = t.file.c
    return (
        file.pending_seq.is_(None),
        file.parse_id.is_not(None),
        file.error.is_(None),
        file.impure.is_(False),
        file.unstable.is_(False),
        file.always.is_(None),
        or_(file.verified_tree.is_(None), file.verified_tree != tree),
    )


def mark(session: Session, bundle_name: str, path: str, *, seq: int, tree: str, now: datetime) -> None:
    """Note that a file was parsed or verified in the head with this seq and tree."""
    session.execute(
        update(t.file)
        .where(t.file.c.bundle_name == bundle_name, t.file.c.relative_fileloc == path)
        .values(verified_seq=seq, verified_tree=tree, verified_at=now)
    )


def mark_builds(session: Session, bundle_name: str, builds: Mapping[str, int], seq: int) -> None:
    """Note of the builds of these Dags that they are known, not only judged, to stand in this head."""
    if builds:
        session.execute(
            update(t.stand)
            .where(
                t.stand.c.dag_id == bindparam("of_dag"),
                t.stand.c.bundle_name == bundle_name,
                t.stand.c.build_id == bindparam("of_build"),
                t.stand.c.last_seq.is_(None),
                t.stand.c.verified_seq < seq,
            )
            .values(verified_seq=seq),
            [{"of_dag": dag_id, "of_build": build_id} for dag_id, build_id in sorted(builds.items())],
        )


def version_at(session: Session, bundle_name: str, seq: int, tree: str | None) -> str | None:
    """The version that was the head with this seq. One that has come back since is found by its tree."""
    version = t.bundle_version.c
    of_bundle = select(version.version).where(version.bundle_name == bundle_name)
    found = session.scalar(of_bundle.where(version.seq == seq))
    if found is None and tree is not None:
        alike = of_bundle.where(version.tree == tree, version.seq > 0).order_by(version.seq.desc())
        found = session.scalar(alike.limit(1))
    return found


def version_of(session: Session, bundle_name: str, dag_id: str, span: Span) -> str | None:
    """The version in which a span's build was last known to stand; its own where that can not be told."""
    own = t.build.join(
        t.file,
        (t.file.c.bundle_name == t.build.c.bundle_name)
        & (t.file.c.relative_fileloc == t.build.c.relative_fileloc),
        isouter=True,
    )
    row = session.execute(
        select(t.build.c.bundle_version, t.file.c.verified_seq, t.file.c.verified_tree)
        .select_from(own)
        .where(t.build.c.id == span.build_id, t.build.c.dag_id == dag_id)
    ).one_or_none()
    tree = row.verified_tree if row is not None and row.verified_seq == span.verified_seq else None
    found = version_at(session, bundle_name, span.verified_seq, tree)
    return found or (row.bundle_version if row is not None else None)


@frozen(kw_only=True)
class Budget(Record):
    """CPU seconds that verification may use, as its last user left them."""

    share: float
    level: float
    mean: float | None
    """CPU seconds that a verification takes, by those of late; None: there was none."""
    at: datetime


def budget(session: Session) -> Budget | None:
    row = session.execute(select(t.budget).where(t.budget.c.name == BUDGET)).one_or_none()
    return Budget.from_row(row._mapping) if row is not None else None


def put_budget(session: Session, *, share: float, level: float, mean: float | None, now: datetime) -> None:
    values = {"share": share, "level": level, "mean": mean, "at": now}
    if insert_missing(session, t.budget, {"name": BUDGET, **values}, ["name"]):
        return
    session.execute(update(t.budget).where(t.budget.c.name == BUDGET).values(**values))


@frozen(kw_only=True)
class Waiting(Record):
    """How many files of a bundle's head are not verified, and since which head the oldest is not."""

    bundle_name: str
    files: int
    since: datetime
    """When the longest unverified one was last parsed or verified."""
    seq: int | None
    """The head in which that was."""


def waiting(session: Session) -> dict[str, Waiting]:
    """By name, the bundles of which files are not verified."""
    head = t.bundle.join(
        t.bundle_version,
        (t.bundle_version.c.bundle_name == t.bundle.c.name)
        & (t.bundle_version.c.version == t.bundle.c.head_version),
    )
    query = (
        select(
            t.file.c.bundle_name,
            func.count().label("files"),
            func.min(_SINCE, type_=_SINCE.type).label("since"),
            func.min(t.file.c.verified_seq).label("seq"),
        )
        .select_from(t.file.join(head, t.bundle.c.name == t.file.c.bundle_name))
        .where(t.bundle_version.c.tree.is_not(None), *_to_verify(t.bundle_version.c.tree))
        .group_by(t.file.c.bundle_name)
    )
    return {row.bundle_name: Waiting.from_row(row._mapping) for row in session.execute(query)}


def first_after(session: Session, seqs: Mapping[str, int]) -> dict[str, str]:
    """By name of the bundle, the oldest version that became its head after the one with this seq."""
    if not seqs:
        return {}
    version = t.bundle_version.c
    later = or_(*(and_(version.bundle_name == name, version.seq > seq) for name, seq in seqs.items()))
    first = (
        select(version.bundle_name, func.min(version.seq).label("seq"))
        .where(later)
        .group_by(version.bundle_name)
        .subquery()
    )
    query = select(version.bundle_name, version.version).join(
        first, and_(first.c.bundle_name == version.bundle_name, first.c.seq == version.seq)
    )
    return {row.bundle_name: row.version for row in session.execute(query)}
