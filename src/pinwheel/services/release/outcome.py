"""One decision on one Dag, what became of it, and how both are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from attrs import frozen

from pinwheel.core.build import runtime_warnings
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Decision, Lift, Reject, Release, SetTrack
from pinwheel.core.release.state import DagState, Track
from pinwheel.services.ports.host import Host
from pinwheel.store import events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


ACTOR = "pinwheel"
"""Who did what nobody asked for."""


@frozen(kw_only=True)
class Act:
    """One decision on one Dag, with who asked for it and why. ``dag`` is its locked row."""

    dag: ManagedDag
    state: DagState
    decision: Decision
    verb: str
    actor: str
    reason: str | None = None
    told: bool = False
    """There is an event of it already, which counts how often it was done."""


@frozen(kw_only=True)
class Outcome:
    """What became of one Dag."""

    dag_id: str
    changed: bool
    message: str
    kind: str | None = None
    release: int | None = None
    build: int | None = None
    from_release: int | None = None
    from_build: int | None = None
    track: str = Track.AUTO.value
    rejected: int | None = None
    """The build that is never released by itself again."""
    lifted: bool = False
    """A rejection was taken back."""
    warnings: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    """Runs that were cleared to run again on the build rolled back to."""


def outcome_of(act: Act, number: int | None = None) -> Outcome:
    """Say what an act does, by the steps that :func:`carry_out` takes; without a number, what it would do."""
    state, track = act.state, act.state.track
    release: Release | None = None
    rejected: int | None = None
    lifted = False
    for step in act.decision.steps:
        match step:
            case SetTrack():
                track = step.track
            case Reject():
                rejected = step.build.build
            case Lift():
                lifted = True
            case Release():
                release = step
            case _:
                assert_never(step)
    build = release.build if release else state.active_build
    return Outcome(
        dag_id=state.dag_id,
        changed=act.decision.changes,
        message=act.decision.reason,
        kind=release.kind.value if release else None,
        release=number if release else state.active_release,
        build=build.build if build else None,
        from_release=state.active_release,
        from_build=state.active_build.build if state.active_build else None,
        track=track.value,
        rejected=rejected,
        lifted=lifted,
        warnings=runtime_warnings(state.active_build, release.build if release else None),
    )


def record(
    host: Host,
    session: Session,
    done: Sequence[tuple[Act, Outcome]],
    *,
    now: datetime,
    batch: str | None = None,
) -> None:
    rows = []
    for act, outcome in done:
        kind = outcome.kind or act.verb
        details: dict[str, Json] = {
            "verb": act.verb,
            "from_release": outcome.from_release,
            "from_build": outcome.from_build,
            "release": outcome.release,
            "build": outcome.build,
            "track": outcome.track,
            "message": outcome.message,
            "rejected": outcome.rejected,
            "lifted": outcome.lifted,
            "replaced": bool(act.decision.release and act.decision.release.replaces_active),
        }
        rows.append(
            {
                "at": now,
                "kind": kind,
                "dag_id": act.state.dag_id,
                "bundle_name": act.state.bundle_name,
                "actor": act.actor,
                "reason": act.reason,
                "details": details,
            }
        )
        host.rows.audit(
            session,
            event=f"pinwheel_{kind}",
            dag_id=act.state.dag_id,
            actor=act.actor,
            details={"reason": act.reason, **details},
        )
    events.add_all(session, rows, batch=batch)
