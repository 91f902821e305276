"""Real deployments of three Airflow versions on one PostgreSQL database, up and down over every pair.

The way up is Airflow's own command, so that each way down stands on what that command left in the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import bundles, older_image
from harness.databases import Database
from harness.journey import Journey, contents, differences, write_dag
from harness.other_airflow import BETA, OtherAirflow, programs

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]
OLD, MIDDLE = "3.2.2", "3.3.2"
HEADS = {OLD: "1d6611b6ab7c", MIDDLE: "d2f4e1b3c5a7", BETA: "9cffe90fa0c0"}
CONFIG = {
    # Tasks of a scheduler that is gone are found within seconds.
    "scheduler.orphaned_tasks_check_interval": 5,
    # The Dags never change.
    "dag_processor.min_file_process_interval": 300,
}
# Only to reconcile: a scheduler that waits no longer takes the tasks of a busy machine for dead.
TAKEN_FOR_DEAD = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12"}
# What only 3.3, or only 3.4, can keep.
NEWER_VALUES = (
    'UPDATE dag_version SET version_data = \'{"from": "3.3"}\'',
    "UPDATE task_instance SET retry_reason = 'because' WHERE task_id = 'flaky'",
    "UPDATE log SET team_name = 'blue' WHERE event NOT LIKE 'cli_%'",
    "INSERT INTO asset_state_store (asset_id, key, value, updated_at) SELECT id, 'k', 'v', now() FROM asset",
)


class Road:
    """One database, and a deployment of each version over it."""

    def __init__(self, root: Path, server: Any) -> None:
        self._root, self._server = root, server
        self.dags = root / "dags"
        self.dags.mkdir(parents=True)
        write_dag(self.dags)
        self.database: Database = server.create("road", migrated=False)
        self.at = {version: self.env(version, self.database) for version in (OLD, MIDDLE, BETA)}
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._checks: list[Future[None]] = []
        self._envs = 0

    def env(self, version: str, database: Database) -> OtherAirflow:
        made = OtherAirflow(
            version,
            self._root / f"{version}-{database.name}",
            database,
            bundles=[bundles.local("journey", self.dags)],
            config=CONFIG,
            env={"AIRFLOW_CONN_FS_DEFAULT": "fs://"},
        )
        made.dags_folder = self.dags  # where the deferred task looks for its flag
        return made

    def contents(self) -> dict[str, dict[str, str]]:
        return contents(self.database.engine())

    def up(self, version: str) -> None:
        """``airflow db migrate`` in the image of a version, as an operator would; it leaves its capsule."""
        self.at[version].cli("airflow", "db", "migrate", check=True)
        assert older_image.revision(self.database) == HEADS[version]
        if version != OLD:
            older_image.require_capsule(self.database, version)

    def reconcile(self, version: str, *options: str, check: bool = True) -> dict[str, Any]:
        """``pinwheel db reconcile --allow-downgrade`` in the image of a version."""
        return self.at[version].db(
            "reconcile",
            "--allow-downgrade",
            "--wait-for-writers",
            "60s",
            *options,
            check=check,
            env=TAKEN_FOR_DEAD,
        )

    def down(self, version: str, *options: str) -> dict[str, Any]:
        """Go to a version; its head must then be there."""
        done = self.reconcile(version, *options)
        self.at[version].close()
        assert older_image.revision(self.database) == HEADS[version] and done["changed"], done
        return done

    def check(self, version: str, what: Callable[[OtherAirflow], None]) -> None:
        """Do this on a copy of the database while the road goes on."""
        name = f"{self.database.name}_{len(self._checks)}"
        self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.database.name}"')
        copy = Database("postgres", name, self._server.url(name))

        def run() -> None:
            with contextlib.closing(self.env(version, copy)) as env:
                try:
                    what(env)
                except BaseException as error:
                    error.add_note(env.tails(80))
                    raise

        self._checks.append(self._pool.submit(run))

    def wait_for_checks(self) -> None:
        for number, check in enumerate(self._checks):
            try:
                check.result()
            except BaseException as error:
                error.add_note(f"in check {number}")
                raise

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for env in self.at.values():
            env.close()
        self.database.drop()


@pytest.fixture
def road(session_root: Path, postgres: Any) -> Iterator[Road]:
    for version in (OLD, MIDDLE, BETA):
        programs(version)
    made = Road(session_root / "road", postgres)
    yield made
    made.close()


def goes_on(env: OtherAirflow) -> None:
    """The run that was under way when everything was killed comes to its end."""
    Journey(env).finish()


def goes_on_without_a_capsule(env: OtherAirflow) -> None:
    """The same where the migration was made without Pinwheel: its Dag processor stores one; no other does."""
    env.execute("DELETE FROM pinwheel_capsule")
    env.processor = "pinwheel"
    journey = Journey(env)
    journey.start_api_server()
    status = env.db("status")
    assert status["capsules"] == []
    assert status["no_way_back"].endswith("Run now: pinwheel db capsule store")
    journey.finish()
    older_image.require_capsule(env.database, env.version)
    assert env.db("status")["no_way_back"] is None


def lost(done: dict[str, Any]) -> set[str]:
    return {loss["name"] for loss in done["losses"] if loss["rows_with_a_value"]}


def test_the_schema_goes_up_and_down_over_every_pair_and_nothing_is_lost(road: Road, tmp_path: Path) -> None:
    old = road.at[OLD]
    road.up(OLD)
    Journey(old).start()
    old.close()
    first = road.contents()
    assert first["task_instance"]["#"] != "0" and first["xcom"]["#"] != "0" and first["backfill"]["#"] == "1"

    road.up(MIDDLE)
    middle = road.contents()

    done = road.down(OLD)
    again = road.reconcile(OLD)
    assert not again["changed"] and again["direction"] == "same"
    assert differences(first, road.contents()) == set() and lost(done) == set()
    road.check(OLD, goes_on)

    road.up(BETA)
    for statement in NEWER_VALUES:
        road.at[BETA].execute(statement)
    road.at[BETA].close()
    newest = road.contents()

    saved = tmp_path / "lost.jsonl.gz"
    refused = road.reconcile(MIDDLE, check=False)
    assert refused["exit"] == 5 and "log.team_name" in refused["error"]["facts"]["losses"]
    assert road.contents() == newest
    done = road.down(MIDDLE, "--snapshot", str(saved))
    assert {"log.team_name", "task_instance.archived_reason"} <= lost(done)
    # What the statements above set, and 3.3 has too; 3.4 keeps earlier tries in task_instance.
    assert differences(middle, road.contents()) <= {
        "dag_version.version_data",
        "task_instance.retry_reason",
        "task_instance_history.retry_reason",
        "asset_state_store",
    }
    road.check(MIDDLE, goes_on_without_a_capsule)

    road.up(BETA)
    back = road.at[BETA].db("restore-lost", str(saved))
    assert back["restored"]["log.team_name"] > 0
    road.at[BETA].close()
    assert differences(newest, road.contents()) == set()

    plan = road.at[OLD].db("reconcile", "--plan")
    assert {"log.team_name", "dag_version.version_data", "asset_state_store"} <= lost(plan)
    done = road.down(OLD, "--accept-loss", ",".join(sorted(lost(plan))))
    assert differences(first, road.contents()) == set()
    road.check(OLD, goes_on)

    road.up(BETA)
    gone = differences(newest, road.contents())
    assert gone <= {name for loss in lost(plan) for name in (loss, loss.partition(".")[0])}
    road.check(BETA, goes_on_without_a_capsule)
    road.wait_for_checks()
