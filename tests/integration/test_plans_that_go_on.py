"""A plan of which more follows is done and undone on a real database: nothing of it is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from harness.faults import airflow_engine
from harness.inprocess import bound_airflow
from harness.rolling_world import CHECKED, RollingWorld
from pinwheel.core.release.decide import Verb
from pinwheel.store import tables as t

AIRFLOWS = ("dag", "dag_version", "serialized_dag", "log")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest) -> Iterator[RollingWorld]:
    database = request.getfixturevalue(request.param).create()
    with bound_airflow(database):
        yield RollingWorld()
    database.drop()


def everything() -> dict[str, list[Any]]:
    with airflow_engine().connect() as connection:
        return {
            name: sorted(_comparable(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}")))
            for name in (*t.metadata.tables, *AIRFLOWS)
        }


def _comparable(row: Any) -> str:
    return repr([bytes(value) if isinstance(value, memoryview) else value for value in row])


@pytest.mark.acceptance("rollouts", 66)
@pytest.mark.parametrize("rejected", [False, True], ids=["unpin", "lift"])
def test_a_plan_says_what_sets_out_after_it_and_leaves_nothing_behind(
    world: RollingWorld, rejected: bool
) -> None:
    world.change(Verb.PIN)
    world.pusher.push({"a": world.next_text()})
    build = world.change(Verb.PROMOTE, plan=True)[0].build
    world.platform(CHECKED)
    verb, more = Verb.UNPIN, {}
    if rejected:
        world.change(Verb.REJECT, build=build)
        world.change(Verb.UNPIN)
        verb, more = Verb.LIFT, {"build": build}
    before = everything()
    planned = world.change(verb, plan=True, **more)
    assert everything() == before
    assert world.change(verb, **more) == planned
    assert planned[0].message.endswith("the newest place sets out; a newer build")
    assert world.turn().moved == 0
    world.say("passed")
    assert world.turn().moved > 0
