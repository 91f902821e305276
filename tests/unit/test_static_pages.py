"""The web UI's files, as the API server gives them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pinwheel.api.app import create_app
from pinwheel.api.static import BuiltPages


def client(folder: Path) -> TestClient:
    app = FastAPI()
    app.mount("/static", BuiltPages(folder))
    return TestClient(app)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "main.js").write_text("main")
    (tmp_path / "assets" / "page-1a2b.js").write_text("page")
    return tmp_path


def test_the_entry_is_asked_for_anew_and_chunks_are_kept_for_ever(built: Path) -> None:
    entry = client(built).get("/static/main.js")
    assert entry.text == "main" and entry.headers["cache-control"] == "no-cache"
    assert "javascript" in entry.headers["content-type"]
    chunk = client(built).get("/static/assets/page-1a2b.js")
    assert chunk.text == "page" and "immutable" in chunk.headers["cache-control"]


def test_a_newer_build_is_served_without_a_restart(built: Path) -> None:
    pages = client(built)
    first = pages.get("/static/main.js")
    assert pages.get("/static/main.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    (built / "main.js").write_text("newer main")
    assert pages.get("/static/main.js").text == "newer main"


def test_without_a_built_ui_the_entry_says_what_to_run(tmp_path: Path) -> None:
    reply = client(tmp_path / "absent").get("/static/main.js")
    assert reply.status_code == 200 and "scripts/bootstrap" in reply.text
    assert reply.headers["cache-control"] == "no-cache"
    assert client(tmp_path / "absent").get("/static/icon.svg").status_code == 404


@pytest.mark.parametrize(
    "path", ["../app.py", "..%2fapp.py", "assets/../../app.py", "%2e%2e/app.py", "assets"]
)
def test_nothing_outside_of_the_folder_is_served(built: Path, path: str) -> None:
    (built.parent / "app.py").write_text("secret")
    reply = client(built).get(f"/static/{path}")
    assert reply.status_code == 404 and "secret" not in reply.text


def test_the_pages_need_no_login_and_hold_no_data() -> None:
    async def nobody() -> Any:
        raise AssertionError("asked who it is")

    app = create_app(cast(Any, None), nobody)
    assert TestClient(app).get("/static/main.js").status_code == 200
