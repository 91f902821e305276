"""Runs that wait to start, and the mark that says that nothing has bound them yet."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import Row, and_, exists, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.follow import plain
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.mark import MARK, is_marked, without_mark
from pinwheel.core.run.mark import marked as with_mark
from pinwheel.store import tables as t

_BY_HAND = (BoundBy.HAND.value, BoundBy.TRIAL.value)


def mark_waiting(session: Session, dag_ids: Collection[str], *, marked: bool) -> int:
    """Give queued runs of these Dags that never started the mark, or take it from them; how many.

    Those that somebody bound by hand, and those that were cleared, stay as they are. Without the mark a run
    of the active release has what the Dag's row names.
    """
    changed = 0
    for chunk in chunks(sorted(set(dag_ids))):
        for version, runs in _new_versions(session, chunk, put=marked).items():
            for some in chunks(runs):
                session.execute(
                    update(DagRun)
                    # Once more: a scheduler may have started one meanwhile.
                    .where(DagRun.id.in_(some), DagRun.state == DagRunState.QUEUED)
                    .values(bundle_version=version)
                    .execution_options(synchronize_session="fetch")
                )
            changed += len(runs)
    return changed


def _new_versions(session: Session, dag_ids: Collection[str], *, put: bool) -> dict[str, list[int]]:
    """By bundle version, the runs that are to have it."""
    by_hand = exists().where(
        t.binding.c.dag_id == DagRun.dag_id,
        t.binding.c.run_id == DagRun.run_id,
        t.binding.c.seq == DagRun.clear_number,
        t.binding.c.bound_by.in_(_BY_HAND),
    )
    has_mark = DagRun.bundle_version.endswith(MARK, autoescape=True)
    query = (
        select(
            DagRun.id,
            DagRun.bundle_version,
            DagModel.bundle_version.label("of_dag"),
            (DagRun.created_dag_version_id == t.dag.c.dag_version_id).label("is_active"),
        )
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            DagRun.dag_id.in_(dag_ids),
            DagRun.state == DagRunState.QUEUED,
            DagRun.start_date.is_(None),
            DagRun.clear_number == 0,
            DagRun.bundle_version.is_not(None),
            and_(~has_mark, ~by_hand) if put else has_mark,
        )
        .order_by(DagRun.id)
    )
    found: dict[str, list[int]] = {}
    for row in session.execute(query):
        found.setdefault(_version(row, put=put), []).append(row.id)
    return found


def _version(run: Row[Any], *, put: bool) -> str:
    if put:
        return with_mark(plain(run.bundle_version))
    if run.is_active and run.of_dag is not None and not is_marked(run.of_dag):
        return str(run.of_dag)
    return without_mark(run.bundle_version)
