"""A database of a newer Airflow, and an older image that comes to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness import older_image
from harness.databases import Database

Tables = Mapping[str, tuple[str, ...]]


@pytest.fixture(scope="session")
def old_tables(postgres: Any) -> Tables:
    """The tables and columns of Airflow 3.2."""
    database = postgres.create("down")
    tables = older_image.walked_down_tables(database)
    database.drop()
    return tables


@pytest.fixture(scope="session")
def with_capsule(postgres: Any) -> Iterator[Database]:
    """A database that a newer image migrated; copy it with ``newer``."""
    database: Database = postgres.create("capsule")
    yield database
    database.drop()


@pytest.fixture
def newer(postgres: Any, with_capsule: Database) -> Iterator[Database]:
    """A copy of that database for one test."""
    database: Database = postgres.copy(with_capsule)
    yield database
    database.drop()


@pytest.fixture
def older(newer: Database, old_tables: Tables) -> Any:
    """An image of Airflow 3.2.2 on it."""
    return older_image.older_image(newer, old_tables)
