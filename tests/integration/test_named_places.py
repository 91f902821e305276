"""Which bundle version a build is taken from, by whoever names it, and which one a run then executes."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, invariants
from harness.faults import airflow_engine
from harness.followers import Runs, changed, rows
from harness.prebuilt import Prebuilt, Text, finish_run, start_run
from pinwheel.core.errors import InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.services.show import status as dag_status


def test_a_pinned_dag_is_promoted_to_the_newest_version_of_its_active_build(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    changed(pusher, Verb.PIN)
    last = pusher.push({"b": Text(body=1)})
    assert runs.version() == first
    promoted = changed(pusher, Verb.PROMOTE)
    assert (promoted.changed, promoted.build, promoted.track) == (True, 1, "pinned")
    assert runs.version() == last
    assert not changed(pusher, Verb.PROMOTE).changed


@pytest.mark.acceptance("pushes", 9)
def test_what_names_a_build_takes_the_last_version_in_which_it_stood(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    last = pusher.push({"b": Text(body=1)})
    changed(pusher, Verb.PIN)
    newer = pusher.push({"a": Text(body=1)})
    newest = pusher.push({"b": Text(body=2)})
    assert asked.trigger(pusher.host, "a", actor="ada", build=2).bundle_version == newest
    assert asked.trigger(pusher.host, "a", actor="ada", build=1).bundle_version == last
    changed(pusher, Verb.PROMOTE)
    assert (runs.version(), newer != newest) == (newest, True)
    changed(pusher, Verb.ROLLBACK)
    assert runs.version() == last


@pytest.mark.acceptance("pushes", 41)
def test_a_rollback_after_a_follow_goes_back_a_version_and_what_was_left_is_rejected(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    pusher.push({"a": Text(body=1)})
    good = pusher.push({})
    bad = pusher.push({})
    done = changed(pusher, Verb.ROLLBACK, reason="the helper")
    assert (done.build, done.kind, done.track, done.rejected) == (2, "rollback", "pinned", 2)
    assert runs.version() == good
    invariants.check(airflow_engine())
    unpinned = changed(pusher, Verb.UNPIN)
    assert (unpinned.kind, "the helper" in unpinned.message) == (None, True)
    assert runs.version() == good
    (status,) = dag_status.status(pusher.host, dag_ids=["a"])
    assert [hold.kind for hold in status.holds] == [HoldKind.REJECTED]
    later = pusher.push({})
    assert runs.version() == later, "a later version it may follow to"
    assert (rows("SELECT first_seq, last_seq FROM pinwheel_rejection"), bad != later) == ([(4, 4)], True)


def test_a_rejected_version_is_followed_to_once_somebody_says_why(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text()})
    bad = pusher.push({})
    changed(pusher, Verb.ROLLBACK)
    changed(pusher, Verb.UNPIN)
    with pytest.raises(Refused, match="ada rejected it"):
        changed(pusher, Verb.PROMOTE)
    assert changed(pusher, Verb.PROMOTE, reason="it was the data").lifted
    assert runs.version() == bad
    changed(pusher, Verb.ROLLBACK)
    changed(pusher, Verb.UNPIN)
    assert changed(pusher, Verb.LIFT, build=1).lifted
    assert runs.version() == bad


def test_a_rollback_of_what_never_followed_goes_to_the_build_before(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    followed = pusher.push({"b": Text(body=1)})
    pusher.push({"a": Text(body=1)})
    assert changed(pusher, Verb.ROLLBACK).build == 1
    assert (runs.version(), first != followed) == (followed, True)


def version_of(run_id: str) -> str:
    ((version,),) = rows("SELECT bundle_version FROM dag_run WHERE run_id = :run_id", run_id=run_id)
    return str(version)


@pytest.mark.acceptance("pushes", 15)
def test_a_run_whose_new_tasks_alone_are_cleared_executes_the_dags_commit(
    pusher: Prebuilt, runs: Runs
) -> None:
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.session import create_session

    pusher.push({"a": Text("plain"), "b": Text()})
    runs.version()
    start_run("a", "run-1")
    finish_run("a", "run-1")
    released = pusher.push({"a": Text("daily")})
    newest = pusher.push({})
    with create_session() as session:
        dag = DBDagBag(load_op_links=False).get_latest_version_of_dag("a", session=session)
        assert dag is not None
        assert dag.clear(run_id="run-1", only_new=True, session=session)
    assert version_of("run-1") == released, "Airflow takes the commit of the version row"
    start_run("a", "run-1")
    assert version_of("run-1") == newest
    bound = rows("SELECT seq, bundle_version FROM pinwheel_binding WHERE run_id = 'run-1' ORDER BY seq")
    assert bound[-1] == (1, newest)


@pytest.mark.acceptance("pushes", 16)
def test_a_run_with_the_commit_of_before_a_release_and_its_tasks_is_put_right_when_it_starts(
    pusher: Prebuilt, runs: Runs
) -> None:
    """As Airflow's own trigger makes it when a release comes between its two statements."""
    first = pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({"a": Text(body=1)})
    assert runs.version() == second
    with airflow_engine().begin() as connection:
        connection.execute(sa.text("UPDATE dag_run SET bundle_version = :v"), {"v": first})
    newest = pusher.push({})
    start_run("a", "run-1")
    assert version_of("run-1") == newest


