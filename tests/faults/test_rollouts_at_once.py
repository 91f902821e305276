"""Several at once on rollouts: keepers, persons and Dag processors. Each transition happens once."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from harness import faults, invariants
from harness.faults import TRIED, Points, airflow_engine
from harness.inprocess import bound_airflow
from harness.operations import DAGS
from harness.races import ROUNDS, at_once, in_processes
from harness.rolling_world import CHECKED, FREEZE, RollingWorld
from harness.statements import transactions
from pinwheel.core.errors import PinwheelError
from pinwheel.core.release.decide import Verb
from pinwheel.services.rollout import advance
from pinwheel.services.rollout.advance import Turn
from pinwheel.store import tables as t

TRANSITIONS = 200 if ROUNDS > 6 else 50


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


@pytest.fixture
def world(database: Any) -> RollingWorld:
    return RollingWorld()


def keeper(world: RollingWorld) -> Callable[[], Turn]:
    return lambda: advance.turn(world.host, time.monotonic)


def due_everywhere(world: RollingWorld) -> None:
    """Each Dag has a rollout whose only gate has passed."""
    world.platform(CHECKED)
    world.pusher.push({dag_id: world.next_text() for dag_id in DAGS})
    world.say("passed")
    world.tick()


def states(*states: str) -> list[str]:
    with airflow_engine().connect() as connection:
        query = sa.select(t.rollout.c.state).order_by(t.rollout.c.id.desc()).limit(len(states))
        return list(connection.execute(query).scalars())


@pytest.mark.acceptance("rollouts", 70)
def test_two_keepers_at_once_make_each_transition_once(database: Any, world: RollingWorld) -> None:
    for _ in range(ROUNDS):
        due_everywhere(world)
        turns = at_once(keeper(world), keeper(world))
        assert [turn.faults for turn in turns] == [(), ()]
        # From the check to the release, and released
        assert sum(turn.moved for turn in turns) == 2 * len(DAGS)
        assert states(*DAGS) == ["released"] * len(DAGS)
        invariants.check(database.engine())


@pytest.mark.acceptance("rollouts", 70)
def test_of_two_keepers_one_is_killed_and_each_transition_happens_once(
    database: Any, world: RollingWorld
) -> None:
    choice = random.Random(70)
    for _ in range(ROUNDS):
        due_everywhere(world)

        def dies(at: int = choice.randrange(1, 40)) -> None:
            with Points(airflow_engine(), at, faults.kills):
                keeper(world)()

        codes = in_processes(database, [dies, keeper(world)])
        TRIED["killed keeper"] += codes[0] == -signal.SIGKILL
        assert codes[1] == 0
        world.all_turns()
        assert states(*DAGS) == ["released"] * len(DAGS)
        invariants.check(database.engine())


@pytest.mark.acceptance("rollouts", 99)
def test_releases_and_freezes_beside_turns_of_the_keeper_do_not_deadlock(
    database: Any, world: RollingWorld
) -> None:
    backwards = tuple(reversed(DAGS))

    def tolerant(work: Callable[[], Any]) -> Callable[[], Any]:
        def done() -> Any:
            try:
                return work()
            except PinwheelError as error:
                return error

        return done

    choice = random.Random(99)
    for _ in range(ROUNDS):
        due_everywhere(world)
        works: list[Callable[[], Any]] = [
            tolerant(lambda: world.change(Verb.PIN, backwards)),
            tolerant(lambda: world.change(Verb.PROMOTE, backwards, now=True, reason="a fix")),
            tolerant(lambda: world.change(Verb.ROLLBACK, backwards)),
            lambda: world.platform(f"{FREEZE}\n{CHECKED}"),
            world.wake,
        ]
        outcomes = at_once(keeper(world), keeper(world), *choice.sample(works, 2))
        errors = [each for each in outcomes if isinstance(each, Exception)]
        assert all(isinstance(each, PinwheelError) for each in errors), errors
        assert outcomes[0].faults == outcomes[1].faults == ()
        invariants.check(database.engine())
        world.change(Verb.UNPIN, DAGS)
    with database.engine().connect() as connection:
        query = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert connection.scalar(query) == 0


@pytest.mark.acceptance("rollouts", 99)
def test_nothing_is_locked_before_the_rows_of_pinwheels_dags(database: Any, world: RollingWorld) -> None:
    due_everywhere(world)
    world.platform(f"{FREEZE}\n{CHECKED}")
    with transactions() as seen:
        assert world.turn().moved == len(DAGS)
        world.change(Verb.PROMOTE, ["a"], now=True, reason="a fix")
        world.platform(CHECKED)
        assert world.turn().moved == len(DAGS) - 1
    locking = [[each for each in one if LOCKS.search(each)] for one in seen]
    firsts = [one[0] for one in locking if one and not re.search("pinwheel_(rule|policy)", one[0])]
    of_dags = [each for each in firsts if "FROM pinwheel_dag " in each and "FOR UPDATE" in each]
    assert len(of_dags) == 3
    # When what waits is looked at again is noted on rollouts alone, past those that somebody holds.
    others = [one for one in locking if one and one[0] in set(firsts) - set(of_dags)]
    assert others
    for one in others:
        assert one[0].endswith("FOR UPDATE SKIP LOCKED")
        assert all(re.match("UPDATE pinwheel_rollout |SELECT pinwheel_rollout", each) for each in one)


LOCKS = re.compile("^(INSERT|UPDATE|DELETE)|FOR (UPDATE|NO KEY|SHARE|KEY)")


@pytest.mark.acceptance("rollouts", 102)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_on_sqlite_keeper_processor_and_people_at_once_lose_no_transition(
    database: Any, world: RollingWorld
) -> None:
    """In processes of their own. Each knows by the database alone what the others did."""
    world.platform(CHECKED)
    pushed = world.pusher.pushes

    def moved() -> int:
        with airflow_engine().connect() as connection:
            return connection.scalar(sa.select(sa.func.sum(t.rollout.c.generation))) or 0

    def processor() -> None:
        while moved() < TRANSITIONS:
            world.pusher.push({DAGS[world.pusher.pushes % 3]: world.next_text()})

    def people() -> None:
        number = pushed
        while moved() < TRANSITIONS:
            number += 1
            # Before or after what it is about has come
            world.say("passed", version=world.pusher.version(number))
            with contextlib.suppress(PinwheelError):
                world.change(Verb.PROMOTE, ["c"])

    def keeps() -> None:
        while moved() < TRANSITIONS:
            keeper(world)()
            time.sleep(0.02)

    assert in_processes(database, [processor, people, keeps]) == [0, 0, 0]
    invariants.check(database.engine())
    with database.engine().connect() as connection:
        builds = connection.scalar(sa.select(sa.func.count()).select_from(t.build))
        rolled = connection.scalar(sa.select(sa.func.count(t.rollout.c.build_id.distinct())))
    assert moved() >= TRANSITIONS
    assert rolled == builds - 2 * len(DAGS), "each build that arrived has a rollout"
