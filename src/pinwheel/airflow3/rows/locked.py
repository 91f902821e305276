"""Dag rows that are held until the transaction ends."""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks


def with_runs(session: Session, dag_ids: Collection[str]) -> set[str]:
    """Those of the Dags that have a run; the scheduler makes none for any until the transaction ends."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(dag_ids))):
        # The scheduler holds the Dag's row while it makes a run (models/dag.py, dags_needing_dagruns).
        these = DagModel.dag_id.in_(chunk)
        session.execute(select(DagModel.dag_id).where(these).order_by(DagModel.dag_id).with_for_update())
        has_run = exists().where(DagRun.dag_id == DagModel.dag_id)
        found |= set(session.scalars(select(DagModel.dag_id).where(these, has_run)))
    return found
