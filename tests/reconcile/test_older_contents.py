"""Down to Airflow 3.1, which reads arguments of deferred tasks in another form: its own code reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundles
from harness.airflow_env import AIRFLOW_VERSION
from harness.other_airflow import OtherAirflow

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]
OLDER = "3.1.8"

DAG = """
from datetime import datetime, timedelta, timezone
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG, Asset, AsyncCallback, CronPartitionTimetable, CronTriggerTimetable, DeadlineAlert, DeadlineReference,
    Param, TaskGroup, task,
)

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
with DAG("waiting", schedule=CronTriggerTimetable("0 6 * * 1", timezone="Europe/Rome"), start_date=START,
         dagrun_timeout=timedelta(hours=3), params={"limit": Param(5, type="integer")}, tags=["a"]):
    with TaskGroup("group"):
        first = EmptyOperator(task_id="first", retries=2, retry_delay=timedelta(minutes=7))

    @task
    def one_of(number):
        return number

    for name in ("rich", "bare", "strange"):
        first >> EmptyOperator(task_id=name, outlets=[Asset("older://" + name)])
    one_of.expand(number=[1, 2])

with DAG("consumer", schedule=[Asset("older://rich")], start_date=START):
    EmptyOperator(task_id="use")

with DAG("in_parts", schedule=CronPartitionTimetable("0 6 * * 1", timezone="UTC"), start_date=START):
    EmptyOperator(task_id="part")

with DAG("in_time", schedule=None, start_date=START, deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(hours=1),
        callback=AsyncCallback("acme.late"))):
    EmptyOperator(task_id="soon")
"""

# Read by both versions: what the rows hold.
VALUES = """
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
import pendulum

RICH = {
    "moment": datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=timezone.utc),
    "there": pendulum.datetime(2031, 5, 6, 7, 8, tz="Europe/Rome"),
    "offset": datetime(2031, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=-3))),
    "every": timedelta(days=1, seconds=2, microseconds=500000),
    "zone": pendulum.timezone("Europe/Rome"),
    "pair": ("a", {"b": None}),
    "few": {3, 1, 2},
    "deep": {"a": {"at": datetime(2031, 1, 1, tzinfo=timezone.utc), "none": {}}, "b": [{"x": timedelta(1)}]},
    "plain": ["x", 1, 2.5, True, None, "\\u20ac"],
}
STRANGE = {"day": date(2031, 5, 6), "price": Decimal("1.50")}
ALL = {"rich": RICH, "bare": {}, "strange": STRANGE}
"""

WRITE = (
    VALUES
    + """
from sqlalchemy import select
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.trigger import Trigger
from airflow.sdk.serde import serialize
from airflow.utils.session import create_session

with create_session() as session:
    for ti in session.scalars(select(TaskInstance).where(TaskInstance.task_id.in_(ALL))):
        values = ALL[ti.task_id]
        trigger = Trigger(classpath="acme." + ti.task_id, kwargs=values)
        session.add(trigger)
        session.flush()
        ti.state, ti.trigger_id, ti.next_method = "deferred", trigger.id, "execute_complete"
        # What the execution API stores of a worker that defers.
        ti.next_kwargs = serialize(values)
        session.flush()
        if ti.task_id != "bare":
            TaskInstanceHistory.record_ti(ti, session=session)
"""
)

READ = (
    VALUES
    + """
import json
from sqlalchemy import select
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session

def same(found, task_id):
    return found == ALL[task_id] or repr(found)

found = {"dags": {}}
with create_session() as session:
    found["trigger"] = {
        name: same(row.kwargs, name)
        for row in session.scalars(select(Trigger))
        for name in [row.classpath.removeprefix("acme.")]
    }
    for model in (TaskInstance, TaskInstanceHistory):
        rows = session.execute(select(model.task_id, model.next_kwargs).where(model.next_method.is_not(None)))
        found[model.__tablename__] = {name: same(value, name) for name, value in rows}
    for row in session.scalars(select(SerializedDagModel)):
        try:
            found["dags"][row.dag_id] = sorted(row.dag.task_dict)
        except Exception as error:
            found["dags"][row.dag_id] = None
print("FOUND " + json.dumps(found))
"""
)


@pytest.fixture
def images(postgres: Any, session_root: Path) -> Iterator[tuple[OtherAirflow, OtherAirflow]]:
    """This Airflow and 3.1 on one database, with deferred tasks that the newer one wrote, and its capsule."""
    dags = session_root / "older-dags"
    dags.mkdir()
    (dags / "waiting.py").write_text(DAG)
    database = postgres.create("contents")
    newer, older = (
        OtherAirflow(
            version,
            session_root / f"contents-{version}",
            database,
            bundles=[bundles.local("waiting", dags)],
        )
        for version in (AIRFLOW_VERSION, OLDER)
    )
    newer.cli("pinwheel", "db", "capsule", "store", check=True)
    newer.cli("airflow", "dags", "reserialize", check=True)
    newer.cli("airflow", "dags", "trigger", "waiting", "--run-id", "under-way", check=True)
    newer.cli("python", "-c", WRITE, check=True)
    yield newer, older
    newer.close()
    older.close()
    database.drop()


def test_what_the_newer_airflow_stored_for_deferred_tasks_is_read_by_3_1(
    images: tuple[OtherAirflow, OtherAirflow], tmp_path: Path
) -> None:
    newer, older = images
    head = newer.scalar("SELECT version_num FROM alembic_version")
    newer.close()
    flags = ("reconcile", "--allow-downgrade", "--snapshot", str(tmp_path / "lost.jsonl.gz"))
    strange = ["datetime.date", "decimal.Decimal"]
    places = ["task_instance.next_kwargs", "task_instance_history.next_kwargs", "trigger.kwargs"]

    plan = older.db(*flags, "--plan")
    assert plan["rewritten"] == dict(zip(places, (2, 1, 2), strict=True))
    assert plan["unreadable"] == dict.fromkeys(places, strange)
    assert any(note.endswith("They are: in_parts, in_time") for note in plan["notes"])

    # The snapshot holds what is dropped, and these values are not.
    refused = older.db(*flags, check=False)
    assert refused["exit"] == 5 and refused["error"]["facts"]["losses"] == places
    assert older.scalar("SELECT version_num FROM alembic_version") == head
    older.close()

    done = older.db(*flags, "--accept-loss", ",".join(places))
    assert done["current"]["airflow"] == AIRFLOW_VERSION and done["target"]["airflow"] == OLDER
    answer = older.cli("python", "-c", READ, check=True).stdout
    found = json.loads(answer.partition("FOUND ")[2].splitlines()[0])
    text = repr({"day": "2031-05-06", "price": "1.5"})
    assert found["trigger"] == found["task_instance"] == {"rich": True, "bare": True, "strange": text}
    assert found["task_instance_history"] == {"rich": True, "strange": text}
    assert found["dags"] == {
        "waiting": ["bare", "group.first", "one_of", "rich", "strange"],
        "consumer": ["use"],
        "in_parts": None,
        "in_time": None,
    }
    # Airflow's own script wrote this, on a second connection.
    query = "SELECT data->'dag'->'deadline'->0->>'__type' FROM serialized_dag WHERE dag_id = 'in_time'"
    assert older.scalar(query) == "deadline_alert"
