"""The runs before a release, with which its own are compared: frozen when it is released."""

from __future__ import annotations

from attrs import frozen

MOST_BEFORE = 50
"""So many runs before a release are what its runs are compared with."""


@frozen(kw_only=True)
class Before:
    """The runs before a release, of the build before it: frozen when it was released. Oldest first."""

    build: int | None = None
    """The number of the build, as people read it; None: nobody knows."""
    failed: tuple[bool, ...] = ()
    """At most :data:`MOST_BEFORE`; of each whether it failed, whatever of if nobody knows."""
    seconds: tuple[float | None, ...] = ()
    """How long each took."""
    missed_deadlines: int = 0
    """So many of the last 20 missed one."""
