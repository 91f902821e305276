"""The runs before a release as JSON, for its row: of each whether it failed, and how long it took."""

from __future__ import annotations

from pinwheel.core.json import Json, JsonObject
from pinwheel.core.rollout.watched import Before

_FAILED = {"0": False, "1": True}


def before_to_json(before: Before) -> dict[str, Json]:
    return {
        "build": before.build,
        "failed": "".join("01"[failed] for failed in before.failed),
        "seconds": list(before.seconds),
        "missed": before.missed_deadlines,
    }


def before_from_json(value: Json) -> Before:
    """:raises ValueError: it is not what :func:`before_to_json` gives."""
    stored = JsonObject.of(value)
    try:
        failed = tuple(_FAILED[mark] for mark in stored.text("failed"))
    except KeyError as error:
        raise ValueError(f"Neither failed nor not: {error.args[0]!r}") from None
    return Before(
        build=stored.number_or_none("build"),
        failed=failed,
        seconds=stored.floats_or_none("seconds"),
        missed_deadlines=stored.number("missed"),
    )
