"""Decisions about versions of one build, and what they say of the rejections that they lift."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from harness.builds import build
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import (
    Command,
    Decision,
    Lift,
    Reject,
    Release,
    SetTrack,
    Verb,
    decide,
    released_again,
)
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Kind, Track

OLD, NOW, NEW = (Head(seq=seq, version=f"c{seq}") for seq in (7, 9, 11))
PINNED, UNPINNED = SetTrack(track=Track.PINNED), SetTrack(track=Track.AUTO)
FREE = DagState(
    dag_id="sales",
    active_release=3,
    active_build=build(5),
    newest_build=build(5),
    in_force=NOW,
    version="c9",
    places={build(5).id: NOW},
)
HELD = evolve(FREE, track=Track.PINNED)


def rejection(number: int = 5, *, id: int = 1, **changes: Any) -> Rejection:
    base = Rejection(
        id=id,
        dag_id="sales",
        build_id=build(number).id,
        actor="bob",
        reason="wrong totals",
        at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return evolve(base, **changes)


LIFTS = ", which lifts a rejection: bob rejected it at 2026-01-02 00:00 UTC: wrong totals"
AT_OLD, AT_NEW = rejection(first_seq=7), rejection(first_seq=11)
WHOLE = rejection()


def decided(state: DagState, verb: Verb, **command: Any) -> Decision:
    return decide(state, Command(verb=verb, **command))


def in_version(kind: Kind, head: Head) -> Release:
    return Release(build=build(5), kind=kind, version=head.version)


def test_a_dag_that_is_not_pinned_is_promoted_to_no_version_but_may_be_pinned_to_one() -> None:
    with pytest.raises(InvalidInput) as refused:
        decided(FREE, Verb.PROMOTE, build=build(5), at=OLD)
    assert "pinwheel pin sales --bundle-version c7" in refused.value.remedy


@pytest.mark.parametrize("head", [OLD, NEW])
def test_a_pinned_dag_is_promoted_to_another_version_of_its_build(head: Head) -> None:
    decision = decided(HELD, Verb.PROMOTE, build=build(5), at=head)
    assert decision == Decision(steps=(in_version(Kind.PROMOTE, head),), reason="now in this version")


def test_a_pinned_dag_that_is_in_the_version_asked_for_stays_as_it_is() -> None:
    assert decided(HELD, Verb.PROMOTE, build=build(5), at=NOW).steps == ()
    nobody_knows = evolve(HELD, in_force=None)
    assert decided(nobody_knows, Verb.PROMOTE, build=build(5), at=NOW).steps == (
        in_version(Kind.PROMOTE, NOW),
    )


def test_a_pinned_dag_that_stands_still_is_promoted_to_the_newest_version_unless_one_is_named() -> None:
    still = evolve(HELD, places={build(5).id: NEW})
    newest = Decision(
        steps=(Release(build=build(5), kind=Kind.PROMOTE),),
        reason="the Dag stays pinned, now in the newest version",
    )
    assert decided(still, Verb.PROMOTE) == newest
    assert decided(still, Verb.PROMOTE, build=build(5), at=NOW).steps == ()


def test_a_rejected_version_is_released_on_purpose_only_with_a_reason_and_the_plan_says_what_that_lifts() -> (
    None
):
    held = evolve(HELD, rejections=(AT_OLD, AT_NEW))
    with pytest.raises(Refused, match="bob rejected it"):
        decided(held, Verb.PROMOTE, build=build(5), at=OLD)
    lift = Lift(rejections=(AT_OLD, AT_NEW))
    assert decided(held, Verb.PROMOTE, build=build(5), at=OLD, reason="fine") == Decision(
        steps=(lift, in_version(Kind.PROMOTE, OLD)), reason=f"now in this version{LIFTS}"
    )
    still = evolve(held, places={build(5).id: NEW})
    assert decided(still, Verb.PROMOTE, reason="fine") == Decision(
        steps=(lift, Release(build=build(5), kind=Kind.PROMOTE)),
        reason=f"the Dag stays pinned, now in the newest version{LIFTS}",
    )
    assert decided(held, Verb.PIN, build=build(5), at=OLD, reason="fine").steps == (
        lift,
        in_version(Kind.PIN, OLD),
    )


def test_of_two_rejections_that_are_lifted_the_newer_one_is_told() -> None:
    newer = rejection(id=2, reason="late")
    state = evolve(FREE, newest_build=build(6), rejections=(rejection(6), rejection(6, id=2, reason="late")))
    told = decided(state, Verb.PROMOTE, reason="fine").reason
    assert told == f"promoted{LIFTS.replace('wrong totals', newer.reason or '')}"


def test_an_unpinned_dag_whose_newest_version_is_rejected_takes_it_again_by_a_lift_alone() -> None:
    here = evolve(FREE, rejections=(rejection(first_seq=9),))
    assert decided(here, Verb.PROMOTE, reason="fine") == Decision(
        steps=(Lift(rejections=here.rejections),), reason="new runs take the newest version again"
    )
    with pytest.raises(Refused):
        decided(here, Verb.PROMOTE)
    pinned = evolve(here, track=Track.PINNED)
    assert decided(pinned, Verb.PROMOTE, reason="fine").steps == ()
    everywhere = evolve(FREE, rejections=(WHOLE,))
    assert decided(everywhere, Verb.PROMOTE, reason="fine").steps == (), "it was released on purpose"


def test_a_retired_dag_that_is_pinned_is_promoted_in_the_version_that_is_named() -> None:
    gone = evolve(HELD, retired=True)
    assert decided(gone, Verb.PROMOTE, build=build(5), at=NOW).steps == (in_version(Kind.PROMOTE, NOW),)
    with pytest.raises(Refused) as refused:
        decided(evolve(FREE, retired=True), Verb.PROMOTE, build=build(5))
    assert "pinwheel pin sales --build 5" in refused.value.remedy


@pytest.mark.parametrize(
    ("state", "head", "steps"),
    [
        pytest.param(FREE, OLD, (PINNED, in_version(Kind.PIN, OLD)), id="to another version"),
        pytest.param(FREE, NOW, (PINNED,), id="where it is"),
        pytest.param(HELD, OLD, (in_version(Kind.PIN, OLD),), id="pinned, to another version"),
        pytest.param(HELD, NOW, (), id="pinned, where it is"),
        pytest.param(
            evolve(HELD, retired=True), NOW, (in_version(Kind.PIN, NOW),), id="pinned, and gone meanwhile"
        ),
        pytest.param(
            evolve(HELD, active_build=build(4)), NOW, (in_version(Kind.PIN, NOW),), id="another build"
        ),
        pytest.param(evolve(HELD, active_build=None), NOW, (in_version(Kind.PIN, NOW),), id="none is active"),
    ],
)
def test_a_pin_moves_a_dag_to_the_version_asked_for(
    state: DagState, head: Head, steps: tuple[object, ...]
) -> None:
    assert decided(state, Verb.PIN, build=build(5), at=head).steps == steps


def test_a_pin_says_which_build_it_holds_and_what_it_lifts() -> None:
    other = evolve(FREE, rejections=(rejection(4),))
    assert decided(other, Verb.PIN, build=build(4), reason="fine").reason == (
        f"held on build 4 until unpinned{LIFTS}"
    )
    assert decided(FREE, Verb.PIN).reason == "held on build 5 until unpinned"
    with pytest.raises(NotFound):
        decided(DagState(dag_id="sales"), Verb.PIN)


def test_an_unpin_says_that_new_runs_wait_for_another_version() -> None:
    here = evolve(HELD, rejections=(rejection(first_seq=9),))
    told = decided(here, Verb.UNPIN)
    assert told.steps == (UNPINNED,)
    assert told.reason.endswith(
        "new runs wait for another version: bob rejected it at 2026-01-02 00:00 UTC: wrong totals"
    )
    assert decided(HELD, Verb.UNPIN).reason == "each new build is released at once again"


def back(head: Head, *rejected: Reject) -> tuple[object, ...]:
    return (PINNED, *rejected, in_version(Kind.ROLLBACK, head))


def versions(first: int, last: int) -> Reject:
    return Reject(build=build(5), first_seq=first, last_seq=last)


@pytest.mark.parametrize(
    ("before", "in_force", "rejected"),
    [
        pytest.param(OLD, NOW, versions(8, 9), id="all versions after it are rejected"),
        pytest.param(OLD, evolve(NOW, seq=8), versions(8, 8), id="the one after it is"),
        pytest.param(NEW, NOW, versions(9, 9), id="the way back is the head again: only what is left is"),
    ],
)
def test_a_dag_that_followed_is_rolled_back_to_the_version_before(
    before: Head, in_force: Head, rejected: Reject
) -> None:
    followed = evolve(FREE, before=before, in_force=in_force)
    decision = decided(followed, Verb.ROLLBACK, previous_build=build(4))
    assert decision.steps == back(before, rejected)
    assert decision.reason == (
        f"held on build 5 of version {before.version} until unpinned; the versions after it are rejected"
    )
    spared = decided(followed, Verb.ROLLBACK, previous_build=build(4), to_blame=False)
    assert spared.steps == back(before)
    assert spared.reason == f"held on build 5 of version {before.version} until unpinned"


def test_a_rollback_to_the_version_before_lifts_nothing_and_rejects_only_what_is_known() -> None:
    followed = evolve(FREE, before=OLD, rejections=(AT_OLD,))
    assert decided(followed, Verb.ROLLBACK).steps == back(OLD, versions(8, 9))
    assert decided(evolve(followed, in_force=None), Verb.ROLLBACK).steps == back(OLD)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"before": None}, id="it did not follow"),
        pytest.param({"rejections": (WHOLE,)}, id="its build is rejected in all versions"),
        pytest.param({"retired": True}, id="it is gone"),
        pytest.param({"active_build": None}, id="nothing is active"),
    ],
)
def test_any_other_dag_is_rolled_back_to_the_build_before(changes: dict[str, Any]) -> None:
    state = evolve(FREE, **{"before": OLD, **changes})
    release = decided(state, Verb.ROLLBACK, previous_build=build(4)).release
    assert release == Release(build=build(4), kind=Kind.ROLLBACK)
    with pytest.raises(NotFound, match="no earlier release"):
        decided(state, Verb.ROLLBACK)


@pytest.mark.parametrize(
    ("state", "head", "steps"),
    [
        pytest.param(FREE, OLD, back(OLD, versions(8, 9)), id="to an older version"),
        pytest.param(FREE, NEW, back(NEW), id="to a newer version: nothing was left behind"),
        pytest.param(
            FREE, evolve(NOW, version="c0"), back(evolve(NOW, version="c0")), id="of the same place"
        ),
        pytest.param(evolve(FREE, in_force=None), OLD, back(OLD), id="nobody knows what is in force"),
        pytest.param(FREE, NOW, (PINNED,), id="where it is"),
    ],
)
def test_a_rollback_to_a_version_rejects_those_after_it(
    state: DagState, head: Head, steps: tuple[object, ...]
) -> None:
    assert decided(state, Verb.ROLLBACK, build=build(5), at=head).steps == steps


def test_a_rollback_to_a_rejected_version_needs_a_reason_and_says_what_it_lifts() -> None:
    state = evolve(FREE, rejections=(AT_OLD,))
    with pytest.raises(Refused):
        decided(state, Verb.ROLLBACK, build=build(5), at=OLD)
    decision = decided(state, Verb.ROLLBACK, build=build(5), at=OLD, reason="fine")
    assert decision.steps == (
        PINNED,
        Lift(rejections=(AT_OLD,)),
        versions(8, 9),
        in_version(Kind.ROLLBACK, OLD),
    )
    assert decision.reason == (
        f"held on build 5 of version c7 until unpinned{LIFTS}; the versions after it are rejected"
    )


def test_a_rollback_to_a_build_says_what_it_lifts_and_what_it_rejects() -> None:
    state = evolve(FREE, rejections=(rejection(4),))
    decision = decided(state, Verb.ROLLBACK, build=build(4), reason="fine")
    assert decision.reason == f"held on build 4 until unpinned{LIFTS}; build 5 is rejected"
    assert decided(state, Verb.ROLLBACK, build=build(4), reason="fine", to_blame=False).reason == (
        f"held on build 4 until unpinned{LIFTS}"
    )


def test_an_active_build_that_is_written_anew_is_held_where_this_version_is_rejected() -> None:
    here = evolve(FREE, rejections=(rejection(first_seq=9),))
    assert decided(here, Verb.ARRIVE, build=build(5), rewritten=True).steps == ()
    everywhere = evolve(FREE, rejections=(WHOLE,))
    assert decided(everywhere, Verb.ARRIVE, build=build(5), rewritten=True).steps == (
        Release(build=build(5), kind=Kind.AUTO, replaces_active=True),
    )


def test_a_build_of_which_a_version_is_rejected_can_be_rejected_as_a_whole() -> None:
    here = evolve(FREE, rejections=(rejection(first_seq=9),))
    assert decided(here, Verb.REJECT, build=build(5)).steps == (Reject(build=build(5)),)
    assert decided(evolve(FREE, rejections=(WHOLE,)), Verb.REJECT, build=build(5)).steps == ()


def test_a_rejection_says_whether_the_build_stays_active() -> None:
    stays, never = "it stays active until another is released", "it is never released by itself"
    assert decided(FREE, Verb.REJECT, build=build(5)).reason == stays
    assert decided(FREE, Verb.REJECT, build=build(6)).reason == never
    assert decided(evolve(FREE, retired=True), Verb.REJECT, build=build(5)).reason == never
    assert decided(evolve(FREE, active_build=None), Verb.REJECT, build=build(5)).reason == never


def test_the_active_build_is_released_again_where_each_version_is_a_release() -> None:
    assert released_again(FREE).steps == (Release(build=build(5), kind=Kind.AUTO),)


def test_a_decision_has_one_step_of_a_kind_and_knows_its_release() -> None:
    release = Release(build=build(5), kind=Kind.AUTO)
    with pytest.raises(ValueError, match="two steps of one kind"):
        Decision(steps=(release, release), reason="")
    assert Decision(steps=(PINNED, Reject(build=build(5)), release), reason="").release is release
    assert Decision(steps=(PINNED,), reason="").release is None
    assert Decision(steps=(PINNED,), reason="").changes is True
    assert Decision(steps=(), reason="").changes is False


def test_inputs_are_rejected_with_a_build_that_differs_at_each_parse_but_not_with_a_version_of_it() -> None:
    wobbly = build(5, unstable=("start_date",), pure=True)
    assert Reject(build=wobbly).inputs_digest == "i5"
    assert Reject(build=wobbly, first_seq=1).inputs_digest is None
    assert Reject(build=build(5, pure=True)).inputs_digest is None


def test_a_stale_request_says_what_is_active_and_what_was_expected() -> None:
    with pytest.raises(Conflict) as stale:
        decided(FREE, Verb.PIN, expected_release=2)
    assert stale.value.facts == {"dag_id": "sales", "expected_release": 2, "active_release": 3}


def test_without_versions_a_dag_is_still_taken_in_and_retired() -> None:
    loose = evolve(FREE, versioned=False, newest_build=build(6))
    assert decided(loose, Verb.ARRIVE, build=build(6)).changes
    assert decided(loose, Verb.RETIRE).changes
    with pytest.raises(Refused):
        decided(loose, Verb.REJECT, build=build(6))
