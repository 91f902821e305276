"""Airflow's bundled example Dags, through the stock Dag processor and through ours: the same rows.

Both read the same bundle (a copy of the examples in a FolderBundle) into a database each. Every row of every
table of Airflow must be equal, field by field; ``MAY_DIFFER`` lists the exceptions with their reasons.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from harness import bundles
from harness.airflow_env import AirflowEnv
from harness.processes import wait_for

pytestmark = pytest.mark.airflow

NOT_COMPARED = {
    "job": "each processor is a job of its own",
    "log": "audit log: the commands run here, and the releases that only Pinwheel makes",
    "alembic_version": "schema",
    "alembic_version_pinwheel": "schema",
}
"""Airflow's tables that are left out, and why."""

MAY_DIFFER = {
    "dag.last_parsed_time": "when it was parsed",
    "dag.last_parse_duration": "how long that took",
    "dag_bundle.last_refreshed": "when the bundle was fetched",
    "dag_version.created_at": "when it was written",
    "dag_version.last_updated": "when it was written",
    "serialized_dag.created_at": "when it was written",
    "serialized_dag.last_updated": "when it was written",
    "serialized_dag.dag_hash": "only of Dags with deadlines, whose serialized form names random alert ids",
    "dag_code.created_at": "when it was written",
    "dag_code.last_updated": "when it was written",
    "dag_schedule_asset_reference.*_at": "when it was written",
    "dag_schedule_asset_alias_reference.*_at": "when it was written",
    "dag_schedule_asset_name_reference.*_at": "when it was written",
    "dag_schedule_asset_uri_reference.*_at": "when it was written",
    "task_inlet_asset_reference.*_at": "when it was written",
    "task_outlet_asset_reference.*_at": "when it was written",
    "asset.*_at": "when it was written",
    "dag_warning.timestamp": "when it was found",
    "import_error.timestamp": "when it was found",
    "import_error.stacktrace": "a traceback also names the lines of the processor itself",
    "deadline_alert.created_at": "when it was written",
    "trigger.created_date": "when it was written",
}
"""Columns (``table.column``, ``*_at`` for created and updated) that are not compared, and why. Primary keys
that a database numbers or draws at random are not compared as such: each stands for what it names.
"""


