"""What is known of the runs of a release under watch, and of those before it: what its watch is judged by.

Values only: rows of Airflow and of the ledger become these, and :mod:`verdict` says what they mean.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from pinwheel.core.rollout.before import MOST_BEFORE, Before
from pinwheel.core.rollout.gate import GateFacts

__all__ = ["A_FEW", "MOST_BEFORE", "Before", "Control", "End", "Evidence", "Run"]

A_FEW = 5
"""So many runs in a row are compared."""


class End(StrEnum):
    """How a run ended, as far as the release that it ran on is judged by it."""

    WELL = "well"
    FAILED = "failed"
    """A task of it failed by itself, or the run took longer than its Dag allows."""
    UNKNOWN = "unknown"
    """It failed, and nothing that is known says why."""
    INFRASTRUCTURE = "infrastructure"
    """A worker was lost, or a task never came out of the queue: not counted."""
    BY_HAND = "by-hand"
    """Somebody marked it, or a task of it, or let only a part of what had failed run again: not counted."""
    CANCELLED = "cancelled"
    """It ended before a task of it started: not counted."""


@frozen(kw_only=True)
class Run:
    """A run that ended (or, of those with a task that failed for good, goes on), once for each time."""

    run_id: str
    seq: int = 0
    """Its clear number."""
    end: End
    ended_at: datetime
    """Of one that goes on: when its task failed."""
    seconds: float | None = None
    """From its start to its end; None: nobody knows."""
    missed_deadline: bool = False

    @property
    def counts(self) -> bool:
        return self.end in (End.WELL, End.FAILED)

    @property
    def failed(self) -> bool:
        return self.end is End.FAILED


@frozen(kw_only=True)
class Control:
    """Runs of the deployment that ended within an hour of the one that decides."""

    failed: int
    of: int
    """Those of Dags that were not released within a day before it."""
    released_failed: int
    released_of: int
    """Those of Dags that were, this one's included."""


@frozen(kw_only=True)
class Evidence:
    """What is known of a watched release now."""

    runs: tuple[Run, ...] = ()
    """Those on it that ended, in the order in which they did; of a great many the newest."""
    early: tuple[Run, ...] = ()
    """Those on it that go on although a task of them failed for good; only where its policy asks."""
    build: int | None = None
    """The number of its build, as people read it."""
    checks: GateFacts = field(factory=GateFacts)
    """What external checks said of its place."""
    control: Control | None = None
    """None: nobody looked, since nothing fires."""
