"""Bindings: which Dag version each run uses, and from when on. Append-only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import asdict, frozen
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import KnownVersion
from pinwheel.core.run.binding import Binding, BoundBy, Tries
from pinwheel.store import releases
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

_KEY = ("dag_id", "run_id", "seq", "part")
_later = t.binding.alias("later_part")
LAST = ~exists(
    select(_later.c.part)
    .where(
        _later.c.dag_id == t.binding.c.dag_id,
        _later.c.run_id == t.binding.c.run_id,
        _later.c.seq == t.binding.c.seq,
        _later.c.part > t.binding.c.part,
    )
    .correlate(t.binding)
)
"""Of several parts of a start, the one that stays."""
ROWS = 60
"""So many rows of about sixteen values in one statement: SQLite before 3.32 takes no more than 999 values."""


@frozen(kw_only=True)
class NewBinding:
    """That a run uses a version from now on. ``seq`` is the run's clear number."""

    dag_id: str
    run_id: str
    seq: int
    dag_version_id: UUID | None
    bundle_version: str | None
    bound_by: BoundBy | str
    bound_at: datetime
    actor: str | None = None
    tries: Tries | None = None
    """How far the run's tasks had come, where it was bound before."""
    part: int = 0
    """See :class:`pinwheel.core.run.binding.Binding`, as for those that follow."""
    date: datetime | None = None
    date_by: str | None = None
    revision: int | None = None
    segment: int | None = None


def add(session: Session, new: NewBinding, *, release: int | None, build_id: int | None) -> bool:
    """Record a binding; False when this run has this part for this seq already.

    ``release`` and ``build_id`` are what the version stands for; neither, when it is from before Pinwheel.
    """
    row = {**_columns(new), "release": release, "build_id": build_id}
    return bool(insert_missing(session, t.binding, row, _KEY))


def _columns(new: NewBinding) -> dict[str, Any]:
    noted = new.tries.as_json() if new.tries is not None else None
    return {**asdict(new, recurse=False), "tries": noted}


def versions_of(session: Session, new: Collection[NewBinding]) -> dict[UUID, KnownVersion]:
    """What the ledger says of the version rows of bindings."""
    return releases.by_dag_version(session, {one.dag_version_id for one in new if one.dag_version_id})


def add_all(
    session: Session, new: Collection[NewBinding], known: Mapping[UUID, KnownVersion] | None = None
) -> int:
    """As :func:`add`, many at once, with what the ledger says of their versions, which is read unless given.

    Returns how many were recorded.
    """
    known = versions_of(session, new) if known is None else known
    rows = []
    for one in new:
        version = known.get(one.dag_version_id) if one.dag_version_id else None
        numbers = {
            "release": version.release if version else None,
            "build_id": version.build_id if version else None,
        }
        rows.append({**_columns(one), **numbers})
    return sum(insert_missing(session, t.binding, list(chunk), _KEY) for chunk in chunks(rows, ROWS))


def of_runs(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Binding]]:
    """Bindings by run id, oldest first."""
    found: dict[str, list[Binding]] = {}
    for chunk in chunks(sorted(set(run_ids))):
        rows = session.execute(
            select(t.binding)
            .where(t.binding.c.dag_id == dag_id, t.binding.c.run_id.in_(chunk))
            .order_by(t.binding.c.run_id, t.binding.c.seq, t.binding.c.part)
        )
        for row in rows:
            found.setdefault(row.run_id, []).append(Binding.from_row(row._mapping))
    return found


def of_each(session: Session, runs: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Binding]]:
    """As :func:`of_runs`, of runs of several Dags, by Dag id and run id."""
    found: dict[tuple[str, str], list[Binding]] = {}
    c, wanted = t.binding.c, set(runs)
    for chunk in chunks(sorted(wanted)):
        rows = session.execute(
            select(t.binding)
            .where(
                c.dag_id.in_({dag_id for dag_id, _ in chunk}), c.run_id.in_({run_id for _, run_id in chunk})
            )
            .order_by(c.dag_id, c.run_id, c.seq, c.part)
        )
        for row in rows:
            # Run ids are those of a Dag: another one may have the same.
            if (row.dag_id, row.run_id) in wanted:
                found.setdefault((row.dag_id, row.run_id), []).append(Binding.from_row(row._mapping))
    return found
