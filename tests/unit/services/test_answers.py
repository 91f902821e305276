"""What is shown: status, builds, history, grid, line, fleet, events, bundles."""

from __future__ import annotations

import pytest

from harness.asked import clear, history
from harness.in_memory import InMemory
from harness.pushing import BROKEN, File
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import Selection
from pinwheel.core.selector import Selector
from pinwheel.services.history import grid, instances
from pinwheel.services.history.tries import TryView
from pinwheel.services.release.selecting import select
from pinwheel.services.run import clear_preview
from pinwheel.services.show import builds, bundles, compare, events, fleet, news
from pinwheel.services.show.line import line
from pinwheel.services.show.plain import ABSENT


@pytest.fixture(scope="session")
def runs_of_two_builds() -> InMemory:
    made = InMemory()
    made.push(a=File(tasks=("x", "y")))
    made.run("on_1")
    made.run("failed_on_1", "failed")
    made.push(a=File(tasks=("x", "y"), body=1))
    made.run("on_2")
    made.run("back_on_1", build=1)
    made.do(Verb.PIN, reason="month end")
    made.push(a=File(tasks=("x", "y", "z"), body=2))
    made.run("tried_3", "failed", build=3)
    return made


@pytest.fixture
def told(runs_of_two_builds: InMemory) -> InMemory:
    """The Dag ``a``: build 2 is active and pinned, build 3 waits; runs on all three."""
    return runs_of_two_builds.clone()


def ran_on(views: list[TryView]) -> dict[tuple[str, str, int], tuple[int | None, int | None]]:
    """By run, task and try: release and build."""
    return {(v.run_id, v.task_id, v.try_number): (v.release, v.build) for v in views}


# History


def test_the_history_says_of_each_try_which_build_it_ran_on(told: InMemory) -> None:
    found = ran_on(history(told.host, "a", task_id="x"))
    assert found == {
        ("on_1", "x", 1): (1, 1),
        ("failed_on_1", "x", 1): (1, 1),
        ("on_2", "x", 1): (2, 2),
        ("back_on_1", "x", 1): (1, 1),
        ("tried_3", "x", 1): (None, 3),
    }


def test_the_history_keeps_what_a_try_ran_on_when_its_run_goes_to_another_build(told: InMemory) -> None:
    clear(told.host, "a", ["failed_on_1"], actor="ada", build=2)
    told.finish("failed_on_1", number=2)
    found = history(told.host, "a", run_id="failed_on_1", task_id="x")
    assert ran_on(found) == {
        ("failed_on_1", "x", 1): (1, 1),
        ("failed_on_1", "x", 2): (2, 2),
    }
    assert [v.bundle_version for v in found] == told.versions()[:2]
    assert [v.bound_by for v in found] == ["active", "hand"]


def test_the_history_is_newest_run_first_and_as_long_as_asked_for(told: InMemory) -> None:
    found = history(told.host, "a", limit=2)
    assert list(dict.fromkeys(view.run_id for view in found)) == ["tried_3", "back_on_1"]
    with pytest.raises(InvalidInput, match="limit 0"):
        history(told.host, "a", limit=0)


def test_a_try_that_nobody_saw_begin_is_told_by_airflows_row_and_without_a_commit(told: InMemory) -> None:
    told.airflow.make_run("a", "stock")
    told.finish("stock")
    (found, *_) = history(told.host, "a", run_id="stock")
    assert (found.release, found.bundle_version, found.bound_by) == (2, None, None)


def test_the_history_of_what_does_not_exist_is_not_found(told: InMemory) -> None:
    with pytest.raises(NotFound, match="no such run"):
        history(told.host, "a", run_id="unknown")
    with pytest.raises(NotFound, match="has no build of it"):
        history(told.host, "unknown")


def test_a_dag_that_airflow_lost_is_not_said_to_be_unknown(told: InMemory) -> None:
    told.airflow.delete_dag("a")
    with pytest.raises(NotFound, match="Cannot show the history of a: Airflow has no such Dag"):
        history(told.host, "a")


# Grid


def test_the_grid_names_the_version_of_each_run(told: InMemory) -> None:
    page = grid.page(told.host, "a")
    assert {run.run_id: run.version for run in page.runs} == {
        "tried_3": "t3",
        "back_on_1": "r1",
        "on_2": "r2",
        "failed_on_1": "r1",
        "on_1": "r1",
    }
    assert page.active == "r2"
    assert (page.versions["r2"].build, page.versions["t3"].release) == (2, None)
    assert [run.changed for run in page.runs] == [True, True, True, False, False]


