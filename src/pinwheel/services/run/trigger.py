"""Runs on a chosen build: trying a held build, re-running failures on another one."""

from __future__ import annotations

from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Self

from attrs import asdict, evolve, frozen

from pinwheel.core import command_line
from pinwheel.core.event import EventKind
from pinwheel.core.release.follow import plain
from pinwheel.core.request import TriggerRequest
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.mark import marked
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release.own_row import Target, version_for
from pinwheel.services.run import by_date as by_date_of
from pinwheel.services.run.bound import BOUND, Bound, record
from pinwheel.services.run.by_date import is_dated
from pinwheel.services.run.known import known_dag
from pinwheel.services.run.target import target_of
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
        chosen = (request.build or request.bundle_version) is not None
        by_date = not chosen and version is not None and is_dated(session, dag_id)
        new_id, seq = host.runs.create_run(
            session,
            dag_id,
            version_id,
            bundle_version=marked(plain(version)) if by_date and version is not None else version,
            run_id=request.run_id,
            logical_date=request.logical_date,
            conf=request.conf,
            note=request.note,
            actor=actor,
            of_its_dates=partial(by_date_of.version_at, host, session, dag_id) if by_date else None,
        )
        if by_date:
            bound = _bound_by_date(host, session, dag_id, new_id, target, actor)
        else:
            bound = _bound_to(
                host,
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
                target,
                release,
            )
        record(host, session, EventKind.TRIGGER, bound, actor=actor, reason=request.reason)
        return bound

    done = once.carry_out(host, _request(request, actor, sees), BOUND, work)
    if not done.repeated:
        host.unit.announce([{"kind": "trigger", "dag_id": dag_id}])
    return done.answer


def _bound_by_date(
    host: Host, session: Session, dag_id: str, run_id: str, target: Target, actor: str
) -> Bound:
    """A new run that carries the mark, bound by its date; one that must wait is in no bundle version yet."""
    found = by_date_of.bind(host, session, dag_id, run_id, actor=actor)
    return Bound(
        dag_id=dag_id,
        run_id=run_id,
        build=found.build if found.build is not None else target.build.build,
        release=None if isinstance(found, by_date_of.Waits) else found.release,
        bundle_version=None if isinstance(found, by_date_of.Waits) else found.bundle_version,
    )


def _bound_to(host: Host, session: Session, new: NewBinding, target: Target, release: int | None) -> Bound:
    """A new run on a build, without the tasks that have no place at its date."""
    variant = by_date_of.variant_of(host, session, new.dag_id, new.run_id, target.build)
    if variant is not None and new.bundle_version is not None:
        host.runs.rebind_run(
            session,
            new.dag_id,
            new.run_id,
            dag_version_id=variant.dag_version_id,
            bundle_version=new.bundle_version,
        )
        new = evolve(new, **asdict(variant))
    bindings.add(session, new, release=release, build_id=target.build.id)
    return Bound(
        dag_id=new.dag_id,
        run_id=new.run_id,
        build=target.build.build,
        release=release,
        bundle_version=new.bundle_version,
    )


@frozen(kw_only=True)
class TriggerView:
    """A started run as CLI and API show it."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None
    """None: it waits to be bound to the build."""
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
            **({"by_date": True} if asked.by_date else {}),
        },
        sees=sees,
    )
