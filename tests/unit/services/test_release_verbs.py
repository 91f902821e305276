"""Promote, pin, unpin, reject and lift of one Dag."""

from __future__ import annotations

import pytest

from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.store import tables as t


def held_at_2_with_3(world: InMemory) -> InMemory:
    world.do(Verb.PIN, reason="month end")
    world.push(a=File(body=2))
    return world


def test_a_push_of_an_unpinned_dag_is_released_at_once(world: InMemory) -> None:
    head = world.push(a=File(body=2))
    assert world.ledger() == [(1, 1, "auto"), (2, 2, "auto"), (3, 3, "auto")]
    assert world.airflow_has() == (3, head, False)


def test_a_push_of_the_same_content_makes_no_release(world: InMemory) -> None:
    head = world.push(a=File(body=1))
    assert world.ledger() == [(1, 1, "auto"), (2, 2, "auto")]
    assert world.airflow_has() == (2, head, False), "but new runs take the new version"


def test_a_pin_holds_the_active_build_and_says_who_and_why(world: InMemory) -> None:
    held_at_2_with_3(world)
    found = world.status()
    assert (found.active_build, found.newest_build, found.held) == (2, 3, True)
    assert (found.actor, found.reason) == ("ada", "month end")
    assert [(hold.kind, hold.by) for hold in found.holds] == [("pin", "ada")]


def test_a_pin_on_the_newest_build_holds_nothing_back(world: InMemory) -> None:
    world.do(Verb.PIN)
    assert world.status().track == "pinned" and not world.status().held


def test_a_pin_makes_no_release_and_leaves_airflows_rows_as_they_are(world: InMemory) -> None:
    before = world.airflow_has()
    outcome = world.do(Verb.PIN)
    assert (outcome.changed, outcome.kind, outcome.release) == (True, None, 2)
    assert world.airflow_has() == before


def test_a_pinned_dag_keeps_the_version_of_its_runs_when_its_bundle_moves_on(world: InMemory) -> None:
    _, version, _ = world.airflow_has()
    world.do(Verb.PIN)
    world.push(a=File(body=1), b=File())
    assert world.airflow_has()[1] == version


def test_a_pin_to_another_build_releases_it(world: InMemory) -> None:
    outcome = world.do(Verb.PIN, build=1)
    assert (outcome.kind, outcome.build, outcome.release) == ("pin", 1, 3)
    assert (world.active(), world.airflow_has()[0]) == ((3, 1), 3)


def test_a_second_pin_changes_nothing(world: InMemory) -> None:
    world.do(Verb.PIN)
    outcome = world.do(Verb.PIN)
    assert (outcome.changed, outcome.message) == (False, "already pinned on build 2")
    assert len(world.events("pin")) == 1


def test_a_promotion_releases_the_newest_build_and_leaves_the_dag_pinned(world: InMemory) -> None:
    outcome = held_at_2_with_3(world).do(Verb.PROMOTE)
    assert (outcome.kind, outcome.build, outcome.from_build, outcome.track) == ("promote", 3, 2, "pinned")
    assert world.active() == (3, 3)


def test_a_promotion_to_what_is_active_changes_nothing(world: InMemory) -> None:
    outcome = world.do(Verb.PROMOTE)
    assert (outcome.changed, outcome.message) == (False, "build 2 is already active")


def test_no_promotion_leads_back(world: InMemory) -> None:
    with pytest.raises(Refused, match="build 2, which is newer, is active") as refused:
        world.do(Verb.PROMOTE, build=1)
    assert refused.value.remedy == "Use: pinwheel rollback a --build 1"
    assert world.active() == (2, 2)


def test_of_two_held_builds_either_can_be_promoted(world: InMemory) -> None:
    held_at_2_with_3(world).push(a=File(body=3))
    assert world.do(Verb.PROMOTE, build=3).build == 3
    assert world.do(Verb.PROMOTE, build=4).build == 4


def test_content_that_comes_back_is_newer_than_what_came_before_it(world: InMemory) -> None:
    world.do(Verb.PIN)
    world.push(a=File())
    assert world.status().newest_build == 1
    assert world.do(Verb.PROMOTE).build == 1


def test_an_unpin_releases_the_build_that_waited(world: InMemory) -> None:
    outcome = held_at_2_with_3(world).do(Verb.UNPIN)
    assert (outcome.kind, outcome.build, outcome.track) == ("unpin", 3, "auto")
    world.push(a=File(body=4))
    assert world.active() == (4, 4)


def test_an_unpin_lets_new_runs_follow_at_once(world: InMemory) -> None:
    world.do(Verb.PIN)
    head = world.push(a=File(body=1), b=File())
    world.do(Verb.UNPIN)
    assert world.airflow_has() == (2, head, False), "the same build, so no release"


def test_an_unpin_of_what_is_not_pinned_changes_nothing(world: InMemory) -> None:
    outcome = world.do(Verb.UNPIN)
    assert (outcome.changed, outcome.message) == (False, "not pinned")


def test_an_unpin_leads_to_no_chosen_build(world: InMemory) -> None:
    with pytest.raises(InvalidInput, match="build 1 was given"):
        world.do(Verb.UNPIN, build=1)


