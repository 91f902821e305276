"""Backfills: all runs on a chosen build, or as Airflow makes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import PinwheelError
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.request import BackfillRequest
from pinwheel.core.run.binding import BoundBy, Tries
from pinwheel.core.run.mark import is_marked
from pinwheel.services import once
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.runs import BackfillRun, BackfillWish
from pinwheel.services.release.own_row import version_for
from pinwheel.services.run.by_date import is_dated, variant_of
from pinwheel.services.run.known import known_dag
from pinwheel.services.run.target import target_of
from pinwheel.services.show.words import instant
from pinwheel.store import bindings, releases
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Backfilled:
    """A backfill, and the build that its new runs are bound to.

    ``build`` is None where Pinwheel does not know the Dag, or each run is on the build of its date,
    ``release`` for a build that was never released, ``backfill`` (Airflow's id) in a plan. ``runs`` are in
    the order in which they run.
    """

    dag_id: str
    backfill: int | None
    build: int | None
    release: int | None
    bundle_version: str | None
    plan: bool
    runs: tuple[BackfillRun, ...]


def backfill(
    host: Host, request: BackfillRequest, *, actor: str, sees: once.Sees = once.all_of_them
) -> Backfilled:
    """Run a Dag for all dates of a range, on a build, released or not; the active release stays what it is.

    With a build: by its timetable, in one transaction, and dates that are run again are bound to it too.
    Without: Airflow's own backfill, which uses the active build (and for runs that exist what
    ``rerun_with_latest_version`` says). A plan changes nothing. A repeat (see :mod:`pinwheel.services.once`)
    starts nothing and gives what the first one gave.

    :raises Conflict: another backfill of the Dag is active, or the request id stands for another request.
    """
    with known_dag(host, request.dag_id):
        return _backfill(host, request, actor, sees)


def _backfill(host: Host, request: BackfillRequest, actor: str, sees: once.Sees) -> Backfilled:
    chosen = request.build is not None or request.bundle_version is not None
    if request.plan:
        if not chosen:
            return _plan_default(host, request)
        unnamed = evolve(request, request_id=None)
        done = host.rehearse(lambda rehearsal: _bound(rehearsal, unnamed, _request(unnamed, actor, sees)))
        return evolve(done.answer, backfill=None, plan=True)
    done = (_bound if chosen else _default)(host, request, _request(request, actor, sees))
    if not done.repeated:
        host.unit.announce([{"kind": "backfill", "dag_id": request.dag_id}])
    return done.answer


def _wish(asked: BackfillRequest) -> BackfillWish:
    return BackfillWish(
        from_date=asked.from_date,
        to_date=asked.to_date,
        max_active_runs=asked.max_active_runs,
        run_backwards=asked.run_backwards,
        reprocess=asked.reprocess_behavior,
        conf=asked.dag_run_conf,
        # With the latest version a run gets the mark, where its Dag is judged by dates, and is bound anew.
        on_latest=asked.by_date,
    )


def _request(asked: BackfillRequest, actor: str, sees: once.Sees) -> once.Request:
    return once.Request(
        id=asked.request_id,
        actor=actor,
        verb=EventKind.BACKFILL.value,
        dag_ids=(asked.dag_id,),
        values={
            "from_date": asked.from_date.astimezone(UTC).isoformat(),
            "to_date": asked.to_date.astimezone(UTC).isoformat(),
            "max_active_runs": asked.max_active_runs,
            "run_backwards": asked.run_backwards,
            # The words of the fingerprint stay what they were, whatever the request calls them.
            "reprocess": asked.reprocess_behavior,
            "conf": asked.dag_run_conf,
            "build": asked.build,
            "reason": asked.reason,
            **({} if asked.bundle_version is None else {"bundle_version": asked.bundle_version}),
            **({"by_date": True} if asked.by_date else {}),
        },
        sees=sees,
    )


def _kept(made: Backfilled) -> Json:
    return {
        "dag_id": made.dag_id,
        "backfill": made.backfill,
        "build": made.build,
        "release": made.release,
        "bundle_version": made.bundle_version,
        "runs": [
            {
                "run_id": run.run_id,
                "logical_date": instant(run.logical_date),
                "partition_key": run.partition_key,
                "outcome": run.outcome,
                "seq": run.seq,
                "dag_version_id": str(run.dag_version_id) if run.dag_version_id else None,
                "bundle_version": run.bundle_version,
            }
            for run in made.runs
        ],
    }


def _backfilled_1(kept: Json) -> Backfilled:
    made = JsonObject.of(kept)
    return Backfilled(
        dag_id=made.text("dag_id"),
        backfill=made.number_or_none("backfill"),
        build=made.number_or_none("build"),
        release=made.number_or_none("release"),
        bundle_version=made.text_or_none("bundle_version"),
        plan=False,
        runs=tuple(_run_1(run) for run in made.objects("runs")),
    )


def _run_1(run: JsonObject) -> BackfillRun:
    date, version = run.text_or_none("logical_date"), run.text_or_none("dag_version_id")
    return BackfillRun(
        run_id=run.text_or_none("run_id"),
        logical_date=datetime.fromisoformat(date) if date else None,
        partition_key=run.text_or_none("partition_key"),
        outcome=run.text("outcome"),
        seq=run.number("seq"),
        dag_version_id=UUID(version) if version else None,
        bundle_version=run.text_or_none("bundle_version"),
    )


BACKFILLED: once.Form[Backfilled] = once.Form(version=1, write=_kept, readers={1: _backfilled_1})


@frozen(kw_only=True)
class BackfilledRun:
    """What a backfill made, or would make, of one date."""

    run_id: str | None
    logical_date: datetime | None
    partition_key: str | None
    outcome: str
    """``new``, ``cleared``, or Airflow's reason to leave the date out."""


