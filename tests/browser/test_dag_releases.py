"""Dag → Releases: the line of builds and releases, any two compared, and the actions."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Route, expect

from harness.browser import Visitor
from harness.line_story import LineStory
from harness.shared import SharedAirflow

TAB = "dag-releases"


@pytest.fixture(scope="module")
def story(shared_airflow: SharedAirflow) -> LineStory:
    return LineStory(shared_airflow)


def opened(visitor: Visitor, dag_id: str, query: str = "") -> Locator:
    """The tab, once the line is drawn."""
    page = visitor.open_dag(dag_id, TAB, query)
    expect(page.get_by_role("table", name="Builds and releases")).to_be_visible()
    return page


def rows(page: Locator) -> list[str]:
    """What the list calls each row: ``build-3``, ``release-2``, ``broken-…``."""
    return [
        row.get_attribute("data-testid") or ""
        for row in page.get_by_role("table", name="Builds and releases").locator("tbody tr").all()
    ]


def act(page: Locator, visitor: Visitor, build: int, what: str) -> None:
    """Choose an action of a build in the list."""
    page.get_by_role("button", name=f"Actions for build {build}").first.click()
    visitor.page.get_by_role("menuitem", name=what).click()


# The line


def test_the_line_shows_which_build_was_active_when_which_never_and_which_broke(
    visitor: Visitor, story: LineStory
) -> None:
    page = opened(visitor, story.told)
    assert rows(page) == [f"broken-{story.broken_commit}", "build-3", "release-3", "build-2", "build-1"]
    active = page.get_by_test_id("release-3")
    expect(active).to_contain_text("Build 1")
    expect(active).to_contain_text("active")
    expect(active).to_contain_text("rollback")
    expect(active).to_contain_text("wrong totals")
    expect(page.get_by_test_id("build-3")).to_contain_text("never released")
    expect(page.get_by_test_id("build-1")).to_contain_text("1.0")
    expect(page.get_by_test_id("build-1")).to_contain_text("until")
    picture = page.get_by_test_id("line-picture")
    expect(picture.get_by_role("img")).to_have_accessible_name(
        "Builds and releases over time: 3 builds, 1 of them never released, 1 rejected, 1 broken commits, "
        "3 releases, 2 runs of which 1 failed. The list below says the same in words."
    )
    expect(picture.locator("line.active")).to_have_count(3)
    expect(picture.locator("path.cross")).to_have_count(1)


def test_run_outcomes_stand_along_the_line(visitor: Visitor, story: LineStory) -> None:
    page = opened(visitor, story.told)
    expect(page.get_by_test_id("build-1")).to_contain_text("1 success")
    expect(page.get_by_test_id("build-2")).to_contain_text("1 failed")
    picture = page.get_by_test_id("line-picture")
    expect(picture.locator("rect.good")).to_have_count(1)
    picture.locator("g:has(> rect.bad)").click()
    run_id = quote(story.failed_runs[story.told])
    expect(visitor.page).to_have_url(f"{visitor.airflow.url}/dags/{story.told}/runs/{run_id}")


def test_where_the_dag_stands_is_said_in_one_look(visitor: Visitor, story: LineStory) -> None:
    standing = opened(visitor, story.told).get_by_role("region", name="Where the Dag stands")
    for text in (
        "Release 3",
        "Build 1",
        "Pinned by admin",
        "wrong totals",
        "Build 3 waits",
        "no run on it yet",
    ):
        expect(standing).to_contain_text(text)
    standing.get_by_role("button", name="Broken").click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("NameError: name 'this' is not defined")


def test_the_picture_leads_to_the_row_and_its_spacing_stands_in_the_address(
    visitor: Visitor, story: LineStory
) -> None:
    page = opened(visitor, story.told)
    page.get_by_role("button", name="True time").click()
    expect(visitor.page).to_have_url(f"{visitor.airflow.url}/dags/{story.told}/plugin/{TAB}?spacing=time")
    expect(page.get_by_role("button", name="True time")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Even steps").click()
    picture = page.get_by_test_id("line-picture")
    plain = page.get_by_test_id("build-2").evaluate("row => getComputedStyle(row).backgroundColor")
    picture.locator("g.mark:has(circle)").nth(1).click()
    expect(page.get_by_test_id("build-2")).not_to_have_css("background-color", plain)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "query", ["", "view=compare&from=1&to=2", "view=compare&from=1&to=2&show=files", "view=events"]
)
def test_it_is_accessible_in_both_themes(
    window: Callable[..., Any], story: LineStory, theme: str, query: str
) -> None:
    with window(theme=theme) as visitor:
        page = visitor.open_dag(story.told, TAB, query)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if "files" in query:
            expect(page.get_by_test_id("diff-side-by-side")).to_have_attribute("data-state", "shown")
        elif "compare" in query:
            expect(page.locator("[data-task]").first).to_be_visible()
        elif not query:
            expect(page.get_by_test_id("line-picture").locator("circle").first).to_be_visible()
        visitor.check_accessibility()


def test_times_are_in_the_users_airflow_time_zone(window: Callable[..., Any], story: LineStory) -> None:
    first = datetime.fromisoformat(story.releases.builds(story.told)[-1]["created_at"])
    with window() as visitor:
        visitor.set_timezone("Asia/Kolkata")
        picture = opened(visitor, story.told).get_by_test_id("line-picture")
        there = first.astimezone(ZoneInfo("Asia/Kolkata"))
        expect(picture).to_contain_text(f"{there:%Y-%m-%d %H:%M:%S}")


def test_a_long_line_is_shown_in_parts(visitor: Visitor, story: LineStory) -> None:
    dag_id = story.spare()
    story.make_long(dag_id, builds=320, runs=1000)
    page = opened(visitor, dag_id)
    assert len(rows(page)) == 25
    page.get_by_role("button", name="Show more").click()
    assert len(rows(page)) == 75
    picture = page.get_by_test_id("line-picture")
    before = picture.locator("circle.dot").count()
    for _ in range(5):
        more = page.get_by_role("button", name="Show more")
        if not more.is_visible():
            break
        more.click()
    page.get_by_role("button", name="Load what was before").click()
    expect(picture.locator("circle.dot")).to_have_count(322)
    assert before < 322
    expect(page.get_by_role("button", name="Load what was before")).to_be_hidden()


# Comparing


def test_any_two_builds_are_chosen_and_compared_as_one_graph_with_marks(
    visitor: Visitor, story: LineStory
) -> None:
    page = opened(visitor, story.told)
    for build in (2, 1):
        page.get_by_role("checkbox", name=f"Choose build {build} to compare").first.click(force=True)
    expect(page.get_by_text("Build 1 and build 2 are chosen.")).to_be_visible()
    page.get_by_role("link", name="Compare", exact=True).last.click()
    graph = page.get_by_role("region", name="Graph of build 1 and build 2 together")
    for task, change in {"load": "changed", "sum": "changed", "old": "removed", "report": "added"}.items():
        expect(graph.locator(f"[data-task={task}]")).to_have_accessible_name(f"Task {task}, {change}")
    expect(graph.locator("[data-edge='sum→old']")).to_have_class("edge removed")
    expect(graph.locator("[data-edge='sum→report']")).to_have_class("edge added")
    expect(graph.locator("[data-edge='load→sum']")).to_have_class("edge same")
    expect(page).to_contain_text("Tasks: 1 added, 1 removed, 2 changed · Dependencies: 1 added, 1 removed")


def test_changed_attributes_are_listed_and_narrowed_to_a_task_with_the_keyboard(
    visitor: Visitor, story: LineStory
) -> None:
    page = visitor.open_dag(story.told, TAB, "view=compare&from=1&to=2")
    table = page.get_by_role("table", name="Changed attributes")
    expect(table.get_by_role("row", name="sum pool_slots")).to_contain_text("2")
    expect(table.get_by_role("row", name="Dag tags")).to_contain_text("version:1.0")
    page.locator("[data-task=load]").focus()
    visitor.page.keyboard.press("Enter")
    expect(table.get_by_role("row", name="load pool_slots")).to_be_visible()
    expect(table.get_by_role("row", name="sum pool_slots")).to_be_hidden()


def test_every_file_the_dag_used_is_compared_side_by_side_and_inline_with_colours(
    visitor: Visitor, story: LineStory
) -> None:
    page = visitor.open_dag(story.told, TAB, "view=compare&from=2&to=3")
    expect(page).to_contain_text("Structure (the same)")
    files = page.get_by_role("navigation", name="Files")
    expect(files.get_by_role("button")).to_have_text([f"modified{story.helper}", "Show 3 unchanged"])
    side = page.get_by_test_id("diff-side-by-side")
    expect(side.get_by_role("textbox", name=f"{story.helper} in build 2")).to_contain_text("RATE = 20")
    expect(side.get_by_role("textbox", name=f"{story.helper} in build 3")).to_contain_text("RATE = 21")
    plain, string = side.locator(".cm-line", has_text="OTHER").first, side.get_by_text("'x'")
    assert colour(string) != colour(plain)
    page.get_by_role("button", name="Inline").click()
    inline = page.get_by_test_id("diff-inline")
    expect(inline.locator(".cm-deletedChunk")).to_contain_text("RATE = 20")
    expect(inline.get_by_role("textbox")).to_contain_text("OTHER = 'x'")
    files.get_by_role("button", name="Show 3 unchanged").click()
    files.get_by_role("button", name=f"{story.told}_lib/same.py").click()
    expect(page.get_by_test_id("code")).to_contain_text("SAME = True")


def colour(place: Locator) -> str:
    return str(place.evaluate("element => getComputedStyle(element).color"))


def test_the_two_builds_are_picked_swapped_and_kept_in_the_address(
    visitor: Visitor, story: LineStory
) -> None:
    page = visitor.open_dag(story.told, TAB, "view=compare&from=1&to=2")
    page.get_by_label("To", exact=True).select_option("b3")
    expect(page.get_by_role("region", name="Graph of build 1 and build 3 together")).to_be_visible()
    page.get_by_role("button", name="Swap the two builds").click()
    expect(page.locator("[data-task=report]")).to_have_accessible_name("Task report, removed")
    visitor.page.reload()
    expect(page.locator("[data-task=report]")).to_have_accessible_name("Task report, removed")


def test_without_a_choice_the_active_build_is_compared_with_the_newest(
    visitor: Visitor, story: LineStory
) -> None:
    page = visitor.open_dag(story.told, TAB, "view=compare")
    expect(page).to_contain_text(f"pinwheel diff {story.told} 1 3")


def test_builds_that_do_not_exist_are_refused_in_words(visitor: Visitor, story: LineStory) -> None:
    page = visitor.open_dag(story.told, TAB, "view=compare&from=1&to=99")
    expect(page).to_contain_text("it has no good build 99")
    visitor.errors.clear()


# Acting


def test_a_roll_back_shows_its_plan_asks_a_reason_and_runs_again_what_failed(
    visitor: Visitor, story: LineStory
) -> None:
    dag_id = story.spare()
    page = opened(visitor, dag_id)
    page.get_by_role("button", name="Roll back to build 1", exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="failed tasks only")).to_be_checked()
    expect(dialog).to_contain_text(f"Runs again: {story.failed_runs[dag_id]}")
    dialog.get_by_label("Reason").fill("it fails")
    visitor.check_accessibility("[role=dialog]")
    assert story.releases.status(dag_id)["active_release"] == 2
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("Done")
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_test_id("release-3")).to_contain_text("it fails")
    expect(page.get_by_test_id("release-3")).to_contain_text("Build 1")
    run = visitor.airflow.wait_run(dag_id, story.failed_runs[dag_id], "success", timeout=120)
    assert run["state"] == "success"
    # The run's outcome comes to the page by itself.
    expect(page.get_by_test_id("release-3")).to_contain_text("1 success", timeout=60_000)


def test_a_build_is_promoted_pinned_and_unpinned(visitor: Visitor, story: LineStory) -> None:
    dag_id = story.spare()
    page = opened(visitor, dag_id)
    act(page, visitor, 1, "Pin to build 1")
    done(visitor, "Pin", "quarter end")
    standing = page.get_by_role("region", name="Where the Dag stands")
    expect(standing).to_contain_text("quarter end")
    expect(standing).to_contain_text("Build 2 waits")
    standing.get_by_role("button", name="Promote build 2").click()
    done(visitor, "Promote", "checked")
    expect(standing).to_contain_text("Release 4")
    standing.get_by_role("button", name="Unpin").click()
    done(visitor, "Unpin", "over")
    expect(standing.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    status = story.releases.status(dag_id)
    assert (status["active_build"], status["track"]) == (2, "auto")
    reasons = [event["reason"] for event in story.releases.events(dag_id, "pin", "promote", "unpin")]
    assert reasons == ["over", "checked", "quarter end"]


def done(visitor: Visitor, button: str, reason: str) -> None:
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_contain_text("Done")
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_build_is_tried_once_with_conf_and_date(window: Callable[..., Any], story: LineStory) -> None:
    dag_id = story.spare()
    with window() as visitor:
        visitor.set_timezone("America/New_York")
        page = opened(visitor, dag_id)
        act(page, visitor, 1, "Try build 1 once")
        dialog = visitor.page.get_by_role("dialog")
        dialog.get_by_label("Configuration").fill("{day: 1}")
        expect(dialog).to_contain_text("This is not JSON")
        expect(dialog.get_by_role("button", name="Start the run")).to_be_disabled()
        dialog.get_by_label("Configuration").fill('{"day": 1}')
        dialog.get_by_label("Logical date").fill("2026-01-02T03:04:05")
        dialog.get_by_label("Run id").fill("tried")
        visitor.check_accessibility("[role=dialog]")
        dialog.get_by_role("button", name="Start the run").click()
        expect(dialog.get_by_role("link", name="tried")).to_be_visible()
        run = visitor.airflow.wait_run(dag_id, "tried", "success", timeout=120)
        assert (run["conf"], run["logical_date"]) == ({"day": 1}, "2026-01-02T08:04:05Z")
        assert visitor.airflow.marks(dag_id, "tried", "t")["EXEC_MARK"] == "m1"
        status = story.releases.status(dag_id)
        assert (status["active_release"], status["active_build"]) == (2, 2)


def test_a_trial_whose_answer_was_lost_is_not_started_a_second_time(
    visitor: Visitor, story: LineStory
) -> None:
    dag_id = story.spare()
    runs = f"**/api/v1/dags/{dag_id}/runs"
    before = len(story.releases.events(dag_id, "trigger"))

    def lose_the_answer(route: Route) -> None:
        if route.request.post_data_json["plan"]:
            route.continue_()
            return
        assert route.fetch().status == 201
        route.abort()

    page = opened(visitor, dag_id)
    act(page, visitor, 1, "Try build 1 once")
    dialog = visitor.page.get_by_role("dialog")
    visitor.page.route(runs, lose_the_answer)
    dialog.get_by_role("button", name="Start the run").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    visitor.page.unroute(runs)
    dialog.get_by_role("button", name="Start the run").click()
    expect(dialog).to_contain_text("is on its way")
    assert len(story.releases.events(dag_id, "trigger")) == before + 1
    visitor.errors.clear()


def test_the_command_that_is_copied_does_the_same(visitor: Visitor, story: LineStory) -> None:
    dag_id = story.spare()
    page = opened(visitor, dag_id)
    act(page, visitor, 1, "Roll back to build 1")
    dialog = visitor.page.get_by_role("dialog")
    command = dialog.get_by_test_id("command")
    expect(command).to_have_attribute("title", f"pinwheel rollback --build=1 --rerun-failed {dag_id}")
    reason = "that's wrong"
    dialog.get_by_label("Reason").fill(reason)
    told = f"pinwheel rollback --build=1 --rerun-failed --reason={shlex.quote(reason)} {dag_id}"
    expect(command).to_have_attribute("title", told)
    visitor.airflow.pinwheel(*shlex.split(told)[1:])
    assert story.releases.status(dag_id)["active_build"] == 1
    (event, *_) = story.releases.events(dag_id)
    assert event["reason"] == reason
    dialog.get_by_role("button", name="Cancel").click()
    # Made elsewhere, and shown here without reload.
    expect(page.get_by_test_id("release-3")).to_contain_text("rollback")


def test_a_release_made_elsewhere_meanwhile_is_not_overrun(visitor: Visitor, story: LineStory) -> None:
    dag_id = story.spare()
    page = opened(visitor, dag_id)
    act(page, visitor, 1, "Roll back to build 1")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Roll back")).to_be_enabled()
    story.releases.rollback(dag_id, reason="I was quicker")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("its active release is 3, not 2")
    expect(dialog.get_by_role("button", name="Look again")).to_be_visible()
    visitor.errors.clear()


def test_whoever_may_only_read_sees_everything_and_no_action(
    window: Callable[..., Any], story: LineStory
) -> None:
    with window("viewer") as visitor:
        page = opened(visitor, story.told)
        assert len(rows(page)) == 5
        expect(page.get_by_role("button", name="Promote")).to_have_count(0)
        expect(page.get_by_role("button", name="Roll back")).to_have_count(0)
        expect(page.get_by_role("button", name="Actions for")).to_have_count(0)
        expect(page.get_by_role("button", name="Try")).to_have_count(0)
        refused = visitor.page.request.post(
            f"{visitor.airflow.url}/pinwheel/api/v1/dags/{story.told}/promote", data={}
        )
        assert refused.status == 403
        page.get_by_role("link", name="Compare", exact=True).click()
        expect(page.locator("[data-task]").first).to_be_visible()


# Nothing to show


def test_while_the_server_does_not_answer_the_page_says_so_and_goes_on_by_itself(
    visitor: Visitor, story: LineStory
) -> None:
    page = opened(visitor, story.told)
    visitor.page.route("**/pinwheel/api/**", lambda route: route.abort())
    expect(page.get_by_text("Airflow does not answer")).to_be_visible()
    expect(page.get_by_test_id("release-3")).to_be_visible()
    visitor.page.unroute("**/pinwheel/api/**")
    expect(page.get_by_text("Airflow does not answer")).to_be_hidden()
    visitor.errors.clear()
