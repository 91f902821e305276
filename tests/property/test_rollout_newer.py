"""What becomes of builds that arrive one after the other, whatever their rollouts meet in between.

:class:`Expected` says it as section 3.3 of the design does, in a few lines that know nothing of the machine.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rollout_world import Machine, World, acted, arrives, deed_of, looked, require_rules, verdict_on
from harness.rollouts import CHECK, plan
from pinwheel.core.errors import Conflict
from pinwheel.core.rollout.facts import Enough
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.steps import Newer
from pinwheel.core.rollout.table import Verb

MACHINE = Machine()
EVENTS = ("arrives", "passed", "failed", "error", "resume", "enough")


class Expected:
    """One Dag whose plan is a check, a release and a watch."""

    def __init__(self, newer: Newer) -> None:
        self.newer = newer
        self.newest = self.active = 1
        self.ahead: int | None = None
        self.passed = self.paused = False
        self.watched: int | None = None
        self.rejected: set[int] = set()
        self.released = [1]

    def happens(self, event: str) -> None:
        judged = self.ahead is not None and not self.paused and not self.passed
        match event:
            case "arrives":
                self.newest += 1
                on_its_way = self.ahead is not None and not self.paused
                if self.newer is Newer.QUEUE and (on_its_way or self.watched is not None):
                    return
                self._begins()
            case "passed" if judged:
                self.passed = True
            case "failed" if judged and self.ahead is not None:
                self.rejected.add(self.ahead)
                self.ahead = None
                self._next()
            case "error" if judged:
                self.paused = True
            case "resume":
                self.paused = False
            case "enough" if self.watched is not None:
                self.watched = None
                self._next()
        if self.ahead is not None and self.passed and (self.watched is None or self.newer is Newer.REPLACE):
            self.active = self.watched = self.ahead
            self.released.append(self.active)
            self.ahead = None

    def _begins(self) -> None:
        self.ahead, self.passed, self.paused = self.newest, False, False

    def _next(self) -> None:
        """Nothing of it waits any more, unless it queued."""
        if self.ahead is None and self.newest not in (self.active, *self.rejected):
            self._begins()


def happens(world: World, event: str) -> World:
    match event:
        case "arrives":
            step, then = arrives(world, MACHINE)
        case "enough":
            step, then = looked(world, event, MACHINE, watch=Enough(said="well"))
        case "resume":
            try:
                step, then = acted(world, deed_of(Verb.RESUME, world, watched=False), MACHINE)
            except Conflict:
                return world
        case _:
            ahead = world.ahead.place.build_id if world.ahead is not None else world.newest
            step, then = looked(world, event, MACHINE, verdict_on(ahead, Answer(event)))
    require_rules(world, step, then)
    return then


@pytest.mark.acceptance("rollouts", 93)
@given(newer=st.sampled_from(list(Newer)), events=st.lists(st.sampled_from(EVENTS), max_size=25))
def test_any_order_of_arrivals_ends_as_the_plan_says(newer: Newer, events: list[str]) -> None:
    expected = Expected(newer)
    world = World(plan=plan(CHECK, watched=True, newer=newer), builds=99)
    # In the end all that is on its way goes well.
    for event in [*events, *["resume", "passed", "enough"] * 3]:
        expected.happens(event)
        world = happens(world, event)
        _, world = looked(world, "tick", MACHINE)
        found = tuple(each and each.place.build_id for each in (world.ahead, world.watched))
        assert (found, world.active) == ((expected.ahead, expected.watched), expected.active)
        assert bool(world.ahead and world.ahead.paused) == expected.paused
    assert not world.live
    if world.newest not in expected.rejected:
        assert world.active == world.newest, "the last one is in force"
    assert expected.released == sorted(expected.released), "nothing older is released after a newer one"
