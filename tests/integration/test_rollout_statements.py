"""What a turn of the keeper costs: statements, whose number does not depend on how many rollouts live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from harness.faults import airflow_engine
from harness.inprocess import bound_airflow
from harness.many_rollouts import copy_rollout
from harness.rolling_world import CHECKED, FREEZE, RollingWorld
from harness.statements import Counted
from pinwheel.services.rollout.advance import Sweep
from pinwheel.store import rollouts
from pinwheel.store import tables as t

pytestmark = pytest.mark.postgres

WATCHED = "policies: [{name: watched, dags: all, steps: [release, {soak: {}}]}]"
TIMED = "policies: [{name: timed, dags: all, steps: [{check: {name: ci, timeout: 4h}}, release]}]"
MANY = tuple(f"d{number:02}" for number in range(50))


@pytest.fixture
def world(postgres: Any) -> Iterator[RollingWorld]:
    database = postgres.create()
    with bound_airflow(database):
        yield RollingWorld()
    database.drop()


def turn(world: RollingWorld) -> tuple[int, Counted]:
    with Counted() as counted:
        done = world.turn()
    assert done.faults == ()
    return done.moved, counted


def next_at() -> list[Any]:
    with airflow_engine().connect() as connection:
        query = sa.select(t.rollout.c.next_at).where(t.rollout.c.slot.is_not(None))
        return list(connection.execute(query).scalars())


@pytest.mark.acceptance("rollouts", 74)
def test_an_idle_turn_is_two_statements_however_many_rollouts_live(world: RollingWorld) -> None:
    nothing_lives = turn(world)[1].own
    world.platform(CHECKED)
    world.pusher.push({"a": world.next_text()})
    world.turn()
    assert next_at() == [None]
    copy_rollout(airflow_engine(), 5_000, dag_id="a")
    moved, counted = turn(world)
    assert (moved, len(counted.own)) == (0, 2)
    assert counted.own == nothing_lives
    signals, due = counted.own
    assert re.search("FROM pinwheel_signal", signals) and "LIMIT" in signals
    assert re.search("FROM pinwheel_rollout", due) and "LIMIT" in due


@pytest.mark.acceptance("rollouts", 74)
@pytest.mark.parametrize(
    "policy",
    [TIMED, pytest.param(f"{FREEZE}\n{TIMED}", marks=pytest.mark.full)],
    ids=["gate", "gate-in-a-freeze"],
)
def test_a_look_at_fifty_that_wait_is_as_many_statements_as_one_at_five(
    world: RollingWorld, policy: str
) -> None:
    world.platform(policy)
    looks = []
    for dag_ids in (MANY[:5], MANY):
        world.platform("rules: []")
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.all_turns()
        world.platform(policy)
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        moved, counted = turn(world)
        assert moved == 0
        looks.append(counted.own)
        later = next_at()
        assert len(later) == len(dag_ids) and all(at > world.host.unit.now() for at in later)
    five, fifty = looks
    assert len(fifty) == len(five), "\n".join(fifty)
    written = [each for each in fifty if not each.startswith("SELECT")]
    assert len(written) == 1 and written[0].startswith("UPDATE pinwheel_rollout SET next_at=CASE")


@pytest.mark.acceptance("rollouts", 74)
def test_a_sweep_over_fifty_that_wait_is_as_many_statements_as_one_over_five(world: RollingWorld) -> None:
    sweep, swept = Sweep(world.host), []
    world.platform(CHECKED)
    for dag_ids in (MANY[:5], MANY):
        world.platform("rules: []")
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.all_turns()
        world.platform(CHECKED)
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.turn()
        with Counted() as counted:
            assert sweep.look().moved == 0
        swept.append(counted.own)
        assert next_at() == [None] * len(dag_ids)
    five, fifty = swept
    assert len(fifty) == len(five), "\n".join(fifty)
    assert all(each.startswith("SELECT") for each in fifty), "nothing changes when they are to be looked at"


@pytest.mark.acceptance("rollouts", 74)
def test_a_look_at_twenty_watches_is_as_many_statements_as_one_at_five(world: RollingWorld) -> None:
    looks = []
    for dag_ids in (MANY[:5], MANY[:20]):
        world.platform("rules: []")
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.platform(WATCHED)
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.all_turns()
        for dag_id in dag_ids:
            world.ran(dag_id, f"{world.pusher.pushes}")
        world.tick()
        moved, counted = turn(world)
        assert moved == 0
        looks.append([each for each in counted.own if each.startswith("SELECT")])
        assert any("FROM pinwheel_outcome" in each or "pinwheel_outcome" in each for each in looks[-1])
        world.abort(*dag_ids)
    five, twenty = looks
    assert len(twenty) == len(five), "\n".join(twenty)


@pytest.mark.acceptance("rollouts", 74)
def test_a_release_of_twenty_reads_as_often_as_one_of_five(world: RollingWorld) -> None:
    """What is written for each is a row of the rollout, of its event and of the release."""
    reads = []
    for dag_ids in (MANY[:5], MANY[:20]):
        world.platform("rules: []")
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.platform(f"{FREEZE}\n{CHECKED}")
        world.pusher.push({dag_id: world.next_text() for dag_id in dag_ids})
        world.say("passed")
        world.all_turns()
        world.platform(CHECKED)
        moved, counted = turn(world)
        assert moved == len(dag_ids)
        reads.append([each for each in counted.own if each.startswith("SELECT")])
    assert len(reads[1]) == len(reads[0]), "\n".join(reads[1])


def test_what_somebody_wakes_while_it_is_looked_at_is_looked_at_again(world: RollingWorld) -> None:
    world.platform(CHECKED)
    world.pusher.push({"a": world.next_text()})
    unit = world.host.unit
    (due,) = unit.run(lambda session: rollouts.due(session, unit.now(), limit=10))
    world.tick()
    world.say("passed")
    woken = next_at()
    unit.run(lambda session: rollouts.put_off(session, {due: None}))
    assert next_at() == woken
    assert world.turn().moved == 2


def test_nobody_waits_for_a_rollout_that_somebody_holds_to_put_it_off(world: RollingWorld) -> None:
    world.platform(CHECKED)
    world.pusher.push({"a": world.next_text(), "b": world.next_text()})
    unit = world.host.unit
    due = unit.run(lambda session: rollouts.due(session, unit.now(), limit=10))
    later = unit.now() + timedelta(hours=1)
    with airflow_engine().begin() as holder:
        held = sa.select(t.rollout.c.id).where(t.rollout.c.dag_id == "a").with_for_update()
        assert holder.execute(held).one()
        unit.run(lambda session: rollouts.put_off(session, dict.fromkeys(due, later)))
    assert sorted(at == later for at in next_at()) == [False, True]
