"""After a rollback Airflow's rows are, field by field, what they were when that build was active."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked
from harness.seed import Seeder
from pinwheel.core.release.decide import Verb
from pinwheel.services import change

DAG_TABLES = {
    "dag": "dag_id",
    "dag_tag": "dag_id",
    "dag_owner_attributes": "dag_id",
    "dag_schedule_asset_reference": "dag_id",
    "dag_schedule_asset_alias_reference": "dag_id",
    "dag_schedule_asset_name_reference": "dag_id",
    "dag_schedule_asset_uri_reference": "dag_id",
    "task_outlet_asset_reference": "dag_id",
    "task_inlet_asset_reference": "dag_id",
}
TIMES = {"last_parsed_time", "created_at", "updated_at", "last_updated", "timestamp", "last_expired"}
VERSION_IDENTITY = {"id", "version_number", "dag_version_id"}

PLAIN = """
    import datetime
    from airflow.sdk import DAG, task

    with DAG("d", schedule=None, start_date=datetime.datetime(2024, 1, 1)):
        @task
        def only():
            print("plain")
        only()
"""
RICH = """
    import datetime
    from airflow.sdk import DAG, Asset, task
    from airflow.providers.standard.operators.bash import BashOperator

    with DAG(
        "d",
        schedule="5 4 * * *",
        start_date=datetime.datetime(2024, 1, 1),
        catchup=False,
        tags=["team:x", "version:2.0"],
        description="the rich one",
        dag_display_name="Rich name",
        max_active_runs=3,
        max_active_tasks=5,
        max_consecutive_failed_dag_runs=4,
        owner_links={"ada": "https://example.com/ada"},
        default_args={"owner": "ada"},
        fail_fast=True,
        is_paused_upon_creation=False,
        doc_md="# words",
    ):
        one = BashOperator(task_id="one", bash_command="echo 1", outlets=[Asset("out://1")], retries=2)
        two = BashOperator(task_id="two", bash_command="echo 2", inlets=[Asset("in://1")])
        one >> two
"""
ASSETS = """
    import datetime
    from airflow.sdk import DAG, Asset, AssetAlias, task

    with DAG("d", schedule=(Asset("a://1") & Asset("a://2")) | Asset("a://3"), tags=["assets"]):
        @task(outlets=[AssetAlias("alias")])
        def consume(): ...
        consume()
"""
BY_NAME = """
    from airflow.sdk import DAG, AssetAlias, task

    with DAG("d", schedule=AssetAlias("some-alias")):
        @task
        def consume(): ...
        consume()
"""
DEADLINE = """
    import datetime
    from airflow.sdk import DAG, task, DeadlineAlert, DeadlineReference
    from airflow.sdk.definitions.callback import AsyncCallback

    async def late(**_): ...

    with DAG(
        "d",
        schedule="@daily",
        start_date=datetime.datetime(2024, 1, 1),
        catchup=False,
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=datetime.timedelta(hours=1),
            callback=AsyncCallback("some.module.late"),
        ),
    ):
        @task
        def only(): ...
        only()
"""
CONTINUOUS = """
    import datetime
    from airflow.sdk import DAG, task

    with DAG("d", schedule="@continuous", start_date=datetime.datetime(2024, 1, 1), max_active_runs=1):
        @task(max_active_tis_per_dag=2)
        def only(): ...
        only()
"""
PARTITIONED = """
    from airflow.sdk import DAG, task, CronPartitionTimetable

    with DAG("d", schedule=CronPartitionTimetable("0 * * * *", timezone="UTC"), catchup=False):
        @task
        def only(): ...
        only()
