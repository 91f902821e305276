"""The web UI's TypeScript types fit the REST API."""

from __future__ import annotations

from pathlib import Path

from pinwheel.api.document import digest

TYPES = Path(__file__).parents[2] / "ui" / "src" / "api" / "schema.d.ts"


def test_the_typescript_types_are_made_from_todays_openapi_document() -> None:
    head = TYPES.read_text().splitlines()[0]
    assert digest() in head, "The REST API changed: run scripts/ui-types"
