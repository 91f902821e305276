"""Why is this Dag held? The one answer, for whoever decides and for every place that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from pinwheel.core.release.judged_by import Judged
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.rollout.decide import holds, holds_without
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.hold import ORDER, Hold, HoldKind


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
    dag: Held,
    rejection: Rejection | None,
    *,
    later: bool,
    era: PresentEra | None = None,
    ruled: Sequence[Hold] = (),
) -> tuple[Hold, ...]:
    """All that holds the Dag, in the order of :class:`HoldKind`; the first is what is shown. Empty: not held.

    ``rejection`` is the one of its newest build, if that is rejected. ``later``: that build stands in a later
    version than new runs take. A Dag whose newest build is active in the newest version is not held: neither
    a pin alone nor a rejection of what runs holds anything back. ``era`` is the one over the present: it
    holds the Dag unless it names the newest build. ``ruled`` is what :func:`ruled_by` says; of a pin, a
    rejection and an era this knows more.
    """
    own = _own(dag, rejection, later=later, era=era)
    known = {hold.kind for hold in own}
    others = (hold for hold in ruled if hold.kind not in known)
    return tuple(sorted((*own, *others), key=lambda hold: ORDER[hold.kind]))


def ruled_by(
    facts: Facts, judged: Judged, now: datetime, *, later: bool, loosened: Hold | None = None
) -> tuple[Hold, ...]:
    """What its rollout, the rules and its policy hold of a Dag. ``later`` is as in :func:`why_held`.

    ``loosened`` is the policy that waits for the Dag's next release: it holds nothing by itself.
    """
    found = {hold.kind: hold for hold in holds_without(facts, now)}
    if facts.ahead is not None:
        found |= {hold.kind: hold for hold in holds(facts.ahead, facts, now)}
    elif later and not facts.waits:
        found |= {hold.kind: hold for hold in _stands(facts, judged)}
    waits_for_it = facts.waits or later or facts.ahead is not None
    return (*found.values(), *((loosened,) if loosened is not None and waits_for_it else ()))


def _stands(facts: Facts, judged: Judged) -> tuple[Hold, ...]:
    """Why new runs do not follow to the newest version of the build that is active; a pin says it itself."""
    if facts.pinned:
        return ()
    closed = tuple(each for each in facts.closed if each.kind in (HoldKind.FREEZE, HoldKind.WINDOW))
    plan, until = judged.choice.plan, None
    if not (plan.at_once or plan.follow):
        reason = "a step comes before its release: new runs take it with the next one, or when somebody asks"
    elif facts.watched is not None:
        reason = "new runs follow when the release is watched no more"
    elif closed:
        reason = f"new runs follow when it is open: {closed[0].said}"
        edges = [each.until for each in closed]
        until = None if None in edges else max(edge for edge in edges if edge is not None)
    else:
        return ()
    return (
        *closed,
        Hold(kind=HoldKind.BEHIND, reason=f"newer version of the same build; {reason}", until=until),
    )


def _own(dag: Held, rejection: Rejection | None, *, later: bool, era: PresentEra | None) -> tuple[Hold, ...]:
    """What somebody did to the Dag itself."""
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
