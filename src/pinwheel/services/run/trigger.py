"""Runs on a chosen build: trying a held build, re-running failures on another one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.run.binding import BoundBy
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.run.bound import BOUND, Bound, record
from pinwheel.services.run.target import target_of, version_for
from pinwheel.store import bindings
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def trigger(
    host: Host,
    dag_id: str,
    *,
    actor: str,
    build: int | None = None,
    bundle_version: str | None = None,
    run_id: str | None = None,
    logical_date: datetime | None = None,
    conf: dict[str, Json] | None = None,
    note: str | None = None,
    reason: str | None = None,
    request_id: str | None = None,
    sees: once.Sees = once.all_of_them,
    plan: bool = False,
) -> Bound:
    """Start one run on a build, released or not; the active release stays what it is.

    Without a build: on the active one. Any number of runs may be on any number of builds at once.
    ``request_id`` makes a repeat harmless (see :mod:`pinwheel.services.once`): it starts nothing and gives
    what the first one gave. With ``plan`` it is undone at the end.

    :raises Conflict: the run id is taken, or ``request_id`` stands for another request.
    """
    if plan:
        return host.rehearse(
            lambda rehearsal: trigger(
                rehearsal,
                dag_id,
                actor=actor,
                build=build,
                bundle_version=bundle_version,
                run_id=run_id,
                logical_date=logical_date,
                conf=conf,
                note=note,
                reason=reason,
            )
        )

    def work(session: Session) -> Bound:
        lock_dags(session, [dag_id])
        target = target_of(host, session, dag_id, build, verb="trigger", bundle_version=bundle_version)
        version_id, release, version = version_for(host, session, target)
        new_id, seq = host.runs.create_run(
            session,
            dag_id,
            version_id,
            bundle_version=version,
            run_id=run_id,
            logical_date=logical_date,
            conf=conf,
            note=note,
            actor=actor,
        )
        bindings.add(
            session,
            NewBinding(
                dag_id=dag_id,
                run_id=new_id,
                seq=seq,
                dag_version_id=version_id,
                bundle_version=version,
                bound_by=BoundBy.of_choice(chosen=(build or bundle_version) is not None, release=release),
                actor=actor,
                bound_at=host.unit.now(),
            ),
            release=release,
            build_id=target.build.id,
        )
        bound = Bound(
            dag_id=dag_id, run_id=new_id, build=target.build.build, release=release, bundle_version=version
        )
        record(host, session, EventKind.TRIGGER, bound, actor=actor, reason=reason)
        return bound

    request = once.Request(
        id=request_id,
        actor=actor,
        verb=EventKind.TRIGGER.value,
        dag_ids=(dag_id,),
        values={
            "build": build,
            "run_id": run_id,
            "logical_date": logical_date.astimezone(UTC).isoformat() if logical_date else None,
            "conf": conf,
            "note": note,
            "reason": reason,
            **({} if bundle_version is None else {"bundle_version": bundle_version}),
        },
        sees=sees,
    )
    done = once.carry_out(host, request, BOUND, work)
    if not done.repeated:
        host.unit.announce([{"kind": "trigger", "dag_id": dag_id}])
    return done.answer
