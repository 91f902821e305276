"""Comparing Airflow's rows with the active releases, and finding Dags that wait for a parse to heal them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.asset import DagScheduleAssetReference
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagcode import DagCode
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from pinwheel.airflow3.rows import kept_assets
from pinwheel.airflow3.rows.projection import REFERENCES
from pinwheel.core.chunks import chunks
from pinwheel.core.record import Row
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.drift import Drift
from pinwheel.services.ports.rows import Observed
from pinwheel.store import tables as t

_COMPARED: dict[str, tuple[Any, str]] = {
    "dag.bundle_name": (DagModel.bundle_name, "stable_bundle"),
    "dag.bundle_version": (DagModel.bundle_version, "row_version"),
    "dag.relative_fileloc": (DagModel.relative_fileloc, "stable_fileloc"),
    "dag_version.bundle_version": (DagVersion.bundle_version, "released_version"),
    "dag_version.bundle_name": (DagVersion.bundle_name, "stable_bundle"),
    "serialized_dag.dag_hash": (SerializedDagModel.dag_hash, "projected_hash"),
    "dag_code.source_code_hash": (DagCode.source_code_hash, "projected_code_hash"),
}
"""By Airflow's name of a field: its column, and that of ``pinwheel_dag`` which says what was written."""
_FLAGS: dict[str, Any] = {
    "dag.is_stale": DagModel.is_stale,
    "dag.has_import_errors": DagModel.has_import_errors,
}
_HIGHEST = aliased(DagVersion)
_COLUMNS = (
    DagModel.dag_id.label("dag_row"),
    DagVersion.id.label("version_row"),
    *(actual.label(name) for name, (actual, _) in _COMPARED.items()),
    *(flag.label(name) for name, flag in _FLAGS.items()),
)


def drifted(session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
    """The Dags whose rows differ from what was released. Retired Dags are left alone."""
    p = t.dag.c
    highest = _highest_of(p.dag_id, t.dag)
    differs = [
        and_(p[wanted].is_not(None), actual.is_distinct_from(p[wanted]))
        for actual, wanted in _COMPARED.values()
    ]
    query = (
        select(t.dag, highest.label("highest"), *_COLUMNS)
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
                highest > p.active_release,
                *differs,
                *(flag.is_(True) for flag in _FLAGS.values()),
            ),
        )
    )
    if dag_ids is not None:
        query = query.where(p.dag_id.in_(list(dag_ids)))
    rows = session.execute(query).mappings()
    return [_drift(session, ManagedDag.from_row(row), row) for row in rows]


def observe(session: Session, dags: Mapping[str, ManagedDag]) -> dict[str, Observed]:
    """What Airflow's rows say of these Dags, given their own rows: one statement for many."""
    found = {
        dag_id: Observed(highest=0, drift=_missing(row), references=frozenset())
        for dag_id, row in dags.items()
    }
    for chunk in chunks(sorted(dags)):
        versions = [
            row.dag_version_id for dag_id in chunk if (row := dags[dag_id]).dag_version_id is not None
        ]
        query = (
            select(
                _highest_of(DagModel.dag_id, DagModel).label("highest"),
                *_COLUMNS,
                *(
                    exists().where(model.dag_id == DagModel.dag_id).label(table)
                    for table, model in REFERENCES.items()
                ),
                kept_assets.ANY.label("keeps_assets"),
            )
            .select_from(DagModel)
            .outerjoin(DagVersion, and_(DagVersion.dag_id == DagModel.dag_id, DagVersion.id.in_(versions)))
            .outerjoin(SerializedDagModel, SerializedDagModel.dag_version_id == DagVersion.id)
            .outerjoin(DagCode, DagCode.dag_version_id == DagVersion.id)
            .where(DagModel.dag_id.in_(chunk))
        )
        for seen in session.execute(query).mappings():
            dag = dags[seen["dag_row"]]
            found[dag.dag_id] = Observed(
                highest=max(seen["highest"] or 0, 0),
                drift=_drift(session, dag, seen) if _differs(dag, seen) else None,
                references=frozenset(table for table in REFERENCES if seen[table]),
                keeps_assets=seen["keeps_assets"],
            )
    return found


def _highest_of(dag_id: Any, correlated: Any) -> Any:
    return (
        select(func.max(_HIGHEST.version_number))
        .where(_HIGHEST.dag_id == dag_id)
        .correlate(correlated)
        .scalar_subquery()
    )


def _missing(dag: ManagedDag) -> Drift | None:
    released = dag.active_release is not None and not dag.retired
    return Drift(dag_id=dag.dag_id, dag_missing=True) if released else None


def _differs(dag: ManagedDag, row: Row) -> bool:
    """As :func:`drifted` asks in SQL."""
    return (
        dag.active_release is not None
        and not dag.retired
        and (
            row["version_row"] is None
            or (row["highest"] or 0) > dag.active_release
            or bool(_values(dag, row))
        )
    )


def _values(dag: ManagedDag, row: Row) -> dict[str, Any]:
    """What was found where something else was written."""
    found = {
        name: row[name]
        for name, (_, wanted) in _COMPARED.items()
        if getattr(dag, wanted) is not None and row[name] != getattr(dag, wanted)
    }
    return found | {name: True for name in _FLAGS if row[name]}


def _drift(session: Session, dag: ManagedDag, row: Row) -> Drift:
    missing = row["dag_row"] is None
    return Drift(
        dag_id=dag.dag_id,
        found={} if missing else _values(dag, row),
        dag_missing=missing,
        version_missing=not missing and row["version_row"] is None,
        foreign_versions=_foreign(session, dag) if (row["highest"] or 0) >= (dag.active_release or 0) else (),
    )


def _foreign(session: Session, dag: ManagedDag) -> tuple[UUID, ...]:
    """Versions above the released one, or in its place: Airflow numbers a deleted Dag anew."""
    return tuple(
        session.scalars(
            select(DagVersion.id).where(
                DagVersion.dag_id == dag.dag_id,
                DagVersion.version_number >= dag.active_release,
                DagVersion.id != dag.dag_version_id,
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
