"""Watched releases, their runs and those before, as values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from harness.rollouts import MINUTE, NOW, place, rollout
from pinwheel.core.rollout.state import Rollout, State
from pinwheel.core.rollout.steps import Plan, Release, Watch
from pinwheel.core.rollout.watched import Before, End, Evidence, Run
from pinwheel.core.rollout.way_back import Failures, WayBack, When

ENDS = {
    ".": End.WELL,
    "F": End.FAILED,
    "?": End.UNKNOWN,
    "i": End.INFRASTRUCTURE,
    "h": End.BY_HAND,
    "c": End.CANCELLED,
}


def watching(when: When | Failures = When.WORSE, watch: Watch | None = None, **values: Any) -> Rollout:
    """Build 2, released at :data:`NOW` and watched; what a section ``rollback`` has may be named."""
    back = {key: values.pop(key) for key in ("slower", "deadline", "early", "also") if key in values}
    plan = Plan(steps=(Release(), watch or Watch()), rollback=WayBack(when=when, **back))
    made = {"plan": plan, "step": 1, "state": State.WATCHING, "released_at": NOW, "proven": place(1)}
    return rollout(2, **made | values)


def at(minutes: float) -> datetime:
    return NOW + minutes * MINUTE


def ran(ends: str, *, first: int = 1, **values: Any) -> tuple[Run, ...]:
    """Runs r1, r2, … that ended a minute after each other, the first a minute after the release."""
    return tuple(
        Run(**{"run_id": f"r{n}", "end": ENDS[end], "ended_at": at(n)} | values)
        for n, end in enumerate(ends, start=first)
    )


def took(*seconds: float | None, **values: Any) -> tuple[Run, ...]:
    """Runs that ended well after so long."""
    made = zip(ran("." * len(seconds), **values), seconds, strict=True)
    return tuple(
        Run(run_id=run.run_id, end=run.end, ended_at=run.ended_at, seconds=each) for run, each in made
    )


def seen(runs: str | Iterable[Run], **values: Any) -> Evidence:
    """What is known of build 8."""
    made: dict[str, Any] = {"runs": ran(runs) if isinstance(runs, str) else tuple(runs), "build": 8}
    return Evidence(**made | values)


def before(failed: str = "", **values: Any) -> Before:
    """Runs of build 7."""
    made: dict[str, Any] = {"build": 7, "failed": tuple(end == "F" for end in failed)}
    return Before(**made | values)


WELL_BEFORE = before("." * 50)
