"""The rules of the rollouts' machine, in each state that three builds, all events and all acts lead to."""

from __future__ import annotations

import pytest

from harness.rollout_world import World, explore
from harness.rollouts import CHECK, plan
from pinwheel.core.rollout.steps import Newer

GATED = plan(CHECK, watched=True)
SOAKED = plan(watched=True)
WORLDS = {
    "gated": (World(plan=GATED, windows=False), 3472),
    "gated, in windows and eras": (World(plan=GATED, eras=True, builds=2), 1264),
    "watched": (World(plan=SOAKED), 1950),
    "watched, in eras": (World(plan=SOAKED, eras=True, builds=2), 580),
    "watched, a newer one replaces it": (World(plan=plan(watched=True, newer=Newer.REPLACE)), 1950),
    "watched, a newer one queues": (World(plan=plan(watched=True, newer=Newer.QUEUE)), 1812),
    "watched, nothing is proven": (World(plan=SOAKED, builds=2, proven=None), 238),
    "at once": (World(plan=plan()), 564),
    "by hand": (World(plan=plan(by_hand=True)), 564),
}
"""Where each begins, and how many states there are: another number says that some are reached no more."""


@pytest.mark.acceptance("rollouts", 49, 52, 60)
@pytest.mark.parametrize("name", WORLDS)
def test_each_rule_holds_in_each_state_that_can_be_reached(name: str) -> None:
    world, states = WORLDS[name]
    found, steps = explore(world)
    assert found == states
    assert steps > 10 * states