@pytest.fixture(scope="module")
def databases(make_airflow: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[AirflowEnv, AirflowEnv]:
    """After ``airflow dag-processor`` has parsed all, and after ``pinwheel dag-processor`` has."""
    root = tmp_path_factory.mktemp("sameness")
    copy_examples(root / "examples")

    def parsed(processor: str) -> AirflowEnv:
        env: AirflowEnv = make_airflow(
            backend="sqlite",
            processor=processor,
            bundles=[bundles.folder("examples", root / "examples")],
            config={
                "core.dags_folder": root / "dags",
                "dag_processor.dag_bundle_storage_path": root / "storage",
                "dag_processor.parsing_processes": 2,
                "dag_processor.min_file_process_interval": 3600,
            },
            # Some operators make a tuple of a set, in an order that otherwise each process draws.
            env={"PYTHONHASHSEED": "0"},
        )
        env.start("dag-processor")
        return env

    def dag_ids(env: AirflowEnv) -> set[str]:
        return {row["dag_id"] for row in env.rows("SELECT dag_id FROM serialized_dag")}

    ours = parsed("pinwheel")
    settled = "SELECT head_seq > 0 AND settled_seq = head_seq FROM pinwheel_bundle"
    wait_for(lambda: ours.scalar(settled), 180, lambda: ours.tails())
    ours.stop("dag-processor")
    stock = parsed("stock")
    # It does not say when it has parsed all; a missing Dag would show as a timeout, one too many as a row.
    wait_for(lambda: dag_ids(stock) >= dag_ids(ours), 180, lambda: stock.tails())
    time.sleep(2)
    stock.stop("dag-processor")
    return stock, ours


def copy_examples(target: Path) -> None:
    """The example Dags of Airflow and of its standard provider, as one bundle."""
    import airflow.example_dags
    import airflow.providers.standard.example_dags

    for name, package in (
        ("core", airflow.example_dags),
        ("standard", airflow.providers.standard.example_dags),
    ):
        shutil.copytree(
            Path(next(iter(package.__path__))), target / name, ignore=shutil.ignore_patterns("__pycache__")
        )


def rows_of(env: AirflowEnv) -> dict[str, list[dict[str, Any]]]:
    """Every row of Airflow's tables, with ids replaced by what they name."""
    engine = env.engine()
    tables = [
        name
        for name in sa.inspect(engine).get_table_names()
        if not name.startswith("pinwheel_") and name not in NOT_COMPARED
    ]
    found = {name: env.rows(f'SELECT * FROM "{name}"') for name in tables}
    names: dict[str, dict[Any, str]] = {
        "dag_version": {row["id"]: f"version of {row['dag_id']}" for row in found["dag_version"]},
        "asset": {row["id"]: row["uri"] for row in found["asset"]},
        "serialized_dag": {row["id"]: f"serialized {row['dag_id']}" for row in found["serialized_dag"]},
        "asset_alias": {row["id"]: row["name"] for row in found["asset_alias"]},
        "trigger": {},
        "deadline_alert": {},
    }
    fernet = Fernet(env.env["AIRFLOW__CORE__FERNET_KEY"].encode())
    for row in found["trigger"]:
        row["kwargs"] = fernet.decrypt(row.pop("encrypted_kwargs", row.get("kwargs")).encode()).decode()
        names["trigger"][row["id"]] = f"{row['classpath']} {row['kwargs']}"
    for row in found.get("deadline_alert", []):
        owner = names["serialized_dag"].get(row["serialized_dag_id"])
        terms = json.dumps([_decoded(row["reference"]), _decoded(row["interval"])], sort_keys=True)
        names["deadline_alert"][row["id"]] = f"deadline of {owner} {terms}"
    references = {
        "dag_version_id": "dag_version",
        "asset_id": "asset",
        "alias_id": "asset_alias",
        "trigger_id": "trigger",
        "serialized_dag_id": "serialized_dag",
        "created_dag_version_id": "dag_version",
    }
    for table, rows in found.items():
        for row in rows:
            for column in list(row):
                if isinstance(row[column], str) and row[column][:1] in ("{", "["):
                    with contextlib.suppress(ValueError):
                        row[column] = json.loads(row[column])
                if column in references and row[column] is not None:
                    row[column] = names[references[column]][row[column]]
            if table in names:
                row["id"] = names[table][row["id"]]
            elif table in ("dag_code", "import_error"):
                row.pop("id", None)
    for row in found["dag"]:
        row["asset_expression"] = without_ids(_decoded(row["asset_expression"]))
    for row in found["serialized_dag"]:
        data = row.pop("data_compressed", None)
        text = zlib.decompress(data) if data else row.pop("data")
        row.pop("data", None)
        row["data"] = _decoded(text)
        if row["data"]["dag"].get("deadline"):
            row["data"]["dag"]["deadline"] = len(row["data"]["dag"]["deadline"])
            row.pop("dag_hash")
    return found


def without_ids(expression: Any) -> Any:
    """An asset expression without the numbers that the database gave its assets."""
    if isinstance(expression, dict):
        return {key: without_ids(value) for key, value in expression.items() if key != "id"}
    if isinstance(expression, list):
        return [without_ids(value) for value in expression]
    return expression


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, (str, bytes)) else value


def compared(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        column: value
        for column, value in row.items()
        if f"{table}.{column}" not in MAY_DIFFER or f"{table}.{column}" == "serialized_dag.dag_hash"
        if not (column in ("created_at", "updated_at") and f"{table}.*_at" in MAY_DIFFER)
    }


