"""All or nothing: a release that is stopped between any two statements did not happen; repeated, it does.

For each act the points are numbered once (before each statement, before and after each commit) and then a
fault is injected at each of them in turn, or, where the process really dies, at a seeded choice of them.
``PINWHEEL_FAULTS=all`` takes all points everywhere; ``PINWHEEL_FAULTS_SEED`` makes another choice.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from harness import faults, invariants
from harness.faults import AFTER_COMMIT, TRIED, Points, airflow_engine
from harness.inprocess import bound_airflow
from harness.operations import OPERATIONS, Operation, World
from harness.soak import SOAK, size

SEED = int(os.environ.get("PINWHEEL_FAULTS_SEED", "109"))
ALL = SOAK or os.environ.get("PINWHEEL_FAULTS") == "all"

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


class Bench:
    """One world, and the acts on it with a fault at one point.

    ``named`` gives each act a request id, as a caller does who means to repeat it.
    """

    def __init__(self, database: Any, operation: Operation, *, named: bool = True) -> None:
        self.named = named
        self.database = database
        self.operation = operation
        self.engine = database.engine()
        self.world = World()
        self.number = 0
        # The second time counts: the first comes from another state than all that follow.
        self.ready()
        self.act()
        self.ready()
        with Points(airflow_engine()) as points:
            self.act()
        self.points = list(points.seen)
        self.check()

    def ready(self) -> None:
        self.number += 1
        self.operation.ready(self.world, self.engine)

    def act(self) -> Any:
        return self.operation.act(self.world, f"request-{self.number}" if self.named else None)

    def check(self) -> None:
        invariants.check(self.engine)

    def chosen(self, count: int) -> list[int]:
        """Points to try, from 1: all, or a seeded choice that always has those at a commit."""
        every = range(1, len(self.points) + 1)
        if ALL or len(every) <= count:
            return list(every)
        commits = [at for at in every if "commit" in self.points[at - 1]]
        others = [at for at in every if at not in commits]
        some = random.Random(f"{SEED} {self.operation.name}").sample(others, max(count - len(commits), 1))
        return sorted({*commits[-2:], *some})

    def counts(self) -> dict[str, int]:
        with self.engine.connect() as connection:
            return {
                table: connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))
                for table in (
                    "pinwheel_release",
                    "pinwheel_event",
                    "pinwheel_build",
                    "dag_run",
                    "dag_version",
                )
            }


@every_operation
def test_an_error_between_any_two_statements_changes_nothing(
    database: Any, operation: Operation, impatient: None
) -> None:
    bench = Bench(database, operation)
    for at in bench.chosen(size(12, gate=6) if database.backend == "sqlite" else 4):
        bench.ready()
        before = invariants.dump(bench.engine)
        ledger = invariants.ledger(bench.engine)
        with Points(airflow_engine(), at, faults.raises) as points:
            try:
                bench.act()
            except faults.Injected:
                pass
            else:
                # Another build, fewer statements.
                assert len(points.seen) < at
                continue
        committed = points.seen.count(AFTER_COMMIT)
        differing = invariants.differing(before, invariants.dump(bench.engine))
        assert committed or not differing, f"stopped at {at} ({bench.points[at - 1]}), changed {differing}"
        if operation.name != "repair":
            bench.check()
        bench.act()
        bench.check()
        invariants.check_appended(ledger, invariants.ledger(bench.engine))


@every_operation
def test_a_lost_connection_is_retried_and_the_act_done_exactly_once(
    database: Any, operation: Operation, impatient: None
) -> None:
    bench = Bench(database, operation, named=False)
    lose = faults.loses_reply if database.backend == "sqlite" else faults.cuts(database.url)
    bench.ready()
    start = bench.counts()
    bench.act()
    once = {table: count - start[table] for table, count in bench.counts().items()}
    for at in bench.chosen(12 if database.backend == "sqlite" else size(7, gate=4)):
        bench.ready()
        start = bench.counts()
        if database.backend == "postgres" and bench.points[at - 1] == AFTER_COMMIT:
            # The server can not cut a connection between the commit and its reply; the driver can seem to.
            lose = faults.loses_reply
        with Points(airflow_engine(), at, lose) as points:
            outcome = bench.act()
        assert len(points.seen) != at, "nothing was done after the fault"
        done = {table: count - start[table] for table, count in bench.counts().items()}
        assert done == once, f"connection lost at {at} ({bench.points[at - 1]}): {done} instead of {once}"
        bench.check()
        if operation.releases and operation.name not in ("retire", "arrive"):
            assert all(each.changed and each.release for each in outcome), outcome


@pytest.mark.acceptance("pushes", 10)
@every_operation
def test_a_process_killed_between_any_two_statements_leaves_all_or_nothing(
    database: Any, operation: Operation, impatient: None
) -> None:
    bench = Bench(database, operation)
    for at in bench.chosen(5 if database.backend == "sqlite" else size(4, gate=3)):
        bench.ready()
        before = invariants.dump(bench.engine)
        ledger = invariants.ledger(bench.engine)

        def dies(at: int = at) -> None:
            with Points(airflow_engine(), at, faults.kills):
                bench.act()

        code = faults.in_child(database, dies)
        if code == 0:
            continue  # another build, fewer statements
        assert code == -signal.SIGKILL
        TRIED["killed process"] += 1
        differing = invariants.differing(before, invariants.dump(bench.engine))
        committed = bench.points[:at].count(AFTER_COMMIT)
        assert committed or not differing, f"killed at {at} ({bench.points[at - 1]}), changed {differing}"
        if operation.name != "repair":
            bench.check()
        bench.act()
        bench.check()
        invariants.check_appended(ledger, invariants.ledger(bench.engine))
