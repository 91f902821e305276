"""Tables that another external database manager keeps beside Airflow's, and a walk down."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harness import older_image
from harness.databases import Database
from harness.older_image import execute, go_down
from pinwheel.reconcile.run import Request, plan

pytestmark = pytest.mark.postgres
# As the FAB provider names and links them.
FAB = (
    "CREATE TABLE ab_role (id serial PRIMARY KEY, name varchar(64) NOT NULL UNIQUE)",
    "CREATE TABLE ab_user (id serial PRIMARY KEY, username varchar(512) UNIQUE, password varchar(256))",
    "CREATE TABLE ab_user_role (id serial PRIMARY KEY, user_id integer REFERENCES ab_user (id), "
    "role_id integer REFERENCES ab_role (id), UNIQUE (user_id, role_id))",
    "CREATE TABLE session (id serial PRIMARY KEY, session_id varchar(255) UNIQUE, data bytea)",
    "CREATE TABLE alembic_version_fab (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO ab_role (name) VALUES ('Admin'), ('Viewer')",
    "INSERT INTO ab_user (username, password) VALUES ('ann', 'scrypt')",
    "INSERT INTO ab_user_role (user_id, role_id) VALUES (1, 2)",
    "INSERT INTO session (session_id, data) VALUES ('s', 'x')",
    "INSERT INTO alembic_version_fab VALUES ('6709f7a774b9')",
)
TABLES = ("ab_role", "ab_user", "ab_user_role", "session", "alembic_version_fab")


def state(database: Database) -> dict[str, Any]:
    """Columns, keys and rows of these tables."""
    inspector = sa.inspect(database.engine())
    with database.engine().connect() as connection:
        return {
            table: (
                [(column["name"], str(column["type"])) for column in inspector.get_columns(table)],
                inspector.get_foreign_keys(table),
                inspector.get_unique_constraints(table),
                connection.scalars(sa.text(f"SELECT one::text FROM {table} one ORDER BY one")).all(),
            )
            for table in TABLES
        }


def test_the_tables_of_fab_are_left_as_they_are_and_the_plan_says_so(newer: Database, older: Any) -> None:
    for statement in FAB:
        execute(newer, statement)
    before = state(newer)
    planned = plan(older, Request(allow_downgrade=True))
    assert planned["ready"] and "The tables of fab stay at their revision 6709f7a774b9" in planned["notes"]
    assert not {loss["name"].partition(".")[0] for loss in planned["losses"]} & set(TABLES)

    done, _ = go_down(older)
    assert done["changed"] and older_image.revision(newer) == older_image.OLD_HEAD
    assert state(newer) == before
