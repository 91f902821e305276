"""Why is this Dag held? The one answer, for whoever decides and for every place that shows it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen


class HoldKind(StrEnum):
    """What can hold a Dag, in the order in which it is told."""

    PIN = "pin"
    """Somebody pinned it, or rolled it back."""


@frozen(kw_only=True)
class Hold:
    """One reason why the newest build of a Dag is not the active one."""

    kind: HoldKind
    reason: str | None
    """What was said by whoever is behind it."""
    since: datetime | None
    until: datetime | None
    """When it ends by itself; None: it does not."""
    by: str | None


class Standing(Protocol):
    """A Dag as far as it tells what holds it: each value that has a track and both builds."""

    @property
    def active_build_id(self) -> int | None: ...

    @property
    def newest_build_id(self) -> int | None: ...

    @property
    def pinned(self) -> bool: ...

    @property
    def track_actor(self) -> str | None: ...

    @property
    def track_reason(self) -> str | None: ...

    @property
    def track_since(self) -> datetime | None: ...


def why_held(dag: Standing) -> tuple[Hold, ...]:
    """All that holds the Dag, in the order of :class:`HoldKind`; the first is what is shown. Empty: not held.

    A Dag whose newest build is active is not held: a pin alone holds nothing back.
    """
    if not waits(dag):
        return ()
    holds = []
    if dag.pinned:
        holds.append(
            Hold(
                kind=HoldKind.PIN,
                reason=dag.track_reason,
                since=dag.track_since,
                until=None,
                by=dag.track_actor,
            )
        )
    return tuple(holds)


def waits(dag: Standing) -> bool:
    """Whether there is a newest build that is not the active one."""
    ids = dag.active_build_id, dag.newest_build_id
    return None not in ids and ids[0] != ids[1]
