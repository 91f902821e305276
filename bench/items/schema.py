"""(i) The schema back from the beta to this Airflow, with a million task instances in the database.

Stock: ``airflow db downgrade`` in the newer environment, which a deployment that goes back no longer has.
Pinwheel: ``pinwheel db reconcile`` in the older one, with the capsule. Each on a copy of the same database.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.meter import median
from bench.report import Row
from bench.setting import PINWHEEL, STOCK, Setting
from harness.airflow_env import AIRFLOW_VERSION, BIN
from harness.databases import Database
from harness.other_airflow import BETA, programs

TITLE = "schema downgrade"
PER_SIDE = False
TASKS_A_RUN = 100
TARGET = 1.2
FERNET_KEY = "u3Xb5vR2cYz0G4iG1dJq8r7m0d9m1oWJb0sVQ8l6u9E="
ORDER = (STOCK, PINWHEEL, PINWHEEL, STOCK)

# States as a long-lived deployment has them; one in a hundred tasks has an earlier try.
_RUNS = """
INSERT INTO dag_run (dag_id, run_id, run_type, run_after, state)
SELECT 'dag_' || n % 100, 'run_' || n, 'scheduled', now() - n * interval '1 minute', 'success'
FROM generate_series(1, :runs) n
"""
_TASKS = """
INSERT INTO task_instance
    (id, task_id, dag_id, run_id, region_index, try_number, pool, pool_slots,
     state, working_set, archived_reason)
SELECT gen_random_uuid(), 'task_' || t, 'dag_' || n % 100, 'run_' || n, -1, tries.number, 'default_pool', 1,
    CASE WHEN tries.number = tries.last THEN 'success' ELSE 'failed' END,
    CASE WHEN tries.number = tries.last THEN true END,
    CASE WHEN tries.number < tries.last THEN 'legacy' END
FROM generate_series(1, :runs) n, generate_series(1, :tasks) t,
    LATERAL (SELECT number, CASE WHEN t = 1 THEN 2 ELSE 1 END AS last
             FROM generate_series(1, CASE WHEN t = 1 THEN 2 ELSE 1 END) number) tries
"""


def measure(setting: Setting) -> dict[str, Any]:
    newer = programs(BETA)
    # The published size goes with the published number of Dags; --quick shows that it works.
    tasks = setting.options.dags * TASKS_A_RUN
    root = setting.folder("schema")
    seconds: dict[str, list[float]] = {STOCK: [], PINWHEEL: []}
    database = setting.server.create("schema", migrated=False)
    try:
        _run(root, database, str(newer / "airflow"), "db", "migrate")
        _fill(database, tasks)
        with database.engine().begin() as connection:
            connection.execute(sa.text("DELETE FROM pinwheel_capsule"))
        began = time.monotonic()
        stored = json.loads(
            _run(root, database, str(newer / "pinwheel"), "db", "capsule", "store", "-o", "json")
        )
        storing = time.monotonic() - began
        heads = set()
        for side in ORDER:
            with setting.copy_of(database) as copy:
                command = _command(side, newer)
                began = time.monotonic()
                _run(root, copy, *command)
                seconds[side].append(time.monotonic() - began)
                with copy.engine().connect() as connection:
                    heads.add(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))
        assert len(heads) == 1, heads
    finally:
        database.drop()
    return {
        "tasks": tasks,
        "from": BETA,
        "to": AIRFLOW_VERSION,
        "seconds": seconds,
        "ratio": median(seconds[PINWHEEL]) / median(seconds[STOCK]),
        "capsule_bytes": stored["bytes"],
        "store_seconds": storing,
    }


def _command(side: str, newer: Path) -> list[str]:
    if side == STOCK:
        return [str(newer / "airflow"), "db", "downgrade", "--to-version", AIRFLOW_VERSION, "--yes"]
    return [str(BIN / "pinwheel"), "db", "reconcile", "--allow-downgrade", "--accept-loss", "all"]


def _fill(database: Database, tasks: int) -> None:
    sizes = {"runs": max(1, tasks // TASKS_A_RUN), "tasks": TASKS_A_RUN}
    with database.engine().begin() as connection:
        connection.execute(sa.text(_RUNS), {"runs": sizes["runs"]})
        connection.execute(sa.text(_TASKS), sizes)
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _run(root: Path, database: Database, *command: str) -> str:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(root / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
    }
    done = subprocess.run(list(command), env=env, cwd=root, capture_output=True, text=True, timeout=3600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[-4:])} failed: {done.stderr[-2000:]}")
    return done.stdout


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = median(found["seconds"][STOCK]), median(found["seconds"][PINWHEEL])
    return [
        Row(
            item="i",
            what=f"schema from {found['from']} down to {found['to']}, {found['tasks']:,} task instances",
            target=f"ratio at most {TARGET}",
            stock=f"{stock:.1f} s, in the newer image",
            pinwheel=f"{ours:.1f} s, in the older image",
            ratio=f"ratio {found['ratio']:.2f}",
            met=found["ratio"] <= TARGET,
        ),
        Row(
            item="i",
            what="capsule: size, and time to store one",
            pinwheel=f"{found['capsule_bytes'] / 1e6:.1f} MB, {found['store_seconds']:.1f} s",
        ),
    ]
