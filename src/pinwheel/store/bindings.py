"""Bindings: which Dag version each run uses, and from when on. Append-only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.run.binding import BoundBy
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing


def add(
    session: Session,
    *,
    dag_id: str,
    run_id: str,
    seq: int,
    dag_version_id: UUID | None,
    bundle_version: str | None,
    bound_by: BoundBy,
    now: datetime,
    actor: str | None = None,
) -> bool:
    """Record a binding; False when this run was already bound for this seq (its clear_number)."""
    row = {
        "dag_id": dag_id,
        "run_id": run_id,
        "seq": seq,
        "dag_version_id": dag_version_id,
        "bundle_version": bundle_version,
        "bound_by": bound_by,
        "actor": actor,
        "bound_at": now,
    }
    return bool(add_all(session, [row]))


def add_all(session: Session, rows: list[dict[str, Any]]) -> int:
    """As :func:`add`, many at once; each row names every column. Returns how many were recorded."""
    return insert_missing(session, t.binding, rows, ["dag_id", "run_id", "seq"])


def of_runs(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Bindings by run id, oldest first."""
    found: dict[str, list[Row[Any]]] = {}
    for chunk in chunks(sorted(set(run_ids))):
        rows = session.execute(
            select(t.binding)
            .where(t.binding.c.dag_id == dag_id, t.binding.c.run_id.in_(chunk))
            .order_by(t.binding.c.run_id, t.binding.c.seq)
        )
        for row in rows:
            found.setdefault(row.run_id, []).append(row)
    return found
