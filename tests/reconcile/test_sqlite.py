"""The walk on SQLite, where Airflow writes whole tables anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import older_image
from harness.databases import Database, migrate
from harness.older_image import execute, go_down
from harness.other_airflow import BETA, OtherAirflow
from pinwheel.core.errors import HostError, Refused
from pinwheel.reconcile import saved_rows

MIDDLE = "3.3.2"
KILLER = """
import os, sys

if "pinwheel.reconcile.walk" in sys.orig_argv:
    import sqlalchemy as sa

    @sa.event.listens_for(sa.engine.Engine, "after_cursor_execute")
    def die(connection, cursor, statement, parameters, context, many):
        if statement.startswith("UPDATE alembic_version"):
            if os.environ["DIE_AT"] in f"{statement} {parameters}":
                os._exit(9)
"""


@pytest.fixture
def newer(sqlite: Any) -> Database:
    """A file that this Airflow migrated; its rows refer to each other, and one is more than 3.2 can keep."""
    database: Database = sqlite.create("newer")
    for statement in (
        'INSERT INTO asset (id, name, uri, "group", extra, created_at, updated_at) '
        "VALUES (1, 'a', 'a://', 'asset', '{}', '2024-01-01 00:00:00.000000', '2024-01-01 00:00:00.000000')",
        "INSERT INTO asset_state_store (asset_id, key, value, updated_at) "
        "VALUES (1, 'k', 'what it was', '2024-01-01 00:00:00.000000')",
        "INSERT INTO asset_alias (id, name, \"group\") VALUES (1, 'b', 'asset')",
        "INSERT INTO asset_alias_asset (alias_id, asset_id) VALUES (1, 1)",
    ):
        execute(database, statement)
    return database


@pytest.mark.airflow
@pytest.mark.full
@pytest.mark.slow
def test_sqlite_goes_up_and_down_with_nothing_but_the_documented_commands(
    sqlite: Any, tmp_path: Path
) -> None:
    """Up, up, up, down, up; after each `airflow db migrate` its capsule is read from another connection."""
    database: Database = sqlite.create("ordinary", migrated=False)
    at = {v: OtherAirflow(v, tmp_path / v, database) for v in (older_image.OLD_VERSION, MIDDLE, BETA)}
    old = at[older_image.OLD_VERSION]

    def up(version: str) -> None:
        at[version].cli("airflow", "db", "migrate", check=True)
        older_image.require_capsule(database, version)

    old.cli("airflow", "db", "migrate", check=True)
    up(MIDDLE)
    up(BETA)
    older_image.require_capsule(database, MIDDLE)
    known = old.db("status")
    assert known["current"]["airflow"] == BETA and known["no_way_back"] is None
    assert [(c["airflow"], c["next"]) for c in known["capsules"]] == [(BETA, True), (MIDDLE, False)]
    assert known["capsules"][0]["from"][:2] == [BETA, MIDDLE]
    assert known["capsules"][1]["to"][0] == "3.2.0 or a later 3.2"
    assert old.db("reconcile", "--allow-downgrade")["changed"]
    assert older_image.revision(database) == older_image.OLD_HEAD
    older_image.require_capsule(database, older_image.OLD_VERSION)
    up(MIDDLE)


def contents(database: Database) -> dict[str, list[str]]:
    with database.engine().connect() as connection:
        return {
            table: sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{table}"')))
            for table in sa.inspect(connection).get_table_names()
            if not table.startswith(("pinwheel_", "alembic_version", "sqlite_")) and table != "log"
        }


def test_sqlite_goes_down_and_up_and_what_was_dropped_comes_back(
    newer: Database, old_tables: Any, tmp_path: Path
) -> None:
    older = older_image.older_image(newer, old_tables)
    before, saved = contents(newer), str(tmp_path / "saved")
    with pytest.raises(Refused, match="asset_state_store"):
        go_down(older)
    assert contents(newer) == before

    assert go_down(older, snapshot=saved)[0]["changed"]
    assert older_image.revision(newer) == older_image.OLD_HEAD
    shape = older_image.shape(newer)
    assert {name: set(shape[name]) for name in old_tables} == {n: set(c) for n, c in old_tables.items()}
    assert contents(newer)["asset_alias_asset"] == before["asset_alias_asset"]

    migrate(newer.url)
    image = older_image.newer_image(newer)
    with image.engine.begin() as connection:
        assert saved_rows.restore(connection, saved, image.keys).back == {"asset_state_store": 1}
    assert contents(newer) == before


def test_a_walk_that_dies_on_sqlite_is_run_again_and_reaches_its_target(
    newer: Database, old_tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = older_image.older_image(newer, old_tables)
    before, shape = contents(newer), older_image.shape(newer)
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("DIE_AT", older_image.OLD_HEAD)
    with pytest.raises(HostError, match="cut off"):
        go_down(older, accept_loss=frozenset({"all"}))
    assert contents(newer) == before and older_image.shape(newer) == shape
    monkeypatch.setenv("DIE_AT", "never")
    assert go_down(older, accept_loss=frozenset({"all"}))[0]["changed"]
    assert older_image.revision(newer) == older_image.OLD_HEAD
