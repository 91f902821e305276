"""(n) What tracing adds to one parse: CPU milliseconds of the parser and of the process that starts it."""

from __future__ import annotations

import resource
from typing import Any

from bench import project
from bench.meter import median
from bench.report import Row
from bench.setting import PINWHEEL, SIDES, Setting

TITLE = "cost of tracing"
PER_SIDE = False
FILES = 40


def measure(setting: Setting) -> dict[str, Any]:
    from integration.parse_driver import parse

    files = min(FILES, setting.options.files)
    root = setting.folder("traced")
    for path, text in project.repository(files).items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    names = [
        path for number in range(files) for path in project.dag_file(number, "r1") if path.endswith(".py")
    ]
    found: dict[str, Any] = {side: [] for side in SIDES}
    # One of each first: what a processor learns once is not asked of each parse
    for name in (names[0], *names):
        for side in SIDES:
            before = _used()
            result = parse(root, name, traced=side == PINWHEEL)
            assert result is not None and result.serialized_dags, name
            found[side].append(_used() - before)
    return {"files": files, **{side: found[side][1:] for side in SIDES}}


def _used() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = (median(found[side]) for side in SIDES)
    return [
        Row(
            item="n",
            what=f"a parse, median of {found['files']} files",
            stock=f"{1000 * stock:.0f} CPU ms",
            pinwheel=f"{1000 * ours:.0f} CPU ms, traced",
            ratio=f"{1000 * (ours - stock):.0f} ms more, {ours / stock:.2f} times stock's",
        )
    ]
