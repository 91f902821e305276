"""The page on the REST API has each route, with what can be asked of it."""

from __future__ import annotations

import re
from pathlib import Path

from pinwheel.api.document import document

PAGE = (Path(__file__).parents[2] / "docs" / "rest-api.md").read_text()
OF_EACH_CHANGE = {"plan"}
"""Told once for all of them."""


def asked() -> dict[str, set[str]]:
    """By route the names of what its query may hold."""
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": {
            parameter["name"] for parameter in route.get("parameters", []) if parameter["in"] == "query"
        }
        for path, routes in document()["paths"].items()
        for method, route in routes.items()
    }


def told() -> dict[str, set[str]]:
    """By route of the page's table the names that stand beside it."""
    found: dict[str, set[str]] = {}
    for line in PAGE.splitlines():
        if not re.match(r"\| `(GET|POST|PUT|DELETE) ", line):
            continue
        names, what, *_ = (re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|"))
        for name in names:
            # `…/rollback` after `POST /dags/{dag_id}/promote`
            whole = names[0].rpartition("/")[0] + name.removeprefix("…") if name.startswith("…") else name
            found[whole] = {word.partition("=")[0] for word in what}
    return found


def test_the_page_has_each_route_and_no_other() -> None:
    assert told().keys() == asked().keys() | {"GET /openapi.json"}


def test_what_can_be_asked_of_a_route_stands_beside_it() -> None:
    page = told()
    missing = {route: names - page[route] - OF_EACH_CHANGE for route, names in asked().items()}
    assert {route: names for route, names in missing.items() if names} == {}
