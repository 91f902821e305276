"""(m) CPU seconds that one version's verification takes, and what the processor uses once all is verified."""

from __future__ import annotations

import time
from typing import Any

from bench.fleet import DEFAULT_REFRESH, DEFAULTS, Fleet
from bench.meter import until
from bench.report import Row

TITLE = "verification"
PER_SIDE = True
AT_ONCE = 1.0
"""The budget while it is measured: as fast as one core does it. The default takes 20 times as long."""
QUIET = 60.0
"""Seconds after it."""
_WAITING = (
    "SELECT count(*) FROM pinwheel_file f JOIN pinwheel_bundle b ON b.name = f.bundle_name"
    " JOIN pinwheel_bundle_version v ON v.bundle_name = b.name AND v.seq = b.head_seq"
    " WHERE f.verified_tree IS NULL OR f.verified_tree <> v.tree"
)


def measure(fleet: Fleet) -> dict[str, Any]:
    fleet.require_ingested()
    fleet.only_processor()
    files = fleet.options.files + 1
    if fleet.stock:
        # It parses all files each time, whatever changed.
        fleet.restart(DEFAULTS, DEFAULT_REFRESH)
        return {"cpu": fleet.cpu(), "parses": files, "files": files}
    fleet.restart({**DEFAULTS, "pinwheel.verify_budget": AT_ONCE}, 1)
    sha, _ = fleet.push({"notes.md": fleet.next_revision()}, "A note")
    seen = "SELECT count(*) FROM pinwheel_bundle_version WHERE version = :sha"
    until(lambda: fleet.env.scalar(seen, sha=sha), 120, "the version", 0.2)
    cpu, parses = fleet.cpu(), fleet.forks.total
    until(lambda: not fleet.env.scalar(_WAITING), 60 + 6 * files, f"{files} verified files", 0.5)
    found = {"cpu": fleet.cpu() - cpu, "parses": fleet.forks.total - parses, "files": files}
    cpu, parses = fleet.cpu(), fleet.forks.total
    time.sleep(min(QUIET, fleet.options.idle))
    found["after"] = {"cpu": fleet.cpu() - cpu, "parses": fleet.forks.total - parses}
    found["seconds"] = min(QUIET, fleet.options.idle)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = found["stock"], found["pinwheel"]
    after = ours["after"]
    return [
        Row(
            item="m",
            what=f"verification of a version of {ours['files']} files",
            stock=f"{stock['cpu']:.1f} CPU s (its start and one pass)",
            pinwheel=f"{ours['parses']} parses, {ours['cpu']:.1f} CPU s",
            ratio=f"{1000 * ours['cpu'] / max(1, ours['parses']):.0f} ms a file",
        ),
        Row(
            item="m",
            what=f"the {ours['seconds']:g} seconds after it",
            target="0 parses",
            pinwheel=f"{after['parses']} parses, {after['cpu']:.2f} CPU s",
            met=after["parses"] == 0,
        ),
    ]