@frozen(kw_only=True)
class BackfillView:
    """A backfill as CLI and API show it, with the number of dates of each outcome."""

    dag_id: str
    backfill: int | None
    build: int | None
    release: int | None
    bundle_version: str | None
    plan: bool
    new: int
    cleared: int
    skipped: int
    runs: tuple[BackfilledRun, ...]

    @classmethod
    def of(cls, made: Backfilled) -> Self:
        return cls(
            dag_id=made.dag_id,
            backfill=made.backfill,
            build=made.build,
            release=made.release,
            bundle_version=made.bundle_version,
            plan=made.plan,
            **_counts(made.runs),
            runs=tuple(
                BackfilledRun(
                    run_id=run.run_id,
                    logical_date=run.logical_date,
                    partition_key=run.partition_key,
                    outcome=run.outcome,
                )
                for run in made.runs
            ),
        )


def _bound(host: Host, asked: BackfillRequest, request: once.Request) -> once.Done[Backfilled]:
    dag_id, wish = asked.dag_id, _wish(asked)

    def work(session: Session) -> Backfilled:
        lock_dags(session, [dag_id])
        target = target_of(
            host, session, dag_id, asked.build, verb="backfill", bundle_version=asked.bundle_version
        )
        version_id, release, bundle_version = version_for(host, session, target)
        created = host.runs.create_backfill(
            session, dag_id, version_id, wish, bundle_version=bundle_version, actor=request.actor
        )
        made = Backfilled(
            dag_id=dag_id,
            backfill=created.id,
            build=target.build.build,
            release=release,
            bundle_version=bundle_version,
            plan=False,
            runs=tuple(_at_its_date(host, session, dag_id, run, target.build) for run in created.runs),
        )
        bound_by = BoundBy.of_choice(chosen=True, release=release)
        _record(host, session, made, asked, actor=request.actor, bound_by=bound_by)
        return made

    return once.carry_out(host, request, BACKFILLED, work)


def _at_its_date(host: Host, session: Session, dag_id: str, run: BackfillRun, build: Build) -> BackfillRun:
    """A run on a build, without the tasks that have no place at its date."""
    if run.run_id is None or run.outcome not in _RUN or run.bundle_version is None:
        return run
    variant = variant_of(host, session, dag_id, run.run_id, build)
    if variant is None:
        return run
    host.runs.rebind_run(
        session,
        dag_id,
        run.run_id,
        dag_version_id=variant.dag_version_id,
        bundle_version=run.bundle_version,
    )
    return evolve(run, dag_version_id=variant.dag_version_id)


