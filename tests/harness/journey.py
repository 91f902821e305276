"""A deployment with work under way, and what of it two states of its database have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

FLAG = "go-on"
DAG = '''
import os, time
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.standard.sensors.filesystem import FileSensor
from airflow.sdk import DAG, Asset, Connection, Variable, task

HERE = Path(__file__).parent
START = datetime(2024, 1, 1, tzinfo=timezone.utc)

with DAG("journey", schedule=None, start_date=START, tags=["journey"]):
    @task
    def produce():
        return {"rows": 3, "at": "noon"}

    @task(retries=1, retry_delay=0)
    def flaky(given, ti=None):
        if ti.try_number == 1:
            raise ValueError("the first try fails")
        return given["rows"] + 1

    @task(retries=2, retry_delay=0)
    def cut_off(given):
        """Runs while everything is killed; its next try ends at once."""
        started = HERE / "started"
        if not started.exists():
            started.touch()
            time.sleep(600)

    @task
    def one_of(number):
        return number * number

    @task(outlets=[Asset("journey://end")])
    def finish(first, second):
        assert (Connection.get("shop").password, Variable.get("colour")) == ("secret", "green")
        return first + sum(second)

    wait = FileSensor(
        task_id="wait", filepath=str(HERE / "go-on"), deferrable=True, poke_interval=1, timeout=3600
    )
    given = produce()
    held = cut_off(given)
    squares = one_of.expand(number=[1, 2, 3])
    [wait, held] >> finish(flaky(given), squares)

with DAG("daily", schedule="@daily", start_date=START, catchup=False, max_active_runs=1):
    @task(pool="small")
    def day():
        time.sleep(600)
    day()
'''


class Journey:
    """Drives the Dags of this module on an OtherAirflow."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def start(self) -> None:
        """Have every kind of state in the database, then kill all processes as a crash would."""
        env = self.env
        self._start_all()
        shop = {"host": "shop", "port": 8080, "login": "me", "password": "secret"}
        for kind, made in (
            ("variables", {"key": "colour", "value": "green"}),
            ("connections", {"connection_id": "shop", "conn_type": "http", **shop}),
            ("pools", {"name": "small", "slots": 1, "description": "for the journey"}),
        ):
            env.api().post(f"/api/v2/{kind}", json=made).raise_for_status()
        env.wait_dag("journey", timeout=60)
        env.wait_dag("daily", timeout=60)
        env.api().post(
            "/api/v2/backfills",
            json={
                "dag_id": "daily",
                "from_date": "2024-02-01T00:00:00Z",
                "to_date": "2024-02-04T00:00:00Z",
                "max_active_runs": 1,
            },
        ).raise_for_status()
        env.trigger("journey", dag_run_id="under-way")
        env.wait_for(self._under_way, 90, lambda: env.describe("journey", "under-way") + env.tails())
        for label in ("scheduler", "dag-processor", "triggerer", "api-server"):
            env.kill(label)
        # What a scheduler that dies between its decision and the executor's leaves behind.
        env.execute("UPDATE task_instance SET state = 'queued' WHERE state = 'scheduled'")

    def start_api_server(self) -> None:
        """It must say that its database is well."""
        env = self.env
        env.start("api-server")
        assert env.get("/api/v2/monitor/health")["metadatabase"]["status"] == "healthy"

    def _start_all(self) -> None:
        # A task that finds no API server asks five times, within as little as five seconds, and fails: on a
        # busy machine the scheduler is there, with tasks to go on with, so long before the API server.
        if not self.env.is_running("api-server"):
            self.start_api_server()
        self.env.start("scheduler", "dag-processor", "triggerer")

    def _under_way(self) -> bool:
        states = {(t["task_id"], t["map_index"]): t["state"] for t in self.env.tasks("journey", "under-way")}
        backfill = self.env.scalar(
            "SELECT count(*) FROM dag_run WHERE dag_id = 'daily' AND state = 'running'"
        )
        return (
            bool(backfill)
            and states.get(("wait", -1)) == "deferred"
            and states.get(("cut_off", -1)) == "running"
            and states.get(("flaky", -1)) == "success"
            and states.get(("one_of", 2)) == "success"
        )

    def finish(self) -> None:
        """Start everything again: the run that was under way ends well, with the results of before.

        Its last task reads what Airflow encrypted before.
        """
        env = self.env
        self._start_all()
        assert env.get("/api/v2/dags")["total_entries"] == 2
        (env.dags_folder / FLAG).touch()
        run = env.wait_run("journey", "under-way", timeout=150)
        assert run["state"] == "success"
        tries = {t["task_id"]: t["try_number"] for t in env.tasks("journey", "under-way")}
        assert tries["flaky"] == 2 and tries["cut_off"] > 1 and tries["produce"] == 1, tries
        value = env.get(
            "/api/v2/dags/journey/dagRuns/under-way/taskInstances/finish/xcomEntries/return_value"
        )
        assert str(value["value"]) == str(4 + 1 + 4 + 9)
        earlier = env.get("/api/v2/dags/journey/dagRuns/under-way/taskInstances/flaky/tries")
        assert [t["state"] for t in earlier["task_instances"]] == ["failed", "success"]


OURS = ("pinwheel_", "alembic_version")


def contents(engine: sa.Engine) -> dict[str, dict[str, str]]:
    """Table -> column -> checksum of its values in the order of the rows; ``#`` counts the rows."""
    found: dict[str, dict[str, str]] = {}
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        quote = connection.dialect.identifier_preparer.quote
        for table in sorted(inspector.get_table_names()):
            if table.startswith(OURS):
                continue
            key = inspector.get_pk_constraint(table)["constrained_columns"]
            order = ", ".join(f"{quote(c)}::text" for c in key)
            columns = [column["name"] for column in inspector.get_columns(table)]
            sums = ", ".join(
                f"md5(coalesce(string_agg(coalesce({quote(c)}::text, '-'), '|' ORDER BY {order}), ''))"
                for c in columns
            )
            # Each airflow and pinwheel command leaves a line in Airflow's audit log.
            where = "WHERE event NOT LIKE 'cli_%'" if table == "log" else ""
            row = connection.execute(sa.text(f"SELECT count(*), {sums} FROM {quote(table)} {where}")).one()
            found[table] = dict(zip(["#", *columns], map(str, row), strict=True))
    return found


def differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> set[str]:
    """``table.column`` whose values differ, and tables with other rows, among what both have."""
    found = set()
    for table in before.keys() & after.keys():
        if before[table]["#"] != after[table]["#"]:
            found.add(table)
            continue
        common = before[table].keys() & after[table].keys()
        found |= {f"{table}.{c}" for c in common if before[table][c] != after[table][c]}
    return found


def write_dag(folder: Path) -> None:
    (folder / "journey.py").write_text(DAG)
