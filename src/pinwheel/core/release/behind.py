"""How far a Dag that stands still is behind what its bundle shows, and of what kind that is."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class BehindKind(StrEnum):
    """What a Dag that stands still has not got."""

    TRACED = "traced"
    """Another content of its own: a newer build, or a file that is broken or not known yet."""
    OTHER_FILES = "other files"
    """The same build in later versions: only other files of the bundle changed."""


@frozen(kw_only=True)
class Behind:
    """How far the new runs of a Dag are behind."""

    versions: int
    """So many bundle versions were shown after the one that they take."""
    kind: BehindKind


@frozen(kw_only=True)
class Lag:
    """What new runs of a Dag take, beside where its newest build stands."""

    version: str | None
    """The plain bundle version that new runs take; None: it never showed."""
    seq: int | None
    head_seq: int
    newest_version: str
    """The newest version in which the newest build stands."""
    at_head: bool
    """That is the one that the bundle shows."""

    @property
    def later(self) -> bool:
        """The newest build stands in another version than new runs take, which can only be a later one."""
        return self.version is not None and self.version != self.newest_version


def behind(lag: Lag | None, *, waits: bool) -> Behind | None:
    """None: new runs take what the bundle shows, or nobody can tell.

    ``waits``: the newest build is not the active one.
    """
    if lag is None or lag.seq is None or lag.seq >= lag.head_seq:
        return None
    other = lag.at_head and not waits
    return Behind(
        versions=lag.head_seq - lag.seq, kind=BehindKind.OTHER_FILES if other else BehindKind.TRACED
    )
