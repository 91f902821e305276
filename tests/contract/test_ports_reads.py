"""The port of reads: the same sentences of the real one and of the one in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from harness import asked
from harness.asked import clear
from harness.projections import projection, release, seen, trigger
from harness.pushing import File, Pusher
from harness.sides import Side
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.blame import FailedTry, Traces, Word
from pinwheel.core.run.dates import date_of
from pinwheel.core.run.mark import marked
from pinwheel.core.selector import Selector
from pinwheel.services import change
from pinwheel.services.ports.reads import RunEnd
from pinwheel.services.run import bindings
from pinwheel.store import bindings as binding_store
from pinwheel.store import start_rules
from pinwheel.store.bindings import NewBinding
from pinwheel.store.start_rules import RuleKind

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def read(side: Side, name: str, *args: Any, **more: Any) -> Any:
    """What a method of the port answers in a transaction of its own."""
    return side.host.unit.run(lambda s: getattr(side.host.reads, name)(s, *args, **more))


class History:
    """The Dag ``a`` with releases 1 and 2 (active), and runs that are bound to either."""

    def __init__(self, side: Side, pusher: Pusher) -> None:
        self.side = side
        self.commits = [pusher.push({"a": File(tasks=("x", "y"))})]
        self.versions: list[UUID] = [seen(side).dag_version_id]  # type: ignore[list-item]
        self.ids: dict[str, int] = {}
        self.run("good")
        self.run("bad", state="failed")
        self.commits.append(pusher.push({"a": File(tasks=("x", "y"), body=1)}))
        self.versions.append(seen(side).dag_version_id)  # type: ignore[arg-type]

    def run(self, run_id: str, state: str | None = "success", build: int | None = None) -> None:
        """One that ended like this, or goes on; with its binding and its outcome."""
        self.side.tick()
        asked.trigger(self.side.host, "a", actor="ada", run_id=run_id, build=build)
        self.side.start_run("a", run_id)
        for task in ("x", "y"):
            self.side.tick()
            self.side.execute("a", run_id, task, 1, state or "running")
        if state:
            self.side.end_run("a", run_id, state)
        bindings.record_outcomes(self.side.host)


@pytest.fixture
def history(side: Side, pusher: Pusher) -> History:
    return History(side, pusher)


def test_all_rows_of_runs_of_a_dag_are_named_in_the_order_in_which_they_were_made(history: History) -> None:
    history.run("last")
    ids = read(history.side, "all_row_ids", "a")
    assert [run.run_id for run in read(history.side, "dated_runs", ids)] == ["good", "bad", "last"]
    assert ids == sorted(ids)
    assert read(history.side, "all_row_ids", "nope") == []


# Runs by version


def test_failed_runs_are_those_whose_last_end_on_these_versions_was_a_failure(history: History) -> None:
    side, (first, second) = history.side, history.versions
    history.run("bad_too", state="failed", build=1)
    assert read(side, "failed_runs", "a", [first]) == ["bad", "bad_too"]
    assert read(side, "failed_runs", "a", [second]) == []
    clear(side.host, "a", ["bad"], actor="ada", build=2)
    assert read(side, "failed_runs", "a", [first, second]) == ["bad_too"], "it is run again"
    side.start_run("a", "bad")
    side.end_run("a", "bad", "failed")
    assert read(side, "failed_runs", "a", [second]) == ["bad"], "by its binding: the end is not recorded"


def test_a_run_that_ended_well_and_was_marked_failed_later_is_no_failed_run(history: History) -> None:
    side, (first, _) = history.side, history.versions
    history.side.end_run("a", "good", "failed")
    assert read(side, "failed_runs", "a", [first]) == ["bad"], "what was recorded of its end counts"


def test_counts_have_each_run_once_on_each_version_as_it_went_there_last(history: History) -> None:
    side, (first, second) = history.side, history.versions
    history.run("goes_on", state=None)
    clear(side.host, "a", ["bad"], actor="ada", build=2)
    expected = {first: {"success": 1, "failed": 1}, second: {"running": 1, "queued": 1}}
    assert read(side, "run_counts", "a") == expected
    assert read(side, "counts_by_version", [first]) == {first: expected[first]}
    assert read(side, "run_counts", "unknown") == {}


def test_a_run_that_goes_again_on_its_version_counts_as_that_only(history: History) -> None:
    side, (first, _) = history.side, history.versions
    clear(side.host, "a", ["bad"], actor="ada")
    assert read(side, "run_counts", "a") == {first: {"success": 1, "queued": 1}}


def test_a_run_that_ended_twice_on_a_version_counts_by_its_last_end(history: History) -> None:
    side, (first, _) = history.side, history.versions
    clear(side.host, "a", ["bad"], actor="ada")
    side.start_run("a", "bad")
    side.end_run("a", "bad")
    bindings.record_outcomes(side.host)
    assert read(side, "run_counts", "a") == {first: {"success": 2}}


def test_a_run_that_was_never_bound_counts_by_its_row(history: History) -> None:
    side, (_, second) = history.side, history.versions
    side.make_run("a", "stock")
    assert read(side, "run_counts", "a")[second] == {"queued": 1}
    (found, *_) = read(side, "placed_runs", "a", since=None, before=None, limit=9)
    assert (found.run_id, found.dag_version_id, found.bound_by) == ("stock", second, None)
    side.start_run("a", "stock")
    side.end_run("a", "stock", "failed")
    assert read(side, "failed_runs", "a", [second]) == ["stock"]


def test_what_is_recorded_counts_when_airflow_has_the_run_no_more(history: History) -> None:
    side, (first, _) = history.side, history.versions
    side.delete_run("a", "bad")
    assert read(side, "run_counts", "a") == {first: {"success": 1, "failed": 1}}


def test_earlier_ends_are_what_runs_came_to_before_they_ran_again_or_were_removed(history: History) -> None:
    side, (first, _) = history.side, history.versions
    everything = {"since": None, "before": None, "limit": 9}
    assert read(side, "earlier_ends", "a", **everything) == []
    clear(side.host, "a", ["bad"], actor="ada", build=2)
    (again,) = read(side, "earlier_ends", "a", **everything)
    assert (again.run_id, again.state, again.dag_version_id, again.run_type) == (
        "bad",
        "failed",
        first,
        "manual",
    )
    assert again.at == again.end_date
    side.delete_run("a", "good")
    found = read(side, "earlier_ends", "a", **everything)
    assert [(each.run_id, each.state, each.run_type) for each in found] == [
        ("bad", "failed", "manual"),
        ("good", "success", ""),
    ]
    assert read(side, "earlier_ends", "a", since=again.at, before=None, limit=9) == found[:1]
    assert read(side, "earlier_ends", "a", since=None, before=again.at, limit=9) == found[1:]
    assert read(side, "earlier_ends", "a", since=None, before=None, limit=1) == found[:1]
    assert read(side, "earlier_ends", "unknown", **everything) == []


def test_failures_of_active_versions_are_told_and_those_of_others_are_not(history: History) -> None:
    side, (_, second) = history.side, history.versions
    assert read(side, "active_with_failures") == {}
    history.run("bad_now", state="failed")
    ((version, since),) = read(side, "active_with_failures").items()
    assert version == second
    history.run("worse", state="failed")
    assert read(side, "active_with_failures") == {second: since}, "since the first of them"


def test_placed_runs_are_newest_first_with_what_they_are_bound_to(history: History) -> None:
    side, (first, second) = history.side, history.versions
    history.run("tried", build=2)
    found = read(side, "placed_runs", "a", since=None, before=None, limit=9)
    assert [(each.run_id, each.state, each.bound_by) for each in found] == [
        ("tried", "success", "hand"),
        ("bad", "failed", "active"),
        ("good", "success", "active"),
    ]
    assert [each.dag_version_id for each in found] == [second, first, first]
    assert found[0].run_type == "manual" and found[0].at == found[0].start_date


def test_placed_runs_are_those_of_a_span_of_time_from_its_first_to_below_its_last_instant(
    history: History,
) -> None:
    side = history.side
    newest, oldest = read(side, "placed_runs", "a", since=None, before=None, limit=9)
    assert read(side, "placed_runs", "a", since=newest.at, before=None, limit=9) == [newest]
    assert read(side, "placed_runs", "a", since=None, before=newest.at, limit=9) == [oldest]
    assert read(side, "placed_runs", "a", since=None, before=None, limit=1) == [newest]
    assert read(side, "placed_runs", "a", since=None, before=LONG_AGO, limit=9) == []


# What nobody recorded


def test_running_runs_are_those_of_managed_dags(side: Side, history: History) -> None:
    history.run("goes_on", state=None)
    trigger(side, release(side, 1, dag_id="foreign"), "r", dag_id="foreign")
    side.start_run("foreign", "r")
    assert len(read(side, "running_runs")) == 1


def test_a_dag_is_busy_while_one_of_its_runs_is_queued_or_running(history: History) -> None:
    side = history.side
    assert read(side, "busy", ["a"]) == set(), "its runs have ended, well or not"
    side.make_run("a", "r")
    assert read(side, "busy", ["a"]) == {"a"}
    side.start_run("a", "r")
    side.make_run("a", "too")
    assert read(side, "busy", ["a", "unknown", "a"]) == {"a"}
    assert read(side, "busy", ["unknown"]) == read(side, "busy", []) == set()
    assert read(side, "busy", [*(f"d{number}" for number in range(1200)), "a"]) == {"a"}
    side.end_run("a", "r")
    assert read(side, "busy", ["a"]) == {"a"}, "the other one is still queued"
    side.end_run("a", "too", "failed")
    assert read(side, "busy", ["a"]) == set()


def test_a_running_run_without_a_binding_is_unrecorded_until_it_has_one(history: History) -> None:
    side = history.side
    side.make_run("a", "stock")
    assert read(side, "unrecorded_runs", 9, ()) == []
    side.start_run("a", "stock")
    (found,) = read(side, "unrecorded_runs", 9, ())
    assert (found.dag_id, found.run_id, found.clear_number) == ("a", "stock", 0)
    assert (found.dag_version_id, found.bundle_version) == (history.versions[1], history.commits[1])
    assert found.queued_at is not None and found.queued_at <= side.host.unit.now()
    assert read(side, "unrecorded_runs", 0, ()) == []
    side.end_run("a", "stock")
    assert read(side, "unrecorded_runs", 9, ()) == []
    assert [each.run_id for each in read(side, "unrecorded_runs", 9, [found.id])] == ["stock"]
    assert bindings.record_bindings(side.host, {found.id}) == 1
    assert read(side, "unrecorded_runs", 9, [found.id]) == []


def test_a_run_with_the_mark_is_unbound_in_each_state(history: History) -> None:
    side = history.side
    side.change_dag("a", marked(history.commits[1]))
    side.make_run("a", "stock")
    assert [run.run_id for run in read(side, "unbound_runs", ["queued"], 9)] == ["stock"]
    assert read(side, "unbound_runs", ["queued"], 0) == []
    of = [read(side, "unbound_runs", ["queued"], 1, dag_ids=ids) for ids in ({"a", "b"}, {"b"}, set())]
    assert [[run.run_id for run in found] for found in of] == [["stock"], [], []]
    assert read(side, "astray_runs", 9) == []
    side.start_run("a", "stock")
    (found,) = read(side, "unbound_runs", ["running"], 9)
    assert (found.dag_id, found.state, found.clear_number, found.backfill_id) == ("a", "running", 0, None)
    assert (found.dag_version_id, found.bundle_version) == (
        history.versions[1],
        marked(history.commits[1]),
    )
    assert read(side, "astray_runs", 9) == [found]
    assert read(side, "jobs_of", [found.id]) == {}
    assert read(side, "row_ids", "a", ["stock", "nope"]) == {"stock": found.id}
    side.end_run("a", "stock")
    now = side.host.unit.now()
    before, after = now - timedelta(hours=1), now + timedelta(hours=1)
    assert [run.run_id for run in read(side, "ended_unbound", ["a"], 9, before, 9)] == ["stock"]
    assert read(side, "ended_unbound", ["a"], 9, after, 9) == []
    assert read(side, "ended_unbound", ["b"], 9, before, 9) == []
    assert read(side, "ended_unbound", ["a"], 9, before, 0) == []


def test_a_running_run_of_a_dated_dag_is_astray_until_the_ledger_says_that_it_is_there(
    history: History,
) -> None:
    side = history.side
    side.make_run("a", "stock")
    side.start_run("a", "stock")
    assert read(side, "astray_runs", 9) == []
    side.host.unit.run(lambda s: start_rules.add(s, ["a"], RuleKind.DATED, now=side.host.unit.now()))
    (found,) = read(side, "astray_runs", 9)
    assert (found.run_id, found.bundle_version) == ("stock", history.commits[1])

    def bind(version: str, part: int) -> None:
        new = NewBinding(
            dag_id="a",
            run_id="stock",
            seq=0,
            part=part,
            dag_version_id=found.dag_version_id,
            bundle_version=version,
            bound_by="era",
            bound_at=side.host.unit.now(),
        )
        side.host.unit.run(lambda s: binding_store.add_all(s, [new]))

    bind(found.bundle_version, 0)
    assert read(side, "astray_runs", 9) == []
    bind("elsewhere", 1)
    assert [run.run_id for run in read(side, "astray_runs", 9)] == ["stock"]


def test_a_queued_run_of_a_dated_dag_is_unbound_where_the_ledger_does_not_say_that_it_is_there(
    history: History,
) -> None:
    side = history.side
    side.make_run("a", "stock")
    assert read(side, "unbound_runs", ["queued"], 9) == []
    now = side.host.unit.now()
    side.host.unit.run(lambda s: start_rules.add(s, ["a"], RuleKind.DATED, now=now))
    (found,) = read(side, "unbound_runs", ["queued"], 9)
    assert (found.run_id, found.bundle_version) == ("stock", history.commits[1])
    assert read(side, "unbound_runs", ["running"], 9) == []
    new = NewBinding(
        dag_id="a",
        run_id="stock",
        seq=0,
        dag_version_id=found.dag_version_id,
        bundle_version=found.bundle_version,
        bound_by="era",
        bound_at=now,
    )
    side.host.unit.run(lambda s: binding_store.add_all(s, [new]))
    assert read(side, "unbound_runs", ["queued"], 9) == []
    side.host.unit.run(lambda s: binding_store.add_all(s, [evolve(new, part=1, bundle_version="elsewhere")]))
    assert read(side, "unbound_runs", ["queued"], 9) == [found]


def test_an_end_without_an_outcome_is_unrecorded_until_it_has_one(history: History) -> None:
    side = history.side
    side.make_run("a", "stock")
    side.start_run("a", "stock")
    (running,) = read(side, "running_runs")
    assert read(side, "unrecorded_outcomes", 9, (), 9) == []
    side.end_run("a", "stock", "failed")
    (found,) = read(side, "unrecorded_outcomes", 9, (), 9)
    assert (found.run_id, found.seq, found.state) == ("stock", 0, "failed")
    assert (found.dag_version_id, found.release) == (history.versions[1], None)
    assert read(side, "unrecorded_outcomes", 9, (), 0) == [], "it is none of the newest"
    assert len(read(side, "unrecorded_outcomes", 9, [running], 0)) == 1, "but watched"
    assert bindings.record_outcomes(side.host) == 1
    assert read(side, "unrecorded_outcomes", 9, (), 9) == []


# How runs ended


def of_run(run_id: str, seq: int = 0) -> RunEnd:
    return RunEnd(dag_id="a", run_id=run_id, seq=seq)


def test_the_traces_of_an_end_are_whether_it_began_and_what_the_log_says_of_what_failed(
    history: History,
) -> None:
    side = history.side
    side.say("a", "bad", "failed", "x", on_host=True)
    side.say("a", "bad", "state mismatch", "y")
    side.make_run("a", "stock")
    ends = [of_run("good"), of_run("bad"), of_run("stock"), of_run("unknown")]
    found = read(side, "traces", ends, [of_run("bad")])
    assert found[of_run("good")] == Traces(started=True)
    assert found[of_run("stock")] == found[of_run("unknown")] == Traces()
    assert found[of_run("bad")] == Traces(
        started=True,
        failed=(
            FailedTry(task_id="x", words=frozenset({Word.FAILED}), on_host=True),
            FailedTry(task_id="y", words=frozenset({Word.MISMATCH})),
        ),
    )


def test_the_traces_say_what_persons_marked(history: History) -> None:
    side = history.side
    side.say("a", "bad", "patch_task_instance", "x")
    assert read(side, "traces", [of_run("bad")], [of_run("bad")])[of_run("bad")] == Traces(
        started=True, failed=(FailedTry(task_id="x", by_hand=True), FailedTry(task_id="y"))
    )
    side.say("a", "bad", "patch_dag_run")
    assert read(side, "traces", [of_run("bad")], [of_run("bad")])[of_run("bad")].by_hand


def test_the_traces_of_each_end_of_a_run_that_was_cleared_are_its_own(history: History) -> None:
    side = history.side
    side.say("a", "bad", "failed", "x", on_host=True)
    clear(side.host, "a", ["bad"], actor="ada")
    first, second = of_run("bad"), of_run("bad", 1)
    assert [each.task_id for each in read(side, "traces", [first], [first])[first].failed] == ["x", "y"]
    side.start_run("a", "bad")
    bindings.record_bindings(side.host, set())
    side.execute("a", "bad", "x", 2)
    side.execute("a", "bad", "y", 2, "failed")
    side.say("a", "bad", "heartbeat timeout", "y")
    side.end_run("a", "bad", "failed")
    found = read(side, "traces", [first, second], [first, second])
    assert [(each.task_id, set(each.words)) for each in found[first].failed] == [
        ("x", {Word.FAILED}),
        ("y", set()),
    ]
    assert [(each.task_id, set(each.words)) for each in found[second].failed] == [("y", {Word.HEARTBEAT})]


def test_what_failed_before_and_is_not_run_again_is_left_of_the_end_before(history: History) -> None:
    side = history.side
    clear(side.host, "a", ["bad"], actor="ada")
    first, second = of_run("bad"), of_run("bad", 1)
    side.start_run("a", "bad")
    bindings.record_bindings(side.host, set())
    side.execute("a", "bad", "x", 2)
    side.execute("a", "bad", "y", 2, "failed")
    side.end_run("a", "bad", "failed")
    assert not read(side, "traces", [first], [first])[first].left
    clear(side.host, "a", ["bad"], task_ids=["x"], actor="ada")
    third = of_run("bad", 2)
    side.start_run("a", "bad")
    bindings.record_bindings(side.host, set())
    side.execute("a", "bad", "x", 3)
    side.end_run("a", "bad", "failed")
    found = read(side, "traces", [second, third], [second, third])
    assert [each.task_id for each in found[second].failed] == ["y"]
    assert not found[second].left
    assert found[third] == Traces(started=True, left=True)


def test_a_run_is_failing_while_it_goes_on_and_a_task_has_failed(history: History) -> None:
    side = history.side
    history.run("now", state=None)
    assert read(side, "failing", ["a"]) == {}
    side.execute("a", "now", "x", 1, "failed")
    assert list(read(side, "failing", ["a"])) == [of_run("now")]
    assert read(side, "failing", ["b"]) == {}
    side.end_run("a", "now", "failed")
    assert read(side, "failing", ["a"]) == {}


def test_runs_that_missed_a_deadline_are_known(history: History) -> None:
    side = history.side
    side.miss_deadline("a", "bad")
    assert read(side, "missed_deadlines", [("a", "good"), ("a", "bad"), ("b", "bad")]) == {("a", "bad")}


# Runs and tries


def test_a_run_that_airflow_makes_takes_the_version_that_the_dag_row_names(side: Side) -> None:
    version = release(side, 1, row_version="followed")
    side.make_run("a", "stock")
    found = read(side, "some_runs", "a", ["stock"])["stock"]
    assert (found.dag_version_id, found.bundle_version) == (version, "followed")


def test_runs_are_newest_first_and_as_many_as_asked_for(history: History) -> None:
    side, (first, _) = history.side, history.versions
    found = read(side, "runs", "a", run_id=None, limit=9)
    assert [(each.run_id, each.state, each.clear_number) for each in found] == [
        ("bad", "failed", 0),
        ("good", "success", 0),
    ]
    assert {(each.dag_version_id, each.bundle_version) for each in found} == {(first, history.commits[0])}
    assert [each.run_id for each in read(side, "runs", "a", run_id=None, limit=1)] == ["bad"]
    assert [each.run_id for each in read(side, "runs", "a", run_id="good", limit=9)] == ["good"]
    assert read(side, "runs", "a", run_id="unknown", limit=9) == []
    assert read(side, "count_runs", "a") == 2
    assert read(side, "count_runs", "unknown") == 0


def test_some_runs_are_those_that_exist(history: History) -> None:
    found = read(history.side, "some_runs", "a", ["good", "unknown"])
    assert {run_id: each.state for run_id, each in found.items()} == {"good": "success"}


def test_a_page_of_runs_has_one_more_and_the_start_of_the_page_before(history: History) -> None:
    side = history.side
    for number in range(4):
        history.run(f"r{number}")
    names = ["r3", "r2", "r1", "r0", "bad", "good"]

    def page(until: str | None, limit: int) -> tuple[list[str], str | None]:
        found, newer = read(side, "run_page", "a", until=until, limit=limit)
        return [each.run_id for each in found], newer

    assert page(None, 2) == (names[:3], None)
    assert page("r1", 2) == (names[2:5], "r3")
    assert page("r2", 2) == (names[1:4], "r3")
    assert page("bad", 2) == (names[4:], "r1")
    assert page("unknown", 2) == ([], None)
    found, _ = read(side, "run_page", "a", until=None, limit=1)
    assert (found[0].run_type, found[0].logical_date) == ("manual", None)
    assert found[0].queued_at <= found[0].start_date <= found[0].end_date


def test_tries_are_told_by_run_task_and_number(history: History) -> None:
    side, (first, _) = history.side, history.versions
    found = read(side, "tries", "a", ["good", "bad"])
    assert [(each.run_id, each.task_id, each.try_number, each.state) for each in found] == [
        ("bad", "x", 1, "failed"),
        ("bad", "y", 1, "failed"),
        ("good", "x", 1, "success"),
        ("good", "y", 1, "success"),
    ]
    assert {(each.dag_version_id, each.map_index, each.executed, each.current) for each in found} == {
        (first, -1, True, True)
    }
    assert [each.task_id for each in read(side, "tries", "a", ["good"], task_id="y")] == ["y"]
    assert [each.task_id for each in read(side, "tries", "a", ["good"], task_ids=["x"])] == ["x"]


def test_tries_leave_out_what_has_not_begun_and_tell_what_was_only_marked(history: History) -> None:
    side = history.side
    asked.trigger(side.host, "a", actor="ada", run_id="new")
    assert read(side, "tries", "a", ["new"]) == []
    side.start_run("a", "new")
    side.execute("a", "new", "x", 0, "skipped")
    found = read(side, "tries", "a", ["new"])
    assert [(each.task_id, each.executed) for each in found] == [("x", False)]


def test_present_tells_how_far_each_task_has_come(history: History) -> None:
    side = history.side
    history.run("goes_on", state=None)
    side.execute("a", "goes_on", "y", 1, "scheduled")
    found = read(side, "present", "a", ["good", "goes_on", "unknown"])
    assert {
        run_id: {each.task_id: (each.begun, each.state) for each in rows} for run_id, rows in found.items()
    } == {
        "good": {"x": (1, "success"), "y": (1, "success")},
        "goes_on": {"x": (1, "running"), "y": (0, "scheduled")},
    }


def test_versions_of_instances_are_those_of_what_has_started(history: History) -> None:
    side, (first, second) = history.side, history.versions
    asked.trigger(side.host, "a", actor="ada", run_id="new")
    clear(side.host, "a", ["good"], actor="ada", build=2, task_ids=["x"])
    side.start_run("a", "good")
    side.tick()
    side.execute("a", "good", "x", 2)
    found = read(side, "versions_of_instances", "a", ["good", "bad", "new"])
    assert found == {"good": {first, second}, "bad": {first}}


def test_instances_in_one_state_on_one_version_are_counted_together(history: History) -> None:
    side, (first, _) = history.side, history.versions
    found = read(side, "instance_groups", "a", ["good", "bad"], ["x"])
    assert {(each.run_id, each.task_id, each.state, each.dag_version_id) for each in found} == {
        ("good", "x", "success", first),
        ("bad", "x", "failed", first),
    }
    assert {(each.count, each.try_number, each.map_index) for each in found} == {(1, 1, -1)}


def test_instances_of_a_run_are_told_one_by_one(history: History) -> None:
    found = read(history.side, "instance_rows", "a", "bad")
    assert [(each.task_id, each.map_index, each.state, each.try_number) for each in found] == [
        ("x", -1, "failed", 1),
        ("y", -1, "failed", 1),
    ]
    (one,) = read(history.side, "instance_rows", "a", "bad", task_id="y")
    assert one == found[1] and one.start_date is not None


# Versions


def test_versions_exist_until_they_are_deleted(side: Side) -> None:
    first, second = release(side, 1), release(side, 2)
    unknown = uuid4()
    assert read(side, "existing_version_ids", [first, second, unknown]) == {first, second}
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [first]))
    assert read(side, "existing_version_ids", [first, second]) == {second}


def test_a_version_is_used_by_runs_and_by_earlier_tries(history: History) -> None:
    side, (first, second) = history.side, history.versions
    assert read(side, "unused", [first, second]) == {second}
    clear(side.host, "a", ["good", "bad"], actor="ada", build=2)
    assert read(side, "unused", [first, second]) == set(), "earlier tries were on the first"


def test_versions_are_told_by_id_by_number_and_by_what_came_before(side: Side) -> None:
    first, second = release(side, 1), release(side, 2)
    trial = side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-3)))
    found = read(side, "airflow_versions", [first, uuid4()])
    assert found.keys() == {first}
    assert (found[first].version_number, found[first].bundle_name) == (1, "dags")
    assert found[first].bundle_version == "v1"
    assert read(side, "version_id_of", "a", 2) == second
    assert read(side, "version_id_of", "a", -3) == trial
    assert read(side, "version_id_of", "a", 3) is None
    assert [each.id for each in read(side, "versions_before", "a", 3)] == [second, first]
    assert [each.id for each in read(side, "versions_before", "a", 2)] == [first]


def test_the_same_serialized_dag_has_the_same_hash_wherever_its_file_lies(side: Side) -> None:
    first = release(side, 1)
    moved = File().serialized("a", "a.py")
    moved["dag"]["fileloc"] = "/elsewhere/a.py"
    second = release(side, 2, serialized=moved)
    third = release(side, 3, File(tasks=("other",)))
    hashes = read(side, "serialized_hashes", [first, second, third, uuid4()])
    assert hashes.keys() == {first, second, third}
    assert hashes[first] == hashes[second] != hashes[third]


def test_the_serialized_dag_of_each_version_is_told(side: Side) -> None:
    first = release(side, 1, File(tasks=("x",)))
    second = release(side, 2, File(tasks=("y",)))
    found = read(side, "serialized", [first, second, uuid4()])
    tasks = {
        version: [task["__var"]["task_id"] for task in data["dag"]["tasks"]]
        for version, data in found.items()
    }
    assert tasks == {first: ["x"], second: ["y"]}


def test_versions_can_be_looked_at_where_their_bundle_says_so(side: Side) -> None:
    side.add_bundle("plain")
    side.add_bundle("odd", url="javascript:{version}")
    places = [("dags", "abc"), ("dags", None), ("plain", "abc"), ("odd", "abc"), ("unknown", "abc")]
    assert read(side, "view_urls", places) == {("dags", "abc"): "https://git/abc"}


# Dags


def test_what_airflow_holds_of_a_dag_is_its_newest_version(side: Side) -> None:
    release(side, 1)
    version = release(side, 2, File(body=5), dag_id="a", version_data={"is": "v2"})
    release(side, 1, dag_id="b")
    (found,) = read(side, "airflow_dags", ["a", "unknown"])
    assert (found.dag_id, found.version_number, found.dag_version_id) == ("a", 2, version)
    assert (found.bundle_version, found.dag_version_bundle_version) == ("v2", "v2")
    assert (found.version_data, found.source_code) == ({"is": "v2"}, File(body=5).source.decode())
    assert [each.dag_id for each in read(side, "airflow_dags")] == ["a", "b"]


def test_managed_dags_are_selected_by_all_criteria_at_once(side: Side, pusher: Pusher) -> None:
    side.add_bundle("other")
    pusher.push({"sales": File(tags=("x", "y")), "stock": File(tags=("x",))})
    Pusher(side.host, "other").push({"staff": File(tags=("y",))})
    release(side, 1, dag_id="foreign")
    assert read(side, "select", Selector(everything=True)) == ["sales", "staff", "stock"]
    assert read(side, "select", Selector.of(globs=["s*s", "none"], ids=["stock", "foreign"])) == [
        "sales",
        "stock",
    ]
    assert read(side, "select", Selector.of(tags=["y"])) == ["sales", "staff"]
    assert read(side, "select", Selector.of(tags=["x", "y"], bundle="dags")) == ["sales", "stock"]
    assert read(side, "select", Selector.of(globs=["st*"], tags=["y"], bundle="other")) == ["staff"]
    assert read(side, "select", Selector.of(globs=["S*"])) == []


def test_dags_are_matched_by_tag_owner_and_text_in_id_or_name(side: Side) -> None:
    release(side, 1, File(tags=("x",), owner="ada", display_name="Daily sales"), dag_id="a")
    release(side, 1, File(tags=("x", "y"), owner="adam"), dag_id="b_50%")

    def matching(
        *,
        tags: tuple[str, ...] = (),
        owner: str | None = None,
        text: str | None = None,
        all_tags: bool = False,
    ) -> Any:
        return read(side, "matching", tags=tags, all_tags=all_tags, owner=owner, text=text)

    assert matching() is None
    assert matching(tags=("x",)) == {"a", "b_50%"}
    assert matching(tags=("y", "z")) == {"b_50%"}
    assert matching(tags=("y", "x", "y"), all_tags=True) == {"b_50%"}
    assert matching(tags=("x",), all_tags=True, owner="ada") == {"a"}
    assert matching(tags=("x", *(f"t{number}" for number in range(1000))), all_tags=True) == set()
    assert matching(owner="ada") == {"a"}
    assert matching(text="SALES") == {"a"}
    assert matching(text="0%") == {"b_50%"}
    assert matching(tags=("x",), owner="adam", text="sales") == set()


def test_cards_say_what_people_call_a_dag(side: Side) -> None:
    release(side, 1, File(tags=("y", "x"), owner="ada", display_name="Daily sales"), dag_id="a")
    release(side, 1, dag_id="b")
    found = read(side, "cards", ["a", "b", "unknown"])
    assert found.keys() == {"a", "b"}
    assert (found["a"].display_name, found["a"].owners) == ("Daily sales", ("ada",))
    assert found["a"].tags == ("x", "y")
    assert (found["b"].display_name, found["b"].owners, found["b"].tags) == ("b", ("airflow",), ())
    assert found["b"].paused, "as Airflow makes new ones"


def test_a_release_without_a_name_takes_that_of_the_one_before_away(side: Side) -> None:
    release(side, 1, File(display_name="Daily sales"))
    release(side, 2, File(body=1))
    assert read(side, "cards", ["a"])["a"].display_name == "a"


def test_owners_and_tags_are_those_of_these_dags(side: Side) -> None:
    release(side, 1, File(tags=("y", "x"), owner="ada"), dag_id="a")
    release(side, 1, File(tags=("x",), owner="grace"), dag_id="b")
    release(side, 1, File(tags=("z",), owner="joan"), dag_id="c")
    assert read(side, "owners_and_tags", ["a", "b"]) == (["ada", "grace"], ["x", "y"])


def test_tags_are_those_that_the_active_releases_of_these_dags_have(side: Side) -> None:
    release(side, 1, File(tags=("y", "x")), dag_id="a")
    release(side, 1, dag_id="plain")
    release(side, 1, File(tags=("z",)), dag_id="other")
    wanted = ["a", "plain", "unknown", "a"]
    assert read(side, "tags_of", wanted) == {"a": {"x", "y"}}
    release(side, 2, File(tags=("w", "x"), body=1), dag_id="a")
    assert read(side, "tags_of", wanted) == {"a": {"w", "x"}}
    release(side, 3, File(body=2), dag_id="a")
    assert read(side, "tags_of", wanted) == {}
    many = [*(f"d{number}" for number in range(1200)), "other"]
    assert read(side, "tags_of", many) == {"other": {"z"}}
    assert read(side, "tags_of", []) == {}


def test_the_tags_are_those_of_what_is_active_whatever_has_arrived(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File(tags=("old",))})
    change.apply(side.host, asked.change(verb=Verb.PIN, dag_ids=["a"], actor="ada"))
    pusher.push({"a": File(tags=("new",), body=1)})
    assert read(side, "tags_of", ["a"]) == {"a": {"old"}}
    change.apply(side.host, asked.change(verb=Verb.UNPIN, dag_ids=["a"], actor="ada"))
    assert read(side, "tags_of", ["a"]) == {"a": {"new"}}


def test_dags_are_found_by_their_file_and_by_the_zip_around_it(side: Side) -> None:
    release(side, 1)
    made = projection(1, dag_id="b")
    inside = made.location.__class__(bundle_name="dags", bundle_version="v1", relative_fileloc="z.zip/b.py")
    data = made.serialized | {"dag": made.serialized["dag"] | {"relative_fileloc": "z.zip/b.py"}}
    release(side, 1, dag_id="b", location=inside, serialized=data)
    places = [("dags", "a.py"), ("dags", "z.zip"), ("other", "a.py")]
    assert read(side, "in_files", places) == {
        ("dags", "a.py"): {"a"},
        ("dags", "z.zip"): {"b"},
        ("other", "a.py"): set(),
    }


def test_dags_of_bundles_say_which_are_active(side: Side) -> None:
    release(side, 1)
    release(side, 1, dag_id="b")
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["b"]))
    assert read(side, "dags_of_bundles") == {"dags": {"a": True, "b": False}}


def test_reading_is_not_changed_by_a_pin(history: History) -> None:
    side = history.side
    before = read(side, "airflow_dags")
    change.apply(side.host, asked.change(verb=Verb.PIN, dag_ids=["a"], actor="ada"))
    assert read(side, "airflow_dags") == before
    assert timedelta() <= side.host.unit.now() - before[0].created_at


def test_a_run_is_told_with_its_dates_and_as_its_row_stands(side: Side) -> None:
    version = release(side, 1)
    trigger(side, version, "dated", logical_date=datetime(2025, 3, 1, tzinfo=UTC))
    trigger(side, version, "undated")
    first, second = read(side, "dated_runs", range(10))
    assert (first.run_id, first.dag_id, first.state, first.clear_number) == ("dated", "a", "queued", 0)
    assert (first.dag_version_id, first.bundle_version) == (version, "v1")
    assert date_of(first.dates).at == datetime(2025, 3, 1, tzinfo=UTC)
    assert (second.dates.logical_date, second.dates.data_interval_start) == (None, None)
    assert date_of(second.dates).by == "run_after"


def test_dags_with_a_sensor_on_a_dag_are_found_and_those_whose_last_row_may_lack_it(side: Side) -> None:
    release(side, 1)
    release(side, 1, File(sensor=("a", "only")), dag_id="b")
    release(side, 1, File(sensor=("b", "only")), dag_id="c")
    assert read(side, "may_wait_for", "a") == {"b"}
    assert read(side, "may_wait_for", "b") == {"c"}
    assert read(side, "may_wait_for", "d") == set()
    side.tick()
    release(side, 2, dag_id="b")
    release(side, 1, File(sensor=("a", "only")), dag_id="d")
    assert read(side, "may_wait_for", "a") == {"d"}, "the active release counts"
    side.tick()
    side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-1, dag_id="d")))
    assert read(side, "may_wait_for", "a") == {"d"}, "the row that was written last is not the active one's"
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["c"]))
    assert read(side, "may_wait_for", "b") == {"d"}, "one that is gone waits for nothing"


def test_assets_without_a_user_are_told_and_whether_they_can_be_kept_active(side: Side) -> None:
    ours, other, alike = ("out://1", "out://1/"), ("old://1", "old://1/"), ("out://1", "elsewhere://1/")
    asked_for = [ours, other, alike]
    assert read(side, "lone_assets", asked_for) == dict.fromkeys(asked_for, True)
    release(side, 1, File(outlets=True))
    assert read(side, "lone_assets", asked_for) == {other: True, alike: False}
    assert read(side, "lone_assets", []) == {}
    release(side, 2)
    assert read(side, "lone_assets", [ours]) == {ours: True}, "the active release has no use for it"
