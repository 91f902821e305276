"""(d) A push that touches one file, and one that touches a helper of many: parses, and seconds until all
Dags that it affects are registered from the new commit.
"""

from __future__ import annotations

from typing import Any

from bench import project
from bench.fleet import Fleet
from bench.meter import median, until
from bench.report import Row

TITLE = "push to registered"
PER_SIDE = True
TARGET_SECONDS = 2.0


def measure(fleet: Fleet) -> dict[str, Any]:
    fleet.require_ingested()
    fleet.only_processor()
    files = fleet.options.files
    users = min(files, project.FILES_PER_HELPER)
    one, many = [], []
    for turn in range(fleet.options.pushes):
        number = (turn * 7 + 3) % files
        revision = fleet.next_revision()
        one.append(_push(fleet, project.dag_file(number, revision), 1, f"One file, {revision}"))
    for _ in range(max(1, fleet.options.pushes // 2)):
        revision = fleet.next_revision()
        many.append(_push(fleet, project.helper_file("h00", revision), users, f"A helper, {revision}"))
    return {"one": one, "many": many, "users": users}


def _push(fleet: Fleet, files: dict[str, str], affected: int, message: str) -> dict[str, Any]:
    before = fleet.forks.total
    sha, pushed = fleet.push(files, message)
    first = until(lambda: fleet.registered(sha), 600, f"the first Dag of {message}")
    done = until(lambda: fleet.registered(sha) >= affected, 600, f"{affected} Dags of {message}")
    seen = pushed
    if not fleet.stock:
        first_seen = fleet.env.scalar(
            "SELECT first_seen_at FROM pinwheel_bundle_version WHERE version = :sha", sha=sha
        )
        seen = first_seen.timestamp()
    return {
        "parses": fleet.forks.total - before,
        "first": first - pushed,
        "seconds": done - pushed,
        "after_seen": done - seen,
    }


def rows(found: dict[str, Any]) -> list[Row]:
    return [
        _row(found, "one", "push of one file", 1),
        _row(found, "many", f"push of a helper of {found['pinwheel']['users']}", found["pinwheel"]["users"]),
    ]


def _row(found: dict[str, Any], kind: str, what: str, affected: int) -> Row:
    ours = found["pinwheel"][kind]
    seconds = {side: median([push["seconds"] for push in found[side][kind]]) for side in found}
    first = {side: median([push["first"] for push in found[side][kind]]) for side in found}
    parses = {side: median([push["parses"] for push in found[side][kind]]) for side in found}
    after_seen = median([push["after_seen"] for push in ours])

    def cell(side: str) -> str:
        from_first = f" (the first after {first[side]:.1f} s)" if affected > 1 else ""
        return f"{parses[side]:g} parse{'s' if parses[side] != 1 else ''}, {seconds[side]:.1f} s{from_first}"

    return Row(
        item="d",
        what=what,
        target=f"{affected} parse{'s' if affected > 1 else ''}, {TARGET_SECONDS:g} s",
        stock=cell("stock"),
        pinwheel=f"{cell('pinwheel')}, {after_seen:.1f} s after the fetch",
        ratio=f"{seconds['pinwheel'] / seconds['stock']:.2f} times stock's time",
        met=parses["pinwheel"] == affected and seconds["pinwheel"] <= TARGET_SECONDS,
    )
