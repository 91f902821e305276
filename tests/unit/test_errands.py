"""Work in threads: who asks for it waits once, and never for what is late."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from pinwheel.airflow3.processor.errands import Errands, Unfinished

LONG = 60.0


def test_what_ends_at_once_is_had_at_once() -> None:
    errands = Errands(wait=LONG)
    assert errands.ask("a", lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        errands.ask("a", lambda: 1 // 0)
    assert errands.ask("a", lambda: 2) == 2


def test_what_is_under_way_is_not_begun_twice_and_its_result_is_taken_later() -> None:
    errands, go, begun = Errands(wait=0.0), threading.Event(), []

    def work() -> int:
        begun.append(threading.current_thread())
        assert go.wait(LONG)
        return len(begun)

    for _ in range(3):
        with pytest.raises(Unfinished):
            errands.ask("a", work)
    assert errands.seconds("a") > 0 and not errands.has_ended("a")
    go.set()
    begun[0].join(LONG)
    assert errands.has_ended("a") and errands.seconds("a") == 0.0
    assert errands.ask("a", work) == 1
    assert begun[0].daemon and not errands.has_ended("a")


def test_one_that_was_late_is_not_waited_for_again_until_it_is_quick() -> None:
    waited: list[None] = []
    errands, go = Errands(wait=0.05, meanwhile=lambda: waited.append(None)), threading.Event()
    with pytest.raises(Unfinished):
        errands.ask("a", lambda: go.wait(LONG))
    first = len(waited)
    assert first
    thread = next(t for t in threading.enumerate() if "errand a" in t.name)
    go.set()
    thread.join(LONG)
    assert errands.ask("a", lambda: None) is True
    go.clear()
    with pytest.raises(Unfinished):
        errands.ask("a", lambda: go.wait(LONG))
    assert len(waited) == first
    go.set()


def test_others_are_waited_for_all_the_same() -> None:
    errands, go = Errands(wait=0.05), threading.Event()
    with pytest.raises(Unfinished):
        errands.ask("a", lambda: go.wait(LONG))
    assert errands.ask("b", lambda: "had") == "had"
    go.set()


def test_what_log_lines_are_bound_to_goes_along() -> None:
    bound: ContextVar[str] = ContextVar("bound")
    bound.set("here")
    assert Errands(wait=LONG).ask("a", bound.get) == "here"
