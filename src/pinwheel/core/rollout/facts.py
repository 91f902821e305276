"""What is known of a Dag whose places roll out, read under its lock when something is decided."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.gate import GateFacts
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Candidate, Cause, Place, Rollout


@frozen(kw_only=True)
class GoesOn:
    """There were not enough runs yet, or not enough time."""

    said: str
    until: datetime | None = None


@frozen(kw_only=True)
class Enough:
    """All runs and all the time that the watch asks for were well."""

    said: str


@frozen(kw_only=True)
class Fired:
    """A rule says that the release is worse than what was before."""

    said: str
    at: datetime
    """When the last run ended that makes it so."""
    not_alone: bool = False
    """Dags that were not released failed as often at that time."""


@frozen(kw_only=True)
class Unclear:
    """The watch can say neither: a person must look."""

    said: str
    cause: Cause
    at: datetime


WatchSays = GoesOn | Enough | Fired | Unclear
"""What the watch of a released place says; :mod:`verdict` finds it."""


@frozen(kw_only=True)
class Facts:
    """What is known of one Dag."""

    dag_id: str
    ahead: Rollout | None = None
    watched: Rollout | None = None
    """Its live rollouts."""
    newest: Candidate | None = None
    """Its newest place, or the one that somebody named."""
    active: Place | None = None
    """What new runs take."""
    active_release: int | None = None
    proven: Place | None = None
    """The last place that was proven: the active one too, if its own runs prove it and nothing is watched."""
    before: Before | None = None
    """The last runs of the active build, if what may be released is watched then."""
    pinned: bool = False
    gone: str | None = None
    """Why none of its places can be held: it is retired, or its bundle keeps no versions."""
    rejected: frozenset[Place] = frozenset()
    """Those of the places named here that a rejection covers."""
    closed: tuple[Hold, ...] = ()
    """Rules that let no place be released now (freezes, windows), or not this one (required gates without a
    verdict): the one of the rollout ahead, without one the newest."""
    closed_then: tuple[Hold, ...] = ()
    """Freezes and windows known to be closed at the instant for which somebody asks."""
    era: Hold | None = None
    """The era over the present."""
    gates: GateFacts = field(factory=GateFacts)
    """Of the rollout ahead."""
    watch: WatchSays | None = None
    """Of the watched one; None: nobody looked."""
    stopped: Rollout | None = None
    """The Dag's last rollout, if it was aborted before it was released."""

    @property
    def waits(self) -> bool:
        """Its newest build is not the one that new runs take."""
        if self.newest is None:
            return False
        return self.active is None or self.newest.place.build_id != self.active.build_id
