"""Backfills: all runs on a chosen build, or as Airflow makes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from attrs import evolve, frozen

from pinwheel.core.event import EventKind
from pinwheel.core.run.binding import BoundBy
from pinwheel.services.ports import BackfillRun, BackfillWish, Host
from pinwheel.services.trigger import target_of, version_for
from pinwheel.services.views import View, instant
from pinwheel.store import bindings, events, releases
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags


@frozen(kw_only=True)
class Backfilled:
    """A backfill, and the build that its new runs are bound to.

    ``build`` is None where Pinwheel does not know the Dag, ``release`` for a build that was never released,
    ``backfill`` (Airflow's id) in a plan. ``runs`` are in the order in which they run.
    """

    dag_id: str
    backfill: int | None
    build: int | None
    release: int | None
    bundle_version: str | None
    plan: bool
    runs: tuple[BackfillRun, ...]


def backfill(
    host: Host,
    dag_id: str,
    wish: BackfillWish,
    *,
    actor: str,
    build: int | None = None,
    reason: str | None = None,
    plan: bool = False,
) -> Backfilled:
    """Run a Dag for all dates of a range, on a build, released or not; the active release stays what it is.

    With a build: by its timetable, in one transaction, and dates that are run again are bound to it too.
    Without: Airflow's own backfill, which uses the active build (and for runs that exist what
    ``rerun_with_latest_version`` says). With ``plan`` nothing is changed.

    :raises Conflict: another backfill of the Dag is active.
    """
    if build is None:
        return _plan_default(host, dag_id, wish) if plan else _default(host, dag_id, wish, actor, reason)
    if plan:
        rehearsed = host.rehearse(lambda rehearsal: _bound(rehearsal, dag_id, build, wish, actor, reason))
        return evolve(rehearsed, backfill=None, plan=True)
    return _bound(host, dag_id, build, wish, actor, reason)


def view(made: Backfilled) -> View:
    """A backfill as CLI and API show it, with the number of dates of each outcome."""
    return {
        "dag_id": made.dag_id,
        "backfill": made.backfill,
        "build": made.build,
        "release": made.release,
        "bundle_version": made.bundle_version,
        "plan": made.plan,
        **_counts(made.runs),
        "runs": [
            {
                "run_id": run.run_id,
                "logical_date": instant(run.logical_date),
                "partition_key": run.partition_key,
                "outcome": run.outcome,
            }
            for run in made.runs
        ],
    }


def _bound(
    host: Host, dag_id: str, build: int, wish: BackfillWish, actor: str, reason: str | None
) -> Backfilled:
    request_id, attempt = uuid4().hex, list[Backfilled]()

    def work(session: Any) -> Backfilled:
        lock_dags(session, [dag_id])
        if attempt and events.answered(session, request_id, [dag_id]):
            # The reply to a commit was lost: the backfill is there.
            return attempt[0]
        target = target_of(host, session, dag_id, build, verb="backfill")
        version_id, release, bundle_version = version_for(host, session, target)
        created = host.create_backfill(
            session, dag_id, version_id, wish, bundle_version=bundle_version, actor=actor
        )
        made = Backfilled(
            dag_id=dag_id,
            backfill=created.id,
            build=target.build,
            release=release,
            bundle_version=bundle_version,
            plan=False,
            runs=created.runs,
        )
        _record(
            host,
            session,
            made,
            wish,
            actor=actor,
            bound_by=BoundBy.of_choice(chosen=True, release=release),
            reason=reason,
            request_id=request_id,
        )
        attempt[:] = [made]
        return made

    made = host.run(work)
    host.announce([{"kind": "backfill", "dag_id": dag_id}])
    return made


def _default(host: Host, dag_id: str, wish: BackfillWish, actor: str, reason: str | None) -> Backfilled:
    created = host.create_default_backfill(dag_id, wish, actor=actor)
    request_id = uuid4().hex

    def work(session: Any) -> Backfilled:
        lock_dags(session, [dag_id])
        made = _default_made(host, session, dag_id, created, host.backfill_runs(session, created))
        if not events.answered(session, request_id, [dag_id]):
            _record(
                host,
                session,
                made,
                wish,
                actor=actor,
                bound_by=BoundBy.ACTIVE,
                reason=reason,
                request_id=request_id,
            )
        return made

    made = host.run(work)
    host.announce([{"kind": "backfill", "dag_id": dag_id}])
    return made


def _plan_default(host: Host, dag_id: str, wish: BackfillWish) -> Backfilled:
    def work(session: Any) -> Backfilled:
        runs = host.plan_default_backfill(session, dag_id, wish)
        return evolve(_default_made(host, session, dag_id, None, runs), plan=True)

    return host.run(work)


def _default_made(
    host: Host, session: Any, dag_id: str, backfill_id: int | None, runs: Sequence[BackfillRun]
) -> Backfilled:
    (dag,) = host.airflow_dags(session, [dag_id])
    newest: UUID | None = dag.dag_version_id
    row = releases.by_dag_version(session, [newest]).get(newest) if newest is not None else None
    return Backfilled(
        dag_id=dag_id,
        backfill=backfill_id,
        build=row.build if row is not None else None,
        release=row.release if row is not None else None,
        bundle_version=dag.dag_version_bundle_version,
        plan=False,
        runs=tuple(runs),
    )


def _record(
    host: Host,
    session: Any,
    made: Backfilled,
    wish: BackfillWish,
    *,
    actor: str,
    bound_by: BoundBy,
    reason: str | None,
    request_id: str,
) -> None:
    now = host.now()
    new = [
        NewBinding(
            dag_id=made.dag_id,
            run_id=run.run_id,
            seq=run.seq,
            dag_version_id=run.dag_version_id,
            bundle_version=run.bundle_version,
            bound_by=bound_by,
            actor=actor,
            bound_at=now,
        )
        for run in made.runs
        if run.run_id is not None and run.outcome in _RUN
    ]
    bindings.add_all(session, new)
    details: dict[str, Any] = {
        "backfill": made.backfill,
        "build": made.build,
        "release": made.release,
        "bundle_version": made.bundle_version,
        "from_date": instant(wish.from_date),
        "to_date": instant(wish.to_date),
        "max_active_runs": wish.max_active_runs,
        "run_backwards": wish.run_backwards,
        "reprocess_behavior": wish.reprocess,
        **_counts(made.runs),
    }
    events.add(
        session,
        EventKind.BACKFILL,
        now=host.now(),
        actor=actor,
        dag_id=made.dag_id,
        reason=reason,
        request_id=request_id,
        **details,
    )
    host.audit(
        session,
        event="pinwheel_backfill",
        dag_id=made.dag_id,
        actor=actor,
        details={"reason": reason, **details},
    )


_RUN = ("new", "cleared")


def _counts(runs: Sequence[BackfillRun]) -> dict[str, int]:
    """How many dates got a new run, had theirs cleared, and were left out."""
    found = Counter(run.outcome if run.outcome in _RUN else "skipped" for run in runs)
    return {name: found[name] for name in (*_RUN, "skipped")}
