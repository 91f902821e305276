"""A rollout that is stopped between any two statements has not moved; the next turn of the keeper moves it.

Each transition is gone once to number its points, and then again with a fault at each of them, or at a
seeded choice (``PINWHEEL_FAULTS=all``: at all).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from harness import faults, invariants
from harness.faults import AFTER_COMMIT, TRIED, Points, airflow_engine
from harness.inprocess import bound_airflow
from harness.rolling_world import TRANSITIONS, RollingWorld, Transition
from harness.soak import SOAK, size

SEED = int(os.environ.get("PINWHEEL_FAULTS_SEED", "24"))
ALL = SOAK or os.environ.get("PINWHEEL_FAULTS") == "all"

every_transition = pytest.mark.parametrize(
    "transition", TRANSITIONS, ids=lambda transition: transition.name.replace(" ", "-")
)


def on(first: str) -> pytest.MarkDecorator:
    """On both databases; `make test` takes this one."""
    marks = {
        name: [
            *([pytest.mark.postgres] if name == "postgres" else []),
            *([pytest.mark.full] if name != first else []),
        ]
        for name in ("sqlite", "postgres")
    }
    params = [pytest.param(name, marks=own) for name, own in marks.items()]
    return pytest.mark.parametrize("database", params, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


class Walk:
    """One world, and one transition of it that is gone again and again."""

    def __init__(self, database: Any, transition: Transition) -> None:
        self.database, self.transition = database, transition
        self.engine = database.engine()
        self.world = RollingWorld()
        # The second time counts: the first comes from another state than all that follow.
        transition.ready(self.world)
        transition.act(self.world)
        transition.ready(self.world)
        self.before = self.world.seen()
        with Points(airflow_engine()) as points:
            transition.act(self.world)
        self.points = list(points.seen)
        self.ended = self.world.seen()
        assert list(self.ended.rollouts) == list(transition.ends)
        invariants.check(self.engine)

    def chosen(self, count: int) -> list[int]:
        """Points to try, from 1: all, or a seeded choice."""
        every = range(1, len(self.points) + 1)
        if ALL or len(every) <= count:
            return list(every)
        return sorted(random.Random(f"{SEED} {self.transition.name}").sample(every, count))

    def ready(self) -> dict[str, list[str]]:
        self.transition.ready(self.world)
        assert self.world.seen() == self.before
        return invariants.dump(self.engine)

    def require_all_or_nothing(self, dump: dict[str, list[str]], at: int) -> None:
        """And that what goes on with it ends it, once."""
        what, now = f"stopped at {at} ({self.points[at - 1]})", self.world.seen()
        assert now in (self.before, self.ended), what
        if now == self.before:
            # When it is looked at next may have changed.
            differing = invariants.differing(dump, invariants.dump(self.engine))
            assert set(differing) <= {"pinwheel_rollout", "pinwheel_signal"}, what
        invariants.check(self.engine)
        ledger = invariants.ledger(self.engine)
        self.transition.again(self.world)
        assert self.world.seen() == self.ended, what
        invariants.check(self.engine)
        invariants.check_appended(ledger, invariants.ledger(self.engine))


@pytest.mark.acceptance("rollouts", 71)
@on("sqlite")
@every_transition
def test_an_error_between_any_two_statements_of_a_transition_is_all_or_nothing(
    database: Any, transition: Transition, impatient: None
) -> None:
    walk = Walk(database, transition)
    for at in walk.chosen(size(4, gate=2)):
        dump = walk.ready()
        with contextlib.suppress(faults.Injected), Points(airflow_engine(), at, faults.raises):
            transition.act(walk.world)
        walk.require_all_or_nothing(dump, at)


@pytest.mark.acceptance("rollouts", 71)
@on("postgres")
@every_transition
def test_a_lost_connection_in_a_transition_is_retried_and_it_happens_once(
    database: Any, transition: Transition, impatient: None
) -> None:
    walk = Walk(database, transition)
    for at in walk.chosen(1):
        walk.ready()
        cut = database.backend == "postgres" and walk.points[at - 1] != AFTER_COMMIT
        with Points(airflow_engine(), at, faults.cuts(database.url) if cut else faults.loses_reply):
            transition.act(walk.world)
        assert walk.world.seen() == walk.ended, f"lost at {at} ({walk.points[at - 1]})"
        invariants.check(walk.engine)


@pytest.mark.acceptance("rollouts", 33)
@pytest.mark.acceptance("rollouts", 71)
@on("postgres")
@every_transition
def test_a_keeper_killed_between_any_two_statements_of_a_transition_leaves_all_or_nothing(
    database: Any, transition: Transition, impatient: None
) -> None:
    walk = Walk(database, transition)
    for at in walk.chosen(1):
        dump = walk.ready()

        def dies(at: int = at) -> None:
            with Points(airflow_engine(), at, faults.kills):
                transition.act(walk.world)

        assert faults.in_child(database, dies) == -signal.SIGKILL
        TRIED["killed keeper"] += 1
        walk.require_all_or_nothing(dump, at)
