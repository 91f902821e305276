"""Builds and releases of one Dag by time, a page at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from pinwheel.core.build import Build
from pinwheel.store import builds
from pinwheel.store import tables as t


def newest_builds(session: Session, dag_id: str, *, before: datetime | None, limit: int) -> list[Build]:
    """So many of the Dag's builds made before an instant, newest first."""
    query = (
        select(t.build.c.id).where(t.build.c.dag_id == dag_id).order_by(t.build.c.build.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(t.build.c.created_at < before)
    found = builds.by_ids(session, list(session.scalars(query)))
    return sorted(found.values(), key=lambda build: build.build, reverse=True)


def newest_broken(session: Session, dag_id: str, *, before: datetime | None, limit: int) -> list[Row[Any]]:
    """As ``store.builds.broken_of_dag``: so many of those recorded before an instant."""
    query = (
        select(
            t.broken_build,
            t.bundle_version.c.author,
            t.bundle_version.c.message,
            t.bundle_version.c.label,
        )
        .outerjoin(
            t.bundle_version,
            (t.bundle_version.c.bundle_name == t.broken_build.c.bundle_name)
            & (t.bundle_version.c.version == t.broken_build.c.bundle_version),
        )
        .where(t.broken_build.c.dag_id == dag_id)
        .order_by(t.broken_build.c.created_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(t.broken_build.c.created_at < before)
    return list(session.execute(query))


def newest_releases(session: Session, dag_id: str, *, before: datetime | None, limit: int) -> list[Row[Any]]:
    """As ``store.releases.of_dag``: so many of those made before an instant."""
    query = (
        select(t.release, t.build.c.build)
        .join(t.build, t.build.c.id == t.release.c.build_id)
        .where(t.release.c.dag_id == dag_id)
        .order_by(t.release.c.release.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(t.release.c.created_at < before)
    return list(session.execute(query))


def released_after(session: Session, dag_id: str, release: int) -> datetime | None:
    """When the release that followed this one was made; None: there is none."""
    return session.scalar(
        select(t.release.c.created_at)
        .where(t.release.c.dag_id == dag_id, t.release.c.release > release)
        .order_by(t.release.c.release)
        .limit(1)
    )


def sizes(session: Session, digests: Collection[str]) -> dict[str, int]:
    """Bytes of each content that is kept, by its digest."""
    ordered = sorted(set(digests))
    found: dict[str, int] = {}
    for start in range(0, len(ordered), 500):
        rows = session.execute(
            select(t.source.c.digest, t.source.c.size).where(
                t.source.c.digest.in_(ordered[start : start + 500])
            )
        )
        found.update({row.digest: row.size for row in rows})
    return found
