"""Releases by number with what tells them apart to a reader."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import ReleaseRecord
from pinwheel.store import tables as t


def releases(session: Session, dag_id: str, numbers: Collection[int]) -> dict[int, ReleaseRecord]:
    """Releases of a Dag by number."""
    found: dict[int, ReleaseRecord] = {}
    for chunk in chunks(sorted(set(numbers))):
        rows = session.execute(
            select(t.release).where(t.release.c.dag_id == dag_id, t.release.c.release.in_(chunk))
        )
        found.update({row.release: ReleaseRecord.from_row(row._mapping) for row in rows})
    return found


def build_ids(session: Session, dag_id: str, numbers: Collection[int]) -> dict[int, int]:
    """Ids of builds of a Dag by number."""
    found: dict[int, int] = {}
    for chunk in chunks(sorted(set(numbers))):
        rows = session.execute(
            select(t.build.c.build, t.build.c.id).where(
                t.build.c.dag_id == dag_id, t.build.c.build.in_(chunk)
            )
        )
        found.update({row.build: row.id for row in rows})
    return found
