"""(c) Parses and CPU seconds of the processor and its children while nothing is pushed, at Airflow's
default intervals.
"""

from __future__ import annotations

import time
from typing import Any

from bench.fleet import DEFAULT_REFRESH, DEFAULTS, Fleet
from bench.report import Row

TITLE = "idle processor"
PER_SIDE = True


def measure(fleet: Fleet) -> dict[str, Any]:
    fleet.require_ingested()
    fleet.only_processor()
    fleet.restart(DEFAULTS, DEFAULT_REFRESH)
    began, cpu, parses = time.monotonic(), fleet.cpu(), fleet.forks.total
    time.sleep(fleet.options.idle)
    return {
        "cpu": fleet.cpu() - cpu,
        "parses": fleet.forks.total - parses,
        "seconds": time.monotonic() - began,
        "files": fleet.options.files + 1,
    }


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = found["stock"], found["pinwheel"]

    def cell(side: dict[str, Any]) -> str:
        return f"{side['parses']} parses, {side['cpu']:.1f} CPU s"

    return [
        Row(
            item="c",
            what=f"{ours['seconds'] / 60:.3g} idle minutes, {ours['files']} files",
            target="0 parses",
            stock=cell(stock),
            pinwheel=cell(ours),
            ratio=f"{stock['cpu'] / max(ours['cpu'], 0.01):.0f} times less CPU",
            met=ours["parses"] == 0,
        )
    ]