def test_the_pages_of_the_grid_lead_to_each_other(told: InMemory) -> None:
    first = grid.page(told.host, "a", limit=2)
    assert ([run.run_id for run in first.runs], first.older, first.newer) == (
        ["tried_3", "back_on_1"],
        "on_2",
        None,
    )
    second = grid.page(told.host, "a", until=first.older, limit=2)
    assert ([run.run_id for run in second.runs], second.newer) == (["on_2", "failed_on_1"], "tried_3")
    with pytest.raises(NotFound, match="no such run"):
        grid.page(told.host, "a", until="unknown")


def test_the_rows_of_the_grid_are_the_tasks_of_all_structures(told: InMemory) -> None:
    rows = grid.rows(told.host, "a", ["r1", "r2", "t3"])
    names = [[rows.rows[place].id for place in structure] for structure in rows.structures]
    assert names == [["x", "y"], ["x", "y", "z"]]
    assert rows.of == {"r1": 0, "r2": 0, "t3": 1}


def test_the_cells_of_the_grid_have_state_and_version(told: InMemory) -> None:
    found = grid.cells(told.host, "a", ["tried_3", "on_2"], ["x", "z"])
    (tried, lacking) = found.cells
    assert [(cell.state, cell.version) for cell in tried if cell] == [("failed", "t3"), ("failed", "t3")]
    assert [(cell.state, cell.version) if cell else None for cell in lacking] == [("success", "r2"), None]


def test_a_run_tells_each_of_its_bindings(told: InMemory) -> None:
    clear(told.host, "a", ["on_1"], actor="bob", build=2, task_ids=["x"])
    told.finish("on_1", number=2)
    found = instances.run(told.host, "a", "on_1")
    assert (found.version, found.used, found.mixed) == ("r2", ("r1", "r2"), True)
    assert [(each.version, each.actor) for each in found.bindings] == [("r1", "ada"), ("r2", "bob")]


def test_a_task_instance_tells_each_of_its_tries(told: InMemory) -> None:
    clear(told.host, "a", ["on_1"], actor="bob", build=2, task_ids=["x"])
    told.finish("on_1", number=2)
    found = instances.task_instance(told.host, "a", "on_1", "x")
    assert [(each.try_number, each.version) for each in found.tries] == [(1, "r1"), (2, "r2")]
    assert dict(found.instance_states) == {"success": 1}
    other = instances.task_instance(told.host, "a", "on_1", "y")
    assert (other.version, other.run_version) == ("r1", "r2")
    with pytest.raises(NotFound, match="no such task"):
        instances.task_instance(told.host, "a", "on_1", "z")


def test_the_history_of_a_run_begins_with_the_task_that_began_first(told: InMemory) -> None:
    told.trigger("early")
    told.airflow.start_run("a", "early")
    # By name it would be the other way round.
    for task_id in ("y", "x"):
        told.airflow.tick(60)
        told.airflow.execute("a", "early", task_id, 1)
    assert [view.task_id for view in history(told.host, "a", run_id="early")] == ["y", "x"]


def test_a_preview_of_a_clear_has_the_command_line_that_does_the_same(told: InMemory) -> None:
    seen = clear_preview.preview(told.host, "a", "on_1", actor="ada", reason="late")
    assert seen.command == "pinwheel clear --reason=late a on_1"
    some = clear_preview.preview(told.host, "a", "on_1", actor="ada", task_ids=["y"], build=2)
    assert some.command == "pinwheel clear --build=2 --task-id=y a on_1"
    none = clear_preview.preview(told.host, "a", "on_1", actor="ada", only_failed=True)
    assert (none.refusal, none.command) == (clear_preview.NOTHING, None)


# Line


def test_the_line_has_releases_builds_and_what_their_runs_came_to(told: InMemory) -> None:
    found = line(told.host, "a")
    assert [(each.release, each.build, dict(each.runs)) for each in found.releases] == [
        (2, 2, {"success": 1}),
        (1, 1, {"success": 2, "failed": 1}),
    ]
    assert [(each.build, dict(each.runs), each.newer) for each in found.builds] == [
        (3, {"failed": 1}, True),
        (2, {"success": 1}, False),
        (1, {"success": 2, "failed": 1}, False),
    ]
    assert [(each.run_id, each.release, each.build) for each in found.runs][:2] == [
        ("tried_3", None, 3),
        ("back_on_1", 1, 1),
    ]


