"""Bindings: which Dag version a run uses, and who chose it."""

from __future__ import annotations

from enum import StrEnum


class BoundBy(StrEnum):
    """Who chose the version of a run."""

    ACTIVE = "active"
    """Nobody: it was the active release when the run began."""
    HAND = "hand"
    """Somebody, of the releases."""
    TRIAL = "trial"
    """Somebody, a build that was never released."""

    @classmethod
    def of_choice(cls, *, chosen: bool, release: int | None) -> BoundBy:
        """For a run on *release* (None: its build was never released) that somebody chose, or nobody did."""
        if not chosen:
            return cls.ACTIVE
        return cls.TRIAL if release is None else cls.HAND
