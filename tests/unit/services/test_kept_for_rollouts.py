"""What is on its way, and what was proven, is neither pruned nor lost; what ended goes with its events."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.release.decide import Verb
from pinwheel.core.retention import Keep
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.state import Place, State, ended
from pinwheel.services.release import keeping
from pinwheel.services.show.builds import builds
from pinwheel.services.upkeep import prune
from pinwheel.store import dags, rollouts
from pinwheel.store import keeping as store
from pinwheel.store import tables as t

DAY = 24 * 3600


@pytest.fixture
def ruled(world: InMemory) -> Ruled:
    """Build 3 of ``a`` is on its way, and would go back to build 1."""
    made = Ruled(world)
    made.policy(CHECK)
    world.push(a=File(body=2))
    put(made, proven_build_id=1, proven_version=world.versions()[0])
    return made


def put(ruled: Ruled, **values: Any) -> None:
    ruled.host.unit.run(lambda s: s.execute(t.rollout.update().values(**values)))


def protected(ruled: Ruled) -> set[str]:
    return ruled.host.unit.run(lambda s: keeping.protected(ruled.host, s, "dags"))


def ends(ruled: Ruled) -> None:
    def work(session: Any) -> None:
        now = ruled.host.unit.now()
        (live,) = [each for each in rollouts.of_dags(session, ["a"])["a"] if each.live]
        rollouts.save(session, ended(live, State.WITHDRAWN, "of the test", now), next_at=None)

    ruled.host.unit.run(work)


def test_the_version_of_a_place_ahead_stays_fetchable_until_its_rollout_ends(ruled: Ruled) -> None:
    (ahead,) = ruled.live()
    # It stands in a later version too, and the bundle showed both long ago.
    put(ruled, bundle_version="f" * 40)
    ruled.world.airflow.tick(DAY)
    assert "f" * 40 in protected(ruled)
    before = ruled.host.unit.run(lambda s: store.mark(s, "dags"))
    ends(ruled)
    assert "f" * 40 not in protected(ruled)
    assert ruled.host.unit.run(lambda s: store.mark(s, "dags")) != before
    assert ahead.place == Place(build_id=3, version=ahead.place.version)


def test_where_it_would_go_back_to_and_what_was_proven_stay_fetchable(ruled: Ruled) -> None:
    put(ruled, proven_version="a" * 40)
    ruled.host.unit.run(lambda s: dags.change(s, "a", proven_build_id=2, proven_version="b" * 40))
    ruled.world.airflow.tick(DAY)
    assert {"a" * 40, "b" * 40} <= protected(ruled)


def test_a_build_on_its_way_and_one_that_was_proven_are_not_pruned(world: InMemory) -> None:
    ruled = Ruled(world)
    world.do(Verb.PIN)
    for body in (2, 3, 4, 5):
        world.push(a=File(body=body))
    ruled.policy(CHECK)
    world.do(Verb.UNPIN)
    (ahead,) = ruled.live()
    assert ahead.place.build_id == 6
    put(ruled, build_id=3, proven_build_id=4)
    ruled.host.unit.run(lambda s: dags.change(s, "a", proven_build_id=5, proven_version="c1"))
    # None of them is what a file gives now, or the newest.
    ruled.host.unit.run(lambda s: s.execute(t.parse.delete().where(t.parse.c.id < 6)))
    prune.prune(world.host, evolve(Keep(), builds=1))
    assert {build.build for build in builds(world.host, "a")} >= {3, 4, 5}
    put(ruled, build_id=6, proven_build_id=None)
    ruled.host.unit.run(lambda s: dags.change(s, "a", proven_build_id=None, proven_version=None))
    prune.prune(world.host, evolve(Keep(), builds=1))
    assert not {build.build for build in builds(world.host, "a")} & {3, 4}


def test_rollouts_that_ended_go_as_events_do_but_for_the_last_of_a_dag(ruled: Ruled) -> None:
    world = ruled.world
    ruled.says(Answer.FAILED, build=3, version=ruled.live()[0].place.version)
    ruled.keep()
    world.push(a=File(body=3))
    ends(ruled)
    world.push(a=File(body=4))
    assert len(world.rows(t.rollout)) == 3 and len(world.rows(t.verdict)) == 1
    world.airflow.tick(401 * DAY)
    planned = prune.plan(world.host)
    assert (planned["pinwheel_rollout"], planned["pinwheel_verdict"]) == (2, 1)
    prune.prune(world.host)
    assert [row.slot for row in world.rows(t.rollout)] == ["ahead"] and world.rows(t.verdict) == []
    ends(ruled)
    world.airflow.tick(401 * DAY)
    prune.prune(world.host)
    assert len(world.rows(t.rollout)) == 1, "it may say why the Dag is held"