def test_a_release_was_active_until_the_next_one(told: InMemory) -> None:
    second, first = line(told.host, "a").releases
    assert (first.until, second.until) == (second.created_at, None)
    assert (first.active, second.active) == (False, True)


def test_the_line_goes_back_page_by_page(told: InMemory) -> None:
    first = line(told.host, "a", limit=2)
    assert first.since is not None
    assert [each.build for each in first.builds] == [3, 2]
    assert first.in_force is not None
    second = line(told.host, "a", before=first.since, limit=9)
    assert [each.build for each in second.builds][-1] == 1
    with pytest.raises(InvalidInput, match="limit 0"):
        line(told.host, "a", limit=0)


def test_the_line_links_each_commit(told: InMemory) -> None:
    (top, *_) = line(told.host, "a").releases
    assert top.url == f"https://git/{top.bundle_version}"


def test_the_line_of_an_unmanaged_dag_is_not_found(told: InMemory) -> None:
    with pytest.raises(NotFound):
        line(told.host, "unknown")


# Fleet


def test_the_fleet_says_of_each_dag_what_runs_and_what_waits(told: InMemory) -> None:
    (found,) = fleet.fleet(told.host, fleet.Wish(), lambda: {"a"}).dags
    assert found.active is not None and found.newest is not None
    assert (found.active_release, found.active.build, found.newest.build) == (2, 2, 3)
    assert (found.held, found.pin.reason if found.pin else None) == (True, "month end")
    assert (dict(found.runs or {}), found.paused) == ({"success": 1}, True)
    assert found.last_change is not None and found.last_change.kind == "pin"


def test_the_fleet_counts_each_state_and_filters_by_it(three: InMemory) -> None:
    three.do(Verb.PIN, "a")
    three.push(a=File(body=5), b=BROKEN)
    three.run("bad", "failed", dag_id="c")
    counts = fleet.fleet(three.host, fleet.Wish(), lambda: {"a", "b", "c"}).counts
    assert (counts.all, counts.held, counts.pinned, counts.broken, counts.failing) == (3, 1, 1, 1, 1)
    for state, dag_id in (("held", "a"), ("pinned", "a"), ("broken", "b"), ("failing", "c")):
        found = fleet.fleet(three.host, fleet.Wish(**{state: True}), lambda: {"a", "b", "c"})
        assert [dag.dag_id for dag in found.dags] == [dag_id], state


def test_the_fleet_shows_what_may_be_read(three: InMemory) -> None:
    found = fleet.fleet(three.host, fleet.Wish(), lambda: {"b"})
    assert ([dag.dag_id for dag in found.dags], found.total_entries) == (["b"], 1)


def test_the_fleet_finds_dags_by_tag_owner_and_text(empty: InMemory) -> None:
    empty.push(a=File(tags=("x",), owner="ada"), b=File(display_name="Daily sales"))
    wishes = (
        (fleet.Wish(tags=("x",)), ["a"]),
        (fleet.Wish(owner="ada"), ["a"]),
        (fleet.Wish(text="SALES"), ["b"]),
        (fleet.Wish(bundle="other"), []),
    )
    for wish, expected in wishes:
        found = fleet.fleet(empty.host, wish, lambda: {"a", "b"})
        assert [dag.dag_id for dag in found.dags] == expected
    choices = fleet.choices(empty.host, lambda: {"a", "b"})
    assert (choices.bundles, choices.owners, choices.tags) == (("dags",), ("ada", "airflow"), ("x",))


def test_retired_dags_are_in_the_fleet_where_they_are_asked_for(three: InMemory) -> None:
    three.remove("b")
    shown = fleet.fleet(three.host, fleet.Wish(), lambda: {"a", "b", "c"})
    assert [dag.dag_id for dag in shown.dags] == ["a", "c"]
    every = fleet.fleet(three.host, fleet.Wish(retired=True), lambda: {"a", "b", "c"})
    assert [dag.dag_id for dag in every.dags] == ["a", "b", "c"]


# Builds, events, bundles, selectors


def test_builds_are_newest_first_with_the_releases_that_were_made_of_them(told: InMemory) -> None:
    found = builds.builds(told.host, "a")
    assert [(build.build, build.releases) for build in found] == [(3, ()), (2, (2,)), (1, (1,))]


