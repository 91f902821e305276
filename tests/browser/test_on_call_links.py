"""On call: from the alert to the way back, by links, by keyboard, and from Airflow's own pages.

Named after the findings of the page `ui`. Clicks and presses of Tab are counted here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from harness.airflow_env import AIRFLOW_VERSION
from harness.browser import Visitor
from harness.dags import dag
from harness.fleet import Fleet
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

TAB = "dag-releases"
MOST_TABS = 12
LINK = """
LINK = "{{ macros.pinwheel.release_url(ti) }}"
"""
FAILS = 'print("LINK=" + context["task"].render_template(LINK, context)); raise ValueError("wrong totals")'


class Alerts:
    """Two Dags that one commit broke, with a failed run each, whose task printed its link."""

    def __init__(self, airflow: SharedAirflow) -> None:
        self.releases = Releases(airflow)
        prefix = unique("on_call")
        bundle = airflow.take_git()
        self.dags = [f"{prefix}_{name}" for name in ("mail", "page")]
        made: dict[str, str] = {}
        for mark, body in (("m1", ""), ("m2", FAILS)):
            for dag_id in self.dags:
                made |= dag(dag_id, mark, top=LINK, body=body)
            head = bundle.repo.commit(made, message=f"Totals, {mark}\n\nMore.")
            self.releases.wait_settled(bundle.name, head, timeout=180)
        self.runs = {dag_id: airflow.trigger(dag_id) for dag_id in self.dags}
        for dag_id, run_id in self.runs.items():
            airflow.wait_run(dag_id, run_id, "failed", timeout=180)
        self._airflow = airflow

    def link(self, dag_id: str) -> str:
        """As the task printed it."""
        log = self._airflow.wait_for(
            lambda: re.search(
                r"LINK=(http\S+?)(?=[\"\s\\]|$)", self._airflow.task_log(dag_id, self.runs[dag_id], "t")
            ),
            60,
            "the log with the link",
        )
        return str(log[1])


@pytest.fixture(scope="module")
def alerts(shared_airflow: SharedAirflow) -> Alerts:
    return Alerts(shared_airflow)


class Clicks:
    """Clicks, counted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, place: Locator) -> None:
        place.click()
        self.count += 1


def roll_back(page: Page, click: Clicks, start: Locator) -> None:
    """From the button that offers it; the reason is typed."""
    click(start)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong totals")
    click(dialog.get_by_role("button", name="Roll back").last)
    expect(dialog).to_contain_text("Done")


def test_9_the_link_of_an_alert_leads_to_the_rollback_in_two_clicks_and_a_reason(
    visitor: Visitor, alerts: Alerts
) -> None:
    dag_id = alerts.dags[0]
    click = Clicks()
    link = alerts.link(dag_id)
    assert link.startswith(f"{visitor.url}/dags/{dag_id}/plugin/{TAB}?run_id=")
    visitor.page.goto(link)
    about = visitor.pinwheel.get_by_test_id("from-outside")
    expect(about).to_contain_text("Try 1 of task t")
    expect(about).to_contain_text("Release 2 is active; 1 run failed on it.")
    expect(about.get_by_role("link", name="Compare with build 1")).to_be_visible()
    visitor.check_accessibility()
    roll_back(visitor.page, click, about.get_by_role("button", name="Roll back…"))
    assert click.count == 2
    assert alerts.releases.status(dag_id)["active_build"] == 1


def test_9_a_failed_tasks_own_page_leads_to_the_rollback_in_three_clicks_and_a_reason(
    visitor: Visitor, alerts: Alerts
) -> None:
    dag_id = alerts.dags[1]
    click = Clicks()
    visitor.page.goto(f"{visitor.url}/dags/{dag_id}/runs/{alerts.runs[dag_id]}/tasks/t")
    click(visitor.page.get_by_role("link", name="Version", exact=True))
    bar = visitor.pinwheel.get_by_test_id("failure-bar")
    roll_back(visitor.page, click, bar.get_by_role("button", name="Roll back…"))
    assert click.count == 3
    assert alerts.releases.status(dag_id)["active_build"] == 1
    # What failed runs again by now, and what was done is still told.
    visitor.page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).last.click()
    expect(bar).to_contain_text("Release 3 is active")
    expect(bar.get_by_role("button")).to_have_count(0)


