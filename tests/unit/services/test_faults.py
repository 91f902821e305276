"""What fails of a bundle, and duties that one of several processes does."""

from __future__ import annotations

import pytest

from harness.in_memory import InMemory
from pinwheel.core.errors import HostError
from pinwheel.core.release.decide import Verb
from pinwheel.services.ingest import faults
from pinwheel.services.show import bundles, events
from pinwheel.services.show.bundles import Standing
from pinwheel.services.upkeep.lease import Lease, Lost


def standing(world: InMemory) -> Standing:
    (found,) = bundles.standings(world.host).bundles
    return found


def caught(world: InMemory, error: str = "no route to host", place: str = faults.REFRESH) -> bool:
    return faults.record(world.host, bundle_name="dags", place=place, error=error)


def test_a_fault_is_told_once_and_shown_until_it_works(world: InMemory) -> None:
    assert [caught(world), caught(world)] == [True, False]
    assert len(events.events(world.host, kinds=["fault"])) == 1
    assert [fault.error for fault in standing(world).faults] == ["no route to host"]
    assert faults.clear(world.host, bundle_name="dags", places=[faults.REFRESH])
    assert (standing(world).faults, standing(world).state) == ((), "ok")
    assert not faults.clear(world.host, bundle_name="dags", places=[faults.REFRESH])


def test_a_refused_version_is_shown_and_the_one_in_use_stays(world: InMemory) -> None:
    before = world.airflow_has()
    refused = [
        faults.refuse(world.host, bundle_name="dags", version="bad", reason="a link that leaves")
        for _ in range(2)
    ]
    assert refused == [True, False]
    assert [(each.version, each.reason) for each in standing(world).refused] == [
        ("bad", "a link that leaves")
    ]
    assert (world.airflow_has(), standing(world).head is not None) == (before, True)


def test_faults_of_bundles_that_left_the_configuration_are_forgotten(world: InMemory) -> None:
    caught(world)
    faults.forget_removed(world.host, ["dags"])
    assert standing(world).faults
    faults.forget_removed(world.host, [])
    assert not standing(world).faults


def test_a_bundle_that_can_not_be_made_stops_no_rollback_but_says_so(world: InMemory) -> None:
    caught(world, "No module named 'gone'", faults.MAKE)
    outcome = world.do(Verb.ROLLBACK)
    assert (outcome.build, outcome.warnings) == (1, ("No module named 'gone'",))


def test_no_run_is_started_of_a_bundle_that_can_not_be_made(world: InMemory) -> None:
    caught(world, "No module named 'gone'", faults.MAKE)
    with pytest.raises(HostError, match="No module named 'gone'"):
        world.trigger("r")
    assert world.events("trigger") == []


def test_a_duty_is_of_one_process_until_that_gives_it_up(world: InMemory) -> None:
    one, two = (Lease(world.host, "d", holder=name) for name in ("one", "two"))
    assert (one.have(), two.have(), one.have()) == (True, False, True)
    one.give_up()
    assert two.have()


def test_who_lost_a_duty_writes_nothing_more(world: InMemory) -> None:
    # Its time has passed as soon as it has it.
    one = Lease(world.host, "d", holder="one", seconds=-60)
    assert one.have() and Lease(world.host, "d", holder="two").have()
    with pytest.raises(Lost, match="another process has taken it over"):
        world.host.unit.run(one.hold)
