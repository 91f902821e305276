"""What tests of Dags that follow share, and those of Dags whose runs are judged by their dates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
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


@pytest.fixture
def blog(airflow_database: Any, tmp_path: Path) -> Any:
    """A Dag with eras for its first two builds."""
    from harness.eras import Dated

    return Dated(tmp_path)
