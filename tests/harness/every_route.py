"""Each route of the REST API, asked for something that is understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from harness.inprocess_api import API, BODIES


@frozen(kw_only=True)
class Asked:
    """One request."""

    route: str
    """Method and path as the document names them."""
    method: str
    path: str
    json: Any
    """None: it has no body."""


def requests(document: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Asked]:
    """A request to each route of an OpenAPI document; *names* are for what stands in paths.

    None asks for a plan: whoever may is obeyed.
    """
    for path, item in sorted(document["paths"].items()):
        short = path[path.index(API) + len(API) :] if API in path else path
        for method in sorted(item):
            changes = method in ("post", "put")
            body = BODIES.get(short, {}) if changes else None
            if body is not None:
                body = {name: value for name, value in body.items() if name != "plan"}
            yield Asked(
                route=f"{method.upper()} {short}",
                method=method.upper(),
                path=short.format_map(names),
                json=body,
            )
