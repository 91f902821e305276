"""What tests of Dags that follow share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness import invariants
from harness.faults import airflow_engine
from harness.followers import Runs
from harness.prebuilt import Prebuilt


@pytest.fixture
def pusher(airflow_database: Any) -> Prebuilt:
    return Prebuilt()


@pytest.fixture
def runs(pusher: Prebuilt) -> Iterator[Runs]:
    yield Runs()
    invariants.check(airflow_engine())
