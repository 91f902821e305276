"""Which runs failed on a version, and which versions of a bundle runs use."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.bound import BINDING, OUTCOME, VERSION
from pinwheel.core.run.mark import without_mark
from pinwheel.store import tables as t


def versions(session: Session, bundle_name: str) -> set[str]:
    """The bundle versions of all runs of this bundle's Dags."""
    query = (
        select(DagRun.bundle_version)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagModel.bundle_name == bundle_name, DagRun.bundle_version.is_not(None))
    )
    return {without_mark(version) for version in session.scalars(query.distinct()) if version is not None}


def failed_runs(session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
    """Ids of runs that failed on one of these versions and were not run again since, oldest first.

    By their outcomes; of an end that was never recorded, by the version that the run is bound to.
    """
    return list(
        session.scalars(
            select(DagRun.run_id)
            .outerjoin(t.binding, BINDING)
            .outerjoin(t.outcome, OUTCOME)
            .where(
                DagRun.dag_id == dag_id,
                DagRun.state == DagRunState.FAILED,
                func.coalesce(t.outcome.c.state, "failed") == "failed",
                func.coalesce(t.outcome.c.dag_version_id, VERSION).in_(list(dag_version_ids)),
            )
            .order_by(DagRun.run_after)
        )
    )


def all_row_ids(session: Session, dag_id: str) -> list[int]:
    """The ids of the rows of all runs of a Dag, in the order in which they were made."""
    return list(session.scalars(select(DagRun.id).where(DagRun.dag_id == dag_id).order_by(DagRun.id)))
