"""Showing broken files where Airflow's users look, without taking their Dags off the air.

Airflow's own function for this marks every Dag of a broken file stale, so that it is neither scheduled nor
able to finish its runs (3.3, 3.4: `dag_processing.collection._update_import_errors`). Here only the rows
behind "Dag Import Errors" are written, and the same listeners are told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog
from airflow.listeners.listener import get_listener_manager
from airflow.models.dag import DagModel
from airflow.models.dagwarning import DagWarning
from airflow.models.errors import ParseImportError
from airflow.sdk import timezone
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)


def show_errors(
    session: Session, bundle_name: str, errors: Mapping[str, Mapping[str, str]], *, tell: bool = True
) -> None:
    """Make the import errors of these files (and, for zips, of the files in them) these."""
    wanted = {filename: text for of_file in errors.values() for filename, text in of_file.items()}
    shown = session.scalars(
        select(ParseImportError.filename).where(ParseImportError.bundle_name == bundle_name)
    )
    touched = {filename for filename in shown if filename in wanted or _file_of(filename, errors)}
    rows = {row.filename: row for row in _rows(session, bundle_name, touched)} if touched else {}
    for filename, row in rows.items():
        if filename not in wanted:
            session.delete(row)
    for filename, stacktrace in wanted.items():
        known = rows.get(filename)
        error = known or ParseImportError(filename=filename, bundle_name=bundle_name)
        error.timestamp = timezone.utcnow()
        error.stacktrace = stacktrace
        if hasattr(ParseImportError, "source_reference"):
            # Since 3.4; remove the check when that is the minimum.
            error.source_reference = filename
        if known is None:
            session.add(error)
        if tell:
            _tell_listeners(error, stacktrace, new=known is None)
    session.flush()


def _file_of(filename: str | None, paths: Collection[str]) -> bool:
    """Whether it is one of these files or lies in one of them, a zip."""
    while filename:
        if filename in paths:
            return True
        filename = filename.rpartition("/")[0]
    return False


def _rows(session: Session, bundle_name: str, filenames: Collection[str]) -> Iterable[ParseImportError]:
    return session.scalars(
        select(ParseImportError).where(
            ParseImportError.bundle_name == bundle_name, ParseImportError.filename.in_(sorted(filenames))
        )
    )


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
    """Make the warnings that a parse can give (not others, such as a missing pool) these.

    Left out are those of Dags that Airflow has no row of: builds of them wait, or belong to another file.
    """
    kinds = {str(warning["warning_type"]) for warning in warnings} | {"runtime varying value"}
    session.execute(
        delete(DagWarning).where(DagWarning.dag_id.in_(list(dag_ids)), DagWarning.warning_type.in_(kinds))
    )
    warned = {warning["dag_id"] for warning in warnings}
    known = set(session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.in_(warned)))) if warned else ()
    for warning in warnings:
        if warning["dag_id"] not in known:
            continue
        session.merge(
            DagWarning(
                dag_id=warning["dag_id"], warning_type=warning["warning_type"], message=warning["message"]
            )
        )
