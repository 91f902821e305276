"""CPU seconds that each test file needs, with all processes that it starts, and how many it may need.

Not wall-clock time: that says more of what else the machine does. A file that needs twice its budget fails
the run, so that no change makes the tests slow unnoticed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.soak import SOAK

DEFAULT = 100.0
"""CPU seconds that a file may need on the machine that the budgets were measured on."""

BUDGETS: Mapping[str, float] = {
    "browser/test_dag_releases.py": 250,
    "browser/test_fleet.py": 200,
    "browser/test_history.py": 250,
    "browser/test_pages.py": 150,
    "faults/test_between_statements.py": 150,
    "faults/test_binder.py": 150,
    "integration/test_dates_in_deployment.py": 250,
    "integration/test_files_that_move.py": 150,
    "integration/test_truth.py": 200,
    "integration/test_watches_in_deployment.py": 150,
    "reconcile/test_round_trips.py": 250,
}
"""By file below ``tests``: those that need more, about what they needed when that was measured."""

_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Adds up what each file used. What a fixture of the session needs counts for the file that made it."""

    def __init__(self) -> None:
        self.used: dict[str, float] = defaultdict(float)
        self.took: dict[str, float] = defaultdict(float)
        """Wall-clock seconds: to be read beside the others, never judged."""
        self._last = tree_seconds()
        self._at = time.monotonic()

    def charge(self, file: str) -> None:
        """What was used since the last call was used by this file."""
        now = tree_seconds()
        # A process whose parent is gone takes its seconds along: the sum may fall.
        self.used[file] += max(now - self._last, 0.0)
        at = time.monotonic()
        self.took[file] += at - self._at
        self._last, self._at = now, at

    def over(self, *, soak: bool = SOAK) -> list[str]:
        """Files that needed more than twice their budget, in words; in a long search none has one."""
        if soak:
            return []
        return [
            f"{file}: {seconds:.0f} CPU seconds, its budget is {budget(file):.0f}"
            for file, seconds in sorted(self.used.items())
            if seconds > 2 * budget(file)
        ]

    def lines(self, most: int = 40) -> list[str]:
        """The files that used most: seconds, budget, wall-clock seconds, name."""
        first = sorted(self.used.items(), key=lambda item: -item[1])[:most]
        return [
            f"{seconds:8.1f} of {budget(file):5.0f} in {self.took[file]:6.1f} s  {file}"
            for file, seconds in first
        ]


def budget(file: str) -> float:
    return BUDGETS.get(file, DEFAULT)


def tree_seconds() -> float:
    """CPU seconds of this process, of those that it waited for, and of all below it that live."""
    total = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return total + sum(_seconds(pid) for pid in _below(os.getpid()))


def _below(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in (thread / "children").read_text().split():
                    yield int(child)
                    yield from _below(int(child))


def _seconds(pid: int) -> float:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    # proc(5): utime, stime, and those of children that were waited for, are fields 14 to 17.
    return sum(map(int, line.rpartition(")")[2].split()[11:15])) / _TICKS
