"""A change loads once, decides, and writes once: counted are the statements that the database gets.

Thirteen at most are ours: that of what is rejected, and whether a rule, a policy or a rollout is about a Dag
at all, are among them. An id of the request takes one more, and so
does a build that is taken from a later version than the one that it was first seen in. Airflow's own bulk
write of Dag rows adds some six to each release, and asks for each scheduled Dag by itself; nothing of ours
changes that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked
from harness.inprocess import bound_airflow
from harness.operations import World
from harness.prebuilt import Text
from harness.statements import Counted, transactions
from pinwheel.core.release.decide import Verb
from pinwheel.services import change

pytestmark = pytest.mark.postgres

AIRFLOWS_ROWS = ("dag", "dag_tag", "dag_version", "serialized_dag", "dag_code", "log")
"""Tables of Airflow in which a release of a Dag without assets changes something."""


@pytest.fixture
def world(postgres: Any) -> Iterator[World]:
    database = postgres.create()
    with bound_airflow(database):
        yield World()
    database.drop()


def act(world: World, verb: Verb, dag_ids: list[str], **more: Any) -> Counted:
    with Counted() as counted:
        outcomes = world.change(verb, dag_ids, **more)
    assert all(outcome.changed for outcome in outcomes)
    return counted


def check(counted: Counted, most: int = 13, **expected: int) -> None:
    """No table read twice and none written twice, but for those expected; and few statements in all."""
    twice = {table: count for table, count in counted.reads.items() if count > expected.get(table, 1)}
    assert not twice, f"read twice: {twice}\n" + "\n".join(counted.own)
    twice = {table: count for table, count in counted.writes.items() if count > expected.get(table, 1)}
    assert not twice, f"written twice: {twice}\n" + "\n".join((*counted.own, *counted.airflows))
    # Those that write Airflow's rows are Airflow's own in number: so many rows as a version has.
    ours = [each for each in counted.own if not re.match(rf"INSERT INTO ({'|'.join(AIRFLOWS_ROWS)}) ", each)]
    assert len(ours) <= most, "\n".join(ours)


@pytest.mark.parametrize("how", [{}, {"build": 1}, {"to_release": 1}], ids=["back", "build", "release"])
def test_a_rollback_of_one_dag_reads_each_table_once_and_writes_each_once(
    world: World, how: dict[str, int]
) -> None:
    # Without a schedule and assets, about which Airflow asks by itself.
    world.pusher.push({"a": Text("plain", 1)})
    world.pusher.push({"a": Text("plain", 2)})
    counted = act(world, Verb.ROLLBACK, ["a"], **how)
    check(counted)
    assert len(counted.own) + len(counted.airflows) <= 21, "\n".join((*counted.own, *counted.airflows))


def test_the_other_changes_do_so_too(world: World) -> None:
    world.hold_first("a", "b", "c")
    check(act(world, Verb.PROMOTE, ["a"]))
    check(act(world, Verb.UNPIN, ["b"]))
    check(act(world, Verb.PIN, ["b"]))
    check(act(world, Verb.PIN, ["c"], build=2))
    # Its id is claimed first, and its answer kept at the end; and the asset that a task wrote is taken away.
    check(act(world, Verb.ROLLBACK, ["a"], request_id="with an id"), most=15, pinwheel_request=2)


def test_a_rollback_of_a_hundred_dags_needs_no_more_statements_than_one_of_one(world: World) -> None:
    dag_ids = [f"d{number:03}" for number in range(100)]
    # The way back leads to as many bundle versions as there are Dags: each stands in one of its own.
    for number, dag_id in enumerate(dag_ids):
        world.pusher.push({dag_id: Text("daily", number)})
    world.pusher.push({dag_id: Text("daily", 1000 + number) for number, dag_id in enumerate(dag_ids)})
    one = act(world, Verb.ROLLBACK, dag_ids[:1])
    many = act(world, Verb.ROLLBACK, dag_ids[1:])
    # A build stands in a later version than the one that it was first seen in: what its bundle's class gave
    # with that version is asked for by itself.
    check(many, most=14, pinwheel_bundle_version=2)
    assert len(many.own) == len(one.own), "\n".join(many.own)
    check(act(world, Verb.UNPIN, dag_ids))
    pinned = [act(world, Verb.PIN, some) for some in (dag_ids[:1], dag_ids[1:])]
    check(pinned[1])
    assert len(pinned[1].own) == len(pinned[0].own), "\n".join(pinned[1].own)
    # Airflow asks one by one: for the latest run and the number of active runs of a scheduled Dag, for the
    # inlets of one with outlets. Nothing else depends on the number of Dags.
    per_dag = [
        [each for each in counted.airflows if re.search("FROM (dag_run|task_inlet)", each)]
        for counted in (one, many)
    ]
    assert len(per_dag[1]) == len(per_dag[0]) * len(dag_ids[1:])
    assert len(many.airflows) - len(per_dag[1]) == len(one.airflows) - len(per_dag[0])


def test_whether_anything_rules_dags_is_asked_once_in_a_transaction(world: World) -> None:
    dags = {dag_id: Text("plain", 1) for dag_id in ("a", "b", "c")}
    with transactions() as seen:
        world.pusher.push(dags)
        world.pusher.push(dags | {"a": Text("plain", 2)})
        world.pusher.push(dags)
        world.change(Verb.PIN, ["a", "b"])
        world.pusher.push(dags)
        world.change(Verb.UNPIN, ["a", "b"])
    asked = [sum("FROM pinwheel_rule " in each for each in one) for one in seen]
    assert max(asked) == 1
    assert sum(asked) > 6


def test_a_plan_asks_no_more_for_a_hundred_dags_that_refuse_than_for_one(world: World) -> None:
    dag_ids = [f"d{number:03}" for number in range(102)]
    # The first two have a way back, no other has one.
    world.pusher.push({dag_id: Text("plain", 1) for dag_id in dag_ids[:2]})
    world.pusher.push({dag_id: Text("plain", 2) for dag_id in dag_ids})

    def plan(refusing: list[str]) -> Counted:
        wanted = asked.change(Verb.ROLLBACK, [*dag_ids[:2], *refusing], plan=True)
        with Counted() as counted:
            planned = change.plan(world.host, wanted)
        assert [refusal.dag_id for refusal in planned.refused] == refusing
        return counted

    one, many = plan(dag_ids[2:3]), plan(dag_ids[2:])
    assert len(many.own) == len(one.own), "\n".join(many.own)
    assert not many.writes


@pytest.mark.acceptance("dates", 36)
def test_a_transaction_that_starts_runs_asks_once_whether_their_dags_are_judged(world: World) -> None:
    """And where none is, there is no other statement more than there was: of however many runs and Dags."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    from harness.scheduling import Scheduler, listening
    from pinwheel.airflow3.run import listener

    with create_session() as session:
        session.execute(sa.update(DagModel).values(is_paused=False))
    for dag_id in ("a", "b"):
        for number in range(2):
            asked.trigger(world.host, dag_id, run_id=f"{dag_id}-{number}")
    with listening(), Counted() as counted:
        listener._ready["tables"] = True
        Scheduler().schedule()
    ours = [each for each in counted.own if "pinwheel_" in each]
    assert [each.split()[0] for each in ours] == ["SELECT", "SELECT", "INSERT"], "\n".join(ours)
    assert "FROM pinwheel_start_rule" in ours[0] and "FROM pinwheel_release" in ours[1]
    savepoints = [each for each in counted.own if each.startswith(("SAVEPOINT", "RELEASE"))]
    assert savepoints == ["SAVEPOINT noted_by_pinwheel", "RELEASE SAVEPOINT noted_by_pinwheel"]


def test_an_idle_turn_of_a_keeper_reads_runs_by_their_state_and_those_that_ended_not_at_all(
    world: World,
) -> None:
    """Airflow has no index on when a run ended, nor on bundle versions."""
    from pinwheel.airflow3.keeper.duties import RUNS, duties_of
    from pinwheel.services.upkeep import health
    from pinwheel.services.upkeep.beat import Beat

    duties = [duty for duty in duties_of(world.host, Beat(world.host)) if duty.lease == RUNS]
    with Counted() as counted:
        for duty in duties:
            duty.work()
        world.host.unit.run(lambda session: health.ended_unbound(world.host, session))
    asked_runs = [each for each in counted.own if re.search(r"FROM dag_run\b", each)]
    assert len(asked_runs) == 2, "\n".join(asked_runs)
    assert all(re.search(r"WHERE dag_run\.state (=|IN)", each) for each in asked_runs)
    assert not counted.writes
