"""Every page of ours is in its place, on both themes and both Airflow versions, without errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from harness.airflow_env import API_SERVER, BIN, environment_name
from harness.browser import Visitor, inaccessible, visit
from harness.fleet import Fleet
from harness.processes import free_port, wait_for

pytestmark = pytest.mark.smoke

THEMES = ("light", "dark")


def each_once(*shown: str) -> list[Any]:
    """Each theme with each of two; `make test` has each theme, and each of the two, once."""
    return [
        pytest.param(theme, each, marks=() if n == m else pytest.mark.full)
        for n, theme in enumerate(THEMES)
        for m, each in enumerate(shown)
    ]


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.full)])
def test_releases_is_in_airflows_navigation(window: Any, fleet: Fleet, theme: str) -> None:
    with window(theme=theme) as visitor:
        visitor.page.goto(f"{visitor.airflow.url}/")
        visitor.page.get_by_role("link", name="Releases").click()
        expect(visitor.pinwheel.get_by_role("table", name="Dags")).to_be_visible()
        visitor.check_accessibility()


@pytest.mark.parametrize(("theme", "tab"), each_once("Releases", "Dag History"))
def test_a_dag_has_the_tabs(window: Any, fleet: Fleet, theme: str, tab: str) -> None:
    with window(theme=theme) as visitor:
        visitor.page.goto(f"{visitor.airflow.url}/dags/{fleet.quiet}")
        visitor.page.get_by_role("link", name=tab).last.click()
        expect(visitor.pinwheel).to_contain_text("Build 1" if tab == "Releases" else "t")
        visitor.check_accessibility()


@pytest.mark.parametrize(("theme", "level"), each_once("run", "task instance"))
def test_a_run_and_a_task_instance_have_the_tab_version(
    window: Any, fleet: Fleet, theme: str, level: str
) -> None:
    with window(theme=theme) as visitor:
        path = f"/dags/{fleet.failing}/runs/{fleet.failed_run}" + ("/tasks/t" if level != "run" else "")
        visitor.page.goto(f"{visitor.airflow.url}{path}")
        visitor.page.get_by_role("link", name="Version", exact=True).click()
        expect(visitor.pinwheel).to_contain_text("Release 2")
        expect(visitor.pinwheel).to_contain_text(fleet.second[:8])
        visitor.check_accessibility()


def test_a_release_is_promoted_in_the_browser(visitor: Visitor, fleet: Fleet) -> None:
    dag_id = fleet.spare()
    page = visitor.open_releases(f"text={dag_id}")
    page.get_by_role("checkbox", name=f"Select {dag_id}").check(force=True)
    visitor.page.get_by_role("button", name="Roll back", exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("group", name="Then")).to_contain_text("a new release")
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(dialog).to_contain_text("Done")
    assert fleet.status(dag_id)["active_build"] == 1


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).status_code == 200
    return False


@pytest.fixture(scope="module")
def below_a_path(fleet: Fleet) -> Iterator[str]:
    """A second API server over the same database, mounted below a path; its address."""
    airflow, port = fleet.airflow, free_port()
    url = f"http://127.0.0.1:{port}/team/airflow"
    env = {environment_name("api.base_url"): url, environment_name("api.port"): str(port)}
    airflow.start(
        API_SERVER,
        name="api-server-below-a-path",
        env=env,
        command=[str(BIN / "airflow"), "api-server", "--port", str(port)],
    )
    wait_for(lambda: answers(f"{url}/api/v2/version"), 120, f"an API server at {url}")
    yield url
    airflow.stop("api-server-below-a-path")


def test_the_pages_work_below_a_path(chromium: Any, fleet: Fleet, below_a_path: str) -> None:
    with visit(chromium, fleet.airflow, url=below_a_path) as visitor:
        page = visitor.open_releases(f"text={fleet.quiet}")
        expect(page).to_contain_text("Build 1")
        page.get_by_role("link", name=fleet.quiet).click()
        expect(visitor.page).to_have_url(f"{below_a_path}/dags/{fleet.quiet}/plugin/dag-releases")
        expect(visitor.pinwheel).to_contain_text("Build 1")


def test_a_source_checkout_without_the_built_pages_says_what_to_run(visitor: Visitor, fleet: Fleet) -> None:
    from pinwheel.api.static import NOT_BUILT

    # What the server gives out in place of the entry: see test_static_pages.py.
    visitor.page.context.route(
        "**/pinwheel/static/main.js",
        lambda route: route.fulfill(body=NOT_BUILT.read_text(), content_type="text/javascript"),
    )
    page = visitor.open_releases()
    expect(page).to_have_role("alert")
    expect(page).to_contain_text("scripts/bootstrap")


def test_hostile_names_are_shown_as_they_are_and_do_nothing(visitor: Visitor, fleet: Fleet) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    visitor.page.on("dialog", lambda dialog: visitor.errors.append(f"alert: {dialog.message}"))
    fleet.releases.pin(fleet.broken, reason=hostile)
    page = visitor.open_releases(f"text={fleet.broken}")
    expect(page).to_contain_text(hostile)
    page = visitor.open_releases(f"view=events&dag={fleet.broken}")
    expect(page).to_contain_text(hostile)
    fleet.releases.unpin(fleet.broken)


def _page(chromium: Browser, colour: str) -> list[str]:
    """What is said of a button that fades in, beside something that turns for ever."""
    page = chromium.new_page()
    try:
        page.set_content(
            "<html lang=en><title>Fading</title><main><style>"
            "@keyframes turn { to { transform: rotate(360deg); } } i { animation: turn 1s infinite; }"
            "button { opacity: 0.3; transition: opacity 1s 0.1s; background: #fff; }"
            f"button.ready {{ opacity: 1; color: {colour}; }}"
            "</style><h1>Fading</h1><i></i><button>Promote</button></main>"
        )
        page.evaluate("() => document.querySelector('button').classList.add('ready')")
        return inaccessible(page, "body")
    finally:
        page.close()


def test_what_fades_in_is_judged_by_its_looks_at_rest(chromium: Browser) -> None:
    assert _page(chromium, "#000") == []
    [found] = _page(chromium, "#aaa")
    assert found.startswith("color-contrast")
