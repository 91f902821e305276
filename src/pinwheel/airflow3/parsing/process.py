"""The parser process that traces."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog
from airflow.configuration import conf
from airflow.dag_processing.processor import DagFileProcessorProcess

from pinwheel.airflow3.parsing.entrypoint import traced_entrypoint
from pinwheel.airflow3.parsing.handover import imported_modules
from pinwheel.airflow3.parsing.listing import listing_of
from pinwheel.airflow3.parsing.opened import look_at_extensions
from pinwheel.airflow3.parsing.paths import repository_of
from pinwheel.airflow3.parsing.runtime import current_runtime, installed_prefixes
from pinwheel.core.text import visible

if TYPE_CHECKING:
    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

log = structlog.get_logger(__name__)

_tried_imports: set[str] = set()


class TracingProcess(DagFileProcessorProcess):
    """Airflow's parser process, whose child also records what the parse used (:mod:`handover`).

    On macOS, Airflow 3.4 replaces a forked parser by a fresh interpreter, but only for its own entrypoint:
    this one stays forked, as all parsers are in 3.3 (``processor.py``, ``use_exec``).
    """

    @classmethod
    def start(cls, *, target: Callable[[], None] = traced_entrypoint, **kwargs: Any) -> TracingProcess:
        started: TracingProcess = super().start(target=target, **kwargs)
        return started

    @classmethod
    def create(
        cls,
        manager: DagFileProcessorManager,
        dag_file: DagFileInfo,
        super_create: Callable[[DagFileInfo], Any],
    ) -> Any:
        """Start the parser for *dag_file*, as ``manager._create_process`` does.

        Left to *super_create*, and so without facts: a file with callbacks to run, a file of another
        language (from 3.4 on an importer may claim one), and any file if something needed is missing.
        """
        try:
            if manager._callback_to_execute.get(dag_file) or _is_claimed(dag_file):
                return super_create(dag_file)
            prepare(os.fspath(dag_file.bundle_path))
            arguments = _arguments(manager, dag_file)
        except Exception:
            log.warning("A parse can not be traced", file=visible(str(dag_file.rel_path)), exc_info=True)
            return super_create(dag_file)
        return cls.start(**arguments)


def prepare(bundle_path: str) -> None:
    """Find out, in the manager and once, what every parser of this bundle version will need."""
    current_runtime()
    installed_prefixes()
    listing_of(repository_of(bundle_path))
    _import_what_parsers_imported()
    look_at_extensions()


def _import_what_parsers_imported() -> None:
    """Import Airflow's modules once here and not in each parser, as `parsing_pre_import_modules` is meant.

    Airflow itself looks at the names in a file's import statements only, and so misses what the names of
    `airflow.sdk` and the serialization of operators load. In a typical parse that is half of the time.
    """
    if not imported_modules or not conf.getboolean(
        "dag_processor", "parsing_pre_import_modules", fallback=True
    ):
        return
    for name in sorted(imported_modules - _tried_imports):
        _tried_imports.add(name)
        try:
            import_module(name)
        except Exception:
            log.warning(
                "A module that a parser imported can not be imported here", module=name, exc_info=True
            )
    imported_modules.clear()


def _is_claimed(dag_file: DagFileInfo) -> bool:
    """Whether an importer runs the file itself. Remove the fallback when the minimum is 3.4."""
    try:
        from airflow.dag_processing.importer_routing import get_claiming_importer
    except ImportError:
        return False
    return get_claiming_importer(dag_file.absolute_path, dag_file.bundle_name) is not None


def _arguments(manager: DagFileProcessorManager, dag_file: DagFileInfo) -> dict[str, Any]:
    """What ``DagFileProcessorManager._create_process`` passes to ``start`` (3.3.2, 3.4.0b2)."""
    from uuid6 import uuid7

    assert dag_file.bundle_path is not None
    client = manager.client
    logger, logger_filehandle = manager._get_logger_for_dag_file(dag_file)
    return {
        "id": uuid7(),
        "path": dag_file.absolute_path,
        "bundle_path": dag_file.bundle_path,
        "bundle_name": dag_file.bundle_name,
        "dag_file_rel_path": str(dag_file.rel_path),
        "callbacks": [],
        "selector": manager.selector,
        "logger": logger,
        "logger_filehandle": logger_filehandle,
        "subprocess_logs_to_stdout": conf.get("logging", "dag_processor_log_target") == "stdout",
        "client": client,
    }
