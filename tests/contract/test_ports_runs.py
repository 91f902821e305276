"""The port of runs: the same sentences of the real one and of the one in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from harness.projections import projection, release, trigger
from harness.pushing import File, Pusher
from harness.sides import Side
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.dates import RunDates
from pinwheel.core.run.mark import marked
from pinwheel.services.ports.reads import AirflowRun
from pinwheel.services.ports.runs import BackfillRun, BackfillWish
from pinwheel.store import bindings, start_rules
from pinwheel.store.bindings import NewBinding
from pinwheel.store.start_rules import RuleKind

FIRST = datetime(2025, 3, 1, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def run(side: Side, run_id: str = "r") -> AirflowRun:
    return side.host.unit.run(lambda s: side.host.reads.some_runs(s, "a", [run_id]))[run_id]


def tasks(side: Side, run_id: str = "r") -> dict[str, str | None]:
    """The state of each task instance."""
    rows = side.host.unit.run(lambda s: side.host.reads.instance_rows(s, "a", run_id))
    return {row.task_id: row.state for row in rows}


def versions_of_tasks(side: Side, *task_ids: str) -> dict[str, UUID | None]:
    rows = side.host.unit.run(lambda s: side.host.reads.instance_groups(s, "a", ["r"], task_ids))
    return {row.task_id: row.dag_version_id for row in rows}


def clear(side: Side, version: UUID | None = None, **more: Any) -> tuple[int, int, UUID | None, str | None]:
    options = {"only_failed": False, "task_ids": None, "bundle_version": "v2" if version else None, **more}
    return side.host.unit.run(
        lambda s: side.host.runs.clear_run(s, "a", "r", dag_version_id=version, **options)
    )


def ran(side: Side, version: UUID, *, state: str = "success", **of_tasks: str) -> None:
    """A run that ended, its tasks in these states."""
    trigger(side, version, "r")
    side.start_run("a", "r")
    for task_id, came_to in of_tasks.items():
        side.execute("a", "r", task_id, 1, came_to)
    side.end_run("a", "r", state)


def wish(days: int = 3, **more: Any) -> BackfillWish:
    return BackfillWish(from_date=FIRST, to_date=FIRST + (days - 1) * DAY, **more)


def backfill(side: Side, version: UUID, asked: BackfillWish | None = None) -> tuple[BackfillRun, ...]:
    return side.host.unit.run(
        lambda s: side.host.runs.create_backfill(
            s, "a", version, asked or wish(), bundle_version="v1", actor="ada"
        )
    ).runs


def default_backfill(side: Side, asked: BackfillWish | None = None) -> tuple[BackfillRun, ...]:
    made = side.host.runs.create_default_backfill("a", asked or wish(), actor="ada")
    return side.host.unit.run(lambda s: side.host.runs.backfill_runs(s, made))


def outcomes(runs: tuple[BackfillRun, ...]) -> list[tuple[int, str]]:
    """Day of the month and outcome of each date."""
    return [(each.logical_date.day, each.outcome) for each in runs if each.logical_date]


# One run


def test_a_run_is_queued_on_its_version_with_the_tasks_of_that(side: Side) -> None:
    first = release(side, 1, File(tasks=("x", "y")))
    release(side, 2)
    assert trigger(side, first, "r") == ("r", 0)
    made = run(side)
    assert (made.state, made.clear_number) == ("queued", 0)
    assert (made.dag_version_id, made.bundle_version) == (first, "v1")
    assert tasks(side) == {"x": None, "y": None}
    assert versions_of_tasks(side, "x", "y") == {"x": first, "y": first}


def test_a_run_without_an_id_gets_one_of_its_time(side: Side) -> None:
    version = release(side, 1)
    run_id, _ = trigger(side, version, None)  # type: ignore[arg-type]
    assert run_id.startswith("manual__2")


def test_a_run_of_a_dag_that_opts_out_of_versions_has_none(side: Side) -> None:
    trigger(side, release(side, 1, File(unversioned=True)), "r")
    assert run(side).bundle_version is None


def test_no_run_is_made_of_a_retired_dag(side: Side) -> None:
    version = release(side, 1)
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["a"]))
    with pytest.raises(Refused, match="it is retired: gone from its bundle"):
        trigger(side, version, "r")


def test_no_run_is_made_by_hand_where_the_dag_forbids_it(side: Side) -> None:
    version = release(side, 1, File(run_types=("scheduled",)))
    with pytest.raises(Refused, match="the Dag does not allow manual runs"):
        trigger(side, version, "r")


def test_no_run_is_made_on_a_version_that_is_gone(side: Side) -> None:
    version = release(side, 1)
    release(side, 2)
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [version]))
    with pytest.raises(NotFound, match="Airflow has no row of it"):
        trigger(side, version, "r")


def test_neither_an_id_nor_a_logical_date_is_taken_twice(side: Side) -> None:
    version = release(side, 1)
    trigger(side, version, "r", logical_date=FIRST)
    with pytest.raises(Conflict, match="a run 'r' exists"):
        trigger(side, version, "r")
    with pytest.raises(Conflict, match=r"run 'r' has logical date 2025-03-01T04:05:00\+00:00"):
        trigger(side, version, "other", logical_date=FIRST)


# Clearing


def test_clearing_runs_all_tasks_again_on_the_version_that_they_had(side: Side) -> None:
    version = release(side, 1, File(tasks=("x", "y")))
    ran(side, version, x="success", y="success")
    assert clear(side) == (2, 1, version, "v1")
    assert (run(side).state, run(side).clear_number) == ("queued", 1)
    assert tasks(side) == {"x": None, "y": None}
    side.tick()
    side.start_run("a", "r")
    side.execute("a", "r", "x", 2)
    found = side.host.unit.run(lambda s: side.host.reads.tries(s, "a", ["r"], task_id="x"))
    assert [(each.try_number, each.state, each.current) for each in found] == [
        (1, "success", False),
        (2, "success", True),
    ]


def test_clearing_what_failed_leaves_the_rest(side: Side) -> None:
    version = release(side, 1, File(tasks=("x", "y", "z")))
    ran(side, version, state="failed", x="success", y="failed", z="upstream_failed")
    assert clear(side, only_failed=True)[:2] == (2, 1)
    assert tasks(side) == {"x": "success", "y": None, "z": None}


def test_clearing_named_tasks_leaves_the_rest(side: Side) -> None:
    version = release(side, 1, File(tasks=("x", "y")))
    ran(side, version, x="success", y="success")
    assert clear(side, task_ids=["y"])[:2] == (1, 1)
    assert tasks(side) == {"x": "success", "y": None}


def test_clearing_nothing_leaves_the_run_as_it_is(side: Side) -> None:
    version = release(side, 1)
    ran(side, version, only="success")
    assert clear(side, only_failed=True) == (0, 0, version, "v1")
    assert run(side).state == "success"


def test_clearing_a_run_that_goes_on_leaves_it_running_and_restarts_its_tasks(side: Side) -> None:
    version = release(side, 1, File(tasks=("x", "y")))
    trigger(side, version, "r")
    side.start_run("a", "r")
    side.execute("a", "r", "x", 1, "running")
    assert clear(side)[:2] == (2, 1)
    assert run(side).state == "running"
    assert tasks(side) == {"x": "restarting", "y": None}


def test_clearing_onto_another_version_swaps_the_tasks_and_keeps_what_they_came_to(side: Side) -> None:
    first = release(side, 1, File(tasks=("gone", "stays")))
    second = release(side, 2, File(tasks=("stays", "new")))
    ran(side, first, gone="success", stays="success")
    assert clear(side, second) == (2, 1, second, "v2")
    assert tasks(side) == {"gone": "removed", "stays": None, "new": None}
    assert versions_of_tasks(side, "stays", "new") == {"stays": second, "new": second}
    found = side.host.unit.run(lambda s: side.host.reads.tries(s, "a", ["r"]))
    assert {(each.task_id, each.state, each.dag_version_id) for each in found} == {
        ("gone", "success", first),
        ("stays", "success", first),
    }


def test_clearing_onto_a_version_without_any_of_the_tasks_still_runs_what_is_new(side: Side) -> None:
    first = release(side, 1, File(tasks=("x",)))
    second = release(side, 2, File(tasks=("y",)))
    ran(side, first, state="failed", x="failed")
    assert clear(side, second, only_failed=True) == (0, 1, second, "v2")
    assert (run(side).state, tasks(side)) == ("queued", {"x": "removed", "y": None})


def test_a_task_that_comes_back_is_removed_no_more(side: Side) -> None:
    first = release(side, 1, File(tasks=("x",)))
    second = release(side, 2, File(tasks=("y",)))
    ran(side, first, x="success")
    clear(side, second)
    side.start_run("a", "r")
    side.end_run("a", "r")
    clear(side, first, bundle_version="v1")
    assert tasks(side) == {"x": None}, "what never began leaves nothing"


def test_a_running_run_is_bound_to_no_other_version(side: Side) -> None:
    first, second = release(side, 1), release(side, 2)
    trigger(side, first, "r")
    side.start_run("a", "r")
    with pytest.raises(Refused, match="it is running"):
        clear(side, second)
    assert run(side).dag_version_id == first


def test_a_run_that_does_not_exist_is_not_cleared(side: Side) -> None:
    release(side, 1)
    with pytest.raises(NotFound, match="Airflow has no such run"):
        clear(side)


@pytest.mark.parametrize(
    ("state", "of", "only_failed", "task_ids", "expected"),
    [
        ("success", ["x", "y"], False, None, True),
        ("success", ["other"], False, None, False),
        ("success", ["x", "y"], True, None, False),
        ("failed", ["x"], True, None, True),
        ("failed", ["other"], True, None, True),
        ("failed", ["x", "y"], True, ["x"], False),
        ("failed", ["x", "y"], False, ["y"], True),
        ("failed", ["x", "y"], False, ["unknown"], False),
    ],
)
def test_what_would_be_cleared_is_told_before(
    side: Side, state: str, of: list[str], only_failed: bool, task_ids: list[str] | None, expected: bool
) -> None:
    ran(side, release(side, 1, File(tasks=("x", "y"))), state=state, x="success", y=state)
    found = side.host.unit.run(
        lambda s: side.host.runs.would_clear(s, "a", "r", of=of, only_failed=only_failed, task_ids=task_ids)
    )
    assert found is expected


# Backfills


def test_a_backfill_makes_a_run_of_each_date_on_the_version(side: Side) -> None:
    first = release(side, 1, File(schedule="daily"))
    release(side, 2, File(schedule="daily", body=1))
    made = backfill(side, first)
    assert outcomes(made) == [(1, "new"), (2, "new"), (3, "new")]
    assert {(each.dag_version_id, each.bundle_version, each.seq) for each in made} == {(first, "v1", 0)}
    run_id = made[0].run_id
    assert run_id == "backfill__2025-03-01T04:05:00+00:00"
    assert (run(side, run_id).state, run(side, run_id).dag_version_id) == ("queued", first)
    assert tasks(side, run_id) == {"only": None}


def test_a_backfill_can_run_backwards(side: Side) -> None:
    made = backfill(side, release(side, 1, File(schedule="daily")), wish(run_backwards=True))
    assert [day for day, _ in outcomes(made)] == [3, 2, 1]


def test_dates_that_have_a_run_are_left_out_or_run_again_as_asked(side: Side) -> None:
    first = release(side, 1, File(schedule="daily"))
    for day, state in ((0, "success"), (1, "failed"), (2, "queued")):
        trigger(side, first, f"r{day}", logical_date=FIRST + day * DAY)
        if state != "queued":
            side.start_run("a", f"r{day}")
            side.end_run("a", f"r{day}", state)
    left = backfill(side, first, wish())
    assert outcomes(left) == [(1, "already exists"), (2, "already exists"), (3, "in flight")]
    side.complete_backfills("a")
    again = backfill(side, first, wish(reprocess="failed"))
    assert outcomes(again) == [(1, "already exists"), (2, "cleared"), (3, "in flight")]
    assert (run(side, "r1").clear_number, run(side, "r1").state) == (1, "queued")
    side.complete_backfills("a")
    last = backfill(side, first, wish(reprocess="completed"))
    assert outcomes(last) == [(1, "cleared"), (2, "in flight"), (3, "in flight")]


@pytest.mark.parametrize(
    ("file", "asked", "error", "words"),
    [
        (File(), wish(), Refused, "its schedule is not periodic, so no dates follow from it"),
        (
            File(schedule="daily", run_types=("manual",)),
            wish(),
            Refused,
            "the Dag does not allow backfill runs",
        ),
        (
            File(schedule="daily"),
            BackfillWish(from_date=FIRST, to_date=FIRST - DAY),
            InvalidInput,
            "must not be after",
        ),
        (
            File(schedule="daily"),
            BackfillWish(from_date=FIRST + 9000 * DAY, to_date=FIRST + 9001 * DAY),
            InvalidInput,
            "the dates are in the future",
        ),
        (
            File(schedule="daily"),
            BackfillWish(from_date=FIRST + timedelta(hours=1), to_date=FIRST + timedelta(hours=2)),
            InvalidInput,
            "no date of its schedule lies in this range and has passed",
        ),
        (
            File(schedule="daily", depends_on_past=True),
            wish(run_backwards=True, reprocess="completed"),
            Refused,
            "can not run backwards",
        ),
        (File(schedule="daily", depends_on_past=True), wish(), Refused, "need the runs in between"),
    ],
)
def test_what_can_not_be_backfilled_is_refused_and_leaves_nothing(
    side: Side, file: File, asked: BackfillWish, error: type[PinwheelError], words: str
) -> None:
    version = release(side, 1, file)
    with pytest.raises(error, match=words):
        backfill(side, version, asked)
    with pytest.raises(error, match=words):
        default_backfill(side, asked)
    with pytest.raises(error, match=words):
        side.host.unit.run(lambda s: side.host.runs.plan_default_backfill(s, "a", asked))
    assert side.host.unit.run(lambda s: side.host.reads.runs(s, "a", run_id=None, limit=9)) == []


def test_of_one_dag_one_backfill_is_active_at_a_time(side: Side) -> None:
    version = release(side, 1, File(schedule="daily"))
    backfill(side, version)
    with pytest.raises(Conflict, match="another backfill of it"):
        backfill(side, version, wish(5))
    with pytest.raises(Conflict, match="another backfill of it"):
        default_backfill(side, wish(5))
    side.complete_backfills("a")
    assert [what for _, what in outcomes(default_backfill(side, wish(4)))][-1] == "new"


def test_airflows_own_backfill_uses_the_newest_version_and_what_the_dag_row_names(side: Side) -> None:
    release(side, 1, File(schedule="daily"))
    newest = release(side, 2, File(schedule="daily", body=1), row_version="followed")
    made = default_backfill(side)
    assert outcomes(made) == [(1, "new"), (2, "new"), (3, "new")]
    assert {(each.dag_version_id, each.bundle_version) for each in made} == {(newest, "followed")}


def test_the_plan_of_a_backfill_tells_each_date_and_makes_no_run(side: Side) -> None:
    version = release(side, 1, File(schedule="daily"))
    trigger(side, version, "there", logical_date=FIRST)
    planned = side.host.unit.run(lambda s: side.host.runs.plan_default_backfill(s, "a", wish()))
    assert outcomes(planned) == [(1, "in flight"), (2, "new"), (3, "new")]
    found = side.host.unit.run(lambda s: side.host.reads.runs(s, "a", run_id=None, limit=9))
    assert [each.run_id for each in found] == ["there"]


def test_a_dag_that_airflow_does_not_have_is_not_backfilled(side: Side) -> None:
    with pytest.raises(NotFound, match="Airflow has no such Dag"):
        default_backfill(side)
    with pytest.raises(NotFound, match="Airflow has no such Dag"):
        side.host.unit.run(lambda s: side.host.runs.plan_default_backfill(s, "a", wish()))


def test_a_backfill_is_found_again_by_who_asked_for_what_and_since_when(side: Side) -> None:
    def found(asked: BackfillWish, since: datetime, actor: str = "ada") -> int | None:
        return side.host.unit.run(lambda s: side.host.runs.backfill_since(s, "a", asked, since, actor=actor))

    release(side, 1, File(schedule="daily"))
    before = side.host.unit.now()
    made = side.host.runs.create_default_backfill("a", wish(conf={"x": 1}), actor="ada")
    assert found(wish(conf={"x": 1}), before) == made
    assert found(wish(conf={"x": 2}), before) is None
    assert found(wish(4, conf={"x": 1}), before) is None
    assert found(wish(conf={"x": 1}), before, "grace") is None
    assert found(wish(conf={"x": 1}), before + DAY) is None


def test_the_dates_of_a_backfill_are_told_in_the_order_in_which_they_run(side: Side) -> None:
    release(side, 1, File(schedule="daily"))
    made = default_backfill(side, wish(run_backwards=True))
    assert outcomes(made) == [(3, "new"), (2, "new"), (1, "new")]
    assert side.host.unit.run(lambda s: side.host.runs.backfill_runs(s, 12345)) == ()


def test_runs_of_a_restored_version_are_those_of_before(side: Side) -> None:
    version = release(side, 1)
    trigger(side, version, "r")
    again = projection(1, dag_version_id=version)
    side.host.unit.run(lambda s: side.host.rows.restore(s, [again]))
    assert run(side).dag_version_id == version


def test_runs_that_wait_get_the_mark_and_lose_it_but_for_those_that_somebody_bound(
    side: Side, pusher: Pusher
) -> None:
    head = pusher.push({"a": File()})
    for run_id in ("waits", "by-hand", "began"):
        side.make_run("a", run_id)
    side.start_run("a", "began")
    (by_hand, began) = (run(side, "by-hand"), run(side, "began"))
    new = NewBinding(
        dag_id="a",
        run_id="by-hand",
        seq=0,
        dag_version_id=by_hand.dag_version_id,
        bundle_version=head,
        bound_by=BoundBy.HAND,
        bound_at=side.host.unit.now(),
    )
    side.host.unit.run(lambda s: bindings.add(s, new, release=1, build_id=1))
    judged = evolve(new, run_id="waits", bound_by=BoundBy.ERA, date=side.host.unit.now())

    def mark(marked: bool, **more: bool) -> int:
        return side.host.unit.run(lambda s: side.host.runs.mark_waiting(s, ["a", "b"], marked=marked, **more))

    assert (mark(True), mark(True, anew=True)) == (0, 0), "its runs are not judged by their dates"
    side.host.unit.run(lambda s: start_rules.add(s, ["a"], RuleKind.DATED, now=side.host.unit.now()))
    assert (mark(True), mark(True)) == (1, 0)
    assert run(side, "waits").bundle_version == f"{head}?unbound"
    assert (run(side, "by-hand"), run(side, "began").bundle_version) == (by_hand, began.bundle_version)
    side.change_dag("a", "followed")
    assert (mark(False), mark(False)) == (1, 0)
    assert run(side, "waits").bundle_version == "followed"
    side.host.unit.run(lambda s: bindings.add(s, judged, release=1, build_id=1))
    assert (mark(True), mark(True, anew=True), mark(False)) == (0, 1, 0)


# Runs that wait to be bound


def unbound(side: Side, run_id: str = "r") -> int:
    """A queued run of a managed Dag that carries the mark; the id of its row."""
    version = Pusher(side.host).push({"a": File(schedule="daily")})
    side.change_dag("a", marked(version))
    side.make_run("a", run_id)
    return row_ids(side)[run_id]


def row_ids(side: Side) -> dict[str, int]:
    found = side.host.unit.run(lambda s: side.host.reads.unbound_runs(s, ["queued", "running"], 99))
    return {str(run.run_id): run.id for run in found}


def test_a_run_is_held_in_the_state_in_which_it_is(side: Side) -> None:
    row_id = unbound(side)

    def held(state: str) -> set[int]:
        return side.host.unit.run(lambda s: side.host.runs.hold_runs(s, [row_id, row_id + 99], state))

    assert (held("queued"), held("running")) == ({row_id}, set())
    side.start_run("a", "r")
    assert (held("queued"), held("running")) == (set(), {row_id})


def test_a_run_that_waits_goes_behind_its_backfill_and_back_and_is_shown_in_its_place(side: Side) -> None:
    alone = unbound(side)
    version = run(side).dag_version_id
    made = side.host.unit.run(
        lambda s: side.host.runs.create_backfill(
            s, "a", version, wish(), bundle_version=marked("v1"), actor="ada"
        )
    )
    first = row_ids(side)[str(made.runs[0].run_id)]

    def moved(row_id: int) -> int:
        return side.host.unit.run(lambda s: side.host.runs.move_behind(s, [row_id]))

    def bind() -> None:
        side.host.unit.run(
            lambda s: side.host.runs.rebind_run(
                s, "a", str(made.runs[0].run_id), dag_version_id=version, bundle_version="v1"
            )
        )

    bind()
    assert (moved(first), moved(first), moved(alone)) == (1, 0, 0)
    bind()
    assert moved(first) == 1, "it was back in its place once it was bound"
    again = side.host.unit.run(lambda s: side.host.runs.backfill_runs(s, made.id))
    assert [each.run_id for each in again] == [each.run_id for each in made.runs]


def test_a_task_of_a_running_run_that_failed_since_runs_again_and_no_other(side: Side) -> None:
    unbound(side)
    side.start_run("a", "r")
    (task_id,) = tasks(side)
    side.execute("a", "r", task_id, 1, "failed")
    now = side.host.unit.now()

    def again(since: datetime) -> int:
        return side.host.unit.run(lambda s: side.host.runs.run_failed_again(s, "a", "r", since))

    assert again(now + timedelta(hours=1)) == 0
    assert tasks(side) == {task_id: "failed"}
    before = run(side)
    assert (again(now - timedelta(hours=1)), again(now - timedelta(hours=1))) == (1, 0)
    assert (tasks(side), run(side)) == ({task_id: None}, before)


def test_the_mark_is_taken_from_all_rows_but_those_of_some_dags(side: Side) -> None:
    unbound(side)
    plain = (run(side).bundle_version or "").removesuffix("?unbound")

    def strip(*but: str) -> int:
        return side.host.unit.run(lambda s: side.host.rows.strip_marks(s, but=but))

    assert (strip("a"), strip(), strip()) == (0, 2, 0)
    assert run(side).bundle_version == plain != ""
    (dag,) = side.host.unit.run(lambda s: side.host.reads.airflow_dags(s, ["a"]))
    assert dag.bundle_version == plain


def test_of_runs_that_have_ended_the_mark_is_taken_only_when_that_is_asked_for(side: Side) -> None:
    unbound(side)
    side.start_run("a", "r")
    side.end_run("a", "r")
    strip = side.host.rows.strip_marks
    assert side.host.unit.run(lambda s: strip(s, ended=False)) == 1, "the Dag's alone"
    assert side.host.unit.run(lambda s: strip(s)) == 1


# Binding by date


def rebind(side: Side, version: UUID, bundle_version: str = "v9") -> None:
    side.host.unit.run(
        lambda s: side.host.runs.rebind_run(
            s, "a", "r", dag_version_id=version, bundle_version=bundle_version
        )
    )


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_is_rebound_has_the_tasks_of_the_version_and_its_bundle_version(
    side: Side, state: str
) -> None:
    first = release(side, 1, File(tasks=("x", "y")))
    second = release(side, 2, File(tasks=("y", "z")))
    trigger(side, second, "r")
    if state == "running":
        side.start_run("a", "r")
    rebind(side, first)
    assert (run(side).state, run(side).dag_version_id, run(side).bundle_version) == (state, first, "v9")
    assert tasks(side) == {"x": None, "y": None}
    assert versions_of_tasks(side, "x", "y") == {"x": first, "y": first}


def test_what_ran_before_a_run_was_rebound_is_kept_and_removed_where_the_version_has_no_task_for_it(
    side: Side,
) -> None:
    first = release(side, 1, File(tasks=("x", "y")))
    second = release(side, 2, File(tasks=("y", "z")))
    ran(side, second, y="success", z="success")
    clear(side)
    side.tick()
    side.execute("a", "r", "z", 2)
    rebind(side, first)
    assert tasks(side) == {"x": None, "y": None, "z": "removed"}
    tried = side.host.unit.run(lambda s: side.host.reads.tries(s, "a", ["r"]))
    assert {("y", 1, "success"), ("z", 1, "success"), ("z", 2, "success")} <= {
        (one.task_id, one.try_number, one.state) for one in tried
    }


def test_rebinding_to_the_version_that_a_run_has_changes_the_bundle_version_alone(side: Side) -> None:
    version = release(side, 1, File(tasks=("x", "y")))
    ran(side, version, x="success", y="failed")
    rebind(side, version, "v7")
    assert (run(side).dag_version_id, run(side).bundle_version) == (version, "v7")
    assert tasks(side) == {"x": "success", "y": "failed"}


def test_a_run_is_not_rebound_to_a_version_that_is_gone(side: Side) -> None:
    first, second = release(side, 1), release(side, 2, File(body=1))
    trigger(side, second, "r")
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [first]))
    with pytest.raises(Refused, match=r"Cannot bind run r of a by its date: the version row .* is gone"):
        rebind(side, first)
    assert run(side).dag_version_id == second


def test_a_run_may_be_asked_for_as_the_version_of_its_dates_has_it(side: Side) -> None:
    asked: list[RunDates] = []
    old, new = release(side, 1, File(tasks=("x", "y"))), release(side, 2, File(run_types=("scheduled",)))

    def by_dates(dates: RunDates) -> UUID | None:
        asked.append(dates)
        return old

    trigger(side, new, "r", logical_date=FIRST, of_its_dates=by_dates)
    assert (run(side).dag_version_id, set(tasks(side))) == (old, {"x", "y"})
    assert [one.logical_date for one in asked] == [FIRST]
    with pytest.raises(Refused, match="manual"):
        trigger(side, new, "none", of_its_dates=lambda _: None)
