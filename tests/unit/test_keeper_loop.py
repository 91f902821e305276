"""The keeper's loop, what ends it, and how the Dag processor keeps one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pinwheel.airflow3.keeper import process
from pinwheel.airflow3.keeper.child import Child
from pinwheel.airflow3.keeper.loop import A_TURN, ASK_AGAIN, Duty, Loop


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class NoHost:
    """Whoever asks for a lease here finds out that it can not be had."""

    unit: Any = None


def loop_of(clock: Clock, *duties: Duty) -> Loop:
    host: Any = NoHost()
    return Loop(host, duties, clock)


def test_a_duty_that_fails_stops_no_other_and_is_done_again_later() -> None:
    clock, done = Clock(), []

    def fails() -> None:
        done.append("fails")
        raise ValueError("broken")

    loop = loop_of(
        clock,
        Duty(name="fails", interval=1.0, work=fails),
        Duty(name="works", interval=1.0, work=lambda: done.append("works")),
    )
    loop.turn()
    clock.now += A_TURN
    loop.turn()
    assert done == ["fails", "works", "works"]
    clock.now += ASK_AGAIN
    loop.turn()
    assert done[3:] == ["fails", "works"]


def test_each_duty_has_its_interval() -> None:
    clock, done = Clock(), []
    loop = loop_of(
        clock,
        Duty(name="each", interval=1.0, work=lambda: done.append("each")),
        Duty(name="third", interval=3.0, work=lambda: done.append("third")),
    )
    for _ in range(7):
        loop.turn()
        clock.now += 1.0
    assert (done.count("each"), done.count("third")) == (7, 3)


def test_a_lease_that_can_not_be_asked_for_is_a_fault_of_that_duty_only() -> None:
    done: list[str] = []
    loop = loop_of(
        Clock(),
        Duty(name="leased", interval=1.0, work=lambda: done.append("leased"), lease="one"),
        Duty(name="free", interval=1.0, work=lambda: done.append("free")),
    )
    loop.turn()
    loop.end()
    assert done == ["free"]


def test_a_loop_that_is_told_to_end_does_no_further_duty() -> None:
    stop, done = threading.Event(), []
    loop = loop_of(
        Clock(),
        Duty(name="first", interval=1.0, work=stop.set),
        Duty(name="second", interval=1.0, work=lambda: done.append("second")),
    )
    loop.run(stop)
    assert done == []


def test_a_loop_of_so_many_turns_ends_by_itself() -> None:
    done: list[int] = []
    loop = loop_of(Clock(), Duty(name="one", interval=0.0, work=lambda: done.append(1)))
    loop.run(threading.Event(), turns=1)
    assert done == [1]


def test_a_keeper_ends_when_its_parent_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_AT_PARENT", 0.01)
    stop, parents = threading.Event(), iter([7, 7, 1])
    assert process.wait_for(stop, 7, lambda: 0, parent_now=lambda: next(parents))
    assert stop.is_set()


def test_the_process_ends_when_a_duty_hangs_and_not_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOOK_AT_PARENT", 0.001)
    monkeypatch.setattr(process, "HANGS", 0.01)
    stop, steps = threading.Event(), 0

    def goes_on() -> int:
        nonlocal steps
        steps += steps < 100
        return steps

    assert not process.wait_for(stop, None, goes_on)
    assert steps == 100
    assert not stop.is_set()


def test_each_duty_and_each_turn_that_ends_is_a_step() -> None:
    loop = loop_of(Clock(), Duty(name="once", interval=9.0, work=lambda: None))
    loop.run(threading.Event(), 1)
    assert loop.steps == 2
    loop.run(threading.Event(), 1)
    assert loop.steps == 3


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child(command=lambda: [sys.executable, "-c", "import time; time.sleep(60)"], clock=Clock())
    yield made
    made.end()


def test_a_child_that_ended_is_started_again_but_not_all_the_time(child: Child) -> None:
    clock: Any = child.clock
    child.see_to()
    first = child.pid
    child.see_to()
    assert child.pid == first
    subprocess.run(["kill", "-9", str(first)], check=True)
    process_ = child._process
    assert process_ is not None
    process_.wait(10)
    child.see_to()
    assert child.pid == first, "it was started a moment ago"
    clock.now += 5.0
    child.see_to()
    assert child.pid not in (None, first)


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pinwheel.airflow3.keeper import child as module

    monkeypatch.setattr(module, "WAIT", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); "
        "time.sleep(60)"
    )
    child = Child(command=lambda: [sys.executable, "-c", deaf])
    child.see_to()
    time.sleep(0.5)
    child.end()
    assert child._process is not None and child._process.returncode is not None


def test_a_command_that_is_not_there_is_told_and_no_more() -> None:
    child = Child(command=lambda: ["/nowhere/at/all"])
    child.see_to()
    child.end()
    assert child.pid is None
