"""Why is this Dag held? The one answer, for whoever decides and for every place that shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from attrs import frozen

from pinwheel.core.release.rejection import Rejection
from pinwheel.core.rollout.hold import Hold, HoldKind


@frozen(kw_only=True)
class PresentEra:
    """The era of a Dag's timeline that holds the present."""

    build_id: int
    reason: str | None
    since: datetime
    until: datetime | None
    by: str


class Held(Protocol):
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


def why_held(
    dag: Held, rejection: Rejection | None, *, later: bool, era: PresentEra | None = None
) -> tuple[Hold, ...]:
    """All that holds the Dag, in the order of :class:`HoldKind`; the first is what is shown. Empty: not held.

    ``rejection`` is the one of its newest build, if that is rejected. ``later``: that build stands in a later
    version than new runs take. A Dag whose newest build is active in the newest version is not held: neither
    a pin alone nor a rejection of what runs holds anything back. ``era`` is the one over the present: it
    holds the Dag unless it names the newest build.
    """
    held_by_era = () if era is None or era.build_id == dag.newest_build_id else (_of_era(era),)
    if rejection is not None and not (waits(dag) or rejection.of_versions):
        rejection = None
    if not waits(dag) and rejection is None and not (later and dag.pinned):
        return held_by_era
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
    if rejection is not None:
        holds.append(
            Hold(
                kind=HoldKind.REJECTED,
                reason=rejection.reason,
                since=rejection.at,
                until=None,
                by=rejection.actor,
            )
        )
    return (*holds, *held_by_era)


def _of_era(era: PresentEra) -> Hold:
    return Hold(kind=HoldKind.ERA, reason=era.reason, since=era.since, until=era.until, by=era.by)


def waits(dag: Held) -> bool:
    """Whether there is a newest build that is not the active one."""
    ids = dag.active_build_id, dag.newest_build_id
    return None not in ids and ids[0] != ids[1]
