"""Counting and timing."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil


class ForkCount:
    """How many parser processes a Dag processor has started (``probe/sitecustomize.py`` writes)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def total(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of the children that it has waited for, and of those that still live."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def until(condition: Callable[[], Any], timeout: float, what: str, interval: float = 0.02) -> float:
    """The moment (``time.time()``) at which *condition* was first seen to hold."""
    end = time.time() + timeout
    while not condition():
        if time.time() > end:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(interval)
    return time.time()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def summary(values: Sequence[float], digits: int = 3) -> dict[str, Any]:
    """What goes into the JSON of a series of measurements."""
    return {
        "n": len(values),
        "p50": round(percentile(values, 50), digits),
        "p99": round(percentile(values, 99), digits),
        "max": round(max(values), digits),
        "values": [round(value, digits) for value in values],
    }
