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
from pinwheel.services.ports.host import Host
from pinwheel.store import dags, events, rollouts, verdicts

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
    told: list[_Told] = []
    for each in moved:
        for move in _ends_first(each.moves):
            match move:
                case Begin(rollout=rollout):
                    stored = rollouts.add(session, rollout, next_at=now if rollout.live else None)
                    told.append(_event(each, stored, builds))
                case Save(rollout=rollout):
                    rollouts.save(session, rollout, next_at=now if rollout.live else None)
                    told.append(_event(each, rollout, builds))
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
    for row in told:
        host.rows.audit(
            session,
            event=f"pinwheel_{row.kind.value}",
            dag_id=row.moved.dag_id,
            actor=row.actor,
            details={"reason": row.reason, **row.details},
        )
    events.add_all(session, [row.as_event(now) for row in told], batch=batch)


@frozen(kw_only=True)
class _Told:
    """What is told of one move."""

    kind: EventKind
    moved: Moved
    actor: str
    reason: str | None
    details: Mapping[str, Json]

    def as_event(self, now: datetime) -> dict[str, object]:
        return {
            "at": now,
            "kind": self.kind,
            "dag_id": self.moved.dag_id,
            "bundle_name": self.moved.bundle_name,
            "actor": self.actor,
            "reason": self.reason,
            "details": dict(self.details),
        }


def _ends_first(moves: Iterable[Move]) -> list[Move]:
    """A Dag has one rollout ahead: the one that gives way frees its place for the next."""
    return sorted(moves, key=lambda move: not (isinstance(move, Save) and not move.rollout.live))


def _event(moved: Moved, rollout: Rollout, builds: Mapping[int, Build]) -> _Told:
    step, name = rollouts.kind_of(rollout.at)
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
    return _Told(kind=EventKind.ROLLOUT, moved=moved, actor=moved.actor, reason=moved.reason, details=details)


def _said(moved: Moved, verdict: Verdict) -> _Told:
    details: dict[str, Json] = {
        "rollout": verdict.rollout,
        "name": verdict.name,
        "verdict": verdict.answer.value,
        "step": verdict.step,
        "attempt": verdict.attempt,
    }
    return _Told(
        kind=EventKind.VERDICT, moved=moved, actor=verdict.actor, reason=verdict.reason, details=details
    )
