"""What the line of one Dag asks besides its builds and releases."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.store import tables as t


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
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(digests))):
        rows = session.execute(select(t.source.c.digest, t.source.c.size).where(t.source.c.digest.in_(chunk)))
        found.update({row.digest: row.size for row in rows})
    return found
