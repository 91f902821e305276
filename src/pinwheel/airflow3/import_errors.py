"""Showing broken files where Airflow's users look, without taking their Dags off the air.

Airflow's own function for this marks every Dag of a broken file stale, so that it is neither scheduled nor
able to finish its runs (3.3, 3.4: `dag_processing.collection._update_import_errors`). Here only the rows
behind "Dag Import Errors" are written, and the same listeners are told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import structlog
from airflow.listeners.listener import get_listener_manager
from airflow.models.dagwarning import DagWarning
from airflow.models.errors import ParseImportError
from airflow.sdk import timezone
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)


def show(session: Session, bundle_name: str, path: str, errors: Mapping[str, str]) -> None:
    """Make the import errors of the file at *path* (and, for a zip, of the files in it) these."""
    rows = {
        row.filename: row
        for row in session.scalars(
            select(ParseImportError).where(
                ParseImportError.bundle_name == bundle_name,
                or_(
                    ParseImportError.filename == path,
                    ParseImportError.filename.startswith(f"{path}/", autoescape=True),
                    ParseImportError.filename.in_(list(errors)),
                ),
            )
        )
    }
    for filename, row in rows.items():
        if filename not in errors:
            session.delete(row)
    for filename, stacktrace in errors.items():
        known = rows.get(filename)
        error = known or ParseImportError(filename=filename, bundle_name=bundle_name)
        error.timestamp = timezone.utcnow()
        error.stacktrace = stacktrace
        if hasattr(ParseImportError, "source_reference"):
            # Since 3.4; remove the check when that is the minimum.
            error.source_reference = filename
        if known is None:
            session.add(error)
        _tell_listeners(error, stacktrace, new=known is None)
    session.flush()


def _tell_listeners(error: ParseImportError, stacktrace: str, *, new: bool) -> None:
    hook = get_listener_manager().hook
    try:
        if new:
            hook.on_new_dag_import_error(filename=error.full_file_path(), stacktrace=stacktrace)
        else:
            hook.on_existing_dag_import_error(filename=error.full_file_path(), stacktrace=stacktrace)
    except Exception:
        log.exception("error calling listener")


def show_warnings(session: Session, dag_ids: Collection[str], warnings: Sequence[Mapping[str, str]]) -> None:
    """Make the warnings that a parse can give (not others, such as a missing pool) these."""
    kinds = {str(warning["warning_type"]) for warning in warnings} | {"runtime varying value"}
    session.execute(
        delete(DagWarning).where(DagWarning.dag_id.in_(list(dag_ids)), DagWarning.warning_type.in_(kinds))
    )
    for warning in warnings:
        session.merge(
            DagWarning(
                dag_id=warning["dag_id"], warning_type=warning["warning_type"], message=warning["message"]
            )
        )
