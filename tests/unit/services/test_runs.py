"""Runs on a chosen build: triggered, cleared, previewed, backfilled, and what is recorded of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.asked import backfill, clear
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.ports.reads import AirflowRun
from pinwheel.services.ports.runs import BackfillWish
from pinwheel.services.run import bindings, clear_preview
from pinwheel.services.run.backfill import Backfilled
from pinwheel.services.run.bound import Cleared

FIRST = datetime(2025, 12, 1, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def held(world: InMemory) -> InMemory:
    """Build 2 is active and pinned, build 3 waits and has another task."""
    world.do(Verb.PIN)
    world.push(a=File(tasks=("only", "more")))
    return world


@pytest.fixture
def daily(empty: InMemory) -> InMemory:
    """The Dag ``a`` runs daily; builds 1 and 2 were released."""
    empty.push(a=File(schedule="daily"))
    empty.push(a=File(schedule="daily", body=1))
    return empty


def run(world: InMemory, run_id: str) -> AirflowRun:
    return world.host.unit.run(lambda s: world.host.reads.some_runs(s, "a", [run_id]))[run_id]


def tasks(world: InMemory, run_id: str) -> dict[str, str | None]:
    rows = world.host.unit.run(lambda s: world.host.reads.instance_rows(s, "a", run_id))
    return {row.task_id: row.state for row in rows}


def cleared(world: InMemory, *run_ids: str, **more: Any) -> list[Cleared]:
    world.airflow.tick(60)
    return clear(world.host, "a", run_ids, actor="ada", **more)


def wish(days: int = 3, **more: Any) -> BackfillWish:
    return BackfillWish(from_date=FIRST, to_date=FIRST + timedelta(days=days - 1), **more)


def backfilled(world: InMemory, asked: BackfillWish | None = None, **more: Any) -> Backfilled:
    wanted = asked or wish()
    return backfill(
        world.host,
        "a",
        from_date=wanted.from_date,
        to_date=wanted.to_date,
        reprocess_behavior=wanted.reprocess,
        **more,
    )


def outcomes(made: Backfilled) -> list[tuple[int, str]]:
    return [(each.logical_date.day, each.outcome) for each in made.runs if each.logical_date]


# Trigger


def test_a_run_is_started_on_the_active_build(world: InMemory) -> None:
    made = world.trigger("r")
    assert (made.build, made.release, made.bundle_version) == (2, 2, world.versions()[1])
    assert run(world, "r").bundle_version == made.bundle_version


def test_a_run_is_started_on_an_earlier_release_and_nothing_else_changes(world: InMemory) -> None:
    before = world.airflow_has(), world.ledger()
    made = world.trigger("r", build=1)
    assert (made.build, made.release) == (1, 1)
    assert run(world, "r").bundle_version == world.versions()[0]
    assert (world.airflow_has(), world.ledger()) == before


def test_a_build_that_was_never_released_is_tried_and_stays_held(held: InMemory) -> None:
    before = held.airflow_has()
    made = held.trigger("r", build=3)
    assert (made.build, made.release) == (3, None)
    assert tasks(held, "r") == {"only": None, "more": None}
    assert (held.airflow_has(), held.active()) == (before, (2, 2))


def test_a_second_trial_uses_the_version_of_the_first(held: InMemory) -> None:
    held.trigger("one", build=3)
    held.trigger("two", build=3)
    assert run(held, "one").dag_version_id == run(held, "two").dag_version_id


def test_a_run_of_the_build_that_stood_in_a_version(world: InMemory) -> None:
    made = world.trigger("r", bundle_version=world.versions()[0])
    assert (made.build, made.bundle_version) == (1, world.versions()[0])


def test_a_trigger_is_told_in_the_events(world: InMemory) -> None:
    world.trigger("r", build=1, reason="to compare")
    (event,) = world.events("trigger")
    assert (event.run_id, event.build, event.reason, event.actor) == ("r", 1, "to compare", "ada")
    assert world.airflow.announced[-1] == {"kind": "trigger", "dag_id": "a"}


def test_a_planned_trigger_starts_nothing(world: InMemory) -> None:
    before = world.everything()
    told = list(world.airflow.announced)
    world.airflow.tick(-60)
    made = world.trigger("r", build=1, plan=True)
    assert (made.run_id, made.build) == ("r", 1)
    assert (world.everything(), world.airflow.announced) == (before, told)


def test_a_repeated_trigger_starts_one_run(world: InMemory) -> None:
    assert world.trigger("r", request_id="x") == world.trigger("r", request_id="x")
    assert len(world.events("trigger")) == 1


def test_a_run_id_that_is_taken_starts_nothing(world: InMemory) -> None:
    world.trigger("r")
    with pytest.raises(Conflict, match="a run 'r' exists"):
        world.trigger("r", build=1)
    assert run(world, "r").bundle_version == world.versions()[1]


def test_no_run_is_started_of_a_retired_dag_or_on_no_build(world: InMemory) -> None:
    with pytest.raises(NotFound, match="no good build of that number"):
        world.trigger("r", build=9)
    world.remove("a")
    with pytest.raises(Refused, match="it is retired"):
        world.trigger("r")


def test_of_a_dag_that_airflow_lost_it_is_said_what_was_not_found(world: InMemory) -> None:
    world.airflow.delete_dag("a")
    with pytest.raises(NotFound, match="it has no good build of that number"):
        world.trigger("r", build=9)
    with pytest.raises(NotFound, match="Cannot find Dag b: Pinwheel has no build of it"):
        world.trigger("r", build=9, dag_id="b")


# Clear


def test_a_run_is_cleared_on_the_build_that_it_had(world: InMemory) -> None:
    world.run("r", "failed", build=1)
    (done,) = cleared(world, "r")
    assert (done.build, done.release, done.cleared, done.changed) == (1, 1, 1, True)
    assert (run(world, "r").state, run(world, "r").bundle_version) == ("queued", world.versions()[0])


def test_a_run_is_cleared_onto_a_held_build_with_its_tasks(held: InMemory) -> None:
    held.run("r", "failed")
    (done,) = cleared(held, "r", build=3)
    assert (done.build, done.release, done.cleared) == (3, None, 2)
    assert tasks(held, "r") == {"only": None, "more": None}
    assert held.active() == (2, 2)


def test_many_runs_are_cleared_together_or_none(world: InMemory) -> None:
    world.run("one", "failed")
    world.run("two", "failed")
    before = world.everything()
    with pytest.raises(NotFound, match="Airflow has no such run"):
        cleared(world, "one", "two", "unknown")
    assert world.everything() == before
    assert [done.run_id for done in cleared(world, "one", "two", "one")] == ["one", "two"]


def test_a_clear_that_fits_nothing_leaves_the_run_on_its_build(world: InMemory) -> None:
    world.run("r")
    before = run(world, "r")
    (done,) = cleared(world, "r", build=1, only_failed=True)
    assert (done.changed, done.cleared, done.build) == (False, 0, 2)
    assert (run(world, "r"), world.events("clear")) == (before, [])


def test_a_planned_clear_clears_nothing(world: InMemory) -> None:
    world.run("r", "failed")
    before = world.everything()
    (done,) = clear(world.host, "a", ["r"], actor="ada", build=1, plan=True)
    assert (done.build, done.cleared) == (1, 1)
    assert world.everything() == before


def test_a_repeated_clear_clears_once(world: InMemory) -> None:
    world.run("r", "failed")
    assert cleared(world, "r", request_id="x") == cleared(world, "r", request_id="x")
    assert run(world, "r").clear_number == 1


def test_a_running_run_stays_on_its_build(world: InMemory) -> None:
    world.run("r", None)
    with pytest.raises(Refused, match="it is running"):
        cleared(world, "r", build=1)


def test_a_preview_tells_what_a_clear_would_run_and_on_which_build(held: InMemory) -> None:
    held.run("r", "failed")
    before = held.everything()
    told = clear_preview.preview(held.host, "a", "r", actor="ada", build=3)
    assert (told.build, told.moves, told.added, told.dropped) == (3, True, ("more",), ())
    assert (told.tasks, told.refusal) == (("only",), None)
    assert held.everything() == before


def test_a_preview_says_why_nothing_can_be_cleared(world: InMemory) -> None:
    world.run("r", None)
    told = clear_preview.preview(world.host, "a", "r", actor="ada", build=1)
    assert told.refusal is not None and "it is running" in told.refusal


# Backfill


def test_a_backfill_runs_each_date_on_the_chosen_build(daily: InMemory) -> None:
    made = backfilled(daily, build=1, reason="wrong totals")
    assert (made.build, made.release, outcomes(made)) == (1, 1, [(1, "new"), (2, "new"), (3, "new")])
    assert {run(daily, each.run_id or "").bundle_version for each in made.runs} == {daily.versions()[0]}
    (event,) = daily.events("backfill")
    assert (event.new, event.skipped, event.build, event.reason) == (3, 0, 1, "wrong totals")


def test_a_backfill_without_a_build_runs_on_the_active_one(daily: InMemory) -> None:
    made = backfilled(daily)
    assert (made.build, made.release, outcomes(made)) == (2, 2, [(1, "new"), (2, "new"), (3, "new")])


@pytest.mark.parametrize("build", [1, None])
def test_a_planned_backfill_makes_nothing(daily: InMemory, build: int | None) -> None:
    before = daily.everything()
    made = backfilled(daily, build=build, plan=True)
    assert (made.plan, made.backfill, len(made.runs)) == (True, None, 3)
    assert daily.everything() == before


@pytest.mark.parametrize("build", [1, None])
def test_a_repeated_backfill_is_made_once(daily: InMemory, build: int | None) -> None:
    first = backfilled(daily, build=build, request_id="x")
    assert backfilled(daily, build=build, request_id="x") == first
    assert len(daily.events("backfill")) == 1


def test_a_backfill_whose_answer_was_lost_is_found_again(
    daily: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(Exception):
        """Of the test: the process dies after Airflow's own commit."""

    def die(*_: object, **__: object) -> None:
        raise Lost

    runs = type(daily.host.runs)
    with monkeypatch.context() as dying, pytest.raises(Lost):
        dying.setattr(runs, "backfill_runs", die)
        backfilled(daily, request_id="x")
    assert outcomes(backfilled(daily, request_id="x")) == [(1, "new"), (2, "new"), (3, "new")]
    assert len(daily.airflow.tables.backfills) == 1


