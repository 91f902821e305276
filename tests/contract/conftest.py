"""Both sides of the ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.inprocess import bound_airflow
from harness.pushing import Pusher
from harness.sides import MemorySide, RealSide, Side


@pytest.fixture(params=["memory", "real"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Airflow in memory, then a real one, each with the bundle ``dags``."""
    made: Side
    if request.param == "memory":
        made = MemorySide()
        made.add_bundle("dags", url="https://git/{version}")
        yield made
        return
    sqlite: Any = request.getfixturevalue("sqlite")
    database = sqlite.create()
    with bound_airflow(database):
        made = RealSide()
        made.add_bundle("dags", url="https://git/{version}")
        yield made
    database.drop()


@pytest.fixture
def pusher(side: Side) -> Pusher:
    return Pusher(side.host)
