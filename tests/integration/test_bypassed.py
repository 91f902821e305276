"""What another writer did to the rows of held Dags is undone by one repair, which names it.

Airflow's own commands and clean-up run in this process; that the running Dag processor repairs by itself, and
what runs meanwhile, is in ``test_drift.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from harness import asked, dags
from harness.databases import Database
from harness.inprocess import bound_airflow, db_clean
from harness.prebuilt import finish_run, start_run
from harness.seed import Seeder
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.upkeep import repair

pytestmark = pytest.mark.airflow

BODY, STRUCTURE, FRESH = "bypassed_body", "bypassed_structure", "bypassed_fresh"
HELD = (BODY, STRUCTURE, FRESH)
DAY = datetime(2025, 1, 1, tzinfo=UTC)


@frozen
class Held:
    """Three Dags pinned on build 1 while the bundle holds build 2: of a body-only change and of a structural
    one with runs on build 1 (what stock Airflow rewrites in place), and one that never ran.
    """

    database: Database
    seeder: Seeder
    content: list[dict[str, Any]]

    def rows(self) -> list[dict[str, Any]]:
        """What Airflow's rows say of the Dags and of the runs on build 1, but for ids and times."""
        versions = self.database.rows(
            "SELECT d.dag_id, d.bundle_name, d.bundle_version, d.relative_fileloc, d.fileloc, d.is_stale,"
            " d.has_import_errors, d.timetable_summary, d.owners, d.max_active_runs, v.version_number,"
            " v.bundle_version AS version, s.dag_hash, c.source_code FROM dag d"
            " JOIN dag_version v ON v.dag_id = d.dag_id JOIN serialized_dag s ON s.dag_version_id = v.id"
            " JOIN dag_code c ON c.dag_version_id = v.id ORDER BY d.dag_id, v.version_number"
        )
        tries = self.database.rows(
            "SELECT r.dag_id, r.state, r.bundle_version, i.task_id, v.version_number, v.bundle_version AS"
            " version FROM dag_run r JOIN task_instance i ON i.dag_id = r.dag_id AND i.run_id = r.run_id"
            " JOIN dag_version v ON v.id = i.dag_version_id WHERE r.run_id = 'ran' ORDER BY r.dag_id"
        )
        return [*versions, *tries]


@pytest.fixture
def held(database_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    folder = tmp_path / "folder"
    entry = {"name": "seed", "classpath": "pinwheel.bundles.FolderBundle", "kwargs": {"path": str(folder)}}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([entry]))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "store"))
    database = database_source.create()
    with bound_airflow(database):
        seeder = Seeder(tmp_path)
        seeder.push({name: text for dag_id in HELD for name, text in dags.dag(dag_id, "m1").items()})
        for dag_id in (BODY, STRUCTURE):
            # With a date: `airflow tasks test` deletes another run that has none (it takes it for its own).
            asked.trigger(seeder.host, dag_id, actor="ada", run_id="ran", logical_date=DAY)
            start_run(dag_id, "ran")
            finish_run(dag_id, "ran")
        change.apply(seeder.host, asked.change(verb=Verb.PIN, dag_ids=list(HELD), actor="ada"))
        newest = {
            **dags.dag(BODY, "m2"),
            **dags.dag(STRUCTURE, "m2", tasks=("t", "u"), schedule="'@hourly'"),
            **dags.dag(FRESH, "m2"),
        }
        seeder.push(newest)
        dags.write(folder, newest)
        made = Held(database, seeder, [])
        made.content.extend(made.rows())
        assert [row["dag_id"] for row in made.content] == [*sorted(HELD), BODY, STRUCTURE]
        yield made
    database.drop()


def repaired(held: Held, *dag_ids: str) -> dict[str, str]:
    """Repair once: what was found of these Dags and no other, and all is as it was."""
    assert held.rows() != held.content
    found = {drift.dag_id: drift.summary for drift in repair.repair_drift(held.seeder.host)}
    assert sorted(found) == sorted(dag_ids)
    assert held.rows() == held.content
    assert repair.repair_drift(held.seeder.host) == []
    return found


@pytest.mark.parametrize(
    ("table", "assignment", "named"),
    [
        ("dag", "bundle_version = NULL", "dag.bundle_version is None"),
        ("dag", "is_stale = true", "dag.is_stale is True"),
        ("dag", "has_import_errors = true", "dag.has_import_errors is True"),
        ("dag", "relative_fileloc = 'elsewhere.py'", "dag.relative_fileloc is 'elsewhere.py'"),
        ("dag_version", "bundle_version = 'x'", "dag_version.bundle_version is 'x'"),
        ("serialized_dag", "dag_hash = 'x', data = '{}'", "serialized_dag.dag_hash is 'x'"),
        ("dag_code", "source_code_hash = 'x', source_code = 'x'", "dag_code.source_code_hash is 'x'"),
    ],
)
def test_active_is_latest__an_update_by_hand_is_undone_and_named(
    held: Held, table: str, assignment: str, named: str
) -> None:
    held.database.execute(f"UPDATE {table} SET {assignment} WHERE dag_id = :d", d=BODY)
    assert repaired(held, BODY) == {BODY: named}
    (event,) = held.database.rows("SELECT kind, actor, reason FROM pinwheel_event WHERE kind = 'drift'")
    assert event == {"kind": "drift", "actor": "pinwheel", "reason": named}
    (audit,) = held.database.rows("SELECT dag_id, extra FROM log WHERE event = 'pinwheel_drift'")
    assert audit["dag_id"] == BODY and named.split(" is ")[0] in audit["extra"]


def airflow(*command: str) -> None:
    """One of Airflow's commands, in this process."""
    from airflow.cli.cli_parser import get_parser

    arguments = get_parser().parse_args(list(command))
    arguments.func(arguments)


@pytest.mark.parametrize(
    "command",
    [["tasks", "test", STRUCTURE, "t"], ["dags", "test", STRUCTURE], ["dags", "reserialize"]],
    ids=lambda command: "_".join(command[:2]),
)
def test_active_is_latest__what_airflows_commands_write_is_undone(held: Held, command: list[str]) -> None:
    airflow(*command)
    repaired(held, *HELD)


def test_active_is_latest__a_deleted_dag_row_comes_back(held: Held) -> None:
    from airflow.api.common.delete_dag import delete_dag

    delete_dag(FRESH)
    assert repaired(held, FRESH) == {FRESH: "the dag row was deleted"}


def test_active_is_latest__the_dag_rows_that_db_clean_removes_come_back(held: Held) -> None:
    db_clean("dag", dag_ids=[FRESH])
    assert repaired(held, FRESH) == {FRESH: "the dag row was deleted"}
