"""Fresh metadata databases, whatever they live on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import sqlalchemy as sa

FERNET_KEY = "u3Xb5vR2cYz0G4iG1dJq8r7m0d9m1oWJb0sVQ8l6u9E="
"""Of every deployment of the tests: a capsule that one stored is good for the others."""

Backend = Literal["postgres", "sqlite"]


class Queries:
    """SQL for what has an engine."""

    def engine(self) -> sa.Engine:
        raise NotImplementedError

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of one SQL query as dictionaries."""
        with self.engine().connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), parameters).mappings()]

    def scalar(self, statement: str, **parameters: Any) -> Any:
        with self.engine().connect() as connection:
            return connection.execute(sa.text(statement), parameters).scalar()

    def execute(self, statement: str, **parameters: Any) -> None:
        """One SQL statement, committed."""
        with self.engine().begin() as connection:
            connection.execute(sa.text(statement), parameters)


@dataclass
class Database(Queries):
    """One metadata database. ``url`` is what Airflow is configured with (a synchronous SQLAlchemy URL)."""

    backend: Backend
    name: str
    url: str
    _drop: Callable[[], None] = field(default=lambda: None, repr=False)

    def engine(self) -> sa.Engine:
        """A new engine without a pool: nothing stays open after use."""
        return sa.create_engine(self.url, poolclass=sa.NullPool)

    def drop(self) -> None:
        """Remove the database; open connections are cut. Safe to repeat."""
        self._drop()


class DatabaseSource(Protocol):
    """Hands out databases. ``migrated=True``: Airflow's tables and Pinwheel's are there already."""

    backend: Backend

    def create(self, name: str | None = None, *, migrated: bool = True) -> Database: ...


def airflow_executable() -> str:
    """The ``airflow`` of the environment that runs the tests."""
    return str(Path(sys.executable).parent / "airflow")


def migrate(url: str) -> None:
    """``airflow db migrate``, which also runs Pinwheel's database manager."""
    with tempfile.TemporaryDirectory(prefix="pinwheel-migrate-") as home:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        }
        done = subprocess.run(
            [airflow_executable(), "db", "migrate"], env=env, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise RuntimeError(f"airflow db migrate failed:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
