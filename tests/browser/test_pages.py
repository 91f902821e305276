"""Every page of ours loads in its place, on both themes, without errors."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_releases_page_is_in_airflows_navigation(window: Any, theme: str) -> None:
    with window(theme=theme) as visitor:
        visitor.page.goto(f"{visitor.airflow.url}/")
        visitor.page.get_by_role("link", name="Releases").click()
        expect(visitor.pinwheel).to_be_visible()
        visitor.check_accessibility()
