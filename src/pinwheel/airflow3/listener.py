"""Records, in the scheduler's own transaction, which version a run uses from now on.

One statement per started run. It must never hurt the scheduler: an error that the database would turn
into an aborted transaction can only come from a missing table, which is checked once before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from airflow.listeners import hookimpl
from airflow.sdk import timezone
from sqlalchemy import inspect
from sqlalchemy.orm import Session, object_session

from pinwheel.store import bindings
from pinwheel.store import tables as t

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = structlog.get_logger(__name__)

_ready: dict[str, bool] = {}


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Called by the scheduler after a run became RUNNING and before any of its tasks is scheduled."""
    session = object_session(dag_run)
    if session is None or not _tables_exist(session):
        return
    bindings.add(
        session,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        seq=dag_run.clear_number,
        dag_version_id=dag_run.created_dag_version_id,
        bundle_version=dag_run.bundle_version,
        bound_by="default",
        now=timezone.utcnow(),
    )


def _tables_exist(session: Session) -> bool:
    """Whether `airflow db migrate` has made our tables; asked once per process while the answer is no."""
    if not _ready.get("tables"):
        _ready["tables"] = inspect(session.connection()).has_table(t.binding.name)
        if not _ready["tables"]:
            log.warning("Pinwheel's tables are missing. Run: airflow db migrate")
    return _ready["tables"]
