"""The child process that walks, with the capsule's Airflow first on its path.

It reads one line of JSON from standard input, loads what it needs, and waits for a second line before
it touches the database. It writes one line of JSON for each thing that happens, and ends itself when its
parent is gone. Standard input is the leash: the parent keeps it open.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from pinwheel.reconcile.steps import Steps

AIRFLOW_LOCK = 1
"""``airflow.utils.db.DBLocks.MIGRATIONS`` as PostgreSQL gets it, in every Airflow 3."""
AIRFLOW_LOCK_NAME = "airflow_MIGRATIONS"
LOCK_SECONDS = 20
TAKES_ALL_BACK = ("postgresql", "sqlite")
"""Databases that can undo changes of the schema: there all steps are one transaction."""

_REVISION = re.compile(r"""^revision(?:\s*:\s*str)?\s*=\s*["']([^"']+)["']""", re.MULTILINE)


class WalkFailed(Exception):
    """With what was found, for the operator."""


def main(lines: TextIO, answers: TextIO) -> int:
    order = json.loads(lines.readline())
    told_to_go = threading.Event()
    threading.Thread(target=_listen, args=(lines, told_to_go), daemon=True).start()

    def tell(**facts: Any) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    stage = "load"
    try:
        config = _load(order)
        tell(loaded=True)
        if order["mode"] == "walk":
            told_to_go.wait()
            stage = "walk"
            _walk(order, config, tell)
    except BaseException as error:
        if not isinstance(error, Exception):
            raise
        remedy = getattr(error, "remedy", None)
        tell(failed=stage, kind=type(error).__name__, found=_first_words(error), remedy=remedy)
        return 1
    tell(done=True)
    return 0


def _listen(lines: TextIO, told_to_go: threading.Event) -> None:
    """Until the parent is gone, or wants nothing any more."""
    while lines.readline():
        told_to_go.set()
    os._exit(3)


def _load(order: dict[str, Any]) -> Any:
    """Import every script on the way, and all that they import later on, before the database is touched."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    package = Path(order["package"])
    airflow = import_module("airflow")
    if Path(str(airflow.__file__)).resolve().parent != package.resolve():
        raise WalkFailed("Python loads another Airflow than the one of the capsule")
    scripts = _needed_scripts(package, order)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic_env")).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(scripts).replace("%", "%%"))
    undone = ScriptDirectory.from_config(config).iterate_revisions(
        order["from_revision"], order["to_revision"]
    )
    if [script.revision for script in undone] != order["undone"]:
        raise WalkFailed("the scripts of the capsule are not those of its history")
    for path in scripts.glob("*.py"):
        for module in _imports(path):
            import_module(module)
    return config


def _needed_scripts(package: Path, order: dict[str, Any]) -> Path:
    """A folder with the scripts of this walk only, standing on an empty one for the target.

    Alembic imports every script that it finds, and those of long ago import half of Airflow.
    """
    folder = Path("scripts").resolve()
    folder.mkdir()
    undone, target = set(order["undone"]), order["to_revision"]
    for path in (package / "migrations" / "versions").glob("*.py"):
        found = _REVISION.search(path.read_text(encoding="utf-8"))
        if found and found.group(1) in undone:
            shutil.copy(path, folder)
    (folder / "target.py").write_text(f"revision = {target!r}\ndown_revision = None\n", encoding="utf-8")
    return folder


def _imports(path: Path) -> set[str]:
    """Modules of Airflow that a script imports anywhere, also inside of its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.split(".")[0] == "airflow"}


def _walk(order: dict[str, Any], config: Any, tell: Any) -> None:
    import sqlalchemy as sa
    from alembic import command

    names = import_module("airflow.models.base").Base.metadata.naming_convention

    engine = sa.create_engine(order["url"], poolclass=sa.pool.NullPool, connect_args=_connect_args(order))
    name = engine.dialect.name
    if name == "sqlite":
        _let_sqlite_change_its_schema_in_a_transaction(engine)
    whole = name in TAKES_ALL_BACK
    steps: Steps | None = None
    done = 0

    def applied(*, ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
        nonlocal done
        done += 1
        if steps:
            steps.ended(done)
        tell(step=done, undone=step.up_revision_id, name=step.up_revision.doc)

    with engine.connect() as lock, engine.connect() as connection:
        # MySQL may still be at work on the last statement of a walk that was killed; its lock then is, too.
        _take_airflows_lock(connection if not whole else lock)
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
        connection.rollback()
        if found != [order["from_revision"]]:
            raise WalkFailed(f"the schema moved to {', '.join(found) or 'nothing'} since the plan was made")
        if whole:
            _keep_second_connections_in_the_transaction(connection)
        else:
            steps = Steps(connection, order["undone"])
            if (number := steps.begin()) is not None:
                tell(resumed=order["undone"][0], statements=number)
        config.attributes.update(
            connection=connection,
            metadata=sa.MetaData(naming_convention=names),
            whole=whole,
            on_version_apply=applied,
        )
        command.downgrade(config, order["to_revision"])
        # Alembic leaves the transaction of a connection that it was given to whoever gave it.
        connection.commit()
        if steps:
            steps.close()


def _let_sqlite_change_its_schema_in_a_transaction(engine: Any) -> None:
    """Python's driver begins a transaction with the first change of a row, too late for a schema's.

    Within one, the scripts can not switch foreign keys on either, which would delete the rows that refer to
    a table while a later script writes it anew.
    """
    import sqlalchemy as sa

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)


def _keep_second_connections_in_the_transaction(connection: Any) -> None:
    """A script that takes another connection from the engine of its own gets a savepoint of this one.

    Airflow 3.2's for deadlines does so. It would wait forever for the tables that this walk has changed.
    """

    @contextmanager
    def begin() -> Iterator[Any]:
        with connection.begin_nested():
            yield connection

    engine = copy(connection.engine)
    engine.begin = begin
    connection.engine = engine


def _connect_args(order: dict[str, Any]) -> dict[str, Any]:
    if not order["connect_args"]:
        return {}
    module, _, name = order["connect_args"].rpartition(".")
    return dict(getattr(import_module(module), name))


def _take_airflows_lock(connection: Any) -> None:
    """Keep every ``airflow db migrate`` and ``downgrade`` out until this process ends."""
    import sqlalchemy as sa

    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(sa.text("SELECT pg_advisory_lock(:id)"), {"id": AIRFLOW_LOCK})
        connection.commit()
    elif connection.dialect.name in ("mysql", "mariadb"):
        taken = connection.scalar(
            sa.text("SELECT GET_LOCK(:name, :seconds)"), {"name": AIRFLOW_LOCK_NAME, "seconds": LOCK_SECONDS}
        )
        connection.commit()
        if taken != 1:
            raise WalkFailed("another migration of Airflow's schema holds its lock")


def _first_words(error: Exception) -> str:
    """What an operator needs of an error; a database error says its statement too, but no values."""
    original = getattr(error, "orig", None)
    text = " ".join(str(original or error).split())[:500] or type(error).__name__
    statement = getattr(error, "statement", None)
    return f"{text} (in: {' '.join(statement.split())[:200]})" if statement else text


if __name__ == "__main__":
    code = main(sys.stdin, sys.stdout)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # All is closed; taking so many modules apart would only keep the database waiting.
