"""What a run is bound to and came to as it stands, as SQL: the one expression of every query that asks.

In Python it is ``core.run.binding.in_force``.
"""

from __future__ import annotations

from airflow.models.dagrun import DagRun
from sqlalchemy import ColumnElement, Table, and_, func

from pinwheel.store import bindings
from pinwheel.store import tables as t


def _stands(table: Table) -> ColumnElement[bool]:
    c = table.c
    return and_(c.dag_id == DagRun.dag_id, c.run_id == DagRun.run_id, c.seq == DagRun.clear_number)


BINDING = and_(_stands(t.binding), bindings.LAST)
"""For an outer join of ``pinwheel_binding`` to ``dag_run``."""
OUTCOME = _stands(t.outcome)
"""The same for ``pinwheel_outcome``."""
VERSION = func.coalesce(t.binding.c.dag_version_id, DagRun.created_dag_version_id)
"""Of a run that was cleared and has not begun again, or that was never bound, Airflow's own row is right."""