def test_9_a_release_that_is_named_is_a_link_to_its_row(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_run(fleet.failing, fleet.failed_run)
    page.get_by_role("link", name="Release 2", exact=True).first.click()
    expect(visitor.page).to_have_url(re.compile(rf"/dags/{fleet.failing}/plugin/{TAB}#r2$"))
    row = visitor.pinwheel.get_by_test_id("build-2")
    expect(row).to_contain_text("Release 2")
    expect(row).to_be_in_viewport()
    row.get_by_role("link", name="Build 2").click()
    expect(visitor.page).to_have_url(re.compile("#b2$"))
    releases = visitor.open_releases(f"text={fleet.failing}")
    expect(releases.get_by_role("link", name="Build 2").first).to_have_attribute(
        "href", re.compile(rf"/dags/{fleet.failing}/plugin/{TAB}#b2$")
    )


@pytest.mark.smoke
def test_10_airflows_home_tells_what_is_failing_since_its_release(visitor: Visitor, fleet: Fleet) -> None:
    visitor.page.goto(f"{visitor.url}/")
    card = visitor.page.get_by_test_id("home-card")
    expect(card).to_contain_text("held")
    visitor.check_accessibility("[data-testid=home-card]")
    card.get_by_role("link", name=re.compile(r"^\d+ failing since release$")).click()
    expect(visitor.page).to_have_url(re.compile(r"/plugin/releases\?failing=true"))
    expect(visitor.pinwheel.get_by_test_id(f"dag-{fleet.failing}")).to_be_visible()


@pytest.mark.smoke
def test_10_how_a_dag_stands_is_told_beside_what_airflow_says_of_it(visitor: Visitor, fleet: Fleet) -> None:
    overview = not AIRFLOW_VERSION.startswith("3.3.")
    path = f"/dags/{fleet.held}"
    visitor.page.goto(f"{visitor.url}{path}" if overview else f"{visitor.url}{path}/plugin/dag-history")
    strip = visitor.page.get_by_test_id("dag-strip")
    expect(strip).to_contain_text("Release 1")
    expect(strip).to_contain_text("Pinned by admin")
    expect(strip).to_contain_text("build 2 waits")
    visitor.check_accessibility("[data-testid=dag-strip]")
    if overview:
        visitor.page.goto(f"{visitor.url}{path}/tasks/t")
        expect(strip).to_contain_text("Pinned by admin")
    strip.get_by_role("link", name="Releases", exact=True).click()
    expect(visitor.pinwheel.get_by_role("region", name="Where the Dag stands")).to_be_visible()


def test_11_releases_and_runs_are_compared_as_they_are_named(
    visitor: Visitor, fleet: Fleet, shared_airflow: SharedAirflow
) -> None:
    page = visitor.open_dag(fleet.failing, TAB, "view=compare&from=r1&to=r2")
    expect(page.get_by_label("From", exact=True)).to_have_value("r1")
    chosen = page.get_by_label("To", exact=True).locator("option:checked")
    expect(chosen).to_have_text(re.compile(r"^Release 2 · build 2"))
    page.get_by_role("button", name="Swap the two builds").click()
    expect(visitor.page).to_have_url(re.compile("from=r2&to=r1"))
    page = visitor.open_dag(fleet.failing, TAB, f"view=compare&from=r1&to_run={quote(fleet.failed_run)}")
    expect(page.get_by_label("To", exact=True)).to_have_value("r2")
    expect(page.get_by_role("link", name=fleet.failed_run)).to_be_visible()
    expect(page).to_contain_text(f"pinwheel diff {fleet.failing} 1 2")


@pytest.mark.parametrize("size", [(900, 700), (911, 600)], ids=["900 px", "1366 px at 150 %"])
def test_12_our_two_tabs_reach_each_other_in_narrow_windows(
    visitor: Visitor, fleet: Fleet, size: tuple[int, int]
) -> None:
    visitor.page.set_viewport_size({"width": size[0], "height": size[1]})
    page = visitor.open_dag(fleet.failing, TAB)
    history = page.get_by_role("link", name="Dag History")
    expect(history).to_be_in_viewport(ratio=1)
    history.click()
    back = visitor.pinwheel.get_by_role("link", name="Releases", exact=True)
    expect(back).to_be_in_viewport(ratio=1)
    back.click()
    expect(visitor.pinwheel.get_by_role("region", name="Where the Dag stands")).to_be_visible()


def test_16_whoever_may_only_read_is_told_so(window: Callable[..., Any], fleet: Fleet) -> None:
    with window("viewer") as visitor:
        page = visitor.open_dag(fleet.failing, TAB)
        expect(page).to_contain_text("You may look at what is released, not change it")
        standing = page.get_by_role("region", name="Where the Dag stands")
        expect(standing.get_by_role("button")).to_have_count(0)
        page = visitor.open_run(fleet.failing, fleet.failed_run)
        expect(page.get_by_test_id("failure-bar")).to_contain_text("takes the permission to edit this Dag")
        expect(visitor.open_releases(f"text={fleet.failing}")).to_contain_text("not change it")


FOCUSED = "() => [document.activeElement.getAttribute('aria-label'), document.activeElement.innerText]"


def test_32_opening_our_tab_moves_the_focus_into_it_and_twelve_tabs_lead_to_the_rollback(
    visitor: Visitor, fleet: Fleet
) -> None:
    dag_id = fleet.spares[0]
    visitor.page.goto(f"{visitor.url}/dags/{dag_id}")
    visitor.page.get_by_role("link", name="Releases", exact=True).last.click()
    region = visitor.page.get_by_role("region", name="Pinwheel", exact=True)
    expect(region).to_be_focused()
    button = visitor.pinwheel.get_by_role("button", name="Roll back", exact=True)
    expect(button).to_be_visible()
    presses = 0
    while not button.evaluate("each => each === document.activeElement"):
        visitor.page.keyboard.press("Tab")
        presses += 1
        assert presses <= MOST_TABS, visitor.page.evaluate(FOCUSED)
    print(f"{presses} Tabs from the landmark to Roll back")
    assert "r" in (button.get_attribute("aria-keyshortcuts") or "")


def test_32_the_key_r_opens_the_rollback_and_is_a_letter_where_it_is_typed(
    visitor: Visitor, fleet: Fleet
) -> None:
    page = visitor.open_dag(fleet.spares[0], TAB)
    button = page.get_by_role("button", name="Roll back", exact=True)
    expect(button).to_be_visible()
    visitor.page.keyboard.press("r")
    dialog = visitor.page.get_by_role("dialog")
    reason = dialog.get_by_label("Reason")
    expect(reason).to_be_focused()
    visitor.page.keyboard.type("error")
    expect(reason).to_have_value("error")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_25_the_icon_in_the_navigation_brings_its_own_light_ground(visitor: Visitor, fleet: Fleet) -> None:
    visitor.open_releases()
    icon = visitor.page.locator("nav img[alt=Releases], img[src*='static/icon.svg']").first
    expect(icon).to_be_visible()
    shades = icon.evaluate(
        """image => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 24;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0, 24, 24);
            return [[1, 12], [14, 6]].map(([x, y]) => [...context.getImageData(x, y, 1, 1).data]);
        }"""
    )
    ground, blade = shades
    assert min(ground[:3]) > 230 and ground[3] > 200, "light below the blades"
    assert max(blade[:3]) < 120, "dark blades"
