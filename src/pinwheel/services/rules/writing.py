"""Writing down what rollouts do: their rows, what was said, and the events of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.release.carried import Move
from pinwheel.core.rollout.effects import Begin, Prove, Record, Save
from pinwheel.core.rollout.gate import Verdict
from pinwheel.core.rollout.state import Rollout
from pinwheel.core.rollout.steps import kind_of
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.store import dags, rollouts, verdicts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Moved:
    """What the rollouts of one Dag do, and who did it."""

    dag_id: str
    bundle_name: str
    moves: tuple[Move, ...]
    actor: str
    reason: str | None


def write(
    host: Host,
    session: Session,
    moved: Sequence[Moved],
    builds: Mapping[int, Build],
    *,
    now: datetime,
    batch: str | None = None,
) -> None:
    """Write what has moved. What lives is looked at by the next turn of the keeper."""
    told: list[Told] = []
    free: set[str] = set()
    for each in moved:
        for move in _ends_first(each.moves):
            match move:
                case Begin(rollout=rollout):
                    stored = rollouts.add(session, rollout, next_at=now if rollout.live else None)
                    told.append(_event(each, stored, builds))
                case Save(rollout=rollout):
                    rollouts.save(session, rollout, next_at=now if rollout.live else None)
                    told.append(_event(each, rollout, builds))
                    if not rollout.live:
                        free.add(each.dag_id)
                case Record(verdict=verdict):
                    verdicts.add(session, verdict, dag_id=each.dag_id)
                    told.append(_said(each, verdict))
                    rollouts.wake(session, now, [each.dag_id])
                case Prove(place=place):
                    dags.change(
                        session,
                        each.dag_id,
                        proven_build_id=place.build_id,
                        proven_version=place.version,
                    )
                case _:
                    assert_never(move)
    if free:
        # What waited for one that has ended.
        rollouts.wake(session, now, free)
    tell(host, session, told, now=now, batch=batch)


def _ends_first(moves: Iterable[Move]) -> list[Move]:
    """A Dag has one rollout ahead: the one that gives way frees its place for the next."""
    return sorted(moves, key=lambda move: not (isinstance(move, Save) and not move.rollout.live))


def _event(moved: Moved, rollout: Rollout, builds: Mapping[int, Build]) -> Told:
    step, name = kind_of(rollout.at)
    build = builds.get(rollout.place.build_id)
    details: dict[str, Json] = {
        "rollout": rollout.id,
        "state": rollout.state.value,
        "step": step if name is None else f"{step} {name}",
        "build": build.build if build is not None else None,
        "bundle_version": rollout.place.version,
        "policy": rollout.policy,
        "revision": rollout.revision,
        "cause": rollout.cause.value if rollout.cause is not None else None,
        "said": rollout.why,
        "not_before": rollout.not_before.isoformat() if rollout.not_before is not None else None,
    }
    return Told(
        kind=EventKind.ROLLOUT,
        actor=moved.actor,
        dag_id=moved.dag_id,
        bundle_name=moved.bundle_name,
        reason=moved.reason,
        details=details,
    )


def _said(moved: Moved, verdict: Verdict) -> Told:
    details: dict[str, Json] = {
        "rollout": verdict.rollout,
        "name": verdict.name,
        "verdict": verdict.answer.value,
        "step": verdict.step,
        "attempt": verdict.attempt,
    }
    return Told(
        kind=EventKind.VERDICT,
        actor=verdict.actor,
        dag_id=moved.dag_id,
        bundle_name=moved.bundle_name,
        reason=verdict.reason,
        details=details,
    )
