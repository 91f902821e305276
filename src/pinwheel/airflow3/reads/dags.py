"""What Airflow holds of Dags, and which of the managed ones somebody means."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagcode import DagCode
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.deadline import DeadlineAlertFields
from sqlalchemy import func
from sqlalchemy import select as query_of
from sqlalchemy.orm import Session

from pinwheel.core.selector import Selector
from pinwheel.services.ports.reads import AirflowDag
from pinwheel.store import tables as t


def airflow_dags(session: Session, dag_ids: Collection[str] | None = None) -> list[AirflowDag]:
    """What Airflow holds, newest version included; all Dags when no ids are given."""
    newest = (
        query_of(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    query = (
        query_of(DagModel, DagVersion, SerializedDagModel, DagCode)
        .outerjoin(newest, newest.c.dag_id == DagModel.dag_id)
        .outerjoin(
            DagVersion,
            (DagVersion.dag_id == DagModel.dag_id) & (DagVersion.version_number == newest.c.number),
        )
        .outerjoin(SerializedDagModel, SerializedDagModel.dag_version_id == DagVersion.id)
        .outerjoin(DagCode, DagCode.dag_version_id == DagVersion.id)
        .order_by(DagModel.dag_id)
    )
    if dag_ids is not None:
        query = query.where(DagModel.dag_id.in_(list(dag_ids)))
    found = []
    for dag, version, serialized, code in session.execute(query).unique():
        found.append(
            AirflowDag(
                dag_id=dag.dag_id,
                bundle_name=dag.bundle_name,
                bundle_version=dag.bundle_version,
                relative_fileloc=dag.relative_fileloc,
                is_stale=bool(dag.is_stale),
                version_number=version.version_number if version else None,
                dag_version_id=version.id if version else None,
                dag_version_bundle=version.bundle_name if version else None,
                dag_version_bundle_version=version.bundle_version if version else None,
                serialized=_with_deadlines(serialized) if serialized else None,
                serialized_hash=serialized.dag_hash if serialized else None,
                code_hash=code.source_code_hash if code else None,
                source_code=code.source_code if code else None,
                version_data=version.version_data if version else None,
                created_at=version.created_at if version else None,
            )
        )
    return found


def _with_deadlines(row: SerializedDagModel) -> dict[str, Any]:
    """The serialized Dag with its deadlines as a parse writes them, where Airflow keeps only references."""
    data = dict(row.data or {})
    references = data.get("dag", {}).get("deadline")
    if not references or not isinstance(references[0], str):
        return data
    alerts = {str(alert.id): alert for alert in row.deadline_alerts}
    written = [
        {
            DeadlineAlertFields.NAME: alert.name,
            DeadlineAlertFields.REFERENCE: alert.reference,
            DeadlineAlertFields.INTERVAL: alert.interval,
            DeadlineAlertFields.CALLBACK: alert.callback_def,
        }
        for reference in references
        if (alert := alerts.get(reference)) is not None
    ]
    return {**data, "dag": {**data["dag"], "deadline": written}}


def select(session: Session, selector: Selector) -> list[str]:
    """Ids of managed Dags that match every given criterion, sorted."""
    query = query_of(t.dag.c.dag_id).order_by(t.dag.c.dag_id)
    if selector.bundle is not None:
        query = query.where(t.dag.c.bundle_name == selector.bundle)
    if selector.tags:
        tagged = query_of(DagTag.dag_id).where(DagTag.name.in_(selector.tags))
        query = query.where(t.dag.c.dag_id.in_(tagged))
    return [dag_id for dag_id in session.scalars(query) if selector.names(dag_id)]


def may_wait_for(session: Session, dag_id: str) -> set[str]:
    """Ids of Dags with a sensor on this one, as far as Airflow's rows say; more than these, never fewer.

    Airflow tells of the row that was written last. That of a Dag with trials or task windows may be one made
    for them, without its sensors of other dates, so all such Dags are named.
    """
    told = SerializedDagModel.get_dag_dependencies(session=session)
    found = {
        name
        for name, dependencies in told.items()
        if any(one.source == dag_id and one.dependency_type == "sensor" for one in dependencies)
    }
    below_zero = query_of(DagVersion.dag_id).where(DagVersion.version_number < 0).distinct()
    return found | set(session.scalars(below_zero))
