"""Dag → Releases → Timeline: which build data of which dates is for, and the runs that are on another one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.dags import dag
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

TAB = "dag-releases"
PAST = "2024-06-01T00:00:00Z"

pytestmark = pytest.mark.acceptance("dates", 42)


WINDOWED = """
from datetime import datetime, timezone
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("{dag_id}", schedule=None, start_date=datetime(2019, 1, 1, tzinfo=timezone.utc)):
    EmptyOperator(task_id="load")
    EmptyOperator(task_id="to_warehouse", start_date=datetime(2020, 1, 1, tzinfo=timezone.utc))
"""
OF_BUILD = {1: {"t", "old"}, 2: {"t", "new"}}
"""The tasks of ``cleared``."""


class Story:
    """Three Dags, each with builds 1 and 2, both released, and a run with data of 2024 on build 2.

    ``told`` and ``cleared`` have an era since: data before 2025 is for build 1, "the old fees". ``other`` has
    none, and ``windowed`` a task with a date of its own.
    """

    def __init__(self, airflow: SharedAirflow) -> None:
        self.airflow = airflow
        self.releases = Releases(airflow)
        self.told, self.other, self.cleared = unique("eras"), unique("no_eras"), unique("cleared_here")
        self.windowed = unique("windows")
        every = (self.told, self.other, self.cleared)
        bundle = airflow.take_git()
        for build, mark in enumerate(("m1", "m2"), start=1):
            files = {path: text for dag_id in every[:2] for path, text in dag(dag_id, mark).items()}
            files |= dag(self.cleared, mark, tasks=sorted(OF_BUILD[build], reverse=True))
            files[f"{self.windowed}.py"] = WINDOWED.format(dag_id=self.windowed)
            bundle.repo.commit(files, message=f"The fees of {mark}")
            self.releases.wait_settled(bundle.name, bundle.repo.head(), timeout=180)
        self.runs = {dag_id: airflow.trigger(dag_id, logical_date=PAST) for dag_id in every}
        for dag_id, run_id in self.runs.items():
            airflow.wait_run(dag_id, run_id, timeout=240)
        for dag_id in (self.told, self.cleared):
            reply = airflow.api().put(
                f"/pinwheel/api/v1/dags/{dag_id}/timeline",
                json={
                    "verb": "set",
                    "eras": [{"until": "2025-01-01", "build": 1}],
                    "reason": "the old fees",
                },
                timeout=120,
            )
            assert not reply.is_error, reply.text


@pytest.fixture(scope="module")
def story(shared_airflow: SharedAirflow) -> Story:
    return Story(shared_airflow)


def opened(visitor: Visitor, dag_id: str) -> Locator:
    page = visitor.open_dag(dag_id, TAB, "view=timeline")
    expect(page.get_by_role("table", name="Dates and their builds")).to_be_visible()
    return page


def test_eras_gaps_and_runs_that_do_not_match_are_shown_by_the_date_of_their_data(
    visitor: Visitor, story: Story
) -> None:
    page = opened(visitor, story.told)
    era = page.get_by_test_id("era-row")
    for text in ("… → 2025-01-01", "Build 1", "The fees of m1", "1 run", "1 ran on build 2", "the old fees"):
        expect(era).to_contain_text(text)
    expect(page.get_by_test_id("gap-row")).to_contain_text("now Build 2")
    picture = page.get_by_test_id("timeline-picture")
    expect(picture.get_by_test_id("era")).to_have_count(1)
    expect(picture.get_by_test_id("gap")).to_have_count(1)
    expect(page.get_by_test_id("differing")).to_contain_text("1 run does not match")
    picture.get_by_test_id("tick-differs").click()
    run = quote(story.runs[story.told])
    expect(visitor.page).to_have_url(f"{visitor.airflow.url}/dags/{story.told}/runs/{run}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible_in_both_themes(window: Callable[..., Any], story: Story, theme: str) -> None:
    with window(theme=theme) as visitor:
        page = opened(visitor, story.told)
        page.get_by_role("button", name="Show the only revision").click()
        page.get_by_role("button", name="Show them").click()
        expect(page.get_by_role("list", name="Revisions")).to_contain_text("the old fees")
        visitor.check_accessibility()
        page.get_by_role("button", name="Set an era…").click()
        dialog = visitor.page.get_by_test_id("era-dialog")
        dialog.get_by_role("combobox").select_option("1")
        expect(dialog.get_by_test_id("era-plan")).to_be_visible()
        # It is no longer faded.
        expect(dialog.get_by_role("button", name="Set era")).to_have_css("opacity", "1")
        visitor.check_accessibility("[data-testid=era-dialog]")


def test_a_viewer_sees_it_all_and_can_change_nothing(window: Callable[..., Any], story: Story) -> None:
    with window("viewer") as visitor:
        page = opened(visitor, story.told)
        expect(page.get_by_test_id("differing")).to_contain_text("1 run does not match")
        expect(page.get_by_role("note")).to_be_visible()
        for name in ("Set an era…", "Change…", "Unset…", "Clear them…"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_an_era_is_planned_and_set_and_what_does_not_match_runs_again_on_its_build(
    visitor: Visitor, story: Story
) -> None:
    dag_id, run_id = story.other, story.runs[story.other]
    page = opened(visitor, dag_id)
    expect(page).to_contain_text("No era: data of all dates is for the active release.")
    page.get_by_role("button", name="Set an era…").click()
    dialog = visitor.page.get_by_test_id("era-dialog")
    dialog.get_by_label("Until").fill("2025-01-01")
    dialog.get_by_role("combobox").select_option("1")
    plan = dialog.get_by_test_id("era-plan")
    expect(plan).to_contain_text("… → 2025-01-01: the active release → build 1")
    expect(plan).to_contain_text("Affects 1 past run: 1 run does not match then")
    dialog.get_by_label("Reason").fill("as it was")
    dialog.get_by_role("button", name="Set era").click()
    expect(dialog).to_contain_text("Revision 1 is the timeline now")
    dialog.get_by_role("button", name="Close", exact=True).click()

    expect(page.get_by_test_id("era-row")).to_contain_text("as it was")
    page.get_by_role("button", name="Clear them…").click()
    dialog = visitor.page.get_by_test_id("clear-by-date-dialog")
    expect(dialog).to_contain_text("ran on build 2; would run on 1")
    dialog.get_by_role("button", name="Clear 1 run").click()
    expect(dialog).to_contain_text("1 run with 1 task instance runs again")
    story.airflow.wait_run(dag_id, run_id, timeout=240)
    expect(opened(visitor, dag_id)).to_contain_text("Each run is on the build of its date.")
    assert story.airflow.marks(dag_id, run_id, "t", 2)["EXEC_MARK"] == "m1"


def test_the_dates_at_which_tasks_have_no_place_are_shown(visitor: Visitor, story: Story) -> None:
    page = opened(visitor, story.windowed)
    expect(page.get_by_test_id("variant-row")).to_have_text("… → 2020-01-01to_warehouse")


@pytest.mark.acceptance("dates", 39)
def test_a_run_that_is_cleared_in_airflows_own_page_on_latest_executes_the_build_of_its_date(
    visitor: Visitor, story: Story
) -> None:
    """Latest is the active release, which is build 2; its data is of an era of build 1."""
    airflow, dag_id, run_id = story.airflow, story.cleared, story.runs[story.cleared]
    ran_on = airflow.run(dag_id, run_id)["bundle_version"]
    assert {one["task_id"] for one in airflow.tasks(dag_id, run_id)} == OF_BUILD[2]
    visitor.page.goto(f"{airflow.url}/dags/{dag_id}/runs/{quote(run_id)}")
    # Airflow names the button by its key where that works.
    visitor.page.get_by_role("button", name=re.compile("to clear$|^Clear Dag Run")).first.click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Confirm")).to_be_enabled()
    latest = dialog.get_by_role("checkbox", name="Run with latest bundle version")
    if not latest.is_checked():
        dialog.get_by_text("Run with latest bundle version").click()
    expect(latest).to_be_checked()
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_have_count(0)
    airflow.wait_run(dag_id, run_id, timeout=240)
    run = airflow.run(dag_id, run_id)
    build_1 = airflow.get(f"/pinwheel/api/v1/dags/{dag_id}/timeline")["stretches"][0]["bundle_version"]
    assert run["bundle_version"] == build_1 != ran_on
    left = {one["task_id"] for one in airflow.tasks(dag_id, run_id) if one["state"] != "removed"}
    assert left == OF_BUILD[1]
    assert airflow.marks(dag_id, run_id, "t", 2)["EXEC_MARK"] == "m1"
    assert airflow.marks(dag_id, run_id, "old")["EXEC_MARK"] == "m1"
