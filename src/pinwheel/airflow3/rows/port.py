"""Implements :class:`pinwheel.services.ports.rows.Rows`: this module is the port."""

from __future__ import annotations

from pinwheel.airflow3.rows.audit import audit
from pinwheel.airflow3.rows.drift import drifted, observe
from pinwheel.airflow3.rows.fingerprint import standing, touch
from pinwheel.airflow3.rows.follow import due_to_follow, follow, lost_marks, mark_rows
from pinwheel.airflow3.rows.import_errors import show_errors, show_warnings
from pinwheel.airflow3.rows.locked import with_runs
from pinwheel.airflow3.rows.projection import (
    delete_unused_versions,
    move_version,
    project,
    reassert,
    restore,
    retire,
    write_trial,
)
from pinwheel.airflow3.rows.uninstall import strip_marks

__all__ = [
    "audit",
    "delete_unused_versions",
    "drifted",
    "due_to_follow",
    "follow",
    "lost_marks",
    "mark_rows",
    "move_version",
    "observe",
    "project",
    "reassert",
    "restore",
    "retire",
    "show_errors",
    "show_warnings",
    "standing",
    "strip_marks",
    "touch",
    "with_runs",
    "write_trial",
]
