"""(e) First ingest: from the start of the processor on an empty database until every Dag can run."""

from __future__ import annotations

from typing import Any

from bench.fleet import Fleet
from bench.report import Row

TITLE = "first ingest"
PER_SIDE = True


def measure(fleet: Fleet) -> dict[str, Any]:
    return {**fleet.require_ingested(), "files": fleet.options.files + 1}


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = found["stock"], found["pinwheel"]

    def cell(side: dict[str, Any]) -> str:
        return f"{side['seconds']:.1f} s, {side['cpu']:.0f} CPU s, {side['parses']} parses"

    ratio = ours["seconds"] / stock["seconds"]
    return [
        Row(
            item="e",
            what=f"first ingest of {ours['files']} files",
            target="no slower than stock",
            stock=cell(stock),
            pinwheel=cell(ours),
            ratio=f"{ratio:.2f} times stock's time",
            met=ratio <= 1,
        )
    ]
