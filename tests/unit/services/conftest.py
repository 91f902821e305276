"""Services on ports in memory: no Airflow, no file, milliseconds."""

from __future__ import annotations

import pytest

from harness.in_memory import InMemory
from harness.pushing import File


@pytest.fixture(scope="session")
def two_builds() -> InMemory:
    made = InMemory()
    made.push(a=File())
    made.push(a=File(body=1))
    return made


@pytest.fixture
def world(two_builds: InMemory) -> InMemory:
    """The Dag ``a`` has build 1, released as 1, and build 2, released as 2: that is active."""
    return two_builds.clone()


@pytest.fixture(scope="session")
def three_dags() -> InMemory:
    made = InMemory()
    made.push(a=File(), b=File(), c=File())
    made.push(a=File(body=1), b=File(body=1), c=File(body=1))
    return made


@pytest.fixture
def three(three_dags: InMemory) -> InMemory:
    """The Dags ``a``, ``b`` and ``c``, each as in ``world``."""
    return three_dags.clone()


@pytest.fixture
def empty() -> InMemory:
    return InMemory()
