"""A real Chromium against a real Airflow, for tests of the pages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    expect,
)

from harness.airflow_env import AirflowEnv
from harness.processes import TIMEOUT_FACTOR

REQUIRED = "PINWHEEL_REQUIRE_BROWSER"
"""Set to 1 (as .ci/run does): a missing Chromium fails the tests instead of skipping them."""

HOW_TO_GET = "no Chromium on PATH; get it with: apt-get install chromium-headless-shell"
AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
VIEW = {"width": 1440, "height": 900}
Theme = Literal["light", "dark"]

_SERIOUS = """async within => {
    const {violations} = await axe.run(within, {resultTypes: ["violations"]});
    const said = node => node.html + " " + (node.any[0]?.message ?? "");
    return violations
        .filter(v => ["serious", "critical"].includes(v.impact))
        .map(v => `${v.id}: ${v.help}: ${v.nodes.map(said).join("; ")}`);
}"""

# What still moves, in words, after a wait of at most so long. What moves for ever, as a spinner does, is at
# rest as it is. A transition may begin with the next frame: two frames are quiet before the page is.
_AT_REST = """async limit => {
    const moving = () => document.getAnimations().filter(
        a => a.playState === "running" && a.effect?.getComputedTiming().endTime !== Infinity);
    const frame = () => new Promise(requestAnimationFrame);
    const until = performance.now() + limit;
    for (let quiet = 0; quiet < 2 && performance.now() < until; await frame())
        quiet = moving().length ? 0 : quiet + 1;
    return moving().map(a => `${a.transitionProperty ?? a.animationName} of ${a.effect.target?.outerHTML}`);
}"""

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # All pages in one process, see _context.
    "--process-per-site",
    "--renderer-process-limit=1",
]
# Not ours: what Airflow's own pages say on the console on 3.3 and 3.4.
_OF_AIRFLOW = re.compile(r"/static/assets/|/api/v2/|/ui/|i18next|React Router Future|ResizeObserver loop")


def chromium_executable() -> str | None:
    """The one without windows of its own first: it shows a page with two thirds of the work."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium, or a skip that says how to get it."""
    executable = chromium_executable()
    if executable is None:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(HOW_TO_GET)
        pytest.skip(HOW_TO_GET)
    return playwright.chromium.launch(executable_path=executable, args=_FLAGS)


def inaccessible(page: Page, within: str) -> list[str]:
    """Serious and critical problems that axe-core finds in a part of the page, once nothing in it moves:
    a colour half-way to another is none that anybody has to read.
    """
    assert AXE.is_file(), "axe-core is not installed: run scripts/bootstrap"
    moving = page.evaluate(_AT_REST, 10_000 * TIMEOUT_FACTOR)
    assert moving == [], f"the page does not come to rest: {moving}"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    return list(page.evaluate(_SERIOUS, within))


class Visitor:
    """One user's browser window on one Airflow.

    ``errors`` collects what went wrong on the page by our doing: exceptions, console errors, failed answers
    of our API. The fixture checks at the end of each test that it is empty; take out what a test provokes.
    """

    def __init__(self, page: Page, airflow: AirflowEnv, url: str) -> None:
        self.page = page
        self.airflow = airflow
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        page.on("console", self._on_console)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        said = f"{message.text} ({message.location.get('url', '')})"
        if not _OF_AIRFLOW.search(said):
            self.errors.append(f"console: {said}")

    def _on_response(self, response: Any) -> None:
        if "/pinwheel/" in response.url and response.status >= 400:
            self.errors.append(f"{response.status}: {response.request.method} {response.url}")

    # Going there

    def open(self, path: str) -> Locator:
        """Open a page of this Airflow by its path; our part of it, once it is there."""
        self.page.goto(f"{self.url}/{path.lstrip('/')}")
        return self.pinwheel

    def open_releases(self, query: str = "") -> Locator:
        """The fleet page; ``query`` as ``held=true&text=sales``."""
        return self.open(f"plugin/releases?{query}" if query else "plugin/releases")

    def open_dag(self, dag_id: str, tab: str, query: str = "") -> Locator:
        """A tab of ours on a Dag: ``dag-releases`` or ``dag-history``."""
        return self.open(f"dags/{dag_id}/plugin/{tab}" + (f"?{query}" if query else ""))

    def open_run(self, dag_id: str, run_id: str, query: str = "") -> Locator:
        return self.open(f"dags/{dag_id}/runs/{run_id}/plugin/run-version" + (f"?{query}" if query else ""))

    def open_task(self, dag_id: str, run_id: str, task_id: str, query: str = "") -> Locator:
        path = f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}/plugin/task-version"
        return self.open(path + (f"?{query}" if query else ""))

    @property
    def pinwheel(self) -> Locator:
        """Our part of the page."""
        found = self.page.get_by_test_id("pinwheel")
        expect(found).to_be_visible()
        return found

    # Looking

    def check_accessibility(self, within: str = "[data-testid=pinwheel]") -> None:
        """axe-core finds no serious or critical problem in our part of the page."""
        found = inaccessible(self.page, within)
        assert found == [], "\n".join(found)

    def set_theme(self, theme: Theme) -> None:
        """As the user's choice in Airflow's menu; takes effect at the next ``open``."""
        self.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")

    def set_timezone(self, name: str) -> None:
        """The same for the time zone."""
        self.page.add_init_script(f"""localStorage.setItem('timezone', '"{name}"')""")


_contexts: dict[tuple[Browser, str, str, Theme], BrowserContext] = {}


def _context(browser: Browser, airflow: AirflowEnv, user: str, theme: Theme) -> BrowserContext:
    """One for each user and theme, so that Airflow's own scripts are fetched once. A page that stays open
    keeps the process in which they are compiled already.
    """
    key = browser, airflow.url, user, theme
    if key not in _contexts:
        context = browser.new_context(
            viewport={"width": VIEW["width"], "height": VIEW["height"]},
            color_scheme=theme,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        context.set_default_timeout(20_000 * TIMEOUT_FACTOR)
        # The cookie that Airflow's own login page sets.
        context.add_cookies([{"name": "_token", "value": airflow.token(user), "url": airflow.url}])
        context.new_page().goto(f"{airflow.url}/api/v2/version")
        _contexts[key] = context
    return _contexts[key]


@contextmanager
def visit(
    browser: Browser,
    airflow: AirflowEnv,
    user: str = "admin",
    theme: Theme = "light",
    url: str | None = None,
) -> Iterator[Visitor]:
    """A window in which the user is logged in. Leaves with an error when the page had one.

    ``url``: of another API server over the same database.
    """
    expect.set_options(timeout=int(20_000 * TIMEOUT_FACTOR))
    page = _context(browser, airflow, user, theme).new_page()
    try:
        visitor = Visitor(page, airflow, url or airflow.url)
        visitor.set_theme(theme)
        yield visitor
        assert visitor.errors == [], "\n".join(visitor.errors)
    finally:
        # The next window of this user begins as the first did.
        page.context.unroute_all()
        page.context.set_offline(False)
        with suppress(Error):
            page.evaluate("() => localStorage.clear()")
        page.close()
