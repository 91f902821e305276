"""On call: see. Long ids, events of one commit, what needs attention, and a page that is quiet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.dags import dag
from harness.fleet import Fleet

LONG = "risk_factor_exposures_by_counterparty_and_legal_entity_with_intraday_revaluation_of_all_books"
WINDOWS = {"900": (900, 900), "1366": (1366, 768), "1920": (1920, 1080), "1366 at 150 %": (911, 512)}

_LAID_OUT = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What is drawn anew for another size of the window is there after its second frame."""
_OUTSIDE = """within => {
    const page = document.querySelector(within).getBoundingClientRect();
    return [...document.querySelectorAll(`${within} td, ${within} th`)]
        .map(cell => [cell, cell.getBoundingClientRect()])
        .filter(([cell, box]) => box.width > 0 && (box.right > page.right + 1 || box.left < page.left - 1
            || cell.scrollWidth > cell.clientWidth + 1))
        .map(([cell, box]) => `${Math.round(box.left)}-${Math.round(box.right)}, ${cell.scrollWidth} of ` +
            `${cell.clientWidth} in ${Math.round(page.left)}-${Math.round(page.right)}: ` +
            cell.innerText.slice(0, 60));
}"""


@pytest.fixture(scope="module")
def long(shared_airflow: Any) -> Fleet:
    """The fleet's Dags with ids of about 110 characters."""
    return Fleet(shared_airflow, base=LONG)


def pages(fleet: Fleet) -> dict[str, tuple[str, str]]:
    """By name: the path, and what tells that it is there."""
    run = f"dags/{fleet.failing}/runs/{fleet.failed_run}"
    return {
        "fleet": (f"plugin/releases?text={fleet.prefix}", fleet.held),
        "events": (f"plugin/releases?view=events&dag={fleet.prefix}&kind=All+events", fleet.held),
        "line": (f"dags/{fleet.held}/plugin/dag-releases", "Build 2"),
        "compare": (f"dags/{fleet.held}/plugin/dag-releases?view=compare", "Build 2"),
        "events of a Dag": (f"dags/{fleet.held}/plugin/dag-releases?view=events", "month-end closing"),
        "history": (f"dags/{fleet.failing}/plugin/dag-history", "t"),
        "run": (f"{run}/plugin/run-version", "Release 2"),
        "task": (f"{run}/tasks/t/plugin/task-version", "Release 2"),
    }


def test_finding_4_no_cell_of_a_table_lies_outside_of_its_page(visitor: Visitor, long: Fleet) -> None:
    assert len(long.rolled_back) >= 110
    outside = []
    for name, (path, there) in pages(long).items():
        page = visitor.open(path)
        expect(page).to_contain_text(there)
        for window, (width, height) in WINDOWS.items():
            visitor.page.set_viewport_size({"width": width, "height": height})
            visitor.page.evaluate(_LAID_OUT)
            found = visitor.page.evaluate(_OUTSIDE, "[data-testid=pinwheel]")
            outside += [f"{name} at {window}: {cell}" for cell in found]
    assert outside == [], "\n".join(outside)


def test_finding_4_the_plan_of_many_dags_with_long_ids_fits_its_dialog(visitor: Visitor, long: Fleet) -> None:
    visitor.page.set_viewport_size({"width": 911, "height": 800})
    page = visitor.open_releases(f"text={long.prefix}spare")
    page.get_by_role("checkbox", name="Select all on this page").check(force=True)
    visitor.page.get_by_role("button", name="Roll back", exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("table", name="What would change")).to_be_visible()
    assert visitor.page.evaluate(_OUTSIDE, "[role=dialog]") == []
    dialog.get_by_role("button", name="Cancel").click()


