"""The browser, windows of it, and a fleet to look at: see harness.browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness import browser as windows
from harness.fleet import Fleet
from harness.shared import SharedAirflow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/browser/" in str(item.path):
            item.add_marker("browser")
            item.add_marker("airflow")
            item.add_marker("postgres")
            if item.get_closest_marker("smoke") is None:
                item.add_marker("slow")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = windows.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(
    chromium: Browser, shared_airflow: SharedAirflow
) -> Callable[..., AbstractContextManager[windows.Visitor]]:
    """``with window("viewer", theme="dark") as visitor:`` on the shared Airflow; any user of the harness."""
    return partial(windows.visit, chromium, shared_airflow)


@pytest.fixture
def visitor(window: Callable[..., Any]) -> Iterator[windows.Visitor]:
    """A window of the administrator's."""
    with window() as opened:
        yield opened


@pytest.fixture(scope="session")
def fleet(shared_airflow: SharedAirflow) -> Fleet:
    """Dags in each state that the fleet page tells apart. Tests that change some take ``fleet.spare``."""
    return Fleet(shared_airflow)
