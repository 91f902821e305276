"""Comparing Airflow's rows with the active releases, and finding Dags that wait for a parse to heal them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.asset import DagScheduleAssetReference
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagcode import DagCode
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import timezone
from airflow.utils.state import DagRunState
from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.bound import BINDING, OUTCOME
from pinwheel.airflow3.tries import word_of
from pinwheel.core.drift import Drift
from pinwheel.core.records import RunOutcome
from pinwheel.services.ports import UnrecordedRun
from pinwheel.store import tables as t


def drifted(session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
    """The Dags whose rows differ from what was released. Retired Dags are left alone."""
    p = t.dag.c
    newest = (
        select(func.max(DagVersion.version_number))
        .where(DagVersion.dag_id == p.dag_id)
        .correlate(t.dag)
        .scalar_subquery()
    )
    compared = {
        "dag.bundle_name": (DagModel.bundle_name, p.stable_bundle),
        "dag.bundle_version": (DagModel.bundle_version, p.projected_version),
        "dag.relative_fileloc": (DagModel.relative_fileloc, p.stable_fileloc),
        "dag_version.bundle_version": (DagVersion.bundle_version, p.projected_version),
        "dag_version.bundle_name": (DagVersion.bundle_name, p.stable_bundle),
        "serialized_dag.dag_hash": (SerializedDagModel.dag_hash, p.projected_hash),
        "dag_code.source_code_hash": (DagCode.source_code_hash, p.projected_code_hash),
    }
    differs = [
        and_(wanted.is_not(None), actual.is_distinct_from(wanted)) for actual, wanted in compared.values()
    ]
    flags = {"dag.is_stale": DagModel.is_stale, "dag.has_import_errors": DagModel.has_import_errors}
    query = (
        select(
            t.dag,
            DagModel.dag_id.label("dag_row"),
            DagVersion.id.label("version_row"),
            newest.label("highest"),
            *(actual.label(name) for name, (actual, _) in compared.items()),
            *(flag.label(name) for name, flag in flags.items()),
        )
        .select_from(t.dag)
        .outerjoin(DagModel, DagModel.dag_id == p.dag_id)
        .outerjoin(DagVersion, DagVersion.id == p.dag_version_id)
        .outerjoin(SerializedDagModel, SerializedDagModel.dag_version_id == DagVersion.id)
        .outerjoin(DagCode, DagCode.dag_version_id == DagVersion.id)
        .where(
            p.active_release.is_not(None),
            p.retired.is_(False),
            or_(
                DagModel.dag_id.is_(None),
                DagVersion.id.is_(None),
                newest > p.active_release,
                *differs,
                *(flag.is_(True) for flag in flags.values()),
            ),
        )
    )
    if dag_ids is not None:
        query = query.where(p.dag_id.in_(list(dag_ids)))
    found = []
    for row in session.execute(query).mappings():
        values = {}
        for name, (_, wanted) in compared.items():
            if row[wanted.name] is not None and row[name] != row[wanted.name]:
                values[name] = row[name]
        values |= {name: True for name in flags if row[name]}
        missing = row["dag_row"] is None
        found.append(
            Drift(
                dag_id=row["dag_id"],
                found={} if missing else values,
                dag_missing=missing,
                version_missing=not missing and row["version_row"] is None,
                foreign_versions=_foreign(session, row)
                if (row["highest"] or 0) >= row["active_release"]
                else (),
            )
        )
    return found


def _foreign(session: Session, row: Any) -> tuple[UUID, ...]:
    """Versions above the released one, or in its place: Airflow numbers a deleted Dag anew."""
    return tuple(
        session.scalars(
            select(DagVersion.id).where(
                DagVersion.dag_id == row["dag_id"],
                DagVersion.version_number >= row["active_release"],
                DagVersion.id != row["dag_version_id"],
            )
        )
    )


def waiting_for_a_parse(session: Session) -> list[str]:
    """Dags at their run limit by a flag that only a parse takes back (`dag.exceeds_max_non_backfill`)."""
    return list(
        session.scalars(
            select(t.dag.c.dag_id)
            .join(DagModel, DagModel.dag_id == t.dag.c.dag_id)
            .where(DagModel.exceeds_max_non_backfill.is_(True), t.dag.c.retired.is_(False))
        )
    )


def paused_asset_consumers(session: Session) -> dict[str, bool]:
    """Whether each Dag scheduled by assets is paused: a parse attaches its watchers when it is not."""
    rows = session.execute(
        select(DagModel.dag_id, DagModel.is_paused)
        .join(t.dag, t.dag.c.dag_id == DagModel.dag_id)
        .where(exists().where(DagScheduleAssetReference.dag_id == DagModel.dag_id))
    )
    return {row.dag_id: bool(row.is_paused) for row in rows}


def due_for_assertion(session: Session, before: datetime, limit: int) -> list[str]:
    """Managed Dags whose rows were last written before this instant, the longest waiting first."""
    return list(
        session.scalars(
            select(t.dag.c.dag_id)
            .where(
                t.dag.c.active_release.is_not(None),
                t.dag.c.retired.is_(False),
                or_(t.dag.c.asserted_at.is_(None), t.dag.c.asserted_at < before),
            )
            .order_by(t.dag.c.asserted_at)
            .limit(limit)
        )
    )


def running_runs(session: Session) -> set[int]:
    """Ids of the running runs of managed Dags."""
    return set(
        session.scalars(
            select(DagRun.id)
            .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
            .where(DagRun.state == DagRunState.RUNNING)
        )
    )


def unrecorded_runs(session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
    """Running runs of managed Dags, and runs of these ids, without a binding for their clear number."""
    rows = session.execute(
        select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.clear_number,
            DagRun.created_dag_version_id.label("dag_version_id"),
            DagRun.bundle_version,
            DagRun.queued_at,
        )
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            or_(DagRun.state == DagRunState.RUNNING, DagRun.id.in_(watched)),
            ~exists().where(BINDING),
        )
        .limit(limit)
    )
    return [UnrecordedRun(**row._mapping) for row in rows]


def unrecorded_outcomes(
    session: Session, limit: int, watched: Collection[int], newest: int
) -> list[RunOutcome]:
    """Ends without an outcome, of so many of the newest runs and of runs of these ids, of managed Dags.

    Both lie in the primary key: Airflow has no index on when a run ended.
    """
    last = session.scalar(select(func.max(DagRun.id))) or 0
    rows = session.execute(
        select(
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.clear_number,
            DagRun.state,
            DagRun.end_date,
            DagRun.updated_at,
            DagRun.created_dag_version_id,
        )
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            or_(DagRun.id > last - newest, DagRun.id.in_(watched)),
            DagRun.state.in_([DagRunState.SUCCESS, DagRunState.FAILED]),
            ~exists().where(OUTCOME),
        )
        .order_by(DagRun.id)
        .limit(limit)
    )
    return [
        RunOutcome(
            dag_id=row.dag_id,
            run_id=row.run_id,
            seq=row.clear_number,
            state=word_of(row.state),
            ended_at=row.end_date or row.updated_at or timezone.utcnow(),
            dag_version_id=row.created_dag_version_id,
        )
        for row in rows
    ]
