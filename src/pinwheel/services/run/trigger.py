"""Runs on a chosen build: trying a held build, re-running failures on another one."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Self

from attrs import asdict, evolve, frozen

from pinwheel.core import command_line
from pinwheel.core.event import EventKind
from pinwheel.core.request import TriggerRequest
from pinwheel.core.run.binding import BoundBy
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.run.bound import BOUND, Bound, record
from pinwheel.services.run.known import known_dag
from pinwheel.services.run.target import target_of, version_for
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.store import bindings
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def trigger(host: Host, request: TriggerRequest, *, actor: str, sees: once.Sees = once.all_of_them) -> Bound:
    """Start one run on a build, released or not; the active release stays what it is.

    Without a build: on the active one. Any number of runs may be on any number of builds at once. A repeat
    (see :mod:`pinwheel.services.once`) starts nothing and gives what the first one gave. A plan is undone at
    the end.

    :raises Conflict: the run id is taken, or the request id stands for another request.
    """
    with known_dag(host, request.dag_id):
        if request.plan:
            unnamed = evolve(request, request_id=None)
            return host.rehearse(lambda rehearsal: _trigger(rehearsal, unnamed, actor, sees))
        return _trigger(host, request, actor, sees)


def _trigger(host: Host, request: TriggerRequest, actor: str, sees: once.Sees) -> Bound:
    dag_id = request.dag_id

    def work(session: Session) -> Bound:
        lock_dags(session, [dag_id])
        target = target_of(
            host, session, dag_id, request.build, verb="trigger", bundle_version=request.bundle_version
        )
        version_id, release, version = version_for(host, session, target)
        new_id, seq = host.runs.create_run(
            session,
            dag_id,
            version_id,
            bundle_version=version,
            run_id=request.run_id,
            logical_date=request.logical_date,
            conf=request.conf,
            note=request.note,
            actor=actor,
        )
        chosen = (request.build or request.bundle_version) is not None
        bindings.add(
            session,
            NewBinding(
                dag_id=dag_id,
                run_id=new_id,
                seq=seq,
                dag_version_id=version_id,
                bundle_version=version,
                bound_by=BoundBy.of_choice(chosen=chosen, release=release),
                actor=actor,
                bound_at=host.unit.now(),
            ),
            release=release,
            build_id=target.build.id,
        )
        bound = Bound(
            dag_id=dag_id, run_id=new_id, build=target.build.build, release=release, bundle_version=version
        )
        record(host, session, EventKind.TRIGGER, bound, actor=actor, reason=request.reason)
        return bound

    done = once.carry_out(host, _request(request, actor, sees), BOUND, work)
    if not done.repeated:
        host.unit.announce([{"kind": "trigger", "dag_id": dag_id}])
    return done.answer


@frozen(kw_only=True)
class TriggerView:
    """A started run as CLI and API show it."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None
    plan: Sometimes[bool] = ABSENT
    """True: it was not started."""
    command: Sometimes[str] = ABSENT
    """Of a plan: the command line that does it."""

    @classmethod
    def of(cls, request: TriggerRequest, bound: Bound) -> Self:
        shown = cls(**asdict(bound))
        return evolve(shown, plan=True, command=command_line.trigger(request)) if request.plan else shown


def _request(asked: TriggerRequest, actor: str, sees: once.Sees) -> once.Request:
    return once.Request(
        id=asked.request_id,
        actor=actor,
        verb=EventKind.TRIGGER.value,
        dag_ids=(asked.dag_id,),
        values={
            "build": asked.build,
            "run_id": asked.run_id,
            "logical_date": asked.logical_date.astimezone(UTC).isoformat() if asked.logical_date else None,
            "conf": asked.conf,
            "note": asked.note,
            "reason": asked.reason,
            **({} if asked.bundle_version is None else {"bundle_version": asked.bundle_version}),
        },
        sees=sees,
    )
