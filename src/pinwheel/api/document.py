"""``python -m pinwheel.api.document`` prints the OpenAPI document, from which the web UI's types are made.

``--digest`` prints only what tells two documents apart.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any, cast

from pinwheel.api.app import create_app
from pinwheel.services.ports.host import Host


def document() -> dict[str, Any]:
    """As ``GET /openapi.json`` answers, without the server's address."""

    async def nobody() -> None:
        raise NotImplementedError

    return create_app(cast(Host, None), nobody).openapi()


def text() -> str:
    return json.dumps(document(), indent=1, sort_keys=True)


def digest() -> str:
    return hashlib.sha256(text().encode()).hexdigest()[:16]


if __name__ == "__main__":
    print(digest() if "--digest" in sys.argv[1:] else text())
