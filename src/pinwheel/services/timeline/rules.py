"""What rules say to an era that is for data from now on: new runs use its place, and no release is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core.errors import Conflict
from pinwheel.core.release.follow import taken
from pinwheel.core.request import TimelineRequest
from pinwheel.core.rollout.refusals import what_is_closed
from pinwheel.core.rollout.state import Place
from pinwheel.core.run.timeline import Era
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import load
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Asked, OfRuns
from pinwheel.services.rules.overriding import Who, overridden
from pinwheel.services.timeline.known import Known

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def ask(
    host: Host,
    session: Session,
    request: TimelineRequest,
    dag: Known,
    changes: Sequence[tuple[Era | None, Era | None]],
    who: Who,
) -> tuple[str, ...]:
    """Ask windows, freezes and required gates of the places that new runs would use now or later; the rules
    past which they are set.

    Data of the past alone asks nothing, nor does what gives dates back to the active release.

    :raises Conflict: a rule is closed, and it is not asked to go past.
    :raises Refused: the actor may not.
    """
    now = host.unit.now()
    places = _from_now_on(dag, changes, now)
    if not places:
        return ()
    rows = {dag.dag_id: dag.row}
    known = facts.know(session, rows)
    if known.standing.nothing:
        return ()
    loaded = load(host, session, rows, others=(*known.build_ids, *(each.build_id for each in places)))
    past: list[str] = []
    for place in places:
        asked = {dag.dag_id: Asked(place=place, by=who.actor, alone=True)}
        found = facts.find(host, session, known, loaded, now=now, asked=asked, runs=OfRuns.NONE)[dag.dag_id]
        if not found.facts.closed:
            continue
        if not request.now:
            raise Conflict(
                request.failed,
                found=what_is_closed(found.facts.closed),
                remedy=f"Wait until it is open (pinwheel windows {dag.dag_id}), or go past it: --now, with a "
                "reason",
                problem="rule-closed",
                dag_id=dag.dag_id,
            )
        past += overridden(known, found, who, now, failed=f"{request.failed} now")
    return tuple(dict.fromkeys(past))


def _from_now_on(dag: Known, changes: Sequence[tuple[Era | None, Era | None]], now: datetime) -> list[Place]:
    """The places of eras that new runs did not use in these dates before."""
    version = taken(dag.row.follow_version, dag.row.released_version)
    active = (dag.row.active_build_id, version)
    found: dict[Place, None] = {}
    for was, will in changes:
        if will is None or (will.ends_at is not None and will.ends_at <= now):
            continue
        if _place(will) != (active if was is None else _place(was)):
            found[Place(build_id=will.build_id, version=will.bundle_version)] = None
    return list(found)


def _place(era: Era) -> tuple[int, str]:
    return era.build_id, era.bundle_version
