"""Dag → History and the Version tabs, each test named after a sentence of AIP-65."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from browser.aip65 import SCENARIOS
from harness.browser import Visitor
from harness.shared import SharedAirflow
from harness.truth import Player, Stage


class Story:
    """What was played: Dags and runs by scenario."""

    def __init__(self, env: SharedAirflow, players: dict[str, Player]) -> None:
        self.env = env
        self.players = players

    def dag(self, scenario: str) -> str:
        return self.players[scenario].dag_id

    def runs(self, scenario: str) -> list[str]:
        """Oldest first."""
        rows = self.env.rows(
            "SELECT run_id FROM dag_run WHERE dag_id = :d ORDER BY run_after, id", d=self.dag(scenario)
        )
        return [row["run_id"] for row in rows]


@pytest.fixture(scope="module")
def story(shared_airflow: SharedAirflow) -> Iterator[Story]:
    slot = shared_airflow.take_git()
    stage = Stage(shared_airflow, {slot.name: slot})
    players = [
        Player(stage=stage, scenario=play.__name__, bundle=slot.name, kind="aip", play=play)
        for play in SCENARIOS
    ]
    stage.play(players, patience=600)
    assert [player.error for player in players if player.error] == []
    yield Story(shared_airflow, {player.scenario: player for player in players})


def open_history(visitor: Visitor, story: Story, scenario: str, query: str = "") -> Locator:
    """The History tab with its grid drawn."""
    page = visitor.open_dag(story.dag(scenario), "dag-history", query.replace("+", "%2B"))
    expect(page.get_by_test_id("history-grid")).to_be_visible()
    expect(page.locator(".cell .box").first).to_be_visible()
    return page


def head(page: Locator, run_id: str) -> Locator:
    return page.locator(f'button.run[data-run="{run_id}"]')


def row(page: Locator, task_id: str) -> Locator:
    return page.locator(f'[role=row][data-task="{task_id}"]')


def cell(page: Locator, task_id: str, run_id: str) -> Locator:
    return row(page, task_id).locator(f'[data-run="{run_id}"]')


def order(page: Locator) -> list[str]:
    """Tasks from top to bottom, as they stand on the screen."""
    rows = page.locator("[role=row][data-task]")
    expect(rows.first).to_be_visible()
    places = rows.evaluate_all(
        "rows => rows.map(row => [Number(row.getAttribute('aria-rowindex')), row.dataset.task])"
    )
    return [task for _, task in sorted(places)]


def code(page: Locator) -> Locator:
    """The text of the file on show."""
    expect(page.get_by_test_id("code")).to_have_attribute("data-state", "shown")
    return page.get_by_test_id("code").locator(".cm-content")


def press(page: Locator, group: str, name: str) -> None:
    page.get_by_role("group", name=group).get_by_role("button", name=name, exact=True).click()


# Scenario 1: DAG changes in between two DAG runs


def test_in_the_grid_a_caret_indicates_that_a_new_dag_version_was_used(
    visitor: Visitor, story: Story
) -> None:
    page = open_history(visitor, story, "between_runs")
    marks = page.get_by_test_id("release-mark")
    # Also where only a body changed, which stock Airflow does not notice.
    expect(marks).to_have_text(["r2", "r3", "r4"])
    for run_id in story.runs("between_runs")[1:]:
        expect(head(page, run_id)).to_have_accessible_name(re.compile("the version changed here"))


def test_in_the_graph_and_code_views_the_structure_and_code_of_each_dag_run_are_shown(
    visitor: Visitor, story: Story
) -> None:
    runs = story.runs("between_runs")
    for run_id, mark, tasks in zip(
        runs,
        ("m1", "m2", "m3", "m4"),
        (["a", "b"], ["a", "b", "welcome"], ["a", "b"], ["a", "b"]),
        strict=True,
    ):
        page = open_history(visitor, story, "between_runs", f"run={run_id}&view=code")
        expect(code(page)).to_contain_text(f"CODE_MARK: <{mark}>")
        press(page, "Show", "Graph")
        graph = page.get_by_role("region", name=re.compile("Graph of Release"))
        names = graph.locator(".task text.name")
        expect(names).to_have_count(len(tasks))
        assert sorted(names.all_text_contents()) == tasks


def test_the_dag_version_is_shown_within_dag_run_and_task_instance_details(
    visitor: Visitor, story: Story
) -> None:
    first = story.runs("between_runs")[0]
    dag_id = story.dag("between_runs")
    page = visitor.open_run(dag_id, first)
    expect(page.get_by_test_id("run-bindings")).to_contain_text("Release 1")
    expect(page.get_by_test_id("run-bindings")).to_contain_text("the active release when the run began")
    expect(code(page)).to_contain_text("CODE_MARK: <m1>")
    visitor.check_accessibility()
    page = visitor.open_task(dag_id, first, "a")
    expect(page.get_by_test_id("task-tries")).to_contain_text("Release 1")
    expect(page.get_by_test_id("task-tries")).to_contain_text("Ada Author")
    expect(code(page)).to_contain_text("CODE_MARK: <m1>")
    visitor.check_accessibility()


def test_a_removed_task_keeps_its_row_without_a_status_box_for_newer_dag_runs(
    visitor: Visitor, story: Story
) -> None:
    one, two, three, four = story.runs("between_runs")
    page = open_history(visitor, story, "between_runs")
    assert order(page) == ["b", "a", "welcome"]
    expect(cell(page, "welcome", two)).to_have_attribute("data-state", "success")
    for run_id in (one, three, four):
        expect(cell(page, "welcome", run_id)).to_have_count(0)


def test_a_task_that_moved_between_task_groups_is_shown_within_both(visitor: Visitor, story: Story) -> None:
    one, two, _ = story.runs("between_groups")
    page = open_history(visitor, story, "between_groups")
    expect(cell(page, "g1.x", one)).to_have_attribute("data-state", "success")
    expect(cell(page, "g1.x", two)).to_have_count(0)
    expect(cell(page, "g2.x", two)).to_have_attribute("data-state", "success")
    expect(cell(page, "g2.x", one)).to_have_count(0)


def test_a_task_whose_group_is_no_longer_present_is_at_the_bottom_of_the_list(
    visitor: Visitor, story: Story
) -> None:
    page = open_history(visitor, story, "between_groups")
    assert order(page)[:2] == ["g2.x", "g2.z"]
    assert set(order(page)[2:]) == {"g1.x", "g1.y"}


def test_removed_tasks_can_be_excluded_from_the_grid_with_a_toggle(visitor: Visitor, story: Story) -> None:
    page = open_history(visitor, story, "between_runs")
    expect(row(page, "welcome")).to_have_count(1)
    page.get_by_text("Hide removed tasks").click()
    expect(row(page, "welcome")).to_have_count(0)
    # It stays so after a reload.
    page = open_history(visitor, story, "between_runs")
    expect(row(page, "welcome")).to_have_count(0)


def test_when_clicking_on_an_older_dag_run_rows_move_to_their_correct_positions(
    visitor: Visitor, story: Story
) -> None:
    one = story.runs("between_runs")[0]
    # The windows of the tests ask for reduced motion.
    visitor.page.emulate_media(reduced_motion="no-preference")
    page = open_history(visitor, story, "between_runs")
    assert order(page) == ["b", "a", "welcome"]
    row(page, "a").evaluate("row => { row.seenBefore = true }")
    head(page, one).click()
    expect(head(page, one)).to_have_attribute("aria-pressed", "true")
    assert order(page) == ["a", "b", "welcome"]
    # The row is moved, not drawn anew, and slides to its place.
    assert row(page, "a").evaluate("row => row.seenBefore === true")
    assert row(page, "a").evaluate("row => getComputedStyle(row).transitionProperty") == "transform"
    assert row(page, "a").evaluate("row => getComputedStyle(row).transitionDuration") == "0.45s"


def test_a_toggle_controls_whether_the_tasks_are_reordered(visitor: Visitor, story: Story) -> None:
    one = story.runs("between_runs")[0]
    page = open_history(visitor, story, "between_runs")
    page.get_by_text("Order tasks as in the selected run").click()
    head(page, one).click()
    expect(head(page, one)).to_have_attribute("aria-pressed", "true")
    assert order(page) == ["b", "a", "welcome"]


def test_the_clear_button_of_a_removed_task_is_disabled_and_tells_why(visitor: Visitor, story: Story) -> None:
    two = story.runs("between_runs")[1]
    page = open_history(visitor, story, "between_runs", f"run={two}&task=welcome")
    button = page.get_by_role("button", name="Clear task")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_description(re.compile("welcome is not in Release 4"))
    button.hover()
    expect(visitor.page.get_by_role("tooltip").filter(has_text="it would only fail")).to_be_visible()
    button.click(force=True)
    expect(visitor.page.get_by_test_id("clear-dialog")).to_have_count(0)


def test_logs_of_tasks_that_no_longer_exist_can_be_read(visitor: Visitor, story: Story) -> None:
    two = story.runs("between_runs")[1]
    page = open_history(visitor, story, "between_runs", f"run={two}&task=welcome&view=log")
    expect(page.get_by_test_id("try-log")).to_contain_text("EXEC_MARK=m2")


# Scenario 2: DAG changes in between two task instances of one DAG run


def test_a_caret_is_overlaid_on_the_task_instance_and_the_tooltip_shows_the_version_change(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks")
    page = open_history(visitor, story, "between_tasks")
    expect(head(page, run_id)).to_have_accessible_name(re.compile("mixed versions: Release 1, Release 2"))
    expect(page.get_by_test_id("mixed-run")).to_have_count(1)
    # Most tasks ran on release 1.
    for task_id, mixed in (("a", "false"), ("b", "true"), ("c", "false")):
        expect(cell(page, task_id, run_id)).to_have_attribute("data-mixed", mixed)
    cell(page, "b", run_id).hover()
    expect(visitor.page.get_by_test_id("history-hint")).to_contain_text(
        re.compile(r"Release 1 \(build 1.*→ Release 2 \(build 2")
    )


def test_upstream_tasks_that_were_run_on_different_versions_are_in_the_tooltip(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks")
    page = open_history(visitor, story, "between_tasks")
    cell(page, "b", run_id).hover()
    hint = visitor.page.get_by_test_id("history-hint")
    expect(hint).to_contain_text("Upstream on other versions")
    expect(hint).to_contain_text("a: Release 1")


def test_on_the_graph_it_is_indicated_when_in_the_dag_run_the_version_changed(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks")
    page = open_history(visitor, story, "between_tasks", f"run={run_id}")
    graph = page.get_by_role("region", name="Graph of Release 2")
    expect(graph.locator("text.note")).to_have_text(["r1", "r1"])
    expect(page).to_contain_text("r1 is Release 1")


def test_on_the_code_views_users_toggle_between_versions_used_in_that_dag_run(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks")
    page = open_history(visitor, story, "between_tasks", f"run={run_id}&view=code")
    expect(code(page)).to_contain_text("CODE_MARK: <m2>")
    press(page, "Version", "Release 1")
    expect(code(page)).to_contain_text("CODE_MARK: <m1>")


def test_the_graph_flips_between_both_dag_structures_and_each_shows_what_ran_on_it(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks_structural")
    page = open_history(visitor, story, "between_tasks_structural", f"run={run_id}&version=r1")

    def stripes(name: str) -> dict[str | None, bool]:
        graph = page.get_by_role("region", name=f"Graph of {name}")
        expect(graph.locator("[class*=state-success]").first).to_be_attached()
        return {
            task.locator("text.name").text_content(): task.locator("[class*=state-]").count() > 0
            for task in graph.locator(".task").all()
        }

    assert stripes("Release 1") == {"a": True, "b": True, "c": True}
    press(page, "Version", "Release 2")
    assert stripes("Release 2") == {"a": False, "c": True, "d": True}


def test_the_result_of_a_task_that_the_newer_structure_lacks_is_kept(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("between_tasks_structural")
    page = open_history(visitor, story, "between_tasks_structural")
    assert order(page) == ["a", "c", "d", "b"]
    expect(cell(page, "b", run_id)).to_have_attribute("data-state", "success")
    expect(cell(page, "b", run_id)).to_have_attribute("data-version", "r1")


def test_at_the_dag_run_level_all_versions_that_were_used_are_shown(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("between_tasks_structural")
    page = open_history(visitor, story, "between_tasks_structural", f"run={run_id}")
    for name in ("mixed versions", "Release 1", "Release 2"):
        expect(page.get_by_test_id("run-versions")).to_contain_text(name)
    page = visitor.open_run(story.dag("between_tasks_structural"), run_id)
    bindings = page.get_by_role("table", name="Bindings").get_by_role("row")
    expect(bindings.nth(1)).to_contain_text("the active release when the run began")
    expect(bindings.nth(2)).to_contain_text("by hand")


# Scenario 3: DAG changes in between two runs of the same task instance


def test_based_on_the_attempt_selected_graph_code_and_logs_are_those_of_that_try(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tries")
    page = open_history(visitor, story, "between_tries", f"run={run_id}&task=a&view=code")
    expect(page.get_by_role("group", name="Try").get_by_role("button")).to_have_text(["1", "2", "3"])
    for attempt, mark, helper in (("1", "m1", "h1"), ("2", "m1", "h2"), ("3", "m2", "h2")):
        press(page, "Try", attempt)
        expect(page.get_by_test_id("version-code")).to_have_attribute("data-build", attempt)
        expect(code(page)).to_contain_text(f"CODE_MARK: <{mark}>")
        page.get_by_role("navigation", name="Files").get_by_role("button", name="_helper.py").click()
        expect(code(page)).to_contain_text(f"HELPER_MARK: <{helper}>")
        press(page, "Show", "Log")
        expect(page.get_by_test_id("try-log")).to_have_attribute("data-try", attempt)
        expect(page.get_by_test_id("try-log")).to_contain_text(f"EXEC_HELPER={helper}")
        press(page, "Show", "Graph")
        expect(page.get_by_role("region", name=f"Graph of Release {attempt}")).to_be_visible()
        press(page, "Show", "Code")


def test_there_is_a_version_history_of_the_task_instance(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("between_tries")
    page = open_history(visitor, story, "between_tries", f"run={run_id}&task=a&view=versions")
    tries = page.get_by_role("table", name="Tries").get_by_role("row")
    for number, how in (
        (1, "the active release when the run began"),
        (2, "by hand by admin"),
        (3, "by hand by admin"),
    ):
        expect(tries.nth(number)).to_contain_text(f"Release {number}")
        expect(tries.nth(number)).to_contain_text(how)


# Scenario 4: clearing DAG runs and task instances of older DAG versions


def open_clear(visitor: Visitor, page: Locator, button: str) -> Locator:
    page.get_by_role("button", name=button).click()
    dialog = visitor.page.get_by_test_id("clear-dialog")
    expect(dialog.get_by_test_id("clear-preview")).to_be_visible()
    return dialog


def test_before_a_clear_it_is_obvious_what_will_run_on_which_version(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("to_be_cleared")
    page = open_history(visitor, story, "to_be_cleared", f"run={run_id}")
    dialog = open_clear(visitor, page, "Clear run")
    expect(dialog.get_by_role("table", name="What will run")).to_contain_text("Release 1")
    dialog.get_by_text("The active one: Release 2").click()
    preview = dialog.get_by_test_id("clear-preview")
    expect(preview).to_contain_text("New in release 2 (build 2), these tasks will run too: d.")
    expect(preview).to_contain_text("these tasks will be marked as removed")
    rows = dialog.get_by_role("table", name="What will run").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Release 1Release 2")
    expect(dialog.get_by_test_id("command")).to_contain_text(f"--build=2 {story.dag('to_be_cleared')}")
    visitor.check_accessibility("[data-testid=clear-dialog]")


def test_a_warning_pushes_users_to_include_downstream_tasks(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("to_be_cleared")
    page = open_history(visitor, story, "to_be_cleared", f"run={run_id}&task=a")
    dialog = open_clear(visitor, page, "Clear task")
    expect(dialog.get_by_text("Downstream tasks are not cleared")).to_have_count(0)
    dialog.get_by_text("The active one: Release 2").click()
    dialog.get_by_text("Downstream tasks too").click()
    expect(dialog.get_by_test_id("clear-preview")).to_contain_text("Downstream tasks are not cleared")
    expect(dialog.get_by_test_id("clear-preview")).to_contain_text("Versions will mix in this run")


def test_clearing_runs_the_tasks_on_the_chosen_version_and_the_page_shows_it(
    visitor: Visitor, story: Story
) -> None:
    (run_id,) = story.runs("between_tasks")
    page = open_history(visitor, story, "between_tasks", f"run={run_id}")
    dialog = open_clear(visitor, page, "Clear run")
    dialog.get_by_label("Reason").fill("as it was")
    dialog.get_by_role("button", name="Clear 3 task instances").click()
    expect(dialog).to_contain_text("3 task instances run again on build 2")
    dialog.get_by_role("button", name="Close", exact=True).click()
    # Without a reload the cells become those of the new tries.
    expect(cell(page, "b", run_id)).to_have_attribute("data-state", "success", timeout=120_000)
    cell(page, "b", run_id).click()
    expect(page.get_by_role("group", name="Try").get_by_role("button")).to_have_text(
        ["1", "2", "3"], timeout=120_000
    )


# Around the sentences


def test_whoever_may_only_read_sees_everything_and_no_action(window: Any, story: Story) -> None:
    (run_id,) = story.runs("between_tries")
    with window("viewer") as visitor:
        page = open_history(visitor, story, "between_tries", f"run={run_id}&task=a&view=code")
        expect(code(page)).to_contain_text("CODE_MARK: <m2>")
        expect(page.get_by_role("button", name=re.compile("Clear"))).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_history_is_accessible_in_both_themes(window: Any, story: Story, theme: str) -> None:
    (run_id,) = story.runs("between_tasks_structural")
    with window(theme=theme) as visitor:
        page = open_history(visitor, story, "between_tasks_structural", f"run={run_id}")
        expect(page.get_by_role("region", name="Graph of Release 2")).to_be_visible()
        visitor.check_accessibility()
        press(page, "Show", "Code")
        expect(code(page)).to_contain_text("CODE_MARK: <m2>")
        visitor.check_accessibility()


def test_the_grid_can_be_walked_with_the_keyboard(visitor: Visitor, story: Story) -> None:
    runs = story.runs("between_runs")
    page = open_history(visitor, story, "between_runs")
    head(page, runs[-1]).focus()
    visitor.page.keyboard.press("ArrowDown")
    expect(cell(page, "b", runs[-1])).to_be_focused()
    visitor.page.keyboard.press("ArrowLeft")
    expect(cell(page, "b", runs[-2])).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(page.get_by_test_id("task-versions")).to_contain_text("Release 3")


def test_the_times_are_in_the_users_time_zone(visitor: Visitor, story: Story) -> None:
    (run_id,) = story.runs("between_tries")
    visitor.set_timezone("Asia/Tokyo")
    page = visitor.open_run(story.dag("between_tries"), run_id)
    moment = page.get_by_role("table", name="Bindings").locator("time").first
    at = moment.get_attribute("datetime")
    shown = visitor.page.evaluate(
        "at => new Date(at).toLocaleString('sv-SE', {timeZone: 'Asia/Tokyo'}).slice(0, 16)", at
    )
    expect(moment).to_contain_text(shown)


# The truth, seen by the browser


def test_for_each_finished_run_airflows_code_tab_and_ours_show_the_code_that_its_log_proves(
    visitor: Visitor, story: Story
) -> None:
    dag_id = story.dag("bodies_and_helpers")
    for run_id in story.runs("bodies_and_helpers"):
        ran = story.env.marks(dag_id, run_id, "a")
        assert ran["EXEC_MARK"] and ran["EXEC_HELPER"]
        page = open_history(visitor, story, "bodies_and_helpers", f"run={run_id}&task=a&view=code")
        expect(code(page)).to_contain_text(f"CODE_MARK: <{ran['EXEC_MARK']}>")
        page.get_by_role("navigation", name="Files").get_by_role("button", name="_helper.py").click()
        expect(code(page)).to_contain_text(f"HELPER_MARK: <{ran['EXEC_HELPER']}>")
        press(page, "Show", "Log")
        expect(page.get_by_test_id("try-log")).to_contain_text(f"EXEC_MARK={ran['EXEC_MARK']}")
        for path in (f"dags/{dag_id}/runs/{run_id}/code", f"dags/{dag_id}/runs/{run_id}/tasks/a/code"):
            visitor.page.goto(f"{visitor.airflow.url}/{path}")
            expect(visitor.page.locator(".view-lines").first).to_contain_text(
                f"CODE_MARK: <{ran['EXEC_MARK']}>"
            )


def test_for_each_try_our_code_is_the_code_that_its_log_proves(visitor: Visitor, story: Story) -> None:
    dag_id = story.dag("between_tries")
    (run_id,) = story.runs("between_tries")
    for number in (1, 2, 3):
        ran = story.env.marks(dag_id, run_id, "a", number)
        page = open_history(visitor, story, "between_tries", f"run={run_id}&task=a&view=code&try={number}")
        expect(code(page)).to_contain_text(f"CODE_MARK: <{ran['EXEC_MARK']}>")
        page.get_by_role("navigation", name="Files").get_by_role("button", name="_helper.py").click()
        expect(code(page)).to_contain_text(f"HELPER_MARK: <{ran['EXEC_HELPER']}>")
