"""On call, acting: the rollback dialog, many Dags of which some refuse, and which button is the filled one.

Named after the findings of the design that they close; where a number of clicks is promised, it is counted.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.dags import dag
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

TAB = "dag-releases"
WHY = "totals do not match"
MANY, REFUSE = 100, 10
LEADS_BACK = re.compile(r"promote|build 2|release build|all the same", re.IGNORECASE)
"""What a filled button must not say where build 2 was rolled back."""


def generated(prefix: str, numbers: range, task: str) -> str:
    """One file with so many Dags of one task, which nobody runs."""
    return "\n".join(
        [
            "from airflow.providers.standard.operators.empty import EmptyOperator",
            "from airflow.sdk import DAG",
            "",
            f"for number in range({numbers.start}, {numbers.stop}):",
            f"    with DAG(f'{prefix}_{{number:03}}', schedule=None):",
            f"        EmptyOperator(task_id={task!r})",
            "",
        ]
    )


@pytest.fixture(scope="module")
def incident(shared_airflow: SharedAirflow) -> str:
    """The prefix of a hundred Dags: a push changed ninety of them and brought ten new ones."""
    prefix = unique("incident")
    bundle = shared_airflow.take_git()
    for task, count in (("before", MANY - REFUSE), ("after", MANY)):
        bundle.repo.commit({f"{prefix}.py": generated(prefix, range(count), task)}, message=f"State {task}")
        Releases(shared_airflow).wait_settled(bundle.name, bundle.repo.head(), timeout=240)
    return prefix


class Failing:
    """A Dag whose release 2 of build 2 failed once; build 1 was good."""

    def __init__(self, airflow: SharedAirflow) -> None:
        self.airflow, self.releases = airflow, Releases(airflow)
        self.dag_id = unique("oncall")
        bundle = airflow.take_git()
        fails = "if context['ti'].task_id == 'check': raise ValueError('totals')"
        for mark, body in (("m1", ""), ("m2", fails)):
            files = dag(self.dag_id, mark, tasks=("load", "check"), body=body)
            bundle.repo.commit(files, message=f"State {mark}\n\nThe rest of the message.")
            self.releases.wait_settled(bundle.name, bundle.repo.head(), timeout=180)
            if mark == "m1":
                airflow.trigger_and_wait(self.dag_id, timeout=180)
        self.run_id = airflow.trigger(self.dag_id)
        airflow.wait_run(self.dag_id, self.run_id, "failed", timeout=240)


@pytest.fixture(scope="module")
def failing(shared_airflow: SharedAirflow) -> Failing:
    return Failing(shared_airflow)


def filled(page: Locator) -> list[str]:
    """The buttons that are drawn in a full colour: what a person presses without reading."""
    return [
        button.inner_text()
        for button in page.get_by_role("button").all()
        if button.is_visible()
        and button.evaluate("each => getComputedStyle(each).backgroundColor") != "rgba(0, 0, 0, 0)"
    ]


def test_5_an_incident_of_a_hundred_dags_of_which_ten_refuse_is_one_dialog(
    visitor: Visitor, incident: str, shared_airflow: SharedAirflow
) -> None:
    page = visitor.open_releases(f"text={incident}")
    dialog, clicks = visitor.page.get_by_role("dialog"), 0

    def click(button: Locator) -> None:
        nonlocal clicks
        button.click()
        clicks += 1

    expect(page.get_by_role("heading", name=f"{MANY} Dags")).to_be_visible()
    page.get_by_role("checkbox", name="Select all on this page").check(force=True)
    clicks += 1
    click(page.get_by_role("button", name=f"Select all {MANY}"))
    bar = visitor.page.get_by_role("toolbar", name="Change the selected Dags")
    expect(bar).to_contain_text(f"{MANY} selected")
    click(bar.get_by_role("button", name="Roll back", exact=True))
    refused = dialog.get_by_test_id("refused")
    expect(refused).to_contain_text(f"{REFUSE} Dags cannot take this change")
    expect(refused).to_contain_text("no earlier release has another build")
    expect(dialog).not_to_contain_text("pinwheel ")
    click(dialog.get_by_role("button", name=f"Leave out the {REFUSE} that cannot"))
    visitor.check_accessibility("[role=dialog]")
    dialog.get_by_label("Reason").fill("the platform is broken")
    click(dialog.get_by_role("button", name=f"Roll back {MANY - REFUSE} Dags"))
    expect(dialog).to_contain_text("Done")
    expect(dialog.get_by_test_id("refused")).to_contain_text(f"{REFUSE} Dags left out")
    assert clicks == 5

    releases = Releases(shared_airflow)
    back, out = releases.status(f"{incident}_000"), releases.status(f"{incident}_{MANY - 1:03}")
    assert (back["active_build"], back["track"], back["reason"]) == (1, "pinned", "the platform is broken")
    assert (out["active_release"], out["track"]) == (1, "auto")
    told = [releases.events(f"{incident}_{n:03}", "rollback")[0]["at"] for n in (0, 1, MANY - REFUSE - 1)]
    assert len(set(told)) == 1, "all in one transaction"


def test_6_7_the_rollback_dialog_shows_what_to_decide_by_and_8_no_filled_button_leads_to_the_fault(
    visitor: Visitor, failing: Failing
) -> None:
    dag_id, run_id = failing.dag_id, failing.run_id
    page = visitor.open_dag(dag_id, TAB)
    standing = page.get_by_role("region", name="Where the Dag stands")
    dialog = visitor.page.get_by_role("dialog")
    expect(standing).to_contain_text("1 failed")
    expect(standing.get_by_role("button", name="Run once")).to_be_visible()
    assert filled(standing) == ["Roll back to build 1"]

    standing.get_by_role("button", name="Roll back to build 1").click()
    now, then = (dialog.get_by_role("group", name=name, exact=True) for name in ("Now", "Then"))
    for card, texts in (
        (now, ("Build 2", "1 failed", "State m2")),
        (then, ("Build 1", "1 success", "State m1")),
    ):
        for text in texts:
            expect(card).to_contain_text(text)
    expect(dialog).to_contain_text("1 file and 0 tasks differ")
    blame = dialog.get_by_role("checkbox", name="This build is to blame: build 2 is rejected")
    expect(blame).to_be_checked()
    expect(dialog.get_by_role("radio", name="failed tasks only")).to_be_checked()
    expect(dialog).to_contain_text("Versions will mix in 1 run")
    dialog.get_by_text("whole runs (no mixed versions)").click()
    expect(dialog.get_by_test_id("rerun-effect")).to_contain_text("2 task instances of 1 run would run again")
    expect(dialog).not_to_contain_text("Versions will mix")
    visitor.check_accessibility("[role=dialog]")

    # With the keyboard: what can be chosen lies before the reason, what is done right after it.
    dialog.get_by_label("Reason").fill(WHY)
    command = dialog.get_by_test_id("command")
    expect(command).to_have_attribute("title", re.compile("--rerun-whole --reason"))
    visitor.page.keyboard.press("Shift+Tab")
    expect(dialog.get_by_role("radio", name="whole runs (no mixed versions)")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Tab")
    go = dialog.get_by_role("button", name="Roll back", exact=True)
    expect(go).to_be_focused()
    assert "Roll back" in filled(dialog)
    visitor.page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Done")
    expect(dialog.get_by_role("group", name="Was", exact=True)).to_contain_text("Build 2")
    expect(dialog.get_by_role("group", name="Is now", exact=True)).to_contain_text("Release 3")
    expect(dialog.get_by_role("link", name=run_id)).to_be_visible()
    dialog.get_by_role("button", name="Close", exact=True).click()

    # The record keeps the failure, also once the run was good on the other release (finding 1).
    visitor.airflow.wait_run(dag_id, run_id, "success", timeout=180)
    row = page.get_by_test_id("build-2")
    expect(row).to_contain_text("1 failed", timeout=90_000)
    expect(row).to_contain_text("re-run on release 3")
    expect(page.get_by_test_id("release-3")).to_contain_text("1 success", timeout=90_000)
    expect(page.get_by_test_id("line-picture").locator("rect.bad")).to_have_count(1)
    expect(standing).to_contain_text("Build 2 was rolled back by admin")
    expect(standing).to_contain_text(WHY)

    # On every page of ours.
    for place in (
        f"dags/{dag_id}/plugin/{TAB}",
        f"dags/{dag_id}/plugin/{TAB}?view=compare&from=1&to=2",
        f"dags/{dag_id}/plugin/{TAB}?view=events",
        f"dags/{dag_id}/plugin/dag-history",
        f"dags/{dag_id}/runs/{run_id}/plugin/run-version",
        f"dags/{dag_id}/runs/{run_id}/tasks/check/plugin/task-version",
        f"plugin/releases?text={dag_id}",
        f"plugin/releases?view=events&ids={dag_id}",
    ):
        shown = visitor.open(place)
        expect(shown.locator("[aria-busy=true]")).to_have_count(0)
        assert not [text for text in filled(shown) if LEADS_BACK.search(text)], place

    # And in the dialogs that lead there.
    page = visitor.open_dag(dag_id, TAB)
    page.get_by_role("button", name="Unpin").click()
    still = dialog.get_by_test_id("still-rejected")
    expect(still).to_contain_text("Build 2 was rolled back by admin")
    expect(still).to_contain_text("Unpinning does not release it")
    expect(dialog.get_by_role("button", name="Unpin", exact=True)).to_be_enabled()
    assert filled(dialog) == ["Unpin"]
    still.get_by_role("button", name="Release build 2 all the same").click()
    expect(dialog.get_by_test_id("rejection")).to_contain_text("Build 2 is rejected")
    # Its plan without a reason is refused.
    visitor.errors.clear()
    dialog.get_by_label("Reason").fill("it was right")
    expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_enabled()
    assert filled(dialog) == []
    dialog.get_by_role("button", name="Cancel").click()
    assert failing.releases.status(dag_id)["active_build"] == 1
