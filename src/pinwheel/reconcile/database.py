"""What is asked of the metadata database, in plain SQL: the models of neither version need fit it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Inspector
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pinwheel.core.errors import Conflict, HostError, NotFound, Refused

_OUR_LOCK = 0x50696E77
_OUR_LOCK_NAME = "pinwheel_reconcile"
_MAY_NOT_MYSQL = frozenset({1044, 1142, 1143, 1227})


@contextlib.contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection.

    :raises HostError: the database can not be reached, or was lost on the way.
    :raises Refused: its user may not do what was tried.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise lost(error) from error


@contextlib.contextmanager
def another_connection(engine: Engine) -> Iterator[Connection]:
    """A new connection, made as those of the engine's pool are: it sees only what is committed."""
    beside = sa.create_engine(engine.url, pool=engine.pool.recreate(), future=True)
    try:
        with beside.connect() as connection:
            yield connection
    finally:
        beside.dispose()


def words_of(error: Exception) -> str:
    """What the database said, in one line, without the statement that PostgreSQL repeats."""
    said, _, _ = str(getattr(error, "orig", None) or error).partition("\nLINE ")
    return " ".join(said.split())[:300]


def lost(error: DBAPIError) -> HostError | Refused:
    if _may_not(error):
        return Refused(
            "Cannot use Airflow's database",
            found=words_of(error),
            remedy="Connect as a user that may, such as the owner of Airflow's tables: "
            "[database] sql_alchemy_conn",
        )
    return HostError(
        "Cannot use Airflow's database",
        found=words_of(error),
        remedy="Check [database] sql_alchemy_conn and that the database is up, then run the command again",
    )


def _may_not(error: DBAPIError) -> bool:
    state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return state == "42501" or number in _MAY_NOT_MYSQL or "readonly database" in str(error.orig)


def current_revision(connection: Connection) -> str | None:
    """The revision of Airflow's schema; None in a database that Airflow never migrated.

    :raises HostError: the table holds several revisions, which no Airflow 3 leaves behind.
    """
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) > 1:
        raise HostError(
            "Cannot tell the revision of Airflow's schema",
            found=f"alembic_version holds {len(found)} rows",
            remedy="Leave the row of the newest revision in it, and delete the others",
        )
    return str(found[0]) if found else None


def require_owner(connection: Connection) -> None:
    """Check that this user may change the schema, and change nothing.

    :raises Refused: it may not.
    """
    remedy = "Connect as the user that owns Airflow's tables: [database] sql_alchemy_conn"
    user = ""
    try:
        if connection.dialect.name == "postgresql":
            user = str(connection.scalar(sa.text("SELECT current_user")))
            owners = (
                connection.execute(
                    sa.text(
                        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = current_schema() "
                        "AND tablename IN ('alembic_version', 'dag_run', 'task_instance', 'dag') "
                        "AND NOT pg_has_role(current_user, tableowner, 'USAGE')"
                    )
                )
                .scalars()
                .all()
            )
            if owners:
                raise Refused(
                    "Cannot change Airflow's schema",
                    found=f"the database user {user} does not own its tables ({', '.join(owners)} does)",
                    remedy=remedy,
                )
        connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise Refused(
            "Cannot change Airflow's schema",
            found=words_of(error),
            remedy=remedy,
        ) from error
    finally:
        with contextlib.suppress(SQLAlchemyError):
            connection.rollback()


@contextlib.contextmanager
def our_lock(engine: Engine) -> Iterator[None]:
    """Only one reconcile at a time. Goes with its connection, so a killed one never leaves it behind.

    SQLite has no such lock; there, a second process finds the journal or the file lock of the first.

    :raises Conflict: another one is at work.
    """
    with engine.connect() as connection:
        taken = True
        if connection.dialect.name == "postgresql":
            taken = bool(connection.scalar(sa.text("SELECT pg_try_advisory_lock(:id)"), {"id": _OUR_LOCK}))
        elif connection.dialect.name in ("mysql", "mariadb"):
            taken = connection.scalar(sa.text("SELECT GET_LOCK(:name, 0)"), {"name": _OUR_LOCK_NAME}) == 1
        connection.commit()
        if not taken:
            raise Conflict(
                "Cannot change Airflow's schema",
                found="another pinwheel db reconcile is at work on this database",
                remedy="Wait until it has ended and run the same command again",
            )
        try:
            yield
        finally:
            # Not back into a pool with the lock on it.
            connection.invalidate()


def other_schemas(inspector: Inspector, connection: Connection) -> dict[str, str]:
    """Revisions of the schemas that others keep in this database: ``{"fab": "6709f7a774b9"}``."""
    found = {}
    for table in sorted(inspector.get_table_names()):
        if table.startswith("alembic_version_"):
            name = connection.dialect.identifier_preparer.quote(table)
            revision = connection.scalar(sa.text(f"SELECT version_num FROM {name}"))
            if revision:
                found[table.removeprefix("alembic_version_")] = str(revision)
    return found


def knows_revision(scripts: Path, revision: str) -> bool:
    """Whether one of the Alembic scripts in a folder is this revision."""
    return any(f'"{revision}"' in path.read_text(encoding="utf-8") for path in scripts.glob("*.py"))


def no_schema() -> NotFound:
    return NotFound(
        "Cannot tell the version of Airflow's schema",
        found="the database has no table alembic_version: Airflow never migrated it",
        remedy="Create the schema with: airflow db migrate",
    )
