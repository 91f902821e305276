"""Managed Dags at a glance: one light row each, without anything that grows with their history."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Result, select
from sqlalchemy.orm import Session

from pinwheel.core.records import DagFile, FleetDag
from pinwheel.store import tables as t

_ACTIVE = t.build.alias("active_build_row")
_NEWEST = t.build.alias("newest_build_row")


def rows(session: Session, *, bundle: str | None = None, retired: bool = False) -> list[FleetDag]:
    """Managed Dags in order of id, with the numbers of both builds and of the active release."""
    query = (
        select(
            t.dag.c.dag_id,
            t.dag.c.bundle_name,
            t.dag.c.relative_fileloc,
            t.dag.c.track,
            t.dag.c.track_actor,
            t.dag.c.track_reason,
            t.dag.c.track_since,
            t.dag.c.active_release,
            t.dag.c.active_build_id,
            t.dag.c.newest_build_id,
            t.dag.c.dag_version_id,
            t.dag.c.row_version,
            t.dag.c.retired,
            _ACTIVE.c.build.label("active_build"),
            _NEWEST.c.build.label("newest_build"),
            _NEWEST.c.created_at.label("newest_at"),
            t.release.c.created_at.label("released_at"),
            t.release.c.kind.label("release_kind"),
            t.release.c.actor.label("release_actor"),
            t.release.c.reason.label("release_reason"),
        )
        .outerjoin(_ACTIVE, _ACTIVE.c.id == t.dag.c.active_build_id)
        .outerjoin(_NEWEST, _NEWEST.c.id == t.dag.c.newest_build_id)
        .outerjoin(
            t.release,
            (t.release.c.dag_id == t.dag.c.dag_id) & (t.release.c.release == t.dag.c.active_release),
        )
        .order_by(t.dag.c.dag_id)
    )
    if bundle is not None:
        query = query.where(t.dag.c.bundle_name == bundle)
    if not retired:
        query = query.where(t.dag.c.retired.is_(False))
    return [FleetDag.from_row(row._mapping) for row in session.execute(query)]


def broken_files(session: Session) -> dict[tuple[str, str], datetime]:
    """Bundle and path of each file that can not be imported now, and since when it can not."""
    found = session.execute(
        select(
            t.file.c.bundle_name, t.file.c.relative_fileloc, t.file.c.broken_since, t.file.c.parsed_at
        ).where(t.file.c.error.is_not(None))
    )
    return {(row.bundle_name, row.relative_fileloc): row.broken_since or row.parsed_at for row in found}


def errors(session: Session, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], DagFile]:
    """Those of these few files that can not be imported now, by bundle and path."""
    found: Result[Any] = session.execute(
        select(t.file).where(
            t.file.c.error.is_not(None), t.file.c.relative_fileloc.in_(sorted({path for _, path in pairs}))
        )
    )
    return {
        pair: DagFile.from_row(row._mapping)
        for row in found
        if (pair := (row.bundle_name, row.relative_fileloc)) in pairs
    }
