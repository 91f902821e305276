"""What a run is bound to as it stands, as SQL: the one expression of every query that goes by it.

In Python it is ``core.run.binding.in_force``.
"""

from __future__ import annotations

from airflow.models.dagrun import DagRun
from sqlalchemy import and_, func

from pinwheel.store import tables as t

BINDING = and_(
    t.binding.c.dag_id == DagRun.dag_id,
    t.binding.c.run_id == DagRun.run_id,
    t.binding.c.seq == DagRun.clear_number,
)
"""For an outer join of ``pinwheel_binding`` to ``dag_run``."""

VERSION = func.coalesce(t.binding.c.dag_version_id, DagRun.created_dag_version_id)
"""Of a run that was cleared and has not begun again, or that was never bound, Airflow's own row is right."""
