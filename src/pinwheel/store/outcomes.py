"""Outcomes: what each run came to, and on which version. Append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from attrs import asdict, evolve
from sqlalchemy import and_, exists, func, select, tuple_
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import RunOutcome
from pinwheel.store import bindings, releases
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
        )
        .where(tuple_(t.binding.c.dag_id, t.binding.c.run_id, t.binding.c.seq).in_(keys))
        # The last part is the one that stays
        .order_by(t.binding.c.part)
    )
    return {(row.dag_id, row.run_id, row.seq): row for row in rows}


def failed_before(
    session: Session, dag_id: str, clear_numbers: Mapping[str, int]
) -> dict[str, list[UUID | None]]:
    """By run, the versions on which it failed before it was run again, oldest first, each once.

    ``clear_numbers`` has those that the runs have now.
    """
    o = t.outcome.c
    found: dict[str, list[UUID | None]] = {}
    for run_ids in chunks(sorted(run_id for run_id, now in clear_numbers.items() if now > 0)):
        rows = session.execute(
            select(o.run_id, o.seq, o.dag_version_id)
            .where(o.dag_id == dag_id, o.run_id.in_(run_ids), o.state == "failed")
            .order_by(o.run_id, o.seq)
        )
        for row in rows:
            versions = found.setdefault(row.run_id, [])
            if row.seq < clear_numbers[row.run_id] and row.dag_version_id not in versions:
                versions.append(row.dag_version_id)
    return {run_id: versions for run_id, versions in found.items() if versions}


def run_again_on(session: Session, dag_id: str) -> dict[int, dict[int, int]]:
    """By release, on which other releases its failed runs were run again right after, and how many.

    A run counts by how it went last on the release: not when it was run on that again later.
    """
    o, b = t.outcome.c, t.binding.c
    ended, bound = t.outcome.alias("ended_later"), t.binding.alias("bound_later")
    later = [
        exists(
            select(each.c.seq)
            .where(
                each.c.dag_id == o.dag_id,
                each.c.run_id == o.run_id,
                each.c.seq > o.seq,
                each.c.release == o.release,
            )
            .correlate(t.outcome)
        )
        for each in (ended, bound)
    ]
    query = (
        select(o.release, b.release.label("again"), func.count(o.run_id.distinct()).label("runs"))
        .select_from(t.outcome)
        .join(t.binding, and_(b.dag_id == o.dag_id, b.run_id == o.run_id, b.seq == o.seq + 1, bindings.LAST))
        .where(o.dag_id == dag_id, o.state == "failed", b.release != o.release, *(~one for one in later))
        .group_by(o.release, b.release)
        .order_by(o.release, b.release)
    )
    found: dict[int, dict[int, int]] = {}
    for row in session.execute(query):
        found.setdefault(row.release, {})[row.again] = row.runs
    return found
