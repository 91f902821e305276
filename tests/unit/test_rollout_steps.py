"""A plan: gates, then one release, then perhaps a watch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product

import pytest

from pinwheel.core.rollout.steps import (
    Approve,
    Check,
    Newer,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Step,
    Wait,
    Watch,
)

HOUR = timedelta(hours=1)
DAY = datetime(2026, 1, 5, tzinfo=UTC)
STEPS: dict[str, Step] = {
    "approve": Approve(),
    "check": Check(name="ci"),
    "wait": Wait(span=HOUR),
    "release": Release(),
    "watch": Watch(),
}
GOOD = {
    ("release",),
    ("release", "watch"),
    *((gate, "release") for gate in ("approve", "check", "wait")),
    *((gate, "release", "watch") for gate in ("approve", "check", "wait")),
    *(
        (one, other, "release")
        for one in STEPS
        for other in STEPS
        if {one, other}.isdisjoint(("release", "watch"))
    ),
}


@pytest.mark.parametrize("length", range(4))
def test_a_plan_has_its_gates_first_then_one_release_then_perhaps_a_watch(length: int) -> None:
    for names in product(STEPS, repeat=length):
        steps = tuple(STEPS[name] for name in names)
        if names in GOOD:
            assert Plan(steps=steps).steps == steps
        else:
            with pytest.raises(ValueError, match="a plan has its gates first"):
                Plan(steps=steps)


def test_without_a_policy_a_plan_releases_at_once() -> None:
    plan = Plan()
    assert plan.at_once
    assert (plan.gates, plan.release, plan.release_at, plan.watch) == ((), Release(), 0, None)
    assert (plan.newer, plan.follow) == (Newer.SUPERSEDE, False)


def test_a_plan_is_at_once_unless_something_comes_before_its_release() -> None:
    watch = Watch(runs=3)
    watched = Plan(steps=(Release(), watch))
    assert watched.at_once
    assert watched.watch == watch
    asked = Plan(steps=(Release(by_hand=True),))
    assert not asked.at_once
    gated = Plan(steps=(STEPS["approve"], STEPS["check"], Release(by_hand=True), watch))
    assert not gated.at_once
    assert gated.gates == (STEPS["approve"], STEPS["check"])
    assert gated.release_at == 2
    assert gated.release.by_hand
    assert not Plan(steps=(STEPS["wait"], Release())).at_once


def test_a_step_has_the_values_of_the_least_policy() -> None:
    approve = Approve()
    assert (approve.count, approve.excludes, approve.persons) == (1, frozenset(Party), frozenset())
    assert approve.expires == timedelta(days=14)
    check = Check(name="ci")
    assert (check.of, check.timeout, check.on_timeout) == (Of.PLACE, None, OnTimeout.PAUSE)
    assert Wait(idle=True).patience == timedelta(hours=24)
    watch = Watch()
    assert (watch.runs, watch.at_least, watch.at_most) == (5, timedelta(0), None)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Approve(count=0),
        lambda: Approve(expires=timedelta(0)),
        lambda: Check(name="ci", timeout=timedelta(0)),
        lambda: Wait(),
        lambda: Wait(span=timedelta(0)),
        lambda: Wait(span=HOUR, until=DAY),
        lambda: Wait(span=HOUR, idle=True),
        lambda: Wait(until=DAY, idle=True),
        lambda: Wait(idle=True, patience=timedelta(0)),
        lambda: Watch(runs=-1),
        lambda: Watch(at_least=-HOUR),
        lambda: Watch(at_most=timedelta(0)),
    ],
)
def test_a_step_that_means_nothing_can_not_be_made(made: Callable[[], Step]) -> None:
    with pytest.raises(ValueError):
        made()


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (Party, {"author", "committer", "promoter"}),
        (OnTimeout, {"pause", "abort"}),
        (Of, {"place", "version"}),
        (Newer, {"supersede", "replace", "queue"}),
    ],
)
def test_each_word_of_a_plan_is_stored_as_it_always_was(words: type[StrEnum], stored: set[str]) -> None:
    assert {word.value for word in words} == stored
