"""What persons and the machine do one after the other: an abort, a skip, a pause, a watch that is ended."""

from __future__ import annotations

import pytest
from attrs import evolve

from harness.rollout_world import FIRED, Machine, World, acted, arrives, deed_of, looked, require_rules
from harness.rollouts import CHECK, plan
from pinwheel.core.rollout.facts import Enough
from pinwheel.core.rollout.state import Rollout, State
from pinwheel.core.rollout.steps import Check, Plan
from pinwheel.core.rollout.table import Verb

MACHINE = Machine()
GATED = plan(CHECK, watched=True)


def after_arrival(made: Plan, **values: object) -> World:
    """Build 2 has arrived."""
    return arrives(World(plan=made, builds=9, **values), MACHINE)[1]  # type: ignore[arg-type]


def done(world: World, *verbs: Verb, watched: bool = False) -> World:
    for verb in verbs:
        step, then = acted(world, deed_of(verb, world, watched=watched), MACHINE)
        require_rules(world, step, then)
        world = then
    return world


def ticked(world: World) -> World:
    """As often as something may happen."""
    for _ in range(4):
        world = looked(world, "tick", MACHINE)[1]
    return world


def ahead(world: World) -> Rollout:
    assert world.ahead is not None
    return world.ahead


@pytest.mark.acceptance("rollouts", 60)
@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PROMOTE_AT])
def test_abort_wins_over_a_promote_that_was_asked_and_is_not_done(verb: Verb) -> None:
    asked = done(after_arrival(plan(by_hand=True), closed=True), verb)
    assert ahead(asked).asked_by == "ada"
    aborted = evolve(done(asked, Verb.ABORT), closed=False, late=True)
    assert ticked(aborted).active == 1
    # What was asked for again is done.
    assert ticked(done(aborted, Verb.PROMOTE)).active == 2


@pytest.mark.acceptance("rollouts", 62)
def test_skip_skips_one_step_and_no_window() -> None:
    two_gates = plan(CHECK, Check(name="cd"), watched=True)
    world = ticked(done(after_arrival(two_gates, closed=True), Verb.SKIP))
    assert ahead(world).step == 1
    world = ticked(done(world, Verb.SKIP))
    assert (ahead(world).step, ahead(world).state, world.active) == (2, State.WAITING, 1)
    assert ticked(evolve(world, closed=False)).active == 2


@pytest.mark.acceptance("rollouts", 91)
def test_abort_of_a_watched_release_releases_and_proves_nothing_and_ends_the_watch() -> None:
    watched = after_arrival(plan(watched=True))
    assert watched.watched is not None
    world = done(watched, Verb.ABORT)
    assert (world.active, world.proven, world.live, world.pinned) == (2, 1, (), False)
    assert not world.rejected
    assert looked(world, "fired", MACHINE, watch=FIRED)[1] == world, "nobody watches any more"
    assert looked(world, "enough", MACHINE, watch=Enough(said="well"))[1] == world


@pytest.mark.acceptance("rollouts", 92)
@pytest.mark.parametrize("made", [GATED, plan(by_hand=True), plan(CHECK)])
def test_an_aborted_place_stays_held_until_restart_promote_or_a_newer_build(made: Plan) -> None:
    world = done(after_arrival(made), Verb.ABORT)
    for then in (world, done(world, Verb.PIN, Verb.UNPIN), done(world, Verb.REJECT, Verb.LIFT)):
        assert ticked(then).live == ()
        assert ticked(then).active == 1
    for verb in (Verb.RESTART, Verb.PROMOTE):
        assert ahead(done(world, verb)).place.build_id == 2
    assert done(world, Verb.PROMOTE_NOW).active == 2
    assert ahead(arrives(world, MACHINE)[1]).place.build_id == 3


def test_an_ask_for_an_instant_is_dropped_by_a_pause_and_under_a_pin_nothing_goes_on_then() -> None:
    pinned = after_arrival(plan(), pinned=True)
    asked = done(pinned, Verb.PROMOTE_AT)
    assert ticked(asked).active == 1
    assert ticked(evolve(asked, late=True)).active == 2
    resumed = done(asked, Verb.PAUSE, Verb.RESUME)
    assert ticked(evolve(resumed, late=True)).active == 1
    assert ticked(done(resumed, Verb.PROMOTE)).active == 2


def test_an_unpin_ends_what_was_asked_under_the_pin_and_the_policy_holds_again() -> None:
    asked = done(after_arrival(GATED, pinned=True), Verb.PROMOTE_AT)
    assert ahead(asked).plan != GATED
    world = done(asked, Verb.UNPIN)
    assert (ahead(world).plan, ahead(world).asked_by, world.pinned) == (GATED, None, False)
    assert ticked(evolve(world, late=True)).active == 1


def test_after_a_rollback_by_itself_an_unpin_does_not_bring_the_rejected_build_back() -> None:
    watched = after_arrival(plan(watched=True))
    world = looked(watched, "fired", MACHINE, watch=FIRED)[1]
    assert (world.active, world.pinned, world.live, world.rejected) == (1, True, (), {2})
    assert ticked(done(world, Verb.UNPIN)).active == 1
    newer = arrives(done(world, Verb.UNPIN), MACHINE)[1]
    assert newer.active == 3
    assert ticked(arrives(world, MACHINE)[1]).active == 1, "under the pin a newer one undoes nothing"
