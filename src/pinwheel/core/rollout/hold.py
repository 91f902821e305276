"""Why new runs of a Dag do not take its newest place: what can hold it, and one such reason."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import frozen


class HoldKind(StrEnum):
    """What can hold a Dag, in the order in which it is told."""

    PIN = "pin"
    """Somebody pinned it, or rolled it back."""
    REJECTED = "rejected"
    """Its newest build was rolled back or rejected: what comes after that is released."""
    ERA = "era"
    """An era of its timeline holds the present: what is released takes no effect until that ends."""
    PAUSED = "paused"
    """Its rollout is paused: somebody must go on with it."""
    ABORTED = "aborted"
    """Somebody took its newest place off its way."""
    FREEZE = "freeze"
    WINDOW = "window"
    """No release may happen now."""
    GATE = "gate"
    """A step before the release has not passed."""
    WATCH = "watch"
    """Another release of the Dag is under watch."""
    QUEUE = "queue"
    """It comes after the rollout that is on its way."""
    AT = "at"
    """Somebody asked for it, not before an instant."""
    BY_HAND = "by-hand"
    """It is released when somebody asks."""
    LOOSENED = "loosened"
    """A policy that holds less waits for the Dag's next release."""
    BEHIND = "behind"
    """New runs do not follow to the newest version of the build that is active."""


ORDER = {kind: at for at, kind in enumerate(HoldKind)}


@frozen(kw_only=True)
class Hold:
    """One reason why new runs do not take the newest place: the newest build where that stands."""

    kind: HoldKind
    reason: str | None
    """What was said by whoever is behind it, or what is waited for."""
    since: datetime | None = None
    until: datetime | None = None
    """When it ends by itself; None: it does not, or nobody knows."""
    by: str | None = None

    @property
    def said(self) -> str:
        """It as part of a sentence."""
        return self.reason or self.kind.value
