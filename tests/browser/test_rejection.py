"""What was rolled back: the pages say so, lead nobody back to it by accident, and release it on purpose."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.dags import dag
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

TAB = "dag-releases"
WHY = "wrong totals"


@pytest.fixture
def two_builds(shared_airflow: SharedAirflow) -> str:
    """A Dag with release 2 of build 2, and build 1 before it."""
    dag_id = unique("rejected")
    bundle = shared_airflow.take_git()
    for mark in ("m1", "m2"):
        head = bundle.repo.commit(dag(dag_id, mark), message=f"State {mark}")
        Releases(shared_airflow).wait_settled(bundle.name, head, timeout=180)
    return dag_id


def filled(page: Locator) -> list[str]:
    """The buttons that are drawn in a full colour: what a person presses without reading."""
    return [
        button.inner_text()
        for button in page.get_by_role("button").all()
        if button.evaluate("each => getComputedStyle(each).backgroundColor") != "rgba(0, 0, 0, 0)"
    ]


def test_what_was_rolled_back_is_rejected_and_released_again_only_on_purpose(
    visitor: Visitor, two_builds: str, shared_airflow: SharedAirflow
) -> None:
    releases = Releases(shared_airflow)
    page = visitor.open_dag(two_builds, TAB)
    standing = page.get_by_role("region", name="Where the Dag stands")
    dialog = visitor.page.get_by_role("dialog")

    standing.get_by_role("button", name="Roll back").click()
    blame = dialog.get_by_role("checkbox", name="This build is to blame")
    expect(blame).to_be_checked()
    expect(dialog).to_contain_text("build 2 is rejected")
    dialog.get_by_text("This build is to blame").click()
    expect(blame).not_to_be_checked()
    expect(dialog).not_to_contain_text("build 2 is rejected")
    dialog.get_by_text("This build is to blame").click()
    dialog.get_by_label("Reason").fill(WHY)
    expect(dialog).to_contain_text("build 2 is rejected")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("Done")
    dialog.get_by_role("button", name="Close", exact=True).click()

    # The page says so, and leads nobody back.
    expect(standing).to_contain_text("Build 2 was rolled back by admin")
    expect(standing).to_contain_text(WHY)
    row = page.get_by_test_id("build-2")
    expect(row).to_contain_text("rejected by admin")
    expect(row).to_contain_text(WHY)
    again = standing.get_by_role("button", name="Promote rejected build 2")
    expect(again).to_be_visible()
    assert filled(standing) == []
    visitor.check_accessibility()

    # Unpinned, it is still not released.
    standing.get_by_role("button", name="Unpin").click()
    expect(dialog).to_contain_text("build 2 is not: admin rejected it at")
    expect(dialog.get_by_test_id("still-rejected")).to_contain_text("Build 2 was rolled back by admin")
    dialog.get_by_role("button", name="Unpin").click()
    expect(dialog).to_contain_text("Done")
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(standing).to_contain_text("The next build that is not rejected is released by itself.")
    assert releases.status(two_builds)["active_build"] == 1

    # The fleet says it too.
    fleet = visitor.open_releases(f"text={two_builds}").get_by_test_id(f"dag-{two_builds}")
    expect(fleet).to_contain_text("Rejected by admin")
    expect(fleet).to_contain_text(WHY)

    # On purpose, with a reason.
    page = visitor.open_dag(two_builds, TAB)
    again.click()
    go = dialog.get_by_role("button", name="Promote")
    expect(dialog.get_by_test_id("rejection")).to_contain_text("Build 2 is rejected")
    expect(dialog.get_by_test_id("rejection")).to_contain_text("admin rejected it at")
    expect(dialog.get_by_test_id("rejection")).to_contain_text(WHY)
    expect(go).to_be_disabled()
    # The plan without a reason is refused.
    visitor.errors.clear()
    dialog.get_by_label("Reason").fill("the totals were right")
    expect(dialog).to_contain_text("promoted, which lifts a rejection: admin rejected it at")
    expect(go).to_be_enabled()
    assert "Promote" not in filled(dialog)
    visitor.check_accessibility("[role=dialog]")
    go.click()
    expect(dialog).to_contain_text("Done")
    expect(dialog).to_contain_text("which lifts a rejection")
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(standing).to_contain_text("The newest build is active.")
    expect(row).not_to_contain_text("rejected")
    assert releases.status(two_builds)["active_build"] == 2
    (event,) = releases.events(two_builds, "promote")
    assert (event["lifted"], event["reason"]) == (True, "the totals were right")
    events = visitor.open_dag(two_builds, TAB, "view=events")
    expect(events).to_contain_text("which lifts a rejection: admin rejected it at")
