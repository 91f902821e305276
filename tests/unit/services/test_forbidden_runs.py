"""A rule can forbid single runs on another place than new runs take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.asked import backfill, clear
from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import Ruled
from pinwheel.core.errors import Refused
from pinwheel.core.release.rule import Forbidden

FIRST = datetime(2025, 12, 1, 4, 5, tzinfo=UTC)


@pytest.fixture
def ruled(empty: InMemory) -> Ruled:
    """Build 2 of ``a`` is active; nobody may run another one by hand."""
    empty.push(a=File(schedule="daily"))
    empty.push(a=File(schedule="daily", body=1))
    empty.trigger("first")
    empty.finish("first")
    made = Ruled(empty)
    made.forbid()
    return made


def act(world: InMemory, verb: str, **place: Any) -> Any:
    if verb == "trigger":
        return world.trigger("second", **place)
    if verb == "clear":
        return clear(world.host, "a", ["first"], actor="ada", **place)
    return backfill(world.host, "a", from_date=FIRST, to_date=FIRST, **place)


@pytest.mark.parametrize("verb", ["trigger", "clear", "backfill"])
def test_a_run_by_hand_on_another_place_is_refused_with_the_rules_name(ruled: Ruled, verb: str) -> None:
    first = ruled.world.versions()[0]
    for place in ({"build": 1}, {"bundle_version": first}):
        before = ruled.world.everything()
        with pytest.raises(Refused, match="rule no-tries forbids") as caught:
            act(ruled.world, verb, **place)
        assert caught.value.facts["problem"] == "rule-forbids"
        assert ruled.world.everything() == before


@pytest.mark.parametrize("verb", ["trigger", "clear", "backfill"])
def test_what_new_runs_take_may_be_named(ruled: Ruled, verb: str) -> None:
    made = act(ruled.world, verb, build=2)
    assert (made[0] if verb == "clear" else made).build == 2


def test_neither_a_freeze_nor_what_else_is_forbidden_stops_a_run_by_hand(ruled: Ruled) -> None:
    ruled.lift()
    ruled.forbid(Forbidden.TRIALS)
    ruled.freeze()
    assert act(ruled.world, "trigger", build=1).build == 1


def test_the_build_of_an_era_over_the_present_is_what_new_runs_take(ruled: Ruled) -> None:
    dated = Dated(ruled.world)
    dated.set("2019-01-01", None)
    assert ruled.world.trigger("by-hand", build=1).build == 1