def test_finding_14_one_commits_events_are_one_line_that_opens(visitor: Visitor, long: Fleet) -> None:
    repo = long.bundle.repo
    ids = [f"{long.prefix}_many{number}" for number in range(4)]
    many = f"{long.prefix}_many.py"
    whole = "".join(text for dag_id in ids for text in dag(dag_id, "m1").values())
    repo.commit({many: whole}, message="Four Dags of one file")
    long.releases.wait_settled(long.bundle.name, repo.head(), timeout=120)
    repo.commit({many: f"{whole}\nthis is broken\n"}, message="Break all four")
    long.releases.wait_settled(long.bundle.name, repo.head(), timeout=120)

    page = visitor.open_releases(f"view=events&dag={long.prefix}_many&kind=Problems")
    lines = page.locator("[data-testid^=event-]")
    expect(lines).to_have_count(1)
    expect(lines.first).to_contain_text("4 Dags of")
    expect(lines.first).to_contain_text("NameError: name 'this' is not defined")
    expect(lines.first).to_contain_text(repo.head()[:8])
    lines.first.get_by_role("button", name="Show the 4 events").click()
    expect(page.get_by_test_id("event-within")).to_have_count(4)
    visitor.check_accessibility()

    fleet = visitor.open_releases(f"text={long.prefix}_many")
    expect(fleet.get_by_role("button", name="Broken (1 file, 4 Dags)")).to_be_visible()


def test_finding_14_who_did_what_last_night_is_two_clicks(visitor: Visitor, long: Fleet) -> None:
    page = visitor.open_releases()
    page.get_by_role("link", name="Events").click()
    page.get_by_role("button", name="Last hour").click()
    expect(visitor.page).to_have_url(re.compile("since="))
    table = page.get_by_role("table", name="Events")
    back = table.get_by_role("row").filter(has_text=long.rolled_back).filter(has_text="wrong totals")
    expect(back).to_contain_text("Back to build 1 (release 3), from build 2")
    page.get_by_label("Search reasons").fill("WRONG tot")
    expect(visitor.page).to_have_url(re.compile("search="))
    expect(back).to_be_visible()
    back.get_by_role("link", name="Release 3").click()
    expect(visitor.page).to_have_url(re.compile(r"/plugin/dag-releases#r3$"))


def test_finding_15_what_needs_attention_is_on_top_and_tags_are_clicks(visitor: Visitor, long: Fleet) -> None:
    page = visitor.open_releases(f"text={long.prefix}_")
    rows = page.locator("[data-testid^=dag-]")
    expect(rows.first).to_have_attribute("data-testid", f"dag-{long.failing}")
    expect(rows.first).to_contain_text("failing")
    tagged = page.get_by_test_id(f"dag-{long.quiet}")
    tagged.get_by_role("button", name="#finance").click()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Without tag finance").click()
    expect(rows.nth(2)).to_be_visible()


def test_finding_15_a_row_opens_to_what_waits(visitor: Visitor, long: Fleet) -> None:
    page = visitor.open_releases(f"text={long.held}")
    page.get_by_role("button", name="Show what waits").click()
    waiting = page.get_by_test_id(f"waiting-{long.held}")
    expect(waiting).to_contain_text("After build 1: 1 build")
    expect(waiting).to_contain_text("The second state")
    expect(waiting).to_contain_text(long.second[:8])
    waiting.get_by_role("link", name="Compare build 1 with build 2").click()
    expect(visitor.page).to_have_url(re.compile("view=compare&from=1&to=2"))


def test_an_idle_fleet_page_asks_one_small_question_and_a_run_is_seen_all_the_same(
    visitor: Visitor, long: Fleet
) -> None:
    asked: list[str] = []
    page = visitor.open_releases(f"text={long.prefix}_quiet")
    row: Locator = page.get_by_test_id(f"dag-{long.quiet}")
    expect(row).to_contain_text("success")
    visitor.page.wait_for_timeout(6_000)
    visitor.page.on(
        "request", lambda request: asked.append(request.url) if "/pinwheel/api/" in request.url else None
    )
    visitor.page.wait_for_timeout(8_000)
    assert asked and {re.sub(r".*/api/v1/|\?.*", "", url) for url in asked} == {"changes"}, asked
    before = int(re.findall(r"(\d+) success", row.inner_text())[0])
    long.airflow.trigger_and_wait(long.quiet, timeout=120)
    expect(row).to_contain_text(f"{before + 1} success")
