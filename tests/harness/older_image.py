"""An older image in this process: it knows the migrations up to 3.2 only, the database is this Airflow's.

The walk itself runs in a real child process with a capsule of the Airflow that runs the tests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

from harness.databases import FERNET_KEY, Database
from harness.processes import wait_for
from pinwheel.reconcile import capsule_store
from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.installed import Deployment, deployment
from pinwheel.reconcile.revisions import History, read_history
from pinwheel.reconcile.run import Request, reconcile
from pinwheel.reconcile.signing import Keys
from pinwheel.reconcile.strategies.capsule import CapsuleStrategy
from pinwheel.reconcile.strategy import Downgrade

OLD_VERSION, OLD_HEAD = "3.2.2", "1d6611b6ab7c"
OTHER_KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyMTI="


@attrs.frozen
class OlderImage(Deployment):
    """Its models have the tables of a database that was walked down."""

    tables: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, repr=False)

    def schema(self) -> Mapping[str, tuple[str, ...]]:
        return self.tables


def newer_image(database: Database, *keys: str) -> Deployment:
    """The Airflow that runs the tests, on this database."""
    keys = keys or (FERNET_KEY,)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    return attrs.evolve(deployment(), engine=engine, url=database.url, fernet_keys=keys, keys=Keys.of(keys))


def older_image(database: Database, tables: Mapping[str, tuple[str, ...]], *keys: str) -> OlderImage:
    """An image of Airflow 3.2.2 on this database."""
    newer = newer_image(database, *keys)
    known = newer.history
    end = known.index(OLD_HEAD) + 1
    heads = {version: revision for version, revision in known.heads.items() if version < "3.3"}
    fields = {field.name: getattr(newer, field.name) for field in attrs.fields(Deployment)}
    fields |= {"version": OLD_VERSION, "history": History(known.revisions[:end], heads)}
    return OlderImage(**fields, tables=tables)


def store_beside(database: Database, capsule: Capsule) -> bool:
    """Store it while another process has done so, and not committed yet: whether it was news."""
    image, now = newer_image(database), datetime.now(UTC)
    with ThreadPoolExecutor(1) as aside:
        with image.engine.begin() as connection:
            assert capsule_store.put(connection, capsule, now=now)
            second = aside.submit(capsule_store.store, image, capsule, now=now)
            wait([second], timeout=1)
        return second.result()


def require_capsule(database: Database, version: str) -> Capsule:
    """The capsule of this Airflow as another connection sees it; signed, whole, and ready to be used."""
    keys = Keys.of([FERNET_KEY])
    with database.engine().connect() as connection:
        found = capsule_store.sound(capsule_store.stored(connection), keys)
    (capsule,) = [known for known in found if known.airflow_version == version]
    with tempfile.TemporaryDirectory() as folder:
        package = capsule.unpack(Path(folder), keys)
        assert read_history(package) == capsule.history
    return capsule


def walked_down_tables(database: Database) -> dict[str, tuple[str, ...]]:
    """Walk this database down to 3.2, and give the tables and columns that are left."""
    newer = newer_image(database)
    head = newer.history.head
    walk = Downgrade(
        from_revision=head, from_version=newer.version, to_revision=OLD_HEAD, to_version=OLD_VERSION
    )
    CapsuleStrategy(newer).run(walk, lambda _: None)
    return shape(database)


def shape(database: Database) -> dict[str, tuple[str, ...]]:
    """Every table and its columns."""
    inspector = sa.inspect(database.engine())
    return {
        table: tuple(column["name"] for column in inspector.get_columns(table))
        for table in sorted(inspector.get_table_names())
    }


def revision(database: Database) -> str:
    with database.engine().connect() as connection:
        return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))


def go_down(image: Deployment, **request: Any) -> tuple[dict[str, Any], list[str]]:
    """``pinwheel db reconcile --allow-downgrade`` in that image: its answer, and what it told on the way."""
    told: list[str] = []
    done = reconcile(image, Request(**{"allow_downgrade": True, **request}), told.append)
    return done, told


def execute(database: Database, statement: Any, **parameters: Any) -> None:
    with database.engine().begin() as connection:
        connection.execute(sa.text(statement) if isinstance(statement, str) else statement, parameters)


def block_before(database: Database, target: str) -> None:
    """Make the step to this revision wait, inside of its transaction."""
    execute(
        database,
        "CREATE FUNCTION wait_there() RETURNS trigger AS $$ BEGIN IF NEW.version_num = '"
        + target
        + "' THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$ LANGUAGE plpgsql",
    )
    execute(
        database,
        "CREATE TRIGGER wait_there BEFORE UPDATE ON alembic_version "
        "FOR EACH ROW EXECUTE FUNCTION wait_there()",
    )


def unblock(database: Database) -> None:
    execute(database, "DROP TRIGGER wait_there ON alembic_version")
    execute(database, "DROP FUNCTION wait_there")


def wait_until_blocked(database: Database) -> None:
    def blocked() -> bool:
        with database.engine().connect() as connection:
            return bool(
                connection.scalar(
                    sa.text(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event = 'PgSleep'"
                    )
                )
            )

    wait_for(blocked, 60, "the walk at the step where it is to be killed")
