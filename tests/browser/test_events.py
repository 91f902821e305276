"""Events: who changed what, when, why; of the fleet and of a Dag."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.fleet import Fleet


def shown(visitor: Visitor, query: str = "") -> Locator:
    page = visitor.open_releases("view=events" + (f"&{query}" if query else ""))
    expect(page.get_by_role("table", name="Events")).to_be_visible()
    return page


def rows(page: Locator) -> Locator:
    return page.get_by_role("table", name="Events").locator("tbody tr")


def test_each_event_says_who_did_what_when_and_why(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, f"dag={fleet.rolled_back}&kind=Promotions+and+rollbacks")
    expect(rows(page)).to_have_count(1)
    (event,) = fleet.releases.events(fleet.rolled_back, "rollback")
    row = rows(page).first
    expect(row).to_contain_text("rollback")
    expect(row).to_contain_text("Back to build 1 (release 3), from build 2")
    expect(row).to_contain_text("admin")
    expect(row).to_contain_text("wrong totals")
    expect(row.locator("time").first).to_have_attribute("datetime", event["at"])


def test_events_are_filtered_by_dag_kind_and_person_in_the_address(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor)
    page.get_by_label("Dag", exact=True).fill(fleet.held)
    page.get_by_label("Kind").select_option("Pins")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text(fleet.held)
    page.get_by_label("Who").fill("nobody-of-that-name")
    expect(page).to_contain_text("No event matches these filters")
    visitor.page.reload()
    expect(visitor.pinwheel).to_contain_text("No event matches these filters")
    visitor.pinwheel.get_by_label("Who").fill("admin")
    expect(rows(visitor.pinwheel)).to_have_count(1)


def test_events_are_filtered_by_when_on_the_clock_of_the_user(window: Any, fleet: Fleet) -> None:
    (event,) = fleet.releases.events(fleet.rolled_back, "rollback")
    with window() as visitor:
        visitor.set_timezone("Asia/Kolkata")
        page = shown(visitor, f"dag={fleet.rolled_back}&kind=Promotions+and+rollbacks")
        minute = datetime.fromisoformat(event["at"]).astimezone(ZoneInfo("Asia/Kolkata"))
        page.get_by_label("From").fill(f"{minute:%Y-%m-%d %H:%M}")
        expect(visitor.page).to_have_url(re.compile("since="))
        expect(rows(page)).to_have_count(1)
        page.get_by_label("Until").fill(f"{minute:%Y-%m-%d %H:%M}")
        expect(page).to_contain_text("No event matches these filters")
        page.get_by_label("Until").fill(f"{minute + timedelta(minutes=1):%Y-%m-%d %H:%M}")
        expect(rows(page)).to_have_count(1)
        visitor.page.reload()
        expect(page.get_by_label("From")).to_have_value(f"{minute:%Y-%m-%d %H:%M}")


def test_older_events_are_one_click_away_and_none_is_shown_twice(visitor: Visitor, fleet: Fleet) -> None:
    dag_id = fleet.spare()
    for _ in range(26):
        fleet.releases.pin(dag_id, reason="to fill a page")
        fleet.releases.unpin(dag_id, reason="and the next")
    page = shown(visitor, "kind=All+events")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("button", name="Older events").click()
    expect(rows(page).nth(50)).to_be_visible()
    seen = [row.inner_text() for row in rows(page).all()]
    found = visitor.airflow.get("/pinwheel/api/v1/events", limit=len(seen), fold=True)["events"]
    ids = [event["id"] for event in found]
    assert len(ids) == len(set(ids)) == len(seen)


def test_an_event_made_elsewhere_shows_without_a_reload(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, f"dag={fleet.failing}&kind=All+events")
    fleet.releases.pin(fleet.failing, reason="seen by the browser")
    expect(rows(page).first).to_contain_text("seen by the browser")
    fleet.releases.unpin(fleet.failing, reason="and undone")
    expect(rows(page).first).to_contain_text("and undone")


def test_the_events_of_a_dag_are_on_its_releases_tab(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_dag(fleet.held, "dag-releases", "view=events")
    expect(rows(page).first).to_be_visible()
    expect(page).to_contain_text("month-end closing")
    expect(page).not_to_contain_text(fleet.rolled_back)


def test_an_unreadable_audit_log_is_told_in_words(window: Any, fleet: Fleet) -> None:
    with window("viewer") as visitor:
        page = shown(visitor, f"dag={fleet.held}")
        expect(page).to_contain_text("month-end closing")
        visitor.page.context.route(
            "**/api/v1/events?*",
            lambda route: route.fulfill(
                status=403,
                body='{"status": 403, "failed": "Cannot list events of all Dags"}',
            ),
        )
        page = visitor.open_releases("view=events")
        expect(page.get_by_role("alert")).to_contain_text("Cannot list events of all Dags")
        visitor.errors.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_events_are_accessible_in_both_themes(window: Any, fleet: Fleet, theme: str) -> None:
    with window(theme=theme) as visitor:
        shown(visitor, f"dag={fleet.prefix}")
        visitor.check_accessibility()