def test_a_run_that_waits_while_its_dag_follows_keeps_the_commit_that_it_was_made_with(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({})
    assert runs.version() == second
    pusher.push({})
    start_run("a", "run-1")
    assert version_of("run-1") == second
    bound = rows("SELECT bundle_version, bound_by FROM pinwheel_binding")
    assert bound == [(second, "active")]


@pytest.mark.acceptance("pushes", 9)
def test_a_version_in_which_the_build_stood_can_be_named_and_no_other(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({})
    third = pusher.push({"a": Text(body=1)})
    fourth = pusher.push({})
    pinned = changed(pusher, Verb.PIN, bundle_version=first)
    assert (pinned.build, pinned.kind, runs.version()) == (1, "pin", first)
    assert changed(pusher, Verb.PIN, build=1, bundle_version=second).changed
    assert runs.version() == second
    with pytest.raises(Refused, match="build 2 stood there"):
        changed(pusher, Verb.PIN, build=1, bundle_version=third)
    with pytest.raises(NotFound, match="never the newest version"):
        changed(pusher, Verb.PIN, bundle_version="f" * 40)
    assert changed(pusher, Verb.PROMOTE, bundle_version=third).build == 2
    assert runs.version() == third
    assert not changed(pusher, Verb.PROMOTE, bundle_version=third).changed
    assert changed(pusher, Verb.PROMOTE, build=2, bundle_version=fourth).changed
    assert runs.version() == fourth
    back = changed(pusher, Verb.ROLLBACK, bundle_version=third)
    assert (back.build, runs.version()) == (2, third)
    changed(pusher, Verb.UNPIN)
    with pytest.raises(InvalidInput, match="pinwheel pin a"):
        changed(pusher, Verb.PROMOTE, bundle_version=third)


def test_a_rollback_by_a_version_re_runs_what_failed_in_the_versions_that_it_leaves(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    failed = {}
    for _ in range(3):
        version = runs.version()
        run_id = f"run-{runs.made}"
        start_run("a", run_id)
        finish_run("a", run_id, "failed")
        failed[run_id] = version
        pusher.push({})
    back = changed(pusher, Verb.ROLLBACK, bundle_version=first, rerun_failed=True)
    assert back.rerun == ("run-2", "run-3"), "the first failed in the version that is gone back to"
    assert {version_of(run_id) for run_id in failed} == {first}


@pytest.mark.acceptance("pushes", 9)
def test_a_trial_a_clear_and_a_backfill_take_the_last_version_of_a_build_or_the_one_that_is_named(
    pusher: Prebuilt, runs: Runs
) -> None:
    from datetime import UTC, datetime

    first = pusher.push({"a": Text("daily"), "b": Text()})
    changed(pusher, Verb.PIN)
    second = pusher.push({"a": Text("daily", body=1)})
    third = pusher.push({})
    fourth = pusher.push({"a": Text("daily", body=2)})
    fifth = pusher.push({})

    def on(build: int | None, named: str | None = None) -> str | None:
        return asked.trigger(pusher.host, "a", actor="ada", build=build, bundle_version=named).bundle_version

    # Build 2 was never released: its runs are trials.
    assert (on(2), on(2, second), on(3), on(None, fourth)) == (third, second, fifth, fourth)
    assert on(2) == third, "one that was named is none for later ones"
    assert on(None) == first

    def cleared(**more: Any) -> str | None:
        (one,) = asked.clear(pusher.host, "a", ["r"], actor="ada", **more)
        return one.bundle_version

    asked.trigger(pusher.host, "a", actor="ada", run_id="r", build=1)
    start_run("a", "r")
    finish_run("a", "r")
    assert [cleared(build=2), cleared(), cleared(build=2, bundle_version=second), cleared()] == [
        third,
        third,
        second,
        second,
    ]
    assert cleared(bundle_version=fifth) == fifth

    days = iter(range(1, 20))

    def filled(**more: Any) -> Any:
        day = datetime(2024, 2, next(days), tzinfo=UTC)
        dates = {"from_date": day, "to_date": day.replace(hour=23)}
        made = asked.backfill(pusher.host, "a", **dates, plan=True, **more)
        return made.build, made.bundle_version

    assert filled(build=2) == (2, third)
    assert filled(bundle_version=second) == (2, second)
    assert filled(build=3) == (3, fifth)
    for refused in (on, lambda build, named: cleared(build=build, bundle_version=named)):
        with pytest.raises(Refused, match="build 3 stood there"):
            refused(2, fourth)
    with pytest.raises(Refused, match="build 3 stood there"):
        filled(build=2, bundle_version=fourth)


def test_a_dag_that_was_pinned_before_there_were_places_goes_back_to_a_version_all_the_same(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    pusher.push({})
    changed(pusher, Verb.PIN)
    with airflow_engine().begin() as connection:
        # As the migration leaves it
        connection.execute(
            sa.text(
                "UPDATE pinwheel_dag SET follow_version = NULL, released_version = row_version"
                " WHERE dag_id = 'a'"
            )
        )
    back = changed(pusher, Verb.ROLLBACK, bundle_version=first)
    assert (back.kind, runs.version()) == ("rollback", first)
    assert rows("SELECT first_seq, last_seq FROM pinwheel_rejection") == [(2, 2)]
    assert not changed(pusher, Verb.PIN, bundle_version=first).changed