@pytest.mark.parametrize("build", [1, None])
@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (BackfillWish(from_date=FIRST, to_date=FIRST - timedelta(1)), InvalidInput, "must not be after"),
        (BackfillWish(from_date=FIRST.replace(2030), to_date=FIRST.replace(2031)), InvalidInput, "future"),
        (
            BackfillWish(from_date=FIRST.replace(hour=5), to_date=FIRST.replace(hour=6)),
            InvalidInput,
            "no date",
        ),
    ],
)
def test_what_can_not_be_backfilled_is_refused_and_leaves_nothing(
    daily: InMemory, build: int | None, asked: BackfillWish, error: type[PinwheelError], words: str
) -> None:
    before = daily.everything()
    with pytest.raises(error, match=words):
        backfilled(daily, asked, build=build, request_id="x")
    assert daily.everything() == before


def test_a_dag_without_a_schedule_is_not_backfilled(world: InMemory) -> None:
    with pytest.raises(Refused, match="not periodic"):
        backfilled(world, build=1)


def test_one_backfill_at_a_time(daily: InMemory) -> None:
    backfilled(daily, build=1)
    with pytest.raises(Conflict, match="another backfill of it"):
        backfilled(daily, wish(5))
    daily.airflow.complete_backfills("a")
    assert outcomes(backfilled(daily, wish(4)))[-1] == (4, "new")


def test_dates_that_failed_run_again_on_the_chosen_build(daily: InMemory) -> None:
    daily.trigger("r", build=2, logical_date=FIRST)
    daily.finish("r", "failed")
    made = backfilled(daily, wish(reprocess="failed"), build=1)
    assert outcomes(made) == [(1, "cleared"), (2, "new"), (3, "new")]
    assert run(daily, "r").bundle_version == daily.versions()[0]


# What nobody recorded


def test_a_run_that_airflow_made_is_recorded_while_it_runs(world: InMemory) -> None:
    watched: set[int] = set()
    world.airflow.make_run("a", "stock")
    assert bindings.record_bindings(world.host, watched) == 0
    world.airflow.start_run("a", "stock")
    assert (bindings.record_bindings(world.host, watched), len(watched)) == (1, 1)
    assert bindings.record_bindings(world.host, watched) == 0


def test_an_end_that_no_listener_saw_is_recorded_once(world: InMemory) -> None:
    world.trigger("r")
    world.airflow.start_run("a", "r")
    world.airflow.end_run("a", "r", "failed")
    assert (bindings.record_outcomes(world.host), bindings.record_outcomes(world.host)) == (1, 0)
