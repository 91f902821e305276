"""On call, reading: each test named after a finding, on a Dag of which one mapped instance failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import frozen
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

FAILS = 2
# Through a logger: what is printed gets its time when it is read, and a log is sorted by time. On a busy
# machine the error stood inside the group before it, which then is open.
DAG = """
import logging

from airflow.sdk import DAG, task

log = logging.getLogger(__name__)

with DAG({dag_id!r}, schedule=None, catchup=False):

    @task(retries=0)
    def label(n):
        log.info("::group::Labels {mark}")
        log.info("label %s", n)
        log.info("::endgroup::")
        if n == {fails}:
            raise ValueError("no label for that")

    @task
    def before():
        print("{mark}")

    before() >> label.expand(n=[0, 1, 2, 3])
"""


@frozen
class Story:
    dag_id: str
    runs: tuple[str, str]
    """On release 1, on release 2."""


@pytest.fixture(scope="module")
def story(shared_airflow: SharedAirflow) -> Iterator[Story]:
    slot, releases, dag_id = shared_airflow.take_git(), Releases(shared_airflow), unique("on_call")
    runs = []
    for mark in ("m1", "m2"):
        slot.repo.commit({f"{dag_id}.py": DAG.format(dag_id=dag_id, mark=mark, fails=FAILS)}, message=mark)
        releases.wait_settled(slot.name, slot.repo.head(), timeout=180)
        runs.append(shared_airflow.trigger(dag_id))
        shared_airflow.wait_run(dag_id, runs[-1], "failed", timeout=240)
    yield Story(dag_id, (runs[0], runs[1]))


def history(visitor: Visitor, story: Story, query: str = "") -> Locator:
    page = visitor.open_dag(story.dag_id, "dag-history", query.replace("+", "%2B"))
    expect(page.locator(".cell .box").first).to_be_visible()
    return page


def test_finding_13_a_red_box_of_a_mapped_task_opens_the_instance_that_failed(
    visitor: Visitor, story: Story
) -> None:
    page = history(visitor, story)
    page.locator(f'[role=row][data-task="label"] [data-run="{story.runs[1]}"]').click()
    marks = page.get_by_test_id("task-versions")
    expect(marks).to_contain_text("failed")
    instances = page.get_by_test_id("instances")
    expect(instances.get_by_role("button")).to_have_text(["1 failed", "3 success"])
    expect(instances.get_by_label("Map index")).to_have_value(str(FAILS))
    assert instances.locator("optgroup").evaluate_all("all => all.map(one => one.label)") == [
        "failed (1)",
        "success (3)",
    ]
    instances.get_by_role("button", name="3 success").click()
    expect(page.get_by_test_id("instances").get_by_label("Map index")).to_have_value("0")
    visitor.check_accessibility("[data-testid=history-panel]")


def test_finding_11_two_runs_of_the_history_lead_to_what_differs(visitor: Visitor, story: Story) -> None:
    page = history(visitor, story)
    older, newer = (page.locator(f'button.run[data-run="{run}"]') for run in story.runs)
    newer.click(modifiers=["Control"])
    expect(page.get_by_test_id("compared")).to_contain_text("Ctrl-click another run")
    older.focus()
    visitor.page.keyboard.press("Control+Enter")
    expect(older).to_have_accessible_name(re.compile("marked to be compared"))
    expect(page.get_by_test_id("history-panel")).to_have_count(0)
    page.get_by_test_id("compared").get_by_role("link", name="Compare").click()
    expect(visitor.page).to_have_url(re.compile(f"/dags/{story.dag_id}/plugin/dag-releases"))
    asked = parse_qs(urlsplit(visitor.page.url).query)
    assert (asked["view"], asked["from_run"], asked["to_run"]) == (
        ["compare"],
        [story.runs[0]],
        [story.runs[1]],
    )


def test_finding_28_the_groups_of_a_log_are_folded_and_it_can_be_searched_and_saved(
    visitor: Visitor, story: Story
) -> None:
    page = history(visitor, story, f"run={story.runs[0]}&task=label&map={FAILS}&view=log")
    log = page.get_by_test_id("try-log")
    expect(log.locator("summary", has_text="Labels m1")).to_be_visible()
    expect(log.get_by_text("label 2")).not_to_be_visible()
    expect(log).not_to_contain_text("::group::")
    expect(log).to_contain_text("ValueError: no label for that")
    page.get_by_label("Search in the log").fill("LABEL 2")
    expect(log.get_by_text("label 2")).to_be_visible()
    with visitor.page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    name = re.sub(r"[^\w.-]+", "_", f"{story.dag_id}.{story.runs[0]}.label.{FAILS}.try-1.log")
    assert saved.value.suggested_filename == name
    assert "label 2" in saved.value.path().read_text()


def test_finding_29_a_clear_says_both_versions_alike_in_the_order_of_the_dag_with_its_command(
    visitor: Visitor, story: Story
) -> None:
    page = history(visitor, story, f"run={story.runs[0]}")
    page.get_by_role("button", name="Clear run").click()
    dialog = visitor.page.get_by_test_id("clear-dialog")
    dialog.get_by_text("The active one: Release 2").click()
    rows = dialog.get_by_role("table", name="What will run").locator("tbody tr")
    expect(rows.first.locator("td").nth(3)).to_have_text("Release 2")
    expect(rows.first.locator("td").nth(2)).to_have_text("Release 1")
    assert [text.split(" ")[0] for text in rows.locator("td:first-child").all_text_contents()] == [
        "before",
        *["label"] * 4,
    ]
    dialog.get_by_label("Reason").fill("as it should be")
    expect(dialog.get_by_test_id("command")).to_contain_text("--reason='as it should be'")
    expect(dialog.get_by_test_id("command")).to_contain_text("pinwheel clear --build=2")
    dialog.get_by_label("Only failed ones").click(force=True)
    expect(dialog.get_by_role("button", name="Clear 1 task instance", exact=True)).to_be_visible()
    visitor.check_accessibility("[data-testid=clear-dialog]")
