"""How the facts of a parse get from the parser process to the manager, and leave no trace in the result.

A parser's result has one list whose items have no fixed type: its warnings. The facts ride there as one
more item, together with what parsers started later can inherit from the manager: what this one found out
about the text of files, so that they need not read the same helper again, and which of Airflow's own
modules it imported.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.static_facts import StaticFacts

log = structlog.get_logger(__name__)

_KEY = "pinwheel_facts"
_MOST_SOURCES = 20_000

known_sources: OrderedDict[str, StaticFacts | tuple[str, ...]] = OrderedDict()
"""Static facts of Python sources, and references of texts, by a key made of their content."""

imported_modules: set[str] = set()
"""Airflow's modules that parsers had to import themselves."""


def put_facts(
    result: Any,
    facts: ParseFacts,
    learned: Mapping[str, StaticFacts | tuple[str, ...]],
    imported: Collection[str],
    cpu_seconds: float | None = None,
) -> None:
    """Add the facts to a parsing result that is about to be sent, with what it cost."""
    packed = {
        key: value.to_json() if isinstance(value, StaticFacts) else list(value)
        for key, value in learned.items()
    }
    item = {
        _KEY: facts.to_json(),
        "sources": packed,
        "imported": sorted(imported),
        "had_warnings": result.warnings is not None,
        "cpu_seconds": cpu_seconds,
    }
    result.warnings = [*(result.warnings or ()), item]


def cpu_seconds_of(result: Any) -> float | None:
    """CPU seconds that the parser and its children used until it sent this. To be asked before the facts."""
    told = (item.get("cpu_seconds") for item in result.warnings or () if _is_ours(item)) if result else ()
    return next((float(seconds) for seconds in told if isinstance(seconds, (int, float))), None)


def _is_ours(item: Any) -> bool:
    return isinstance(item, Mapping) and _KEY in item


def take_facts(result: Any) -> ParseFacts | None:
    """Remove the facts from a parsing result; what remains is what stock Airflow would have sent.

    None means that there are none: a stock parser made the result, or tracing failed. Safe to repeat, but
    only the first call finds them.
    """
    mine = [item for item in result.warnings or () if _is_ours(item)]
    if not mine:
        return None
    rest = [item for item in result.warnings if not _is_ours(item)]
    result.warnings = rest if rest or mine[-1].get("had_warnings", True) else None
    try:
        for key, packed in mine[-1].get("sources", {}).items():
            known_sources[key] = (
                StaticFacts.from_json(packed) if isinstance(packed, Mapping) else tuple(packed)
            )
        while len(known_sources) > _MOST_SOURCES:
            known_sources.popitem(last=False)
        imported_modules.update(mine[-1].get("imported", ()))
        return ParseFacts.from_json(mine[-1][_KEY])
    except Exception:
        log.warning("The facts of a parse can not be read", exc_info=True)
        return None