def _default(host: Host, asked: BackfillRequest, request: once.Request) -> once.Done[Backfilled]:
    begun = once.begin(host, request, BACKFILLED)
    if isinstance(begun, once.Done):
        return begun
    dag_id, wish = asked.dag_id, _wish(asked)
    created = None
    if begun is not None:
        since = begun
        created = host.unit.run(
            lambda session: host.runs.backfill_since(session, dag_id, wish, since, actor=request.actor)
        )
    if created is None:
        try:
            created = host.runs.create_default_backfill(dag_id, wish, actor=request.actor)
        except PinwheelError:
            once.give_up(host, request)
            raise
    backfill_id = created

    def work(session: Session) -> Backfilled:
        lock_dags(session, [dag_id])
        made = _default_made(
            host, session, dag_id, backfill_id, host.runs.backfill_runs(session, backfill_id)
        )
        _record(host, session, made, asked, actor=request.actor, bound_by=BoundBy.ACTIVE)
        return made

    return once.carry_out(host, request, BACKFILLED, work)


def _plan_default(host: Host, asked: BackfillRequest) -> Backfilled:
    def work(session: Session) -> Backfilled:
        runs = host.runs.plan_default_backfill(session, asked.dag_id, _wish(asked))
        return evolve(_default_made(host, session, asked.dag_id, None, runs), plan=True)

    return host.unit.run(work)


def _default_made(
    host: Host, session: Session, dag_id: str, backfill_id: int | None, runs: Sequence[BackfillRun]
) -> Backfilled:
    (dag,) = host.reads.airflow_dags(session, [dag_id])
    newest: UUID | None = dag.dag_version_id
    row = releases.by_dag_version(session, [newest]).get(newest) if newest is not None else None
    if is_marked(dag.bundle_version) or is_dated(session, dag_id):
        return Backfilled(
            dag_id=dag_id,
            backfill=backfill_id,
            build=None,
            release=None,
            bundle_version=None,
            plan=False,
            runs=tuple(runs),
        )
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
    session: Session,
    made: Backfilled,
    asked: BackfillRequest,
    *,
    actor: str,
    bound_by: BoundBy,
) -> None:
    now = host.unit.now()
    # Runs of a Dag that is judged by dates are bound one by one, each to the build of its date.
    # That is so of those too that are born without the mark, where it was lost.
    judged = bound_by is BoundBy.ACTIVE and is_dated(session, made.dag_id)
    runs = [run for run in made.runs if not judged and not is_marked(run.bundle_version)]
    bound = [(run, run.run_id) for run in runs if run.run_id is not None and run.outcome in _RUN]
    again = [run_id for run, run_id in bound if run.seq]
    present = host.reads.present(session, made.dag_id, again) if again else {}
    new = [
        NewBinding(
            dag_id=made.dag_id,
            run_id=run_id,
            seq=run.seq,
            dag_version_id=run.dag_version_id,
            bundle_version=run.bundle_version,
            bound_by=bound_by,
            actor=actor,
            bound_at=now,
            tries=Tries.of(present.get(run_id, ())) if run.seq else None,
        )
        for run, run_id in bound
    ]
    bindings.add_all(session, new)
    details: dict[str, Json] = {
        "backfill": made.backfill,
        "build": made.build,
        "release": made.release,
        "bundle_version": made.bundle_version,
        "from_date": instant(asked.from_date),
        "to_date": instant(asked.to_date),
        "max_active_runs": asked.max_active_runs,
        "run_backwards": asked.run_backwards,
        "reprocess_behavior": asked.reprocess_behavior,
        **_counts(made.runs),
    }
    told = Told(
        kind=EventKind.BACKFILL, actor=actor, dag_id=made.dag_id, reason=asked.reason, details=details
    )
    tell(host, session, [told], now=host.unit.now())


_RUN = ("new", "cleared")


def _counts(runs: Sequence[BackfillRun]) -> dict[str, int]:
    """How many dates got a new run, had theirs cleared, and were left out."""
    found = Counter(run.outcome if run.outcome in _RUN else "skipped" for run in runs)
    return {name: found[name] for name in (*_RUN, "skipped")}
