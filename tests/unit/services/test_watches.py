"""Watches of releases, through the services: what is counted, what rolls back, and where that goes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness import asked
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.release.decide import Verb
from pinwheel.services.run import bindings
from pinwheel.store import tables as t

WATCH = "policies: [{name: watched, dags: all, steps: [release, {soak: {}}]}]"


def watched(text: str = WATCH, *, before: int = 10) -> Rolling:
    """Build 1 of ``a`` ran so often well; then build 2 was released under the policy."""
    made = Rolling()
    made.push(a=File(body=0))
    made.ran(*(f"before-{n}" for n in range(before)))
    made.platform(text)
    made.push(a=File(body=1))
    return made


def with_rollback(section: str) -> str:
    return f"policies: [{{name: watched, dags: all, steps: [release, {{soak: {{}}}}], rollback: {section}}}]"


def test_a_release_is_watched_and_proven_by_five_runs_that_were_well() -> None:
    world = watched()
    assert world.active() == (2, 2)
    assert world.states() == ["watching"]
    assert world.last.release == 2
    world.ran("one", "two", "three", "four")
    world.turn()
    assert world.states() == ["watching"]
    world.ran("five")
    world.turn()
    assert world.states() == ["proven"]
    row = world.row()
    assert row.proven_build_id == world.last.place.build_id


@pytest.mark.acceptance("rollouts", 89)
def test_on_a_policys_first_day_five_good_runs_prove_a_place_so_the_first_bad_release_goes_back() -> None:
    world = watched(before=5)
    world.ran("one", "two", failed="failed")
    world.turn()
    assert world.states() == ["rolled_back"]
    assert world.ledger()[-1] == (3, 1, "rollback")
    assert world.status().track == "pinned"
    assert list(world.rejected()) == [2]


@pytest.mark.acceptance("rollouts", 50)
def test_where_no_place_is_proven_the_watch_pauses_instead() -> None:
    world = watched(before=4)
    world.ran("one", "two", failed="failed")
    world.turn()
    assert world.states() == ["paused"]
    assert world.last.cause == "no way back"
    assert world.active() == (2, 2)
    assert world.status().track == "auto"


@pytest.mark.acceptance("rollouts", 47)
def test_after_a_rollback_by_itself_the_dag_is_pinned_and_the_reason_names_the_runs() -> None:
    world = watched()
    world.ran("nightly", failed="failed")
    world.turn()
    found, row = world.status(), world.row()
    assert (found.active_build, found.track) == (1, "pinned")
    assert "nightly" in (row.track_reason or "")
    assert "build 2 failed" in (row.track_reason or "")
    (event,) = world.events("rollback")
    assert event.actor == "pinwheel"
    assert "nightly" in event.reason


@pytest.mark.acceptance("rollouts", 48)
def test_a_newer_build_does_not_undo_a_rollback_by_itself() -> None:
    world = watched()
    world.ran("nightly", failed="failed")
    world.turn()
    world.push(a=File(body=2))
    world.turn()
    world.turn(7200)
    assert world.active() == (3, 1)
    assert world.states() == ["rolled_back"]


@pytest.mark.acceptance("rollouts", 51)
def test_a_failure_older_than_an_hour_pauses() -> None:
    world = watched()
    world.ran("nightly", failed="failed")
    world.turn(3700)
    assert world.states() == ["paused"]
    assert world.last.cause == "stale"
    assert world.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 64)
def test_while_one_is_watched_the_next_waits_at_its_release() -> None:
    world = watched()
    world.push(a=File(body=2))
    assert world.active() == (2, 2)
    assert world.states() == ["watching", "waiting"]
    assert [hold.kind for hold in world.status().holds] == ["watch"]
    world.ran("one", "two", "three", "four", "five")
    world.turn()
    world.turn()
    assert world.active() == (3, 3)
    assert world.states() == ["proven", "watching"]


def test_the_newer_build_that_waits_is_withdrawn_when_the_watched_one_is_rolled_back() -> None:
    world = watched()
    world.push(a=File(body=2))
    world.ran("nightly", failed="failed")
    world.turn()
    assert world.states() == ["rolled_back", "withdrawn"]
    assert world.active() == (3, 1)


@pytest.mark.acceptance("rollouts", 54)
@pytest.mark.parametrize("word", ["heartbeat timeout", "state mismatch", "stuck in queued tries exceeded"])
def test_a_run_that_infrastructure_ended_does_not_count(word: str) -> None:
    world = watched()
    world.ran("one", "two", "three", failed=word)
    world.turn()
    assert world.states() == ["watching"]
    world.ran(*(f"well-{n}" for n in range(5)))
    world.turn()
    assert world.states() == ["proven"]


@pytest.mark.acceptance("rollouts", 54)
def test_a_run_that_a_person_marked_does_not_count() -> None:
    world = watched()
    world.trigger("nightly")
    world.airflow.say("a", "nightly", "patch_dag_run")
    world.end("nightly", failed="unheard of")
    world.turn()
    assert world.states() == ["watching"]


def test_a_failure_of_which_nothing_is_known_pauses() -> None:
    world = watched()
    world.ran("nightly", failed="unheard of")
    world.turn()
    assert world.states() == ["paused"]
    assert world.last.cause == "error"
    assert "nightly" in (world.last.why or "")


@pytest.mark.acceptance("rollouts", 58)
def test_runs_of_other_places_that_fail_late_do_not_count() -> None:
    world = Rolling()
    world.push(a=File(body=0))
    world.ran(*(f"before-{n}" for n in range(10)))
    world.trigger("late")
    world.airflow.start_run("a", "late")
    world.platform(WATCH)
    world.push(a=File(body=1))
    world.end("late", failed="failed")
    world.turn()
    assert world.states() == ["watching"]
    assert world.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 84)
def test_a_failure_that_was_cleared_before_anyone_looked_counts() -> None:
    world = watched()
    world.ran("nightly", failed="failed")
    asked.clear(world.host, "a", ["nightly"], actor="ada")
    world.turn()
    assert world.states() == ["rolled_back"]


@pytest.mark.acceptance("rollouts", 55)
def test_an_outage_of_all_dags_pauses() -> None:
    world = Rolling()
    others = [f"other{n}" for n in range(8)]
    world.push(a=File(body=0), **{name: File(body=0) for name in others})
    world.ran(*(f"before-{n}" for n in range(10)))
    world.airflow.tick(3 * 86_400)
    world.platform(WATCH)
    world.push(a=File(body=1))
    for name in others:
        world.ran(f"{name}-run", failed="failed", dag_id=name)
    world.ran("nightly", failed="failed")
    world.turn()
    assert world.states() == ["paused"]
    assert world.last.cause == "not alone"
    assert world.active() == (2, 2)


def test_a_cancelled_backfill_of_another_dag_is_no_outage() -> None:
    world = Rolling()
    world.push(a=File(body=0), other=File(body=0))
    world.ran(*(f"before-{n}" for n in range(10)))
    world.airflow.tick(3 * 86_400)
    world.platform(WATCH)
    world.push(a=File(body=1))
    for n in range(8):
        world.airflow.make_run("other", f"day-{n}")
        world.airflow.end_run("other", f"day-{n}", "failed")
    bindings.record_outcomes(world.host)
    world.ran("nightly", failed="failed")
    world.turn()
    assert world.states() == ["rolled_back"]


def test_what_failed_runs_again_on_the_proven_build_where_the_policy_asks() -> None:
    world = watched(with_rollback("{rerun_failed: true}"))
    world.ran("nightly", failed="failed")
    world.turn()
    assert world.active() == (3, 1)
    run = world.airflow.tables.runs["a", "nightly"]
    assert (run.state, run.clear_number) == ("queued", 1)
    (cleared,) = world.events("clear")
    assert cleared.build == 1


def test_an_external_verdict_on_a_watched_release_rolls_back() -> None:
    world = watched(with_rollback("{also: [{check: data/quality}]}"))
    world.turn()
    world.say("data/quality", "failed", place=world.last.place)
    world.turn()
    assert world.states() == ["rolled_back"]
    assert "data/quality" in (world.last.why or "")


def test_a_task_that_failed_for_good_counts_at_once_where_the_policy_asks() -> None:
    world = watched(with_rollback("{early: true}"))
    world.trigger("nightly")
    world.airflow.start_run("a", "nightly")
    world.turn()
    (task_id, *_) = [key[2] for key in world.airflow.tables.tasks if key[:2] == ("a", "nightly")]
    world.airflow.execute("a", "nightly", task_id, 1, "failed")
    world.airflow.say("a", "nightly", "failed", task_id, on_host=True)
    world.turn(4)
    assert world.states() == ["watching"]
    world.turn(2)
    assert world.states() == ["rolled_back"]


def test_a_missed_deadline_rolls_back_where_the_policy_asks() -> None:
    world = watched(with_rollback("{deadline: missed}"))
    world.ran("nightly")
    world.airflow.miss_deadline("a", "nightly")
    world.ran("next")
    world.turn()
    assert world.states() == ["rolled_back"]
    assert "deadline" in (world.last.why or "")


@pytest.mark.acceptance("rollouts", 98)
def test_with_every_signal_dropped_the_watch_comes_to_the_same_end_later() -> None:
    world = watched()
    world.turn()
    world.ran("nightly", failed="failed")
    world.host.unit.run(lambda session: session.execute(t.signal.delete()))
    world.turn()
    assert world.states() == ["watching"]
    world.sweep()
    assert world.states() == ["rolled_back"]


@pytest.mark.acceptance("rollouts", 98)
def test_a_run_of_which_nobody_recorded_the_end_is_found_by_the_sweep() -> None:
    world = watched()
    world.turn()
    world.ran("nightly", failed="failed", recorded=False)
    world.turn()
    assert world.states() == ["watching"]
    world.sweep()
    world.turn()
    assert world.states() == ["rolled_back"]


def test_a_watch_that_no_run_came_to_in_its_time_pauses() -> None:
    text = "policies: [{name: watched, dags: all, steps: [release, {soak: {at_most: 7d}}]}]"
    world = watched(text)
    world.turn(timedelta(days=7).total_seconds() + 1)
    assert world.states() == ["paused"]
    assert world.last.cause == "no runs"


@pytest.mark.acceptance("pushes", 18)
@pytest.mark.acceptance("pushes", 40)
def test_an_at_once_dag_follows_again_once_its_release_is_proven() -> None:
    world = watched()
    head = world.push(b=File(body=0))
    assert world.airflow_has()[1] != head
    world.ran(*(f"well-{n}" for n in range(5)))
    world.turn()
    assert world.states() == ["proven"]
    assert world.airflow_has()[1] == head


@pytest.mark.acceptance("rollouts", 91)
def test_an_aborted_watch_releases_and_proves_nothing() -> None:
    world = watched()
    world.act("abort", watched=True)
    assert world.states() == ["aborted"]
    assert world.active() == (2, 2)
    assert world.row().proven_build_id is None
    world.ran("nightly", failed="failed")
    world.turn()
    assert world.active() == (2, 2)


def test_promote_of_a_person_is_watched_too() -> None:
    world = Rolling()
    world.push(a=File(body=0))
    world.ran(*(f"before-{n}" for n in range(10)))
    world.platform(WATCH)
    world.do(Verb.PIN)
    world.push(a=File(body=1))
    world.do(Verb.UNPIN)
    assert world.states() == ["watching"]


def proves_by_runs_alone() -> Rolling:
    """Build 4 of ``a`` is watched: it goes back to build 3, which its runs prove, else to build 2, the last
    that a watch proved."""
    world = Rolling()
    world.push(a=File(body=0))
    world.platform(WATCH)
    world.push(a=File(body=1))
    world.ran(*(f"proves-{n}" for n in range(5)))
    world.turn()
    world.platform("policies: []")
    world.push(a=File(body=2))
    world.ran(*(f"runs-{n}" for n in range(10)))
    world.platform(WATCH)
    world.push(a=File(body=3))
    assert world.active()[1] == 4
    return world


@pytest.mark.acceptance("rollouts", 53)
def test_the_way_back_skips_a_rejected_place_for_the_one_that_was_proven_before() -> None:
    world = proves_by_runs_alone()
    world.do(Verb.REJECT, build=3, reason="it loses orders")
    world.ran("one", "two", failed="failed")
    world.turn()
    assert world.states()[-1] == "rolled_back"
    assert world.active()[1] == 2


@pytest.mark.acceptance("rollouts", 53)
def test_where_both_ways_back_are_rejected_the_watch_pauses() -> None:
    world = proves_by_runs_alone()
    for build in (2, 3):
        world.do(Verb.REJECT, build=build, reason="it loses orders")
    under = world.status().watch
    assert under is not None and under.goes_back_to is None
    world.ran("one", "two", failed="failed")
    world.turn()
    assert (world.states()[-1], world.last.cause) == ("paused", "no way back")
    assert world.active()[1] == 4


def test_a_release_that_is_watched_for_days_is_no_control_of_its_own() -> None:
    steps = "[release, {soak: {at_least: 2d}}]"
    text = f"policies: [{{name: w, dags: all, steps: {steps}, rollback: {{when: {{failures: 3, of: 5}}}}}}]"
    world = watched(text)
    world.turn(25 * 3600)
    world.ran("one", "two", "three", failed="failed")
    world.turn()
    assert world.states() == ["rolled_back"]


def test_a_build_that_fails_each_time_is_no_way_back() -> None:
    world = Rolling()
    world.push(a=File(body=0))
    world.ran(*(f"before-{n}" for n in range(20)), failed="failed")
    world.platform(with_rollback("{when: first-failure}"))
    world.push(a=File(body=1))
    world.ran("nightly", failed="failed")
    world.turn()
    assert (world.states(), world.last.cause) == (["paused"], "no way back")
