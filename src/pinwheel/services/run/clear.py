"""Runs that run again: on the build that they had, or on a chosen one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve

from pinwheel.core.errors import Refused
from pinwheel.core.event import EventKind
from pinwheel.core.request import ClearRequest
from pinwheel.core.run.binding import BoundBy, Tries
from pinwheel.core.structure.layout import layout
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release.own_row import Target, version_for
from pinwheel.services.run.bound import CLEARED, Cleared, record
from pinwheel.services.run.bound_again import as_before
from pinwheel.services.run.by_date import Variant, Waits, bind, is_dated, variant_of
from pinwheel.services.run.known import known_dag
from pinwheel.services.run.target import target_of
from pinwheel.store import bindings, builds, releases
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def clear(
    host: Host, request: ClearRequest, *, actor: str, sees: once.Sees = once.all_of_them
) -> list[Cleared]:
    """Clear runs so that they run again: on the build they were bound to, or on the given one.

    All of them in one transaction; a plan is undone at the end. A repeat (see :mod:`pinwheel.services.once`)
    clears nothing and gives what the first one gave.

    :raises Conflict: the request id stands for another request.
    """
    with known_dag(host, request.dag_id):
        if request.plan:
            unnamed = evolve(request, request_id=None)
            return host.rehearse(lambda rehearsal: _clear(rehearsal, unnamed, actor, sees))
        return _clear(host, request, actor, sees)


def _clear(host: Host, request: ClearRequest, actor: str, sees: once.Sees) -> list[Cleared]:
    dag_id = request.dag_id

    def work(session: Session) -> list[Cleared]:
        lock_dags(session, [dag_id])
        named = request.build is not None or request.bundle_version is not None
        # Without dates to judge by that is the active build.
        named = named or (request.by_date and not is_dated(session, dag_id))
        target = (
            target_of(
                host, session, dag_id, request.build, verb="clear", bundle_version=request.bundle_version
            )
            if named
            else None
        )
        return clear_each(
            host,
            session,
            dag_id,
            list(dict.fromkeys(request.run_ids)),
            target,
            only_failed=request.only_failed,
            task_ids=request.task_ids,
            actor=actor,
            reason=request.reason,
            by_date=request.by_date,
        )

    done = once.carry_out(host, _request(request, actor, sees), CLEARED, work)
    if not done.repeated:
        host.unit.announce([{"kind": "clear", "dag_id": dag_id}])
    return done.answer


def _request(asked: ClearRequest, actor: str, sees: once.Sees) -> once.Request:
    return once.Request(
        id=asked.request_id,
        actor=actor,
        verb=EventKind.CLEAR.value,
        dag_ids=(asked.dag_id,),
        values={
            "run_ids": sorted(set(asked.run_ids)),
            "build": asked.build,
            "only_failed": asked.only_failed,
            "task_ids": sorted(set(asked.task_ids)) if asked.task_ids is not None else None,
            "reason": asked.reason,
            **({} if asked.bundle_version is None else {"bundle_version": asked.bundle_version}),
            **({"by_date": True} if asked.by_date else {}),
        },
        sees=sees,
    )


def clear_each(
    host: Host,
    session: Session,
    dag_id: str,
    run_ids: Sequence[str],
    target: Target | None,
    *,
    only_failed: bool,
    task_ids: Collection[str] | None,
    actor: str,
    reason: str | None,
    by_date: bool = False,
) -> list[Cleared]:
    """Clear runs in the caller's transaction, in this order; the caller holds the Dag's lock.

    Where no task of a run fits, nothing is written: the run is not bound to *target* either.
    """
    fitting: Collection[str] | None = None
    if target is not None and run_ids and (only_failed or task_ids is not None):
        fitting = layout(builds.serialized(session, [target.build.id])[target.build.id]).task_ids
    return [
        _clear_one(
            host,
            session,
            dag_id,
            run_id,
            target,
            fitting,
            only_failed=only_failed,
            task_ids=task_ids,
            actor=actor,
            reason=reason,
            by_date=by_date,
        )
        for run_id in run_ids
    ]


def _clear_one(
    host: Host,
    session: Session,
    dag_id: str,
    run_id: str,
    target: Target | None,
    fitting: Collection[str] | None,
    *,
    only_failed: bool,
    task_ids: Collection[str] | None,
    actor: str,
    reason: str | None,
    by_date: bool,
) -> Cleared:
    """*fitting* are the tasks of the target, where only some of the run's tasks are to run again.

    With *by_date* nobody chose the target.
    """
    version_id: UUID | None = None
    variant: Variant | None = None
    release, bundle_version = None, None
    if target is not None:
        if fitting is not None and not host.runs.would_clear(
            session, dag_id, run_id, of=fitting, only_failed=only_failed, task_ids=task_ids
        ):
            return _untouched(host, session, dag_id, run_id)
        version_id, release, bundle_version = version_for(host, session, target)
        variant = variant_of(host, session, dag_id, run_id, target.build)
        if variant is not None:
            version_id = variant.dag_version_id
    elif by_date:
        _require_ended(host, session, dag_id, run_id)
    cleared, seq, bound_id, bound_version = host.runs.clear_run(
        session,
        dag_id,
        run_id,
        dag_version_id=version_id,
        bundle_version=bundle_version,
        only_failed=only_failed,
        task_ids=task_ids,
    )
    if target is None and not cleared:
        return _untouched(host, session, dag_id, run_id)
    if by_date and target is None:
        return _bound_by_date(host, session, dag_id, run_id, cleared=cleared, actor=actor, reason=reason)
    known = releases.by_dag_version(session, [bound_id]) if bound_id else {}
    row = known.get(bound_id) if bound_id else None
    present = host.reads.present(session, dag_id, [run_id]).get(run_id, ())
    before = bindings.of_runs(session, dag_id, [run_id]).get(run_id, ())
    new = NewBinding(
        dag_id=dag_id,
        run_id=run_id,
        seq=seq,
        dag_version_id=bound_id,
        bundle_version=bundle_version or bound_version,
        bound_by=BoundBy.of_choice(chosen=not by_date, release=release) if target else BoundBy.ACTIVE,
        actor=actor,
        bound_at=host.unit.now(),
        tries=Tries.of(present),
        date=variant.date if variant is not None else None,
        date_by=variant.date_by if variant is not None else None,
        segment=variant.segment if variant is not None else None,
    )
    bindings.add(
        session,
        new if target is not None else as_before(new, before),
        release=row.release if row else None,
        build_id=row.build_id if row else None,
    )
    bound = Cleared(
        dag_id=dag_id,
        run_id=run_id,
        build=target.build.build if target else (row.build if row else 0),
        release=release if target else (row.release if row else None),
        bundle_version=bundle_version or bound_version,
        cleared=cleared,
    )
    record(
        host,
        session,
        EventKind.CLEAR,
        bound,
        actor=actor,
        reason=reason,
        cleared=cleared,
    )
    return bound


def _require_ended(host: Host, session: Session, dag_id: str, run_id: str) -> None:
    run = host.reads.some_runs(session, dag_id, [run_id]).get(run_id)
    if run is not None and run.state == "running":
        raise Refused(
            f"Cannot bind run {run_id} of {dag_id} to another build",
            found="it is running",
            remedy="Wait until it ends, or mark it failed, then clear it",
        )


def _bound_by_date(
    host: Host,
    session: Session,
    dag_id: str,
    run_id: str,
    *,
    cleared: int,
    actor: str,
    reason: str | None,
) -> Cleared:
    """A cleared run, bound by its date, whatever it was bound to before.

    :raises Refused: it can not be bound to that now; nothing is cleared.
    """
    found = bind(host, session, dag_id, run_id, actor=actor, anew=True)
    if isinstance(found, Waits):
        raise Refused(
            f"Cannot clear run {run_id} of {dag_id} on the build of its date",
            found=found.why,
            remedy="Repeat it in a few seconds, or name a build",
        )
    bound = Cleared(
        dag_id=dag_id,
        run_id=run_id,
        build=found.build,
        release=found.release,
        bundle_version=found.bundle_version,
        cleared=cleared,
    )
    record(host, session, EventKind.CLEAR, bound, actor=actor, reason=reason, cleared=cleared)
    return bound


def _untouched(host: Host, session: Session, dag_id: str, run_id: str) -> Cleared:
    """A run in which there is nothing to clear, and what it is bound to."""
    run = host.reads.some_runs(session, dag_id, [run_id])[run_id]
    version_id = run.dag_version_id
    known = releases.by_dag_version(session, [version_id]) if version_id else {}
    row = known.get(version_id) if version_id else None
    return Cleared(
        dag_id=dag_id,
        run_id=run_id,
        build=row.build if row else 0,
        release=row.release if row else None,
        bundle_version=run.bundle_version,
        cleared=0,
        changed=False,
    )
