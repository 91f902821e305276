"""Where all bundles stand: few rows, whatever their history."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pinwheel.core.records import Head, RefusedHead
from pinwheel.store import tables as t


def heads(session: Session) -> dict[str, Head]:
    """By name, each bundle of which a version was taken, with what is known of its head."""
    version = t.bundle_version.c
    query = select(
        t.bundle.c.name,
        t.bundle.c.head_version,
        t.bundle.c.head_seq,
        t.bundle.c.settled_seq,
        t.bundle.c.updated_at,
        version.author,
        version.message,
        version.committed_at,
        version.label,
        version.left_out,
    ).outerjoin(
        t.bundle_version,
        (version.bundle_name == t.bundle.c.name) & (version.version == t.bundle.c.head_version),
    )
    return {row.name: Head.from_row(row._mapping) for row in session.execute(query)}


def refused(session: Session, most: int) -> dict[str, list[RefusedHead]]:
    """By name of the bundle, its refused versions: at most so many, the newest first."""
    version = t.bundle_version.c
    place = func.row_number().over(
        partition_by=version.bundle_name, order_by=(version.refused_at.desc(), version.version)
    )
    ranked = (
        select(
            version.bundle_name,
            version.version,
            version.reason,
            version.refused_at,
            version.author,
            version.message,
            version.label,
            place.label("place"),
        )
        .where(version.state == "refused")
        .subquery()
    )
    query = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.bundle_name, ranked.c.place)
    found: dict[str, list[RefusedHead]] = {}
    for row in session.execute(query):
        found.setdefault(row.bundle_name, []).append(RefusedHead.from_row(row._mapping))
    return found
