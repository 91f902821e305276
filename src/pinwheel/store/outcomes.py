"""Outcomes: what each run came to, and on which version. Append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from attrs import asdict, evolve
from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import RunOutcome
from pinwheel.core.release.state import Kind
from pinwheel.core.run.how import How
from pinwheel.store import bindings, releases, signals
from pinwheel.store import tables as t
from pinwheel.store.bindings import ROWS
from pinwheel.store.locking import insert_missing

_KEY = ("dag_id", "run_id", "seq")
_LATE = timedelta(minutes=10)
"""So much later than an end of later may an outcome still be written, and be noticed by :func:`newest`."""


def add_all(session: Session, ended: Sequence[RunOutcome]) -> int:
    """Record what runs came to; those that are recorded for their clear number already stay as they are.

    The version of each is that of its run's binding, else the one that is given, and its release and build
    are what that stands for. Dags with a release under watch are signalled to the keeper with it. At most
    four statements a batch. Returns how many were recorded.
    """
    return sum(_added(session, _placed(session, chunk)) for chunk in chunks(ended, ROWS))


def _added(session: Session, placed: Sequence[RunOutcome]) -> int:
    rows = [asdict(one) | {"how": one.how.value if one.how is not None else None} for one in placed]
    recorded = insert_missing(session, t.outcome, rows, _KEY)
    if recorded:
        signals.send(session, {one.dag_id for one in placed})
    return recorded


_PAIRS = 250


def newest(session: Session) -> tuple[datetime | None, int]:
    """When the last run ended, and how many did of late: another pair with every outcome that is added."""
    last: datetime | None = session.scalar(select(func.max(t.outcome.c.ended_at)))
    if last is None:
        return None, 0
    late = select(func.count()).select_from(t.outcome).where(t.outcome.c.ended_at >= last - _LATE)
    return last, session.scalar(late) or 0


def of_releases(session: Session, releases: Mapping[str, int], *, most: int) -> list[RunOutcome]:
    """The newest ends on one release of each of these Dags, so many of each."""
    return _newest_of(session, t.outcome.c.release, releases, most)


def of_builds(session: Session, builds: Mapping[str, int], *, most: int) -> list[RunOutcome]:
    """The newest ends on one build (by its id) of each of these Dags, so many of each."""
    return _newest_of(session, t.outcome.c.build_id, builds, most)


def _newest_of(
    session: Session, column: ColumnElement[int], of: Mapping[str, int], most: int
) -> list[RunOutcome]:
    o = t.outcome.c
    found = []
    for pairs in chunks(sorted(of.items()), _PAIRS):
        latest = func.row_number().over(
            partition_by=o.dag_id, order_by=[o.ended_at.desc(), o.run_id.desc(), o.seq.desc()]
        )
        own = (
            select(t.outcome, latest.label("place"))
            .where(tuple_(o.dag_id, column).in_(pairs), o.build_id.is_not(None), o.release.is_not(None))
            .subquery()
        )
        rows = session.execute(select(own).where(own.c.place <= most).order_by(own.c.dag_id, own.c.ended_at))
        found += [RunOutcome.from_row(row) for row in rows.mappings()]
    return found


def around(
    session: Session, *, since: datetime, until: datetime, released_since: datetime
) -> dict[bool, tuple[int, int]]:
    """Of all runs that ended in this time how many failed, and how many there were: by whether their Dag was
    released since *released_since*. Those that somebody marked are left out, and those that never started:
    who cancels a backfill ends many at once."""
    o, r = t.outcome.c, t.release.c
    late = exists(
        select(r.release)
        .where(
            r.dag_id == o.dag_id,
            r.kind != Kind.ADOPT.value,
            r.created_at >= released_since,
            r.created_at <= until,
        )
        .correlate(t.outcome)
    )
    w = t.rollout.c
    # Days after its release one under watch is still none that was left as it was.
    watched = exists(select(w.id).where(w.dag_id == o.dag_id, w.slot == "watched").correlate(t.outcome))
    of_dags = (
        select(or_(late, watched).label("released"), case((o.state == "failed", 1), else_=0).label("failed"))
        .where(
            o.ended_at >= since,
            o.ended_at <= until,
            o.started_at.is_not(None),
            or_(o.how.is_(None), o.how != How.BY_HAND.value),
        )
        .subquery()
    )
    query = select(of_dags.c.released, func.sum(of_dags.c.failed), func.count()).group_by(of_dags.c.released)
    return {bool(released): (int(failed or 0), int(of)) for released, failed, of in session.execute(query)}


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
