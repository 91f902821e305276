"""The walk on MariaDB, which can not take a change of its schema back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import older_image
from harness.databases import Database, migrate
from harness.mariadb import MariaServer
from harness.older_image import execute, go_down
from harness.other_airflow import OtherAirflow
from pinwheel.core.errors import HostError
from pinwheel.reconcile import saved_rows
from pinwheel.reconcile.installed import installed_version

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.slow]

KILLER = '''
import os, pathlib, re, sys

if "pinwheel.reconcile.walk" in sys.orig_argv:
    import MySQLdb.cursors

    run = MySQLdb.cursors.BaseCursor.execute
    last = pathlib.Path(__file__).with_name("last")

    def execute(cursor, query, args=None):
        """Die when the next change of the schema has happened, and was not noted yet."""
        done = run(cursor, query, args)
        if re.match(r"\\s*(ALTER|CREATE|DROP)", query) and "pinwheel_walk" not in query:
            # Some changes can be made twice; the second time is no new one.
            if not (last.exists() and last.read_text() == query):
                last.write_text(query)
                os._exit(9)
        return done

    MySQLdb.cursors.BaseCursor.execute = execute
'''
VALUES = (
    "INSERT INTO asset (name, uri, `group`, extra, created_at, updated_at) "
    "VALUES ('a', 'a://', 'asset', '{}', now(), now())",
    "INSERT INTO asset_state_store (asset_id, `key`, value, updated_at) "
    "SELECT id, 'k', 'what it was', now() FROM asset",
    "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) "
    "VALUES ('shop', 'http', 0, 0)",
)


@pytest.fixture(scope="session")
def mariadb(session_root: Path, reaper: Any) -> Iterator[MariaServer]:
    root = session_root / "mariadb"
    root.mkdir(mode=0o755)
    server = MariaServer(root)
    yield server
    server.close()


@pytest.fixture
def newer(mariadb: MariaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database that this Airflow migrated, with a capsule of it and something that 3.2 can not keep."""
    monkeypatch.setenv("PYTHONPATH", str(mariadb.drivers))
    database = mariadb.create("newer")
    migrate(database.url)
    for statement in VALUES:
        execute(database, statement)
    yield database
    database.drop()


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.engine().connect() as connection:
        return {
            table: sorted(
                (tuple(map(str, row)) for row in connection.exec_driver_sql(f"SELECT * FROM `{table}`")),
            )
            for table in sa.inspect(connection).get_table_names()
            if not table.startswith(("pinwheel_", "alembic_version")) and table != "log"
        }


def value(database: Database) -> str:
    with database.engine().connect() as connection:
        return str(connection.scalar(sa.text("SELECT value FROM asset_state_store")))


def restore(database: Database, path: str) -> saved_rows.Restored:
    image = older_image.newer_image(database)
    with image.engine.begin() as connection:
        return saved_rows.restore(connection, path, image.keys)


def test_the_older_image_takes_mariadb_down_and_what_it_dropped_comes_back_after_the_way_up(
    mariadb: MariaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(mariadb.drivers))
    newer = mariadb.create("ordinary")
    image = OtherAirflow(
        older_image.OLD_VERSION,
        tmp_path / "older",
        newer,
        env={
            "PYTHONPATH": str(mariadb.drivers),
            "AIRFLOW__CORE__FERNET_KEY": older_image.FERNET_KEY,
        },
    )
    image.cli("airflow", "db", "migrate", check=True)
    migrate(newer.url)
    capsule = older_image.require_capsule(newer, installed_version())
    for statement in VALUES:
        execute(newer, statement)
    before = contents(newer)
    refused = image.db("reconcile", "--allow-downgrade", check=False)
    assert refused["exit"] == 5 and refused["error"]["facts"]["losses"] == ["asset_state_store"]
    assert contents(newer) == before

    saved = str(tmp_path / "saved")
    done = image.db("reconcile", "--allow-downgrade", "--snapshot", saved)
    assert done["changed"] and older_image.revision(newer) == older_image.OLD_HEAD
    assert image.db("status")["direction"] == "same"
    image.close()

    execute(newer, "DELETE FROM pinwheel_capsule")
    migrate(newer.url)
    older_image.require_capsule(newer, installed_version())
    assert older_image.revision(newer) == older_image.newer_image(newer).history.head
    assert restore(newer, saved).back == {"asset_state_store": 1}
    assert contents(newer) == before
    execute(newer, "UPDATE pinwheel_capsule SET signature = 'é'")
    assert older_image.store_beside(newer, capsule) is False
    older_image.require_capsule(newer, installed_version())
    newer.drop()


def test_a_walk_that_dies_at_each_change_of_the_schema_goes_on_inside_of_the_migration(
    newer: Database, old_tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with newer.engine().begin() as connection:
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        connection.exec_driver_sql(
            "INSERT INTO deadline_alert (id, created_at, serialized_dag_id, reference, `interval`, "
            "callback_def) VALUES (uuid(), now(), uuid(), '{}', '90.5', '{}')"
        )
    image = older_image.older_image(newer, old_tables)
    killer = tmp_path / "killer"
    killer.mkdir()
    (killer / "sitecustomize.py").write_text(KILLER)
    saved = str(tmp_path / "saved")
    # The scripts ask Airflow's configuration which collation ids have.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", newer.url)
    path = os.environ["PYTHONPATH"]
    monkeypatch.setenv("PYTHONPATH", f"{killer}{os.pathsep}{path}")
    deaths = 0
    while True:
        try:
            go_down(image, snapshot=saved)
        except HostError as error:
            assert "cut off" in str(error), error
            deaths += 1
            continue
        break
    assert deaths > 25
    assert older_image.revision(newer) == older_image.OLD_HEAD
    shape = older_image.shape(newer)
    assert {n: set(shape[n]) for n in old_tables} == {n: set(c) for n, c in old_tables.items()}
    assert "pinwheel_walk" not in shape
    with newer.engine().connect() as connection:
        assert connection.scalar(sa.text("SELECT `interval` FROM deadline_alert")) == 90.5

    # The snapshot is that of the first run: it has what the later ones could not see any more.
    monkeypatch.setenv("PYTHONPATH", path)
    migrate(newer.url)
    assert restore(newer, saved).back == {"asset_state_store": 1}
    assert value(newer) == "what it was"
