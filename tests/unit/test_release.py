"""What decisions say, and what single cases mean. All of them: ``test_every_state.py``."""

from __future__ import annotations

import pytest
from attrs import evolve

from harness.builds import build
from pinwheel.core.errors import InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Command, Reject, Release, SetTrack, Verb, decide
from pinwheel.core.release.state import DagState, Kind, Track


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PIN, Verb.UNPIN, Verb.ROLLBACK])
def test_an_unversioned_bundle_is_refused_with_the_two_line_remedy(verb: Verb) -> None:
    state = DagState(
        dag_id="sales", active_build=build(1), newest_build=build(1), versioned=False, bundle_name="local"
    )
    with pytest.raises(Refused) as caught:
        decide(state, Command(verb=verb))
    assert "pinwheel.bundles.FolderBundle" in caught.value.remedy
    assert "local" in caught.value.remedy


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PIN, Verb.ROLLBACK])
def test_a_dag_that_disables_bundle_versioning_is_refused_with_the_reason(verb: Verb) -> None:
    opted_out = build(1, versioned=False)
    state = DagState(dag_id="sales", active_release=1, active_build=opted_out, newest_build=opted_out)
    with pytest.raises(Refused, match="disable_bundle_versioning"):
        decide(state, Command(verb=verb))


def test_a_new_build_of_an_unpinned_dag_is_released_at_once() -> None:
    state = DagState(dag_id="sales", active_release=1, active_build=build(1), newest_build=build(2))
    decision = decide(state, Command(verb=Verb.ARRIVE, build=build(2)))
    assert decision.steps == (Release(build=build(2), kind=Kind.AUTO),)


def test_a_new_build_behind_a_pin_waits() -> None:
    state = DagState(
        dag_id="sales", track=Track.PINNED, active_release=1, active_build=build(1), newest_build=build(2)
    )
    assert not decide(state, Command(verb=Verb.ARRIVE, build=build(2))).changes


def test_a_rollback_pins_and_rejects_so_that_neither_a_push_nor_an_unpin_brings_the_bad_build_back() -> None:
    state = DagState(dag_id="sales", active_release=2, active_build=build(2), newest_build=build(2))
    command = Command(verb=Verb.ROLLBACK, previous_build=build(1))
    decision = decide(state, command)
    back = Release(build=build(1), kind=Kind.ROLLBACK)
    assert decision.steps == (SetTrack(track=Track.PINNED), Reject(build=build(2), instead=build(1)), back)
    spared = decide(state, evolve(command, to_blame=False))
    assert spared.steps == (SetTrack(track=Track.PINNED), back)


def test_a_rollback_without_an_earlier_build_is_not_found() -> None:
    state = DagState(dag_id="sales", active_release=1, active_build=build(1), newest_build=build(1))
    with pytest.raises(NotFound, match="no earlier release"):
        decide(state, Command(verb=Verb.ROLLBACK))


def test_promote_does_not_go_back_and_says_which_verb_does() -> None:
    state = DagState(dag_id="sales", active_release=3, active_build=build(3), newest_build=build(3))
    with pytest.raises(Refused) as caught:
        decide(state, Command(verb=Verb.PROMOTE, build=build(1)))
    assert "pinwheel rollback sales --build 1" in caught.value.remedy


def test_unpin_releases_what_waited() -> None:
    state = DagState(
        dag_id="sales", track=Track.PINNED, active_release=1, active_build=build(1), newest_build=build(3)
    )
    assert decide(state, Command(verb=Verb.UNPIN)).steps == (
        SetTrack(track=Track.AUTO),
        Release(build=build(3), kind=Kind.UNPIN),
    )


def test_unpin_to_a_build_is_invalid() -> None:
    with pytest.raises(InvalidInput):
        decide(DagState(dag_id="sales", track=Track.PINNED), Command(verb=Verb.UNPIN, build=build(1)))


def test_an_unstable_dag_replaces_its_unused_automatic_release() -> None:
    wobbly = build(2, unstable=("start_date",))
    state = DagState(
        dag_id="sales", active_release=1, active_build=build(1), newest_build=wobbly, unused_auto_release=True
    )
    release = decide(state, Command(verb=Verb.ARRIVE, build=wobbly)).release
    assert release is not None and release.replaces_active


def test_a_stable_dag_never_replaces_a_release() -> None:
    state = DagState(
        dag_id="sales",
        active_release=1,
        active_build=build(1),
        newest_build=build(2),
        unused_auto_release=True,
    )
    release = decide(state, Command(verb=Verb.ARRIVE, build=build(2))).release
    assert release is not None and not release.replaces_active


def test_a_pinned_dag_that_is_gone_from_its_bundle_stays() -> None:
    state = DagState(dag_id="sales", track=Track.PINNED, active_release=1, active_build=build(1))
    assert not decide(state, Command(verb=Verb.RETIRE)).changes
