"""Keeping Airflow's rows asserted costs little: only what changed since the last look is written anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.inprocess import bound_airflow
from harness.seed import Seeder
from pinwheel.services.upkeep import repair

SOURCE = """
    import datetime
    from airflow.sdk import DAG, Asset
    from airflow.providers.standard.operators.empty import EmptyOperator

    START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    with DAG("a", schedule=None, start_date=START, description="kept", tags=["t"]):
        EmptyOperator(task_id="one", outlets=[Asset("made")])
    with DAG("b", schedule=Asset("made"), start_date=START):
        EmptyOperator(task_id="one")
    with DAG("due", schedule="@daily", start_date=START):
        EmptyOperator(task_id="one")
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


@pytest.fixture
def seeder(database: Any, tmp_path: Path) -> Seeder:
    made = Seeder(tmp_path)
    made.push({"dags.py": SOURCE})
    return made


def execute(database: Any, statement: str, **values: Any) -> Any:
    with database.engine().begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return result.scalar() if result.returns_rows else None


def test_rows_that_stand_as_they_were_written_are_not_written_again(database: Any, seeder: Seeder) -> None:
    seen: dict[str, str] = {}
    assert repair.keep_asserted(seeder.host, ["a", "b"], seen) == 2
    execute(database, "UPDATE dag SET last_parsed_time = '2024-01-01 00:00:00+00:00'")
    assert repair.keep_asserted(seeder.host, ["a", "b"], seen) == 0
    assert str(execute(database, "SELECT min(last_parsed_time) FROM dag WHERE dag_id != 'due'")) > "2025"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE dag SET description = 'by hand' WHERE dag_id = 'a'",
        "UPDATE dag SET max_active_runs = 1 WHERE dag_id = 'a'",
        "DELETE FROM dag_tag WHERE dag_id = 'a'",
        "DELETE FROM task_outlet_asset_reference WHERE dag_id = 'a'",
    ],
)
def test_what_somebody_changed_by_hand_is_put_back(database: Any, seeder: Seeder, change: str) -> None:
    seen: dict[str, str] = {}
    repair.keep_asserted(seeder.host, ["a", "b"], seen)
    stood = seeder.host.unit.run(lambda session: seeder.host.rows.standing(session, ["a", "b"]))
    execute(database, change)
    assert repair.keep_asserted(seeder.host, ["a", "b"], seen) == 1
    assert seeder.host.unit.run(lambda session: seeder.host.rows.standing(session, ["a", "b"])) == stood
    assert repair.keep_asserted(seeder.host, ["a", "b"], seen) == 0


def test_a_dag_that_was_paused_is_looked_at_again(database: Any, seeder: Seeder) -> None:
    seen: dict[str, str] = {}
    repair.keep_asserted(seeder.host, ["b"], seen)
    execute(database, "UPDATE dag SET is_paused = :paused WHERE dag_id = 'b'", paused=False)
    assert repair.keep_asserted(seeder.host, ["b"], seen) == 1
    execute(database, "UPDATE dag SET is_paused = :paused WHERE dag_id = 'b'", paused=True)
    assert repair.keep_asserted(seeder.host, ["b"], seen) == 1


def test_the_next_run_of_a_dag_whose_run_is_due_moves_on(database: Any, seeder: Seeder) -> None:
    seen: dict[str, str] = {}
    repair.keep_asserted(seeder.host, ["due"], seen)
    execute(
        database,
        "UPDATE dag SET next_dagrun = '2024-03-01 00:00:00+00:00',"
        " next_dagrun_create_after = '2024-03-01 00:00:00+00:00' WHERE dag_id = 'due'",
    )
    repair.keep_asserted(seeder.host, ["due"], seen)
    assert str(execute(database, "SELECT next_dagrun FROM dag WHERE dag_id = 'due'")) > "2025"
    assert repair.keep_asserted(seeder.host, ["due"], seen) == 1