def keyed(table: str, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    identity = {
        "dag": ("dag_id",),
        "serialized_dag": ("dag_id",),
        "dag_code": ("dag_id",),
        "dag_version": ("dag_id", "version_number"),
        "import_error": ("filename",),
    }.get(table)
    keys = {}
    for row in rows:
        values = compared(table, row)
        key = json.dumps([row[c] for c in identity] if identity else values, sort_keys=True, default=str)
        keys[key] = values
    assert len(keys) == len(rows), f"{table}: rows that can not be told apart"
    return keys


def differences(table: str, stock: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[str]:
    left, right = keyed(table, stock), keyed(table, ours)
    found = [f"{table}: only stock has {key}" for key in left.keys() - right.keys()]
    found += [f"{table}: only ours has {key}" for key in right.keys() - left.keys()]
    for key in left.keys() & right.keys():
        for column, value in left[key].items():
            if not same(table, column, value, right[key][column]):
                found += [
                    f"{table} {key} {column}{where}: stock {one!r}, ours {other!r}"
                    for where, one, other in unequal(value, right[key][column])
                ]
    return found


def unequal(stock: Any, ours: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """The places at which two values differ."""
    if isinstance(stock, dict) and isinstance(ours, dict):
        keys = sorted(stock.keys() | ours.keys())
        return [d for k in keys for d in unequal(stock.get(k), ours.get(k), f"{where}.{k}")]
    if isinstance(stock, list) and isinstance(ours, list) and len(stock) == len(ours):
        return [d for n in range(len(stock)) for d in unequal(stock[n], ours[n], f"{where}[{n}]")]
    return [] if stock == ours else [(where, stock, ours)]


def contested(assets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Name and URI of assets of which another one has the same name or the same URI.

    Airflow lets one of them be active: that of the file that was parsed first. Two parsers at once decide
    that by chance, in stock as in ours.
    """
    pairs = {(row["name"], row["uri"]) for row in assets}
    return {pair for pair in pairs if any(sum(map(str.__eq__, pair, other)) == 1 for other in pairs)}


def settled(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without which of the contested assets are active, but with how many are of each name and URI."""
    open_ones = contested(rows["asset"])
    active = [(row["name"], row["uri"]) for row in rows["asset_active"]]
    chosen = [pair for pair in active if pair in open_ones]
    for place in (0, 1):
        taken = [pair[place] for pair in chosen]
        assert len(taken) == len(set(taken)), f"two active assets of one name or URI: {chosen}"
    for pair in open_ones:
        rivals = {other for other in chosen if sum(map(str.__eq__, pair, other)) >= 1}
        assert rivals, f"neither {pair} nor a rival of it is active"
    left = [row for row in rows["asset_active"] if (row["name"], row["uri"]) not in open_ones]
    return {**rows, "asset_active": left}


def same(table: str, column: str, stock: Any, ours: Any) -> bool:
    if table == "dag" and column.startswith("next_dagrun") and stock and ours:
        # The next run of a frequent schedule moves on between the two passes.
        return abs(_instant(stock) - _instant(ours)) <= timedelta(days=1)
    return bool(stock == ours)


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(str(value)).replace(tzinfo=None)


def test_every_row_of_airflow_is_what_the_stock_processor_writes(databases: Any) -> None:
    stock, ours = (settled(rows_of(env)) for env in databases)
    assert stock.keys() == ours.keys()
    found = [line for table in stock for line in differences(table, stock[table], ours[table])]
    assert not found, "\n".join(line[:600] for line in found)
    # And there was something to compare.
    for table, least in {"dag": 60, "serialized_dag": 60, "dag_code": 60, "dag_tag": 60, "asset": 10}.items():
        assert len(ours[table]) >= least, f"{table}: {len(ours[table])} rows"


def test_each_example_is_one_build_and_one_release(databases: Any) -> None:
    _, ours = databases
    dag_ids = {row["dag_id"] for row in ours.rows("SELECT dag_id FROM dag")}
    assert {row["dag_id"] for row in ours.rows("SELECT dag_id FROM pinwheel_build")} == dag_ids
    kinds = ours.rows("SELECT dag_id, release, kind FROM pinwheel_release")
    assert {(row["release"], row["kind"]) for row in kinds} == {(1, "auto")}
    assert ours.rows("SELECT * FROM pinwheel_event WHERE kind = 'drift'") == []
