"""A database that goes away in the middle: retried, or an error that says so; the invariants hold."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harness import invariants
from harness.faults import TRIED, Points, airflow_engine
from harness.inprocess import bound_airflow
from harness.operations import DAGS, World
from pinwheel.core.errors import HostError
from pinwheel.core.release.decide import Verb
from pinwheel.wiring import translated

pytestmark = pytest.mark.postgres


def test_the_database_restarts_in_the_middle_of_a_release(own_postgres: Any) -> None:
    database = _durable(own_postgres)
    with bound_airflow(database):
        world = World()
        world.hold_first(*DAGS)
        with Points(airflow_engine()) as points:
            world.change(Verb.PROMOTE, DAGS)
        total = len(points.seen)
        for mode, at in (("fast", total // 3), ("immediate", 2 * total // 3), ("immediate", total - 1)):
            world.hold_first(*DAGS)

            def restart(_: Any, mode: str = mode) -> None:
                TRIED["database restart"] += 1
                own_postgres.restart(mode)

            before = _releases(database)
            with Points(airflow_engine(), at, restart):
                outcomes = world.change(Verb.PROMOTE, DAGS)
            assert [outcome.changed for outcome in outcomes] == [True] * 3
            assert _releases(database) == before + 3
            invariants.check(database.engine())


def test_a_database_that_stays_away_is_a_clean_error(own_postgres: Any, impatient: None) -> None:
    database = _durable(own_postgres)
    with bound_airflow(database):
        world = World()
        world.hold_first()

        def stop(_: Any) -> None:
            TRIED["database stop"] += 1
            own_postgres.stop("immediate")

        for at in (1, 12):
            with Points(airflow_engine(), at, stop), pytest.raises(sa.exc.DBAPIError) as caught:
                world.change(Verb.PROMOTE)
            said = translated(caught.value)
            assert isinstance(said, HostError)
            assert "database" in said.message
            own_postgres.start()
            invariants.check(database.engine())
        assert world.change(Verb.PROMOTE)[0].changed
        invariants.check(database.engine())


def _durable(server: Any) -> Any:
    """A database whose commits survive a crash of the server, which the tests' settings give up for speed."""
    database = server.create()
    server.execute(f'ALTER DATABASE "{database.name}" SET synchronous_commit = on')
    return database


def _releases(database: Any) -> int:
    with database.engine().connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM pinwheel_release")))
