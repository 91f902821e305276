"""One decision on one Dag, what became of it, and how both are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from attrs import asdict, evolve, frozen

from pinwheel.core.build import runtime_warnings
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.carried import Move
from pinwheel.core.release.decide import Decision, Lift, Reject, Release, SetTrack
from pinwheel.core.release.state import DagState, Track
from pinwheel.services import once
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host

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
    moves: tuple[Move, ...] = ()
    """What its rollouts do with it."""
    then_next: bool = False
    """After that the Dag's newest place is looked at as if it had just arrived."""
    overrides: tuple[str, ...] = ()
    """Rules past which it is released."""
    not_before: datetime | None = None
    """It is asked for at this instant."""

    @property
    def changes(self) -> bool:
        return self.decision.changes or bool(self.moves)


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
    version: str | None = None
    """The bundle version that new runs take after a way back to a version, or one that was named."""
    rejected: int | None = None
    """The build that is never released by itself again."""
    rejected_after: str | None = None
    """Of a rejection of some versions only: the one before the first of them; None: it is of one."""
    rejected_until: str | None = None
    """And the last of them."""
    lifted: bool = False
    """A rejection was taken back."""
    warnings: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    """Runs that were cleared to run again on the build rolled back to."""
    rerun_tasks: int = 0
    """So many of their task instances."""
    rerun_mixed: int = 0
    """In so many of these runs tasks stay as they ran on what was rolled back: versions mix."""
    failed_runs: tuple[str, ...] = ()
    """Of a plan: the failed runs of what is rolled back, which can run again."""
    not_before: datetime | None = None
    """Of what is released later: the instant that was asked for."""


def outcome_of(act: Act, number: int | None = None) -> Outcome:
    """Say what an act does, by the steps that :func:`carry_out` takes; without a number, what it would do."""
    state, track = act.state, act.state.track
    release: Release | None = None
    rejected: Reject | None = None
    lifted = False
    for step in act.decision.steps:
        match step:
            case SetTrack():
                track = step.track
            case Reject():
                rejected = step
            case Lift():
                lifted = True
            case Release():
                release = step
            case _:
                assert_never(step)
    build = release.build if release else state.active_build
    return Outcome(
        dag_id=state.dag_id,
        changed=act.changes,
        message=act.decision.reason,
        kind=release.kind.value if release else None,
        release=number if release else state.active_release,
        build=build.build if build else None,
        from_release=state.active_release,
        from_build=state.active_build.build if state.active_build else None,
        track=track.value,
        version=release.version if release else None,
        rejected=rejected.build.build if rejected else None,
        rejected_after=rejected.after if rejected else None,
        rejected_until=rejected.until if rejected else None,
        lifted=lifted,
        warnings=runtime_warnings(state.active_build, release.build if release else None),
        not_before=act.not_before,
    )


def record(
    host: Host,
    session: Session,
    done: Sequence[tuple[Act, Outcome]],
    *,
    now: datetime,
    batch: str | None = None,
) -> None:
    told = []
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
            **({"overrides": list(act.overrides)} if act.overrides else {}),
        }
        told.append(
            Told(
                kind=kind,
                actor=act.actor,
                dag_id=act.state.dag_id,
                bundle_name=act.state.bundle_name,
                reason=act.reason,
                details=details,
            )
        )
    tell(host, session, told, now=now, batch=batch)


def _outcomes_1(kept: Json) -> list[Outcome]:
    return [_outcome_1(one) for one in JsonObject.all_of(kept)]


def _outcomes_2(kept: Json) -> list[Outcome]:
    return [_outcome_2(one) for one in JsonObject.all_of(kept)]


def _outcomes_3(kept: Json) -> list[Outcome]:
    return [_outcome_3(one) for one in JsonObject.all_of(kept)]


def _outcomes_4(kept: Json) -> list[Outcome]:
    return [_outcome_4(one) for one in JsonObject.all_of(kept)]


def _outcome_1(one: JsonObject) -> Outcome:
    return Outcome(
        dag_id=one.text("dag_id"),
        changed=one.flag("changed"),
        message=one.text("message"),
        kind=one.text_or_none("kind"),
        release=one.number_or_none("release"),
        build=one.number_or_none("build"),
        from_release=one.number_or_none("from_release"),
        from_build=one.number_or_none("from_build"),
        track=one.text("track"),
        warnings=one.texts("warnings"),
        rerun=one.texts("rerun"),
    )


def _outcome_2(one: JsonObject) -> Outcome:
    return evolve(_outcome_1(one), rejected=one.number_or_none("rejected"), lifted=one.flag("lifted"))


def _outcome_3(one: JsonObject) -> Outcome:
    return evolve(
        _outcome_2(one),
        version=one.text_or_none("version"),
        rejected_after=one.text_or_none("rejected_after"),
        rejected_until=one.text_or_none("rejected_until"),
        rerun_tasks=one.number("rerun_tasks"),
        rerun_mixed=one.number("rerun_mixed"),
    )


def _outcome_4(one: JsonObject) -> Outcome:
    at = one.text_or_none("not_before")
    return evolve(_outcome_3(one), not_before=None if at is None else datetime.fromisoformat(at))


def _kept(outcome: Outcome) -> Json:
    at = outcome.not_before
    return {**asdict(outcome), "not_before": None if at is None else at.isoformat()}


OUTCOMES: once.Form[list[Outcome]] = once.Form(
    version=4,
    write=lambda outcomes: [_kept(outcome) for outcome in outcomes],
    readers={1: _outcomes_1, 2: _outcomes_2, 3: _outcomes_3, 4: _outcomes_4},
)
