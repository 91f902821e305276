"""``python -m bench``: measure, print the table, write the JSON."""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console

from bench import report
from bench.fleet import Fleet, fleet, generated
from bench.items import FLEET_ORDER, ITEMS
from bench.setting import SIDES, Options, Setting

_SIZES = (
    "files",
    "dags",
    "idle",
    "rounds",
    "runs",
    "pushes",
    "starts",
    "rollbacks",
    "batch",
    "builds",
    "commits",
)


class Run:
    """Measures the chosen items; an error in one of them is a row of its own."""

    def __init__(self, setting: Setting, only: list[str], console: Console) -> None:
        self.setting = setting
        self.only = only
        self.console = console
        self.measured: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}
        self.stopped = False

    def all(self) -> list[report.Row]:
        """Measure everything; when interrupted, what was measured by then is kept."""
        try:
            self._measure_all()
        except (KeyboardInterrupt, SystemExit):
            self.stopped = True
        return [
            row for key in self.only if key in self.measured or key in self.errors for row in self._rows(key)
        ]

    def _measure_all(self) -> None:
        for key in self.only:
            if not ITEMS[key].PER_SIDE:
                self._measure(key, None, self.setting)
        for key in self.only:
            if getattr(ITEMS[key], "OWN_REPOSITORY", False):
                for side in SIDES:
                    self._on_fleet(side, [key], ITEMS[key].files(self.setting.options))
        shared = [key for key in FLEET_ORDER if key in self.only]
        if shared:
            files = generated(self.setting.options)
            for side in SIDES:
                self._on_fleet(side, shared, files)

    def _on_fleet(self, side: str, keys: list[str], files: dict[str, str]) -> None:
        try:
            with fleet(self.setting, side, files) as made:
                for key in keys:
                    self._measure(key, side, made)
        except Exception as error:
            self._note(keys, error)

    def _measure(self, key: str, side: str | None, subject: Setting | Fleet) -> None:
        began = time.monotonic()
        name = f"({key}) {ITEMS[key].TITLE}" + (f", {side}" if side else "")
        try:
            found = ITEMS[key].measure(subject)
        except Exception as error:
            self._note([key], error)
            if isinstance(subject, Fleet):
                self.console.print(subject.env.tails(25), markup=False, highlight=False)
        else:
            if side is None:
                self.measured[key] = found
            else:
                self.measured.setdefault(key, {})[side] = found
        self.console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")

    def _note(self, keys: list[str], error: Exception) -> None:
        traceback.print_exception(error)
        for key in keys:
            self.errors.setdefault(key, error)

    def _rows(self, key: str) -> list[report.Row]:
        item = ITEMS[key]
        if key in self.errors:
            return [report.failed(key, item.TITLE, self.errors[key])]
        try:
            return list(item.rows(self.measured[key]))
        except Exception as error:
            self._note([key], error)
            return [report.failed(key, item.TITLE, error)]


def main() -> int:
    arguments = _arguments()
    options = Options.quick() if arguments.quick else Options()
    given = {name: getattr(arguments, name) for name in _SIZES if getattr(arguments, name) is not None}
    options = attrs.evolve(options, **given)
    only = sorted(set(arguments.only.split(","))) if arguments.only else list(ITEMS)
    unknown = [key for key in only if key not in ITEMS]
    if unknown:
        sys.exit(f"Unknown items: {', '.join(unknown)}. There are: {', '.join(ITEMS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    console = Console(width=None if sys.stdout.isatty() else 160)
    began = datetime.datetime.now(datetime.UTC)
    with Setting(options) as setting:
        facts = setting.facts()
        run = Run(setting, only, console)
        rows = run.all()
        facts["postgresql"] = setting.facts()["postgresql"]
    facts["minutes"] = round((datetime.datetime.now(datetime.UTC) - began).total_seconds() / 60, 1)
    report.show(rows, console, "Stock Airflow and Pinwheel")
    path = Path(arguments.json or f"bench-results/{began:%Y%m%d-%H%M%S}.json")
    report.write(path, rows, facts=facts, options=attrs.asdict(options), raw=run.measured)
    console.print(f"Written to {path}", soft_wrap=True)
    return 1 if run.errors or run.stopped else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="a,b,…", help="only these items")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, no more")
    parser.add_argument("--json", metavar="PATH", help="where the JSON goes (default: bench-results/)")
    sizes = parser.add_argument_group("sizes", "Defaults are those of the published numbers.")
    for name, kind in {name: (float if name == "idle" else int) for name in _SIZES}.items():
        sizes.add_argument(f"--{name}", type=kind, metavar="N", help=f"default {getattr(Options(), name)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