def test_a_stale_request_is_refused_with_what_is_active(world: InMemory) -> None:
    with pytest.raises(Conflict, match="its active release is 2, not 1") as refused:
        world.do(Verb.PIN, expected_release=1)
    assert refused.value.facts["active_release"] == 2
    assert world.status().track == "auto"
    assert world.do(Verb.PIN, expected_release=2).changed


@pytest.mark.parametrize("number", ["build", "to_release", "expected_release"])
def test_numbers_start_at_one(world: InMemory, number: str) -> None:
    with pytest.raises(InvalidInput, match="0 is below 1"):
        world.do(Verb.PIN, **{number: 0})


def test_a_build_or_a_release_is_named_and_not_both(world: InMemory) -> None:
    with pytest.raises(InvalidInput, match="both a build and a release are given"):
        world.do(Verb.ROLLBACK, build=1, to_release=1)


def test_what_does_not_exist_is_not_found(world: InMemory) -> None:
    with pytest.raises(NotFound, match="no good build of that number"):
        world.do(Verb.PIN, build=9)
    with pytest.raises(NotFound, match="no release of that number"):
        world.do(Verb.ROLLBACK, to_release=9)
    with pytest.raises(NotFound):
        world.do(Verb.PIN, "unknown")


def test_a_dag_that_opts_out_of_versions_can_not_be_held(empty: InMemory) -> None:
    empty.push(a=File(unversioned=True))
    with pytest.raises(Refused, match="disable_bundle_versioning=True"):
        empty.do(Verb.PIN)


def test_a_rejected_build_is_not_released_by_an_unpin_but_the_next_push_is(world: InMemory) -> None:
    held_at_2_with_3(world)
    assert world.do(Verb.REJECT, build=3, reason="wrong totals").changed
    unpinned = world.do(Verb.UNPIN)
    assert (unpinned.kind, world.active()) == (None, (2, 2))
    assert "ada rejected it" in unpinned.message and "wrong totals" in unpinned.message
    assert [hold.kind for hold in world.status().holds] == ["rejected"]
    world.push(a=File(body=9))
    assert world.active() == (3, 4)


def test_rejected_content_is_not_released_when_it_comes_back(world: InMemory) -> None:
    world.do(Verb.ROLLBACK, reason="wrong totals")
    world.do(Verb.UNPIN)
    world.push(a=File(body=2))
    world.push(a=File(body=1))
    found = world.status()
    assert (found.active_build, found.newest_build, found.held) == (3, 2, True)
    assert [hold.kind for hold in found.holds] == ["rejected"]


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PIN, Verb.ROLLBACK])
def test_a_rejected_build_is_released_with_a_reason_which_lifts_the_rejection(
    world: InMemory, verb: Verb
) -> None:
    world.do(Verb.ROLLBACK, reason="wrong totals")
    with pytest.raises(Refused, match="ada rejected it") as refused:
        world.do(verb, build=2)
    assert "wrong totals" in refused.value.found and "--reason" in refused.value.remedy
    outcome = world.do(verb, build=2, reason="they were right")
    assert (outcome.lifted, world.active()[1], world.rejected().get(2)) == (True, 2, None)


def test_a_second_rejection_changes_nothing(world: InMemory) -> None:
    world.do(Verb.REJECT, build=1, reason="first")
    assert not world.do(Verb.REJECT, build=1, reason="second").changed
    assert world.rejected() == {1: "first"}


def test_a_lift_releases_at_once_what_nothing_else_holds(world: InMemory) -> None:
    held_at_2_with_3(world).do(Verb.REJECT, build=3)
    world.do(Verb.UNPIN)
    lifted = world.do(Verb.LIFT, build=3, reason="they were right")
    assert (lifted.kind, lifted.lifted, world.active()) == ("auto", True, (3, 3))
    (row,) = world.rows(t.rejection)
    assert (row.lifted_by, row.lifted_reason) == ("ada", "they were right")


def test_a_lift_on_a_pinned_dag_releases_nothing(world: InMemory) -> None:
    held_at_2_with_3(world).do(Verb.REJECT, build=3)
    lifted = world.do(Verb.LIFT, build=3)
    assert (lifted.kind, lifted.lifted, world.active()) == (None, True, (2, 2))


def test_a_lift_of_what_is_not_rejected_changes_nothing(world: InMemory) -> None:
    assert world.do(Verb.LIFT, build=1).message == "build 1 is not rejected"


def test_each_change_is_in_the_events_in_airflows_audit_log_and_announced(world: InMemory) -> None:
    world.airflow.announced.clear()
    world.do(Verb.PIN, build=1, reason="month end")
    (event,) = world.events("pin")
    assert (event.actor, event.reason, event.build, event.from_build) == ("ada", "month end", 1, 2)
    ((dag_id, actor, details),) = world.side.audit("pinwheel_pin")
    assert (dag_id, actor, details["reason"], details["build"]) == ("a", "ada", "month end", 1)
    assert world.airflow.announced == [{"kind": "pin", "dag_id": "a"}]


def test_a_pin_to_a_version_takes_the_build_that_stood_there(world: InMemory) -> None:
    first = world.versions()[0]
    outcome = world.do(Verb.PIN, bundle_version=first)
    assert (outcome.build, world.airflow_has()[1]) == (1, first)
