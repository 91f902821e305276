"""How a run came to its end."""

from __future__ import annotations

from enum import StrEnum


class How(StrEnum):
    """How a run came to its end, as whoever ended it says."""

    BY_TASKS = "tasks"
    """Its tasks decided: they were well, or one was not."""
    TIMED_OUT = "timed_out"
    """It took longer than its Dag allows."""
    DEADLOCKED = "deadlocked"
    """None of its tasks could go on."""
    BY_HAND = "by_hand"
    """Somebody marked it."""
