"""What is known of a Dag when something is decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.release.rejection import Rejection, rejection_of
from pinwheel.core.release.stand import Head


class Track(StrEnum):
    """What happens when a new build of the Dag arrives."""

    AUTO = "auto"
    """It is released at once: Airflow's own behaviour, and the default."""
    PINNED = "pinned"
    """It waits until somebody promotes it or unpins the Dag."""


class Kind(StrEnum):
    """Why a release was made."""

    ADOPT = "adopt"
    """Airflow already ran it when Pinwheel came."""
    AUTO = "auto"
    """A new build of an unpinned Dag."""
    PIN = "pin"
    """Pinned to a build that was not the active one."""
    UNPIN = "unpin"
    """Unpinned while a newer build was waiting."""
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETIRE = "retire"
    """The Dag is gone from its bundle; Airflow's "stale"."""


@frozen(kw_only=True)
class DagState:
    """What is known of one Dag at the moment of the decision, read under its lock."""

    dag_id: str
    track: Track = Track.AUTO
    active_release: int | None = None
    active_build: Build | None = None
    newest_build: Build | None = None
    retired: bool = False
    versioned: bool = True
    """False when the Dag's bundle keeps no versions: nothing can be held or brought back then."""
    bundle_name: str = ""
    unused_auto_release: bool = False
    """The active release was automatic and no run has used it."""
    shown: Mapping[int, int] = field(factory=dict)
    """By id of a build the place of the last head that showed it (:mod:`newer`): of the active build
    and of the one asked for, where a number was given."""
    track_actor: str | None = None
    track_reason: str | None = None
    track_since: datetime | None = None
    rejections: tuple[Rejection, ...] = ()
    """Those of the Dag that were not lifted."""
    in_force: Head | None = None
    """The version that new runs of the active build take; read where that may tell."""
    before: Head | None = None
    """The version that they took before they followed to that one."""
    version: str | None = None
    """The plain version that new runs take."""
    places: Mapping[int, Head] = field(factory=dict)
    """By id of a build the newest version in which it stands: of the active and the newest build, and of
    one that is asked for, where their bundle showed them."""

    @property
    def pinned(self) -> bool:
        return self.track is Track.PINNED

    @property
    def active_build_id(self) -> int | None:
        return self.active_build.id if self.active_build else None

    @property
    def newest_build_id(self) -> int | None:
        return self.newest_build.id if self.newest_build else None

    @property
    def later(self) -> bool:
        """The active build is the newest, and stands in a later version than new runs take."""
        return self.stands_still and self.active_build_id == self.newest_build_id

    @property
    def stands_still(self) -> bool:
        """The active build stands in a later version than new runs take."""
        if self.active_build is None or self.retired or self.version is None:
            return False
        place = self.places.get(self.active_build.id)
        return place is not None and self.version != place.version

    def rejection_of(self, build: Build | None, at: Head | None = None) -> Rejection | None:
        """The rejection that keeps a build from being released by itself, or from this version: also one of
        the version that it would be taken from."""
        if build is not None and at is None:
            at = self.places.get(build.id)
        return rejection_of(self.rejections, build, at.seq if at is not None else None)

    def rejects(self, build: Build) -> bool:
        """Whether the build is rejected wherever it stands, not in some versions only."""
        return rejection_of(self.rejections, build) is not None
