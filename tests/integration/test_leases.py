"""One of several processors does each duty, and another one when that has died."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from pinwheel.services.upkeep.lease import Lease, Lost
from pinwheel.store import leases
from pinwheel.store import tables as t


@pytest.fixture
def host(airflow_database: Any) -> Any:
    from pinwheel.airflow3.host import airflow_host

    return airflow_host()


def run_out(host: Any, name: str) -> None:
    """The holder died and its time has passed."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    host.unit.run(
        lambda s: s.execute(sa.update(t.lease).where(t.lease.c.name == name).values(until=long_ago))
    )


def holder(host: Any, name: str) -> Any:
    return host.unit.run(lambda session: leases.holder_of(session, name))


def test_a_duty_is_of_one_process_until_that_gives_it_up_or_dies(host: Any) -> None:
    one, two = (Lease(host, "d", holder=name) for name in ("one", "two"))
    assert one.have() and not two.have() and one.have()
    assert holder(host, "d") == "one"
    assert Lease(host, "other", holder="two").have()
    one.give_up()
    assert holder(host, "d") is None
    assert two.have() and not one.have()
    run_out(host, "d")
    assert one.have() and holder(host, "d") == "one"


def test_who_lost_a_duty_writes_nothing_more(host: Any) -> None:
    one, two = (Lease(host, "d", holder=name) for name in ("one", "two"))
    assert one.have()
    run_out(host, "d")
    assert two.have()

    def work(session: Any) -> None:
        one.hold(session)
        raise AssertionError("it went on")

    with pytest.raises(Lost, match="another process has taken it over"):
        host.unit.run(work)
    assert not one.have()
    host.unit.run(two.hold)
    assert holder(host, "d") == "two"


def test_nobody_takes_a_duty_over_while_its_holder_writes(host: Any) -> None:
    """Though its time runs out meanwhile: the other one waits, and sees then that it was renewed."""
    one = Lease(host, "d", holder="one")
    assert one.have()
    run_out(host, "d")
    from pinwheel.airflow3.host import airflow_host

    begun, taken = threading.Event(), []

    def other() -> None:
        begun.set()
        taken.append(Lease(airflow_host(), "d", holder="two").have())

    thread = threading.Thread(target=other)

    def work(session: Any) -> None:
        one.hold(session)
        thread.start()
        assert begun.wait(60)

    host.unit.run(work)
    thread.join(60)
    assert taken == [False] and holder(host, "d") == "one"


@pytest.fixture
def processors(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[list[Any], list[tuple[str, str]]]]:
    """The duties of two processors, and what each did."""
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.airflow3.processor import duties as module
    from pinwheel.airflow3.processor.guarded import Boundary

    did: list[tuple[str, str]] = []
    names: dict[int, str] = {}

    for service, functions in (
        (module.repair, ("repair_drift", "keep_asserted", "reassert")),
        (module.bindings, ("record_bindings",)),
        (module.prune, ("prune",)),
    ):
        for function in functions:
            monkeypatch.setattr(
                service,
                function,
                lambda host, *_, duty=function, **__: did.append((names[id(host)], duty)) or {},
            )
    made = []
    for name in ("one", "two"):
        own = airflow_host()
        names[id(own)] = name
        made.append(module.Duties(own, Boundary(own)))
        monkeypatch.setattr(made[-1], "keep_configured", lambda name=name: did.append((name, "configured")))
        monkeypatch.setattr(made[-1], "retire_unconfigured", lambda name=name: did.append((name, "retire")))
        monkeypatch.setattr(made[-1], "_protect", lambda _, name=name: did.append((name, "protect")))
    yield made, did


def turned(processor: Any, did: list[tuple[str, str]]) -> dict[str, set[str]]:
    """What a processor does when the time of each duty has come."""
    did.clear()
    processor._last = dict.fromkeys(("prune", *processor._last), float("-inf"))
    processor.turn([], None)
    found: dict[str, set[str]] = {}
    for name, duty in did:
        found.setdefault(name, set()).add(duty)
    return found


OF_ALL = {"repair_drift", "record_bindings", "keep_asserted", "reassert", "prune", "retire"}
OF_EACH = {"configured", "protect"}


def test_of_two_processors_one_does_each_duty_but_for_what_tends_its_own_machine(
    host: Any, processors: tuple[list[Any], list[tuple[str, str]]]
) -> None:
    (one, two), did = processors
    assert turned(one, did) == {"one": OF_ALL | OF_EACH}
    assert turned(two, did) == {"two": OF_EACH}
    assert turned(one, did) == {"one": OF_ALL | OF_EACH}
    # One ends in order, and the other goes on
    one.end()
    assert turned(two, did) == {"two": OF_ALL | OF_EACH}
    assert turned(one, did) == {"one": OF_EACH}


def test_the_duties_of_a_processor_that_was_killed_are_taken_over(
    host: Any, processors: tuple[list[Any], list[tuple[str, str]]]
) -> None:
    (one, two), did = processors
    turned(one, did)
    assert turned(two, did) == {"two": OF_EACH}
    for name in ("upkeep", "prune", "retire"):
        run_out(host, name)
    assert turned(two, did) == {"two": OF_ALL | OF_EACH}
    # Should it live after all, it stops
    for lease in one._leases.values():
        lease._renewed = None
    assert turned(one, did) == {"one": OF_EACH}
