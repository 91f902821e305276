"""Runs that wait to start, and the mark that says that nothing has bound them yet."""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.bound import BINDING
from pinwheel.core.chunks import chunks
from pinwheel.core.release.follow import plain
from pinwheel.core.run.mark import MARK, Queued, gets_mark, is_marked, loses_mark, without_mark
from pinwheel.core.run.mark import marked as with_mark
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind


def mark_waiting(session: Session, dag_ids: Collection[str], *, marked: bool, anew: bool = False) -> int:
    """Give queued runs of these Dags the mark, or take it from them, as ``core.run.mark`` says; how many.

    ``anew``: those too that were judged by their dates. Without the mark a run has what the Dag's row names.
    """
    changed = 0
    for chunk in chunks(sorted(set(dag_ids))):
        for version, runs in _new_versions(session, chunk, put=marked, anew=anew).items():
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


def _new_versions(
    session: Session, dag_ids: Collection[str], *, put: bool, anew: bool
) -> dict[str, list[int]]:
    """By bundle version, the runs that are to have it."""
    has_mark = DagRun.bundle_version.endswith(MARK, autoescape=True)
    query = (
        select(
            DagRun.id,
            DagRun.bundle_version,
            DagRun.clear_number,
            DagRun.created_dag_version_id,
            DagRun.queued_at,
            DagModel.bundle_version.label("of_dag"),
            t.dag.c.dag_version_id.label("active"),
            t.binding.c.bound_by,
            t.binding.c.date,
            t.start_rule.c.since,
        )
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .outerjoin(t.binding, BINDING)
        .outerjoin(
            t.start_rule,
            and_(t.start_rule.c.dag_id == DagRun.dag_id, t.start_rule.c.kind == RuleKind.DATED.value),
        )
        .where(
            DagRun.dag_id.in_(dag_ids),
            DagRun.state == DagRunState.QUEUED,
            DagRun.start_date.is_(None),
            DagRun.bundle_version.is_not(None),
            ~has_mark if put else has_mark,
        )
        .order_by(DagRun.id)
    )
    found: dict[str, list[int]] = {}
    for row in session.execute(query):
        run = Queued(
            clear_number=row.clear_number,
            on_active=row.active is not None and row.created_dag_version_id == row.active,
            queued_at=row.queued_at,
            bound_by=row.bound_by,
            judged=row.date is not None,
        )
        if not (gets_mark(run, since=row.since, anew=anew) if put else loses_mark(run)):
            continue
        found.setdefault(_version(str(row.bundle_version), row.of_dag, put=put), []).append(row.id)
    return found


def _version(of_run: str, of_dag: str | None, *, put: bool) -> str:
    if put:
        return with_mark(plain(of_run))
    if of_dag is not None and not is_marked(of_dag):
        return of_dag
    return without_mark(of_run)
