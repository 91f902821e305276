"""Outcomes: what each run came to, and on which version. Append-only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import asdict, evolve
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import RunOutcome
from pinwheel.store import releases
from pinwheel.store import tables as t
from pinwheel.store.bindings import ROWS
from pinwheel.store.locking import insert_missing

_KEY = ("dag_id", "run_id", "seq")
_LATE = timedelta(minutes=10)
"""So much later than an end of later may an outcome still be written, and be noticed by :func:`newest`."""


def add_all(session: Session, ended: Sequence[RunOutcome]) -> int:
    """Record what runs came to; those that are recorded for their clear number already stay as they are.

    The version of each is that of its run's binding, else the one that is given, and its release and build
    are what that stands for. At most three statements a batch. Returns how many were recorded.
    """
    return sum(
        insert_missing(session, t.outcome, [asdict(one) for one in _placed(session, chunk)], _KEY)
        for chunk in chunks(ended, ROWS)
    )


def newest(session: Session) -> tuple[datetime | None, int]:
    """When the last run ended, and how many did of late: another pair with every outcome that is added."""
    last: datetime | None = session.scalar(select(func.max(t.outcome.c.ended_at)))
    if last is None:
        return None, 0
    late = select(func.count()).select_from(t.outcome).where(t.outcome.c.ended_at >= last - _LATE)
    return last, session.scalar(late) or 0


def _placed(session: Session, ended: Sequence[RunOutcome]) -> list[RunOutcome]:
    bound = _bindings(session, ended)
    placed = []
    for one in ended:
        row = bound.get((one.dag_id, one.run_id, one.seq))
        if row is not None and row.dag_version_id is not None:
            one = evolve(one, dag_version_id=row.dag_version_id, release=row.release, build_id=row.build_id)
        placed.append(one)
    unknown = {one.dag_version_id for one in placed if one.dag_version_id and one.build_id is None}
    known = releases.by_dag_version(session, unknown) if unknown else {}
    return [
        evolve(one, release=version.release, build_id=version.build_id)
        if one.dag_version_id and one.build_id is None and (version := known.get(one.dag_version_id))
        else one
        for one in placed
    ]


def _bindings(session: Session, ended: Sequence[RunOutcome]) -> dict[tuple[str, str, int], Any]:
    keys = [(one.dag_id, one.run_id, one.seq) for one in ended]
    rows = session.execute(
        select(
            t.binding.c.dag_id,
            t.binding.c.run_id,
            t.binding.c.seq,
            t.binding.c.dag_version_id,
            t.binding.c.release,
            t.binding.c.build_id,
        ).where(tuple_(t.binding.c.dag_id, t.binding.c.run_id, t.binding.c.seq).in_(keys))
    )
    return {(row.dag_id, row.run_id, row.seq): row for row in rows}