def test_the_difference_of_two_builds_is_told_by_tasks_and_files(told: InMemory) -> None:
    found = builds.diff(told.host, "a", 2, 3)
    assert (found.from_, found.to) == (2, 3)
    assert found.structure.tasks_added == ("z",)
    assert [(file.path, file.change) for file in found.files] == [("a.py", "modified")]
    by_default = compare.compare(told.host, "a")
    assert (by_default.from_.build, by_default.to.build) == (2, 3)


def sides(found: compare.Comparison) -> tuple[int | None, int | None]:
    return found.from_.build, found.to.build


def test_releases_and_runs_stand_for_their_builds_in_a_comparison(told: InMemory) -> None:
    assert sides(compare.compare(told.host, "a", "r1", "b3")) == (1, 3)
    assert sides(compare.compare(told.host, "a", from_run="back_on_1", to_run="on_2")) == (1, 2)
    assert sides(compare.compare(told.host, "a", "r2", to_run="tried_3")) == (2, 3)
    assert compare.compare(told.host, "a", from_run="on_1").command == "pinwheel diff a 1 3"
    diff = builds.diff(told.host, "a", "r1", "r2")
    assert (diff.from_, diff.to) == (1, 2)
    file = compare.file(told.host, "a", "a.py", "r1", "r2")
    assert file.change == "modified"


def test_what_is_not_there_to_be_compared_is_refused_in_words(told: InMemory) -> None:
    with pytest.raises(
        NotFound, match=r"it has no release 3\. See its releases: pinwheel releases a"
    ) as refused:
        compare.compare(told.host, "a", "r3")
    assert refused.value.facts == {"dag_id": "a", "release": 3}
    with pytest.raises(NotFound, match=r"it has no good build 9\. See its builds: pinwheel builds a"):
        builds.diff(told.host, "a", "b9")
    with pytest.raises(NotFound, match="Cannot compare run nope of a: Airflow has no such run"):
        compare.compare(told.host, "a", to_run="nope")
    with pytest.raises(
        InvalidInput, match="Cannot compare run on_1 of a: release 1 is given for the same side"
    ):
        compare.compare(told.host, "a", "r1", from_run="on_1")


def test_a_run_that_was_bound_again_is_compared_by_its_last_build_and_says_so(told: InMemory) -> None:
    clear(told.host, "a", ["on_1"], build=2)
    found = compare.compare(told.host, "a", from_run="on_1")
    assert sides(found) == (2, 3)
    assert "Run on_1 was on builds 1, 2: compared is build 2, its last" in found.warnings


def test_events_are_newest_first_and_paged_by_their_ids(told: InMemory) -> None:
    found = events.events(told.host, dag_ids=["a"])
    assert [event.kind for event in found][:2] == ["trigger", "build"]
    rest = events.events(told.host, dag_ids=["a"], before_id=found[1].id)
    assert rest == found[2:]
    assert {event.kind for event in events.events(told.host, kinds=["pin"])} == {"pin"}
    assert found[0].cleared is ABSENT


def test_news_name_the_dags_that_events_were_about_since(told: InMemory) -> None:
    before = news.news(told.host, after=None, dag_id=None, readable=set)
    assert before.dag_ids == ()
    told.do(Verb.UNPIN)
    found = news.news(told.host, after=before.last_event_id, dag_id=None, readable=set)
    assert (found.dag_ids, found.last_event_id > before.last_event_id) == (("a",), True)


def test_bundles_say_what_they_show_and_how_many_dags_they_have(three: InMemory) -> None:
    three.side.add_bundle("idle")
    head = three.push(a=File(body=7))
    found = {standing.name: standing for standing in bundles.standings(three.host).bundles}
    assert found["dags"].head is not None
    assert (found["dags"].state, found["dags"].head.version, found["dags"].dags) == ("ok", head, 3)
    assert (found["idle"].head, found["idle"].dags) == (None, 0)


def test_a_selector_means_dags_that_are_not_retired_but_for_those_that_it_names(three: InMemory) -> None:
    three.remove("b")
    assert select(three.host, Selection(selector=Selector(everything=True))) == ["a", "c"]
    assert select(three.host, Selection(selector=Selector(globs=("?",)), retired=True)) == ["a", "b", "c"]
    assert select(three.host, Selection(selector=Selector(ids=("b",), globs=("c",)))) == ["b", "c"]
    with pytest.raises(NotFound):
        select(three.host, Selection(selector=Selector(ids=("unknown",), globs=("c",))))
