"""The ledger of releases, and the rows made for trial runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import asdict
from sqlalchemy import (
    Integer,
    Result,
    Row,
    Select,
    String,
    cast,
    func,
    insert,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import KnownVersion, NumberedRelease, ReleaseRecord, Trial
from pinwheel.core.release.state import Kind
from pinwheel.store import tables as t


def add_all(session: Session, new: Sequence[ReleaseRecord]) -> None:
    """Add releases to the ledger."""
    if new:
        session.execute(insert(t.release), [asdict(release, recurse=False) for release in new])


def replace(
    session: Session,
    dag_id: str,
    release: int,
    *,
    build_id: int,
    dag_version_id: UUID,
    bundle_version: str | None,
    now: datetime,
) -> None:
    """Point an automatic, unused release at another build. The event keeps what it was."""
    session.execute(
        update(t.release)
        .where(t.release.c.dag_id == dag_id, t.release.c.release == release)
        .values(
            build_id=build_id, dag_version_id=dag_version_id, bundle_version=bundle_version, created_at=now
        )
    )


def one(session: Session, dag_id: str, release: int) -> ReleaseRecord | None:
    row = session.execute(
        select(t.release).where(t.release.c.dag_id == dag_id, t.release.c.release == release)
    ).one_or_none()
    return ReleaseRecord.from_row(row._mapping) if row else None


def active_ones(session: Session, dag_ids: Collection[str]) -> dict[str, ReleaseRecord]:
    """The active release of each of these Dags, by Dag id."""
    found: dict[str, ReleaseRecord] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        rows = session.execute(
            select(t.release)
            .join(
                t.dag,
                (t.dag.c.dag_id == t.release.c.dag_id) & (t.dag.c.active_release == t.release.c.release),
            )
            .where(t.release.c.dag_id.in_(chunk))
        )
        found.update({row.dag_id: ReleaseRecord.from_row(row._mapping) for row in rows})
    return found


def of_dag(
    session: Session, dag_id: str, *, before: datetime | None = None, limit: int | None = None
) -> list[NumberedRelease]:
    """Releases of a Dag, newest first: so many of those before an instant."""
    query = (
        select(t.release, t.build.c.build)
        .join(t.build, t.build.c.id == t.release.c.build_id)
        .where(t.release.c.dag_id == dag_id)
        .order_by(t.release.c.release.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(t.release.c.created_at < before)
    return [NumberedRelease.from_row(row._mapping) for row in session.execute(query)]


def of_builds(session: Session, build_ids: Mapping[str, int]) -> dict[str, list[ReleaseRecord]]:
    """By Dag: the releases of the one build of it that is given, oldest first."""
    found: dict[str, list[ReleaseRecord]] = {}
    for chunk in chunks(sorted(build_ids)):
        rows = session.execute(
            select(t.release)
            .where(
                t.release.c.dag_id.in_(chunk),
                t.release.c.build_id.in_([build_ids[dag_id] for dag_id in chunk]),
            )
            .order_by(t.release.c.dag_id, t.release.c.release)
        )
        for row in rows:
            found.setdefault(row.dag_id, []).append(ReleaseRecord.from_row(row._mapping))
    return found


def numbers_by_build(session: Session, dag_id: str) -> dict[int, list[int]]:
    """Release numbers by build id, ascending."""
    found: dict[int, list[int]] = {}
    for row in session.execute(
        select(t.release.c.build_id, t.release.c.release)
        .where(t.release.c.dag_id == dag_id)
        .order_by(t.release.c.release)
    ):
        found.setdefault(row.build_id, []).append(row.release)
    return found


def of_build(session: Session, build_id: int, *, bundle_version: str | None = None) -> ReleaseRecord | None:
    """The newest release of a build, if it was ever released; one of this bundle version, if there is one."""
    newest = t.release.c.release.desc()
    order = [newest] if bundle_version is None else [t.release.c.bundle_version != bundle_version, newest]
    row = session.execute(
        select(t.release).where(t.release.c.build_id == build_id).order_by(*order).limit(1)
    ).one_or_none()
    return ReleaseRecord.from_row(row._mapping) if row else None


def previous_build_ids(
    session: Session, active: Mapping[str, tuple[int, int]], *, passed_over: Collection[int] = ()
) -> dict[str, int]:
    """By Dag id, the build of the newest release before the active one that released another build.

    ``active`` gives each Dag's active release and its build's id. Dags without such a build are left out. A
    release that was itself rolled back from is passed over: rolling back twice goes further back, not forth
    again. So are the builds of *passed_over*, which are rejected.
    """
    histories: dict[str, list[Row[Any]]] = {}
    for chunk in chunks(sorted(active)):
        ledger: Result[Any] = session.execute(
            select(t.release.c.dag_id, t.release.c.release, t.release.c.build_id, t.release.c.kind)
            .where(t.release.c.dag_id.in_(chunk))
            .order_by(t.release.c.dag_id, t.release.c.release)
        )
        for row in ledger:
            if row.release <= active[row.dag_id][0]:
                histories.setdefault(row.dag_id, []).append(row)
    found = {
        dag_id: _build_before(rows, {active[dag_id][1], *passed_over}) for dag_id, rows in histories.items()
    }
    return {dag_id: build_id for dag_id, build_id in found.items() if build_id is not None}


def _build_before(history: Sequence[Row[Any]], others: Collection[int]) -> int | None:
    stack: list[int] = []
    for row in history:
        if row.kind == Kind.ROLLBACK and row.build_id in stack:
            del stack[stack.index(row.build_id) + 1 :]
        elif not stack or stack[-1] != row.build_id:
            if row.build_id in stack:
                stack.remove(row.build_id)
            stack.append(row.build_id)
    before = [build_id for build_id in stack if build_id not in others]
    return before[-1] if before else None


def by_dag_version(session: Session, ids: Collection[UUID]) -> dict[UUID, KnownVersion]:
    """What releases and trials stand for, by the id of their version row in Airflow."""
    found: dict[UUID, KnownVersion] = {}
    for chunk in chunks(sorted(set(ids), key=str)):
        for row in session.execute(union_all(*_known("dag_version_id", chunk), _made_for_dates(chunk))):
            version = KnownVersion.from_row(row._mapping)
            if version.release is not None or version.dag_version_id not in found:
                found[version.dag_version_id] = version
    return found


def _known(column: str, values: Collection[Any]) -> list[Select[Any]]:
    """The rows of releases and of trials in which that column has one of these values."""
    return [
        select(
            table.c.dag_version_id,
            number.label("release"),
            table.c.bundle_version,
            t.build.c.build,
            t.build.c.id.label("build_id"),
            cast(null(), Integer).label("segment"),
        )
        .join(t.build, t.build.c.id == table.c.build_id)
        .where(table.c[column].in_(values))
        for table, number in ((t.release, t.release.c.release), (t.trial, null()))
    ]


def _made_for_dates(ids: Collection[UUID]) -> Select[Any]:
    """The same of rows that were made for dates: they stand for the newest release of their build."""
    c = t.segment.c
    newest = (
        select(func.max(t.release.c.release))
        .where(t.release.c.dag_id == c.dag_id, t.release.c.build_id == c.build_id)
        .correlate(t.segment)
        .scalar_subquery()
    )
    return (
        select(
            c.dag_version_id,
            newest.label("release"),
            cast(null(), String).label("bundle_version"),
            t.build.c.build,
            t.build.c.id.label("build_id"),
            func.min(c.position).label("segment"),
        )
        .join(t.build, t.build.c.id == c.build_id)
        .where(c.dag_version_id.in_(ids))
        # Segments without the same tasks have one row.
        .group_by(c.dag_version_id, c.dag_id, c.build_id, t.build.c.build, t.build.c.id)
    )


def trial_of(session: Session, build_id: int) -> Trial | None:
    row = session.execute(select(t.trial).where(t.trial.c.build_id == build_id)).one_or_none()
    return Trial.from_row(row._mapping) if row else None


def add_trial(
    session: Session,
    *,
    dag_id: str,
    build_id: int,
    dag_version_id: UUID,
    bundle_version: str | None,
    now: datetime,
) -> None:
    session.execute(
        insert(t.trial).values(
            dag_version_id=dag_version_id,
            dag_id=dag_id,
            build_id=build_id,
            bundle_version=bundle_version,
            created_at=now,
        )
    )


def released_after(session: Session, dag_id: str, release: int) -> datetime | None:
    """When the release that followed this one was made; None: there is none."""
    return session.scalar(
        select(t.release.c.created_at)
        .where(t.release.c.dag_id == dag_id, t.release.c.release > release)
        .order_by(t.release.c.release)
        .limit(1)
    )


def by_number(session: Session, dag_id: str, numbers: Collection[int]) -> dict[int, ReleaseRecord]:
    """Releases of a Dag by number."""
    found: dict[int, ReleaseRecord] = {}
    for chunk in chunks(sorted(set(numbers))):
        rows = session.execute(
            select(t.release).where(t.release.c.dag_id == dag_id, t.release.c.release.in_(chunk))
        )
        found.update({row.release: ReleaseRecord.from_row(row._mapping) for row in rows})
    return found


def rows_of(session: Session, build_ids: Collection[int]) -> dict[int, list[KnownVersion]]:
    """By build, the version rows of its releases, newest first, and of its trial, which is last."""
    found: dict[int, list[KnownVersion]] = {}
    for chunk in chunks(sorted(set(build_ids))):
        for row in session.execute(union_all(*_known("build_id", chunk))):
            version = KnownVersion.from_row(row._mapping)
            found.setdefault(version.build_id, []).append(version)
    for versions in found.values():
        versions.sort(key=lambda version: -1 if version.release is None else version.release, reverse=True)
    return found
