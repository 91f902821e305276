"""The real Dag processor's loop inside the test process, turned as often as a test needs.

Real bundles, real parser processes, a real database; only the command around it is missing. A turn takes what
it takes when something happens, and a second at most when nothing does.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.databases import Database
from harness.inprocess import bound_airflow


class Loop:
    """One processor; ``turn_until`` goes on where it stopped.

    The loop has a thread of its own, since what it knows lives in its frame; it and the test take turns.
    """

    def __init__(self, database: Database, only: list[str] | None = None) -> None:
        from pinwheel.airflow3.processor.manager import PinwheelProcessorManager

        loop = self

        class Turning(PinwheelProcessorManager):
            def max_runs_reached(self) -> bool:
                return loop._enough()

        self.database = database
        self.manager = Turning(max_runs=-1, bundle_names_to_parse=only)
        self.manager.heartbeat = lambda: None
        self.manager.prepare_server_process_context()
        self.manager.prepare_process_context()
        self.manager.prepare_bundles()
        self._wanted: Callable[[], object] = lambda: True
        self._left = 0
        self._found: Any = None
        self._error: BaseException | None = None
        self._closing = False
        self._to_loop, self._to_test = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def turn_until(self, done: Callable[[], object], *, turns: int = 60, what: str = "it") -> Any:
        """Turn until *done* gives something true, which is returned; fails after so many turns."""
        self._wanted, self._left = done, turns
        if self._thread.ident is None:
            self._thread.start()
        self._to_loop.release()
        self._to_test.acquire()
        if self._error is not None:
            raise RuntimeError("the processor's loop ended") from self._error
        assert self._found, f"{what} did not happen within {turns} turns"
        return self._found

    def _run(self) -> None:
        try:
            self._to_loop.acquire()
            self.manager._run_parsing_loop()
            if not self._closing:
                raise RuntimeError("it returned")
        except BaseException as error:
            self._error = error
        self._to_test.release()

    def _enough(self) -> bool:
        """Called at the end of each turn: hands over to the test when it has what it waits for."""
        self._left -= 1
        try:
            self._found = self._wanted()
        except Exception as error:
            self._found, self._error = None, error
        if self._found or self._error or self._left <= 0:
            self._to_test.release()
            self._to_loop.acquire()
            self._error = None
        return self._closing

    def close(self) -> None:
        if self._thread.is_alive():
            self._closing = True
            self._wanted, self._left = (lambda: False), 2
            self._to_loop.release()
            self._thread.join(60)
        self.manager.terminate()
        self.manager.end()
        self.manager.after_run()

    # What users see, from another connection

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.engine().connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(query), parameters)]

    def released_from(self, dag_id: str) -> str | None:
        """The bundle version of the Dag's active release."""
        found = self.rows(
            "SELECT r.bundle_version AS version FROM pinwheel_release r JOIN pinwheel_dag d"
            " ON d.dag_id = r.dag_id AND d.active_release = r.release WHERE d.dag_id = :dag_id",
            dag_id=dag_id,
        )
        return found[0]["version"] if found else None

    def head(self, bundle_name: str) -> str | None:
        found = self.rows("SELECT head_version FROM pinwheel_bundle WHERE name = :name", name=bundle_name)
        return found[0]["head_version"] if found else None

    def settled(self, bundle_name: str, version: str | None = None) -> bool:
        found = self.rows(
            "SELECT head_version, head_seq, settled_seq FROM pinwheel_bundle WHERE name = :n", n=bundle_name
        )
        return bool(found) and (
            found[0]["head_seq"] == found[0]["settled_seq"] and version in (None, found[0]["head_version"])
        )

    def faults(self, bundle_name: str | None = None) -> dict[tuple[str, str], str]:
        found = self.rows("SELECT bundle_name, place, error FROM pinwheel_fault")
        return {
            (row["bundle_name"], row["place"]): row["error"]
            for row in found
            if bundle_name in (None, row["bundle_name"])
        }

    def refused(self, bundle_name: str) -> dict[str, str]:
        found = self.rows(
            "SELECT version, reason FROM pinwheel_bundle_version"
            " WHERE bundle_name = :name AND state = 'refused'",
            name=bundle_name,
        )
        return {row["version"]: row["reason"] for row in found}

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        found = self.rows("SELECT kind, bundle_name, dag_id, reason FROM pinwheel_event ORDER BY id")
        return [row for row in found if row["kind"] in kinds]

    def import_errors(self, bundle_name: str) -> dict[str, str]:
        found = self.rows(
            "SELECT filename, stacktrace FROM import_error WHERE bundle_name = :name", name=bundle_name
        )
        return {row["filename"]: row["stacktrace"] for row in found}


@contextlib.contextmanager
def processor_loop(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    storage: Path,
    *bundles: Any,
    only: list[str] | None = None,
    verify: float = 0.0,
    slots: int = 2,
) -> Iterator[Loop]:
    """A loop over these bundles (see :mod:`harness.bundles`), its files below *storage*.

    With *only* it is a processor of these bundles (``--bundle-name``). *verify* is the budget of
    verification, which is off else: most tests count parses.
    """
    from airflow.dag_processing.bundles import base, manager

    root = storage / "bundles"
    monkeypatch.setattr(base, "STALE_BUNDLE_TRACKING_FOLDER", root / "_tracking")
    for section, options in {
        "DAG_PROCESSOR": {
            "DAG_BUNDLE_STORAGE_PATH": str(root),
            "DAG_BUNDLE_CONFIG_LIST": json.dumps(list(bundles)),
            "BUNDLE_REFRESH_CHECK_INTERVAL": "0",
            "MIN_FILE_PROCESS_INTERVAL": "2",
            "DAG_FILE_PROCESSOR_TIMEOUT": "20",
            "PARSING_PROCESSES": str(slots),
        },
        "PINWHEEL": {"VERIFY_BUDGET": str(verify)},
        "SCHEDULER": {"PARSING_CLEANUP_INTERVAL": "0"},
        "LOGGING": {
            "BASE_LOG_FOLDER": str(storage / "logs"),
            "DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(storage / "logs" / "dag_processor"),
        },
    }.items():
        for option, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__{section}__{option}", value)
    clear = getattr(getattr(manager, "_load_bundle_config_snapshot", None), "cache_clear", lambda: None)
    clear()
    with bound_airflow(database):
        loop = Loop(database, only)
        try:
            yield loop
        finally:
            loop.close()
            clear()


@contextlib.contextmanager
def own_loop(source: Any, root: Path, *bundles: Any) -> Iterator[Loop]:
    """A loop over these bundles with a database of its own, made by *source*: for the tests of a module."""
    database = source.create()
    with (
        pytest.MonkeyPatch.context() as patch,
        processor_loop(database, patch, root / "airflow", *bundles) as loop,
    ):
        yield loop
    database.drop()