"""
KINDS = {
    "plain": PLAIN,
    "rich": RICH,
    "assets": ASSETS,
    "alias": BY_NAME,
    "deadline": DEADLINE,
    "continuous": CONTINUOUS,
    "partitioned": PARTITIONED,
}


@pytest.fixture
def seeder(airflow_database: Any, tmp_path: Path) -> Seeder:
    return Seeder(tmp_path)


def rows(airflow_database: Any, dag_id: str = "d") -> dict[str, Any]:
    """Airflow's rows of a Dag: all of its tables, and the newest version with what hangs on it."""
    found: dict[str, Any] = {}
    with airflow_database.engine().connect() as connection:
        for table, column in DAG_TABLES.items():
            result = connection.execute(sa.text(f"SELECT * FROM {table} WHERE {column} = :d"), {"d": dag_id})
            found[table] = sorted(
                json.dumps({k: _text(v) for k, v in row.items() if k not in _times(row)}, sort_keys=True)
                for row in result.mappings()
            )
        newest = (
            connection.execute(
                sa.text("SELECT * FROM dag_version WHERE dag_id = :d ORDER BY version_number DESC LIMIT 1"),
                {"d": dag_id},
            )
            .mappings()
            .one()
        )
        found["dag_version"] = {k: str(v) for k, v in newest.items() if k not in TIMES | VERSION_IDENTITY}
        for table in ("serialized_dag", "dag_code"):
            row = (
                connection.execute(
                    sa.text(f"SELECT * FROM {table} WHERE dag_version_id = :v"), {"v": newest["id"]}
                )
                .mappings()
                .one()
            )
            found[table] = {k: row[k] for k in row.keys() - TIMES - VERSION_IDENTITY}
    serialized = found["serialized_dag"].pop("data", None)
    found["serialized_dag"].pop("dag_hash", None) if _has_deadline(serialized) else None
    found["serialized"] = _without_alert_ids(serialized)
    return found


def _text(value: Any) -> str:
    """A JSON column never set holds SQL NULL, one set back holds JSON null: both read None."""
    return "None" if value in (None, "null") else str(value)


def _times(row: Any) -> set[str]:
    if row.get("timetable_type", "").endswith("ContinuousTimetable"):
        # Its next run is due "now", whenever that is asked.
        return TIMES | {"next_dagrun_create_after", "next_dagrun_data_interval_end"}
    return TIMES


def _decoded(serialized: Any) -> Any:
    return json.loads(serialized) if isinstance(serialized, str) else serialized


def _has_deadline(serialized: Any) -> bool:
    return bool(_decoded(serialized)["dag"].get("deadline"))


def _without_alert_ids(serialized: Any) -> Any:
    """A version's deadlines are references to alert rows of its own: only their number is the same."""
    data = _decoded(serialized)
    if data["dag"].get("deadline"):
        data["dag"]["deadline"] = len(data["dag"]["deadline"])
    return data


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_a_rollback_restores_every_field(
    airflow_database: Any, seeder: Seeder, first: str, second: str
) -> None:
    seeder.push({"d.py": KINDS[first]})
    before = rows(airflow_database)
    seeder.push({"d.py": KINDS[second]})
    between = rows(airflow_database)
    assert between != before

    back = asked.change(verb=Verb.ROLLBACK, dag_ids=["d"], actor="ada", to_blame=False)
    done = change.apply(seeder.host, back)

    assert done[0].release == 3
    assert rows(airflow_database) == before

    change.apply(seeder.host, asked.change(verb=Verb.UNPIN, dag_ids=["d"], actor="ada"))
    assert rows(airflow_database) == between


def test_paused_is_never_touched(airflow_database: Any, seeder: Seeder) -> None:
    seeder.push({"d.py": PLAIN})
    with airflow_database.engine().begin() as connection:
        connection.execute(sa.text("UPDATE dag SET is_paused = :no"), {"no": False})
    seeder.push({"d.py": RICH})
    change.apply(seeder.host, asked.change(verb=Verb.ROLLBACK, dag_ids=["d"], actor="ada"))
    with airflow_database.engine().connect() as connection:
        assert connection.execute(sa.text("SELECT is_paused FROM dag")).scalar() in (False, 0)


def test_deadlines_come_back_as_rows_of_the_new_version(airflow_database: Any, seeder: Seeder) -> None:
    seeder.push({"d.py": DEADLINE})
    seeder.push({"d.py": PLAIN})
    change.apply(seeder.host, asked.change(verb=Verb.ROLLBACK, dag_ids=["d"], actor="ada"))
    with airflow_database.engine().connect() as connection:
        alerts = connection.execute(
            sa.text(
                "SELECT a.interval, a.reference FROM deadline_alert a"
                " JOIN serialized_dag s ON s.id = a.serialized_dag_id"
                " JOIN dag_version v ON v.id = s.dag_version_id ORDER BY v.version_number"
            )
        ).all()
    assert len(alerts) == 2
    assert alerts[0] == alerts[1]
