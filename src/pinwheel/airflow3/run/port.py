"""Implements :class:`pinwheel.services.ports.runs.Runs`: this module is the port."""

from __future__ import annotations

from pinwheel.airflow3.run.backfill import (
    backfill_runs,
    backfill_since,
    create_backfill,
    create_default_backfill,
    plan_default_backfill,
)
from pinwheel.airflow3.run.clear import clear_run, would_clear
from pinwheel.airflow3.run.create import create_run
from pinwheel.airflow3.run.held import hold_runs, move_behind, run_failed_again
from pinwheel.airflow3.run.rebind import rebind_run
from pinwheel.airflow3.run.waiting import mark_waiting

__all__ = [
    "backfill_runs",
    "backfill_since",
    "clear_run",
    "create_backfill",
    "create_default_backfill",
    "create_run",
    "hold_runs",
    "mark_waiting",
    "move_behind",
    "plan_default_backfill",
    "rebind_run",
    "run_failed_again",
    "would_clear",
]
