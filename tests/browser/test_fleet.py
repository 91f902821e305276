"""Releases (navigation): the fleet, its filters, and changes of many Dags at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.fleet import SPARES, Fleet


def shown(visitor: Visitor, fleet: Fleet, query: str = "") -> Locator:
    """The fleet page with this fleet's Dags."""
    page = visitor.open_releases(f"text={fleet.prefix}" + (f"&{query}" if query else ""))
    expect(page.get_by_role("table", name="Dags")).to_be_visible()
    return page


def line(page: Locator, dag_id: str) -> Locator:
    return page.get_by_test_id(f"dag-{dag_id}")


def ids(page: Locator) -> Locator:
    return page.locator("[data-testid^=dag-]")


def test_each_dag_shows_what_is_active_with_label_commit_and_author(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    row = line(page, fleet.quiet)
    expect(row).to_contain_text("Build 1")
    expect(row).to_contain_text("Release 1")
    expect(row).to_contain_text("2.4.1")
    expect(row).to_contain_text(fleet.first[:8])
    expect(row).to_contain_text("Ada Author")
    expect(row).to_contain_text("is active")


def test_a_held_dag_shows_the_newest_build_and_how_far_behind_it_is(visitor: Visitor, fleet: Fleet) -> None:
    row = line(shown(visitor, fleet), fleet.held)
    expect(row).to_contain_text("Build 2")
    expect(row).to_contain_text("held")
    expect(row).to_contain_text("3 versions behind")
    expect(row).to_contain_text("The second state")


def test_a_pinned_dag_shows_by_whom_why_and_since_when(visitor: Visitor, fleet: Fleet) -> None:
    row = line(shown(visitor, fleet), fleet.held)
    expect(row).to_contain_text("month-end closing")
    expect(row).to_contain_text("admin")
    expect(row.locator("time").first).to_be_visible()


def test_the_error_of_a_broken_commit_is_one_click_away(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    line(page, fleet.broken).get_by_role("button", name="Broken").click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("NameError: name 'this' is not defined")
    expect(dialog).to_contain_text(fleet.breaking[:8])
    visitor.check_accessibility("[role=dialog]")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_runs_since_the_release_are_counted_and_lead_to_airflows_list(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    expect(line(page, fleet.quiet)).to_contain_text("1 success")
    # The failed run was on release 2; what is before a rollback does not count.
    expect(line(page, fleet.rolled_back)).to_contain_text("none yet")
    line(page, fleet.failing).get_by_role("link", name="1 failed").click()
    expect(visitor.page).to_have_url(f"{visitor.airflow.url}/dags/{fleet.failing}/runs?state=failed")
    expect(visitor.page.get_by_role("link", name="manual__").first).to_be_visible()


def test_the_last_change_names_its_kind_and_who_made_it(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    expect(line(page, fleet.rolled_back)).to_contain_text("rollback")
    expect(line(page, fleet.rolled_back)).to_contain_text("admin")
    expect(line(page, fleet.quiet)).to_contain_text("auto")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("held=true", ["held", "rolled_back"]),
        ("pinned=true", ["held", "rolled_back"]),
        ("broken=true", ["broken"]),
        ("failing=true", ["failing"]),
        ("tag=finance", ["quiet"]),
        ("owner=grace", ["quiet"]),
        ("held=true&tag=finance", []),
    ],
)
def test_a_filter_in_the_address_shows_these_dags_and_no_others(
    visitor: Visitor, fleet: Fleet, query: str, names: list[str]
) -> None:
    page = visitor.open_releases(f"text={fleet.prefix}_&{query}")
    wanted = [f"{fleet.prefix}_{name}" for name in names]
    expect(page.get_by_role("heading", name=f"{len(wanted)} Dag")).to_be_visible()
    expect(ids(page)).to_have_count(len(wanted))
    for dag_id in wanted:
        expect(line(page, dag_id)).to_be_visible()
    if not wanted:
        expect(page).to_contain_text("No Dag matches these filters")


def test_the_bundle_filter_offers_bundles_and_goes_into_the_address(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_releases()
    page.get_by_label("Bundle", exact=True).select_option(fleet.bundle.name)
    expect(visitor.page).to_have_url(f"{visitor.airflow.url}/plugin/releases?bundle={fleet.bundle.name}")
    # Until the answer is there, the former page stays.
    expect(page.get_by_role("heading", name=f"{5 + SPARES} Dags")).to_be_visible()
    for row in ids(page).all():
        assert fleet.prefix in (row.get_attribute("data-testid") or "")


@pytest.mark.smoke
def test_filters_are_clicked_typed_and_undone_with_the_back_button(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_releases()
    page.get_by_label("Search Dags").fill(fleet.prefix.upper())
    expect(page.get_by_role("heading", name=f"{5 + SPARES} Dags")).to_be_visible()
    button = page.get_by_role("button", name="Failing since release")
    expect(button).to_contain_text("(1)")
    button.click()
    expect(ids(page)).to_have_count(1)
    expect(button).to_have_attribute("aria-pressed", "true")
    visitor.page.reload()
    expect(ids(visitor.pinwheel)).to_have_count(1)
    visitor.page.go_back()
    expect(ids(visitor.pinwheel)).to_have_count(5 + SPARES)


@pytest.mark.smoke
def test_typing_goes_on_in_the_same_field_after_a_pause(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_releases()
    field = page.get_by_label("Search Dags")
    field.click()
    half = len(fleet.held) // 2
    visitor.page.keyboard.type(fleet.held[:half])
    expect(visitor.page).to_have_url(re.compile(f"text={fleet.held[:half]}$"))
    visitor.page.keyboard.type(fleet.held[half:])
    expect(visitor.page).to_have_url(re.compile(f"text={fleet.held}$"))
    expect(field).to_be_focused()
    expect(ids(page)).to_have_count(1)


def test_a_selection_stays_while_other_dags_are_searched(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    line(page, fleet.quiet).get_by_role("checkbox", name=f"Select {fleet.quiet}").check(force=True)
    page.get_by_label("Search Dags").fill(fleet.held)
    expect(ids(page)).to_have_count(1)
    line(page, fleet.held).get_by_role("checkbox", name=f"Select {fleet.held}").check(force=True)
    bar = visitor.page.get_by_role("toolbar", name="Change the selected Dags")
    expect(bar).to_contain_text("2 selected")


def test_the_order_by_last_change_puts_the_newest_first(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    page.get_by_label("Order").select_option(label="Sort by last change")
    expect(ids(page).last).to_have_attribute("data-testid", f"dag-{fleet.quiet}")


def act(
    visitor: Visitor, fleet: Fleet, dag_ids: list[str], verb: str, *, rejected: str | None = None
) -> Locator:
    """Select Dags and ask for a change; the dialog with its plan.

    ``rejected`` is why what would be released is rejected: then there is a plan only when there is a reason.
    """
    page = shown(visitor, fleet)
    for dag_id in dag_ids:
        line(page, dag_id).get_by_text("", exact=False).first.wait_for()
        line(page, dag_id).get_by_role("checkbox", name=f"Select {dag_id}").check(force=True)
    bar = visitor.page.get_by_role("toolbar", name="Change the selected Dags")
    expect(bar).to_contain_text(f"{len(dag_ids)} selected")
    bar.get_by_role("button", name=verb, exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    if rejected is not None:
        expect(dialog.get_by_test_id("refused")).to_contain_text(rejected)
        expect(dialog.get_by_role("table", name="What would change")).to_be_hidden()
        dialog.get_by_role("button", name=f"Release the {len(dag_ids)} rejected all the same").click()
        dialog.get_by_label("Reason").fill("It is right after all")
    if len(dag_ids) == 1 and verb == "Roll back":
        expect(dialog.get_by_role("group", name="Then")).to_be_visible()
    else:
        expect(dialog.get_by_role("table", name="What would change")).to_be_visible()
    return dialog


def test_many_dags_are_changed_at_once_with_the_plan_first_and_a_reason(
    visitor: Visitor, fleet: Fleet
) -> None:
    dag_ids = [fleet.spare(), fleet.spare()]
    told = {dag_id: [] for dag_id in dag_ids}  # type: ignore[var-annotated]
    for verb, done in (
        ("Roll back", {"active_build": 1, "track": "pinned"}),
        ("Promote", {"active_build": 2, "track": "pinned"}),
        ("Unpin", {"active_build": 2, "track": "auto"}),
        ("Pin", {"active_build": 2, "track": "pinned"}),
    ):
        before = [fleet.status(dag_id) for dag_id in dag_ids]
        rejected = "Roll back from the browser" if verb == "Promote" else None
        dialog = act(visitor, fleet, dag_ids, verb, rejected=rejected)
        for dag_id in dag_ids:
            expect(dialog.get_by_role("row", name=dag_id)).to_be_visible()
        # The plan changes nothing.
        assert [fleet.status(dag_id) for dag_id in dag_ids] == before
        dialog.get_by_label("Reason").fill(f"{verb} from the browser")
        dialog.get_by_role("button", name=f"{verb} 2 Dags").click()
        expect(dialog).to_contain_text("Done")
        dialog.get_by_role("button", name="Close", exact=True).click()
        for dag_id in dag_ids:
            status = fleet.status(dag_id)
            assert {name: status[name] for name in done} == done
            (event, *_) = fleet.releases.events(dag_id)
            assert event["reason"] == f"{verb} from the browser" and event["actor"] == "admin"
            told[dag_id].append(event["kind"])
    assert set(map(tuple, told.values())) == {("rollback", "promote", "unpin", "pin")}


def test_the_plan_says_also_what_does_not_change(visitor: Visitor, fleet: Fleet) -> None:
    dialog = act(visitor, fleet, [fleet.quiet, fleet.held], "Promote")
    expect(dialog.get_by_role("row", name=fleet.quiet)).to_contain_text("as it is")
    expect(dialog.get_by_role("row", name=fleet.held)).to_contain_text("a new release")
    expect(dialog.get_by_role("button", name="Promote 1 Dag")).to_be_enabled()
    dialog.get_by_role("button", name="Cancel").click()
    assert fleet.status(fleet.held)["active_build"] == 1


def test_a_dag_that_can_not_take_the_change_can_be_left_out(visitor: Visitor, fleet: Fleet) -> None:
    page = shown(visitor, fleet)
    for dag_id in (fleet.held, fleet.failing):
        line(page, dag_id).get_by_role("checkbox", name=f"Select {dag_id}").check(force=True)
    visitor.page.get_by_role("button", name="Roll back", exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_test_id("refused")).to_contain_text("no earlier release")
    dialog.get_by_role("button", name=f"Leave out {fleet.held}").click()
    expect(dialog.get_by_role("row", name=fleet.failing)).to_contain_text("a new release")


def test_a_change_from_a_stale_view_is_refused_and_can_be_looked_at_again(
    visitor: Visitor, fleet: Fleet
) -> None:
    dag_id = fleet.spare()
    dialog = act(visitor, fleet, [dag_id], "Roll back")
    fleet.releases.rollback(dag_id, reason="somebody was quicker")
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(dialog).to_contain_text("active release")
    assert fleet.status(dag_id)["active_release"] == 3
    dialog.get_by_role("button", name="Look again").click()
    expect(dialog).to_contain_text("no earlier release")
    visitor.errors.clear()


@pytest.mark.smoke
def test_the_keyboard_is_enough_to_roll_back(visitor: Visitor, fleet: Fleet) -> None:
    dag_id = fleet.spare()
    page = shown(visitor, fleet)
    box = line(page, dag_id).get_by_role("checkbox", name=f"Select {dag_id}")
    box.focus()
    visitor.page.keyboard.press("Space")
    bar = visitor.page.get_by_role("toolbar", name="Change the selected Dags")
    bar.get_by_role("button", name="Roll back", exact=True).focus()
    visitor.page.keyboard.press("Enter")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("group", name="Then")).to_contain_text("Build 1")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    visitor.page.keyboard.type("by keyboard")
    dialog.get_by_role("button", name="Roll back", exact=True).focus()
    visitor.page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Done")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    status = fleet.status(dag_id)
    assert (status["track"], status["kind"], status["reason"]) == ("pinned", "rollback", "by keyboard")


def test_a_reader_sees_everything_and_no_action_and_the_server_refuses(window: Any, fleet: Fleet) -> None:
    with window("viewer") as visitor:
        page = shown(visitor, fleet)
        row = line(page, fleet.held)
        expect(row).to_contain_text("month-end closing")
        expect(page.get_by_role("checkbox")).to_have_count(0)
        refused = visitor.page.evaluate(
            "async url => (await fetch(url, {method: 'POST', body: '{}', "
            "headers: {'content-type': 'application/json'}})).status",
            f"{visitor.airflow.url}/pinwheel/api/v1/dags/{fleet.held}/unpin",
        )
        assert refused == 403
        visitor.errors.clear()
    assert fleet.status(fleet.held)["track"] == "pinned"


def test_a_release_made_elsewhere_shows_without_a_reload(visitor: Visitor, fleet: Fleet) -> None:
    dag_id = fleet.spare()
    row = line(shown(visitor, fleet), dag_id)
    expect(row).to_contain_text("Release 2")
    fleet.releases.rollback(dag_id, reason="from the command line")
    expect(row).to_contain_text("Release 3")
    expect(row).to_contain_text("from the command line")


def test_times_are_in_the_time_zone_chosen_in_airflow(window: Any, fleet: Fleet) -> None:
    with window() as visitor:
        visitor.set_timezone("Asia/Kolkata")
        page = shown(visitor, fleet)
        since = line(page, fleet.held).locator("time").first
        since.hover()
        # A row that is read again under the pointer takes the tooltip with it.
        if not visitor.page.get_by_role("tooltip").is_visible():
            since.hover(force=True)
        expect(visitor.page.get_by_role("tooltip")).to_contain_text("Asia/Kolkata")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_fleet_is_accessible_in_both_themes(window: Any, fleet: Fleet, theme: str) -> None:
    with window(theme=theme) as visitor:
        dialog = act(visitor, fleet, [fleet.held], "Promote")
        visitor.check_accessibility("[role=dialog]")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        visitor.check_accessibility()


def test_loading_empty_failing_and_offline_are_told_apart(visitor: Visitor, fleet: Fleet) -> None:
    page = visitor.open_releases("text=there-is-no-such-dag")
    expect(page).to_contain_text("No Dag matches these filters")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("table", name="Dags")).to_be_visible()

    context = visitor.page.context
    problem = '{"title": "Airflow failed", "status": 502, "failed": "Cannot use Airflow\'s database"}'
    context.route("**/api/v1/fleet?*", lambda route: route.fulfill(status=502, body=problem))
    page = visitor.open_releases()
    expect(page.get_by_role("status", name="Loading")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Cannot use Airflow's database")
    context.unroute("**/api/v1/fleet?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("table", name="Dags")).to_be_visible()

    context.set_offline(True)
    expect(page).to_contain_text("Airflow does not answer")
    expect(page.get_by_role("table", name="Dags")).to_be_visible()
    context.set_offline(False)
    expect(page).not_to_contain_text("Airflow does not answer")
    visitor.errors.clear()


def test_a_bundle_that_is_not_well_is_named_with_the_reason(visitor: Visitor, fleet: Fleet) -> None:
    place = {"bundle": fleet.bundle.name, "place": "test"}
    reason = "Can not take version bad: its .airflowignore is not UTF-8"
    visitor.airflow.execute(
        "INSERT INTO pinwheel_fault (bundle_name, place, error, version, since) "
        "VALUES (:bundle, :place, :reason, 'bad', now())",
        reason=reason,
        **place,
    )
    try:
        shown(visitor, fleet)
        notice = visitor.page.get_by_test_id(f"bundle-{fleet.bundle.name}")
        expect(notice).to_contain_text(f"Bundle {fleet.bundle.name} fails: bad")
        expect(notice).to_contain_text(reason)
        visitor.check_accessibility(f"[data-testid=bundle-{fleet.bundle.name}]")
    finally:
        visitor.airflow.execute(
            "DELETE FROM pinwheel_fault WHERE bundle_name = :bundle AND place = :place", **place
        )
    shown(visitor, fleet)
    expect(notice).to_be_hidden()
