"""(t) How often the rules of a watch are wrong: harmless releases rolled back, bad ones missed.

The product's own rules, asked of runs drawn by chance with fixed seeds: nothing is timed.
"""

from __future__ import annotations

from typing import Any

from bench.report import Row
from bench.setting import Setting

TITLE = "wrong rollbacks"
PER_SIDE = False
FALSE = 0.015
DEFAULT = "worse"
ALWAYS, HALF = 1.0, 0.5


def measure(setting: Setting) -> dict[str, Any]:
    from harness.flaky import RULES, fleet, share

    releases = 4 * setting.options.dags
    found: dict[str, Any] = {"releases": releases, "rules": {}}
    for rule in RULES:
        always = share(rule, fleet(releases, ALWAYS))
        found["rules"][rule] = {
            "false": share(rule, fleet(releases)).rate,
            "missed_always": 1 - always.rate,
            "missed_half": 1 - share(rule, fleet(releases, HALF)).rate,
            "failed_runs": always.failed_runs_each,
        }
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    return [_row(rule, each) for rule, each in found["rules"].items()]


def _row(rule: str, found: dict[str, float]) -> Row:
    default = rule == DEFAULT
    return Row(
        item="t",
        what=f"`{rule}`: of 1,000 harmless releases of a mixed fleet rolled back"
        + (" (the default)" if default else ""),
        target=f"{1000 * FALSE:.0f}; 1 that always fails missed" if default else "",
        pinwheel=f"{1000 * found['false']:.1f}; missed of 1,000 that always fail:"
        f" {1000 * found['missed_always']:.1f} (found after {found['failed_runs']:.1f} failed runs),"
        f" that fail half of the time: {1000 * found['missed_half']:.0f}",
        met=found["false"] <= FALSE and found["missed_always"] < 0.001 if default else None,
    )
