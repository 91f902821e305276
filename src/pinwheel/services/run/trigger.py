"""Runs on a chosen build: trying a held build, re-running failures on another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import asdict, evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import HostError, NotFound, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.records import ReleaseRecord, Trial
from pinwheel.core.release.decide import unversioned_remedy
from pinwheel.core.release.follow import plain
from pinwheel.core.release.rows import Location
from pinwheel.core.run.binding import BoundBy, Tries, kept
from pinwheel.core.structure.layout import layout
from pinwheel.services import once
from pinwheel.services.ingest import faults
from pinwheel.services.ingest.stands import place_named, stood_another
from pinwheel.services.ports import Host
from pinwheel.services.release import keeping
from pinwheel.services.release.carry_out import location_for_runs, projections_for
from pinwheel.services.release.loading import load_state
from pinwheel.store import bindings, builds, bundles, dags, events, releases, stands
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Bound:
    """A run and the build that it is bound to. ``release`` is None for a build that was never released."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None


@frozen(kw_only=True)
class Cleared(Bound):
    """A run that was cleared, and the build that it runs again on."""

    cleared: int
    """So many task instances run again."""
    changed: bool = True
    """False: nothing in the run fits, so it stays as it was, on what it was bound to."""


def _bound_1(kept: Json) -> Bound:
    one = JsonObject.of(kept)
    return Bound(
        dag_id=one.text("dag_id"),
        run_id=one.text("run_id"),
        build=one.number("build"),
        release=one.number_or_none("release"),
        bundle_version=one.text_or_none("bundle_version"),
    )


def _cleared_1(kept: Json) -> list[Cleared]:
    return [
        Cleared(**asdict(_bound_1(one.fields)), cleared=one.number("cleared"))
        for one in JsonObject.all_of(kept)
    ]


def _cleared_2(kept: Json) -> list[Cleared]:
    runs = zip(_cleared_1(kept), JsonObject.all_of(kept), strict=True)
    return [evolve(run, changed=one.flag("changed")) for run, one in runs]


BOUND: once.Form[Bound] = once.Form(version=1, write=asdict, readers={1: _bound_1})
CLEARED: once.Form[list[Cleared]] = once.Form(
    version=2,
    write=lambda cleared: [asdict(run) for run in cleared],
    readers={1: _cleared_1, 2: _cleared_2},
)


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
        new_id, seq = host.create_run(
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
                bound_at=host.now(),
            ),
            release=release,
            build_id=target.build.id,
        )
        bound = Bound(
            dag_id=dag_id, run_id=new_id, build=target.build.build, release=release, bundle_version=version
        )
        _record(host, session, EventKind.TRIGGER, bound, actor=actor, reason=reason)
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
        host.announce([{"kind": "trigger", "dag_id": dag_id}])
    return done.answer


def clear(
    host: Host,
    dag_id: str,
    run_ids: Sequence[str],
    *,
    actor: str,
    build: int | None = None,
    bundle_version: str | None = None,
    only_failed: bool = False,
    task_ids: Collection[str] | None = None,
    reason: str | None = None,
    request_id: str | None = None,
    sees: once.Sees = once.all_of_them,
    plan: bool = False,
) -> list[Cleared]:
    """Clear runs so that they run again: on the build they were bound to, or on the given one.

    All of them in one transaction; with ``plan`` it is undone at the end. ``request_id`` makes a repeat
    harmless (see :mod:`pinwheel.services.once`): it clears nothing and gives what the first one gave.

    :raises Conflict: ``request_id`` stands for another request.
    """
    if plan:
        return host.rehearse(
            lambda rehearsal: clear(
                rehearsal,
                dag_id,
                run_ids,
                actor=actor,
                build=build,
                bundle_version=bundle_version,
                only_failed=only_failed,
                task_ids=task_ids,
                reason=reason,
            )
        )

    def work(session: Session) -> list[Cleared]:
        lock_dags(session, [dag_id])
        named = build is not None or bundle_version is not None
        target = (
            target_of(host, session, dag_id, build, verb="clear", bundle_version=bundle_version)
            if named
            else None
        )
        return clear_each(
            host,
            session,
            dag_id,
            list(dict.fromkeys(run_ids)),
            target,
            only_failed=only_failed,
            task_ids=task_ids,
            actor=actor,
            reason=reason,
        )

    request = once.Request(
        id=request_id,
        actor=actor,
        verb=EventKind.CLEAR.value,
        dag_ids=(dag_id,),
        values={
            "run_ids": sorted(set(run_ids)),
            "build": build,
            "only_failed": only_failed,
            "task_ids": sorted(set(task_ids)) if task_ids is not None else None,
            "reason": reason,
            **({} if bundle_version is None else {"bundle_version": bundle_version}),
        },
        sees=sees,
    )
    done = once.carry_out(host, request, CLEARED, work)
    if not done.repeated:
        host.announce([{"kind": "clear", "dag_id": dag_id}])
    return done.answer


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
) -> Cleared:
    """*fitting* are the tasks of the target, where only some of the run's tasks are to run again."""
    version_id: UUID | None = None
    release, bundle_version = None, None
    if target is not None:
        if fitting is not None and not host.would_clear(
            session, dag_id, run_id, of=fitting, only_failed=only_failed, task_ids=task_ids
        ):
            return _untouched(host, session, dag_id, run_id)
        version_id, release, bundle_version = version_for(host, session, target)
    cleared, seq, bound_id, bound_version = host.clear_run(
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
    known = releases.by_dag_version(session, [bound_id]) if bound_id else {}
    row = known.get(bound_id) if bound_id else None
    present = host.present(session, dag_id, [run_id]).get(run_id, ())
    before = bindings.of_runs(session, dag_id, [run_id]).get(run_id, ())
    bindings.add(
        session,
        NewBinding(
            dag_id=dag_id,
            run_id=run_id,
            seq=seq,
            dag_version_id=bound_id,
            bundle_version=bundle_version or bound_version,
            bound_by=BoundBy.of_choice(chosen=True, release=release) if target else kept(before, bound_id),
            actor=actor,
            bound_at=host.now(),
            tries=Tries.of(present),
        ),
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
    _record(
        host,
        session,
        EventKind.CLEAR,
        bound,
        actor=actor,
        reason=reason,
        cleared=cleared,
    )
    return bound


def _untouched(host: Host, session: Session, dag_id: str, run_id: str) -> Cleared:
    """A run in which there is nothing to clear, and what it is bound to."""
    run = host.some_runs(session, dag_id, [run_id])[run_id]
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


@frozen(kw_only=True)
class Target:
    """What runs are to be on."""

    build: Build
    version: str | None = None
    """One of its bundle's versions in which it stood, that somebody named; None: the newest such."""


def version_for(host: Host, session: Session, target: Target) -> tuple[UUID, int | None, str | None]:
    """Airflow's version row for a build: that of its newest release, else one made for trials.

    Returns ``(id, release or None, bundle version)``; the latter is the one that a run bound to the row is
    to have, in which the build's file lies where Airflow looks for it now: the file may have moved since
    the row was written, as long as the Dag had no runs.

    :raises Refused: no bundle version serves the file there, or its files are not kept any more.
    """
    build = target.build
    row = dags.rows(session, [build.dag_id])[build.dag_id]
    if build.id != row.active_build_id:
        keeping.require(host, session, build, verb="bind runs of")
    version = target.version or stands.newest_versions(session, [build.id])[build.id]
    released = releases.of_build(session, build.id, bundle_version=version)
    tried = releases.trial_of(session, build.id)
    version = _with_its_data(session, target, version, released or tried)
    placed = evolve(build, bundle_version=version)
    if released is not None and host.existing_version_ids(session, [released.dag_version_id]):
        if released.dag_version_id == row.dag_version_id and target.version is None:
            return released.dag_version_id, released.release, row.row_version or released.bundle_version
        location = location_for_runs(host, session, row, placed)
        if released.dag_version_id != row.dag_version_id:
            _move_unused(host, session, released, location)
        return released.dag_version_id, released.release, location.bundle_version
    location = location_for_runs(host, session, row, placed)
    if tried is not None and host.existing_version_ids(session, [tried.dag_version_id]):
        _move_unused(host, session, tried, location)
        return tried.dag_version_id, None, location.bundle_version
    wanted = (-build.build, None, build, location, tried.dag_version_id if tried is not None else None)
    version_id = host.write_trial(session, projections_for(session, [wanted])[0])
    if tried is None:
        releases.add_trial(
            session,
            dag_id=build.dag_id,
            build_id=build.id,
            dag_version_id=version_id,
            bundle_version=location.bundle_version,
            now=host.now(),
        )
    return version_id, None, location.bundle_version


def _with_its_data(
    session: Session, target: Target, version: str, written: ReleaseRecord | Trial | None
) -> str:
    """The bundle version that runs have by a version row: its own, where it holds data of the bundle's class.

    Airflow hands out the row's data with a run's version.

    :raises Refused: another was named.
    """
    build, own = target.build, version
    if written is not None and written.bundle_version is not None:
        own = plain(written.bundle_version)
    if own == version or not bundles.with_data(session, build.bundle_name, {own, version}):
        return version
    if target.version is None:
        return own
    raise Refused(
        f"Cannot bind runs of {build.dag_id} to build {build.build} of version {version}",
        found=f"the class of bundle {build.bundle_name!r} gives data with each version, which Airflow keeps "
        "with releases only, and the build was never released in that one",
        remedy=f"Name a version in which it was: pinwheel releases {build.dag_id}",
        dag_id=build.dag_id,
        build=build.build,
    )


def _move_unused(host: Host, session: Session, written: ReleaseRecord | Trial, location: Location) -> None:
    """Let a release's or trial's version row say the location that its runs will have, if it has none yet.

    Airflow takes a run's bundle version from the run, but that of some callbacks and of its own triggers
    from the row (scheduler_job_runner.py:1540 in 3.3.2). A row that runs refer to is history and stays.
    """
    if written.bundle_version != location.bundle_version and host.unused(session, [written.dag_version_id]):
        host.move_version(session, written.dag_version_id, location)
        releases.move(session, written.dag_version_id, location.bundle_version)


def target_of(
    host: Host,
    session: Session,
    dag_id: str,
    number: int | None,
    *,
    verb: str,
    bundle_version: str | None = None,
) -> Target:
    """What is asked for: a build, the active one without a number, or the one that stood in a version.

    :raises NotFound: there is none, or no head of the bundle was that version.
    :raises Refused: runs of the Dag can not be bound, or another build stood there.
    """
    state = load_state(host, session, dag_id)
    if not state.versioned:
        raise Refused(
            f"Cannot {verb} {dag_id} on a build",
            found=f"its bundle {state.bundle_name!r} keeps no versions",
            remedy=unversioned_remedy(state.bundle_name),
            dag_id=dag_id,
        )
    target = state.active_build if number is None else builds.by_number(session, dag_id, number)
    if bundle_version is not None:
        row = dags.rows(session, [dag_id])[dag_id]
        _, stood = place_named(session, row, bundle_version, verb=verb)
        there = builds.by_ids(session, [stood])[stood]
        if number is not None and target is not None and target.id != stood:
            raise stood_another(verb, target, there, bundle_version)
        target = target if number is not None else there
    if target is None:
        raise NotFound(
            f"Cannot {verb} {dag_id} on build {number if number is not None else '(active)'}",
            found="it has no good build of that number",
            remedy=f"See its builds: pinwheel builds {dag_id}",
            dag_id=dag_id,
            build=number,
        )
    if not target.versioned:
        raise Refused(
            f"Cannot {verb} {dag_id} on a build",
            found="the Dag sets disable_bundle_versioning=True, so its runs execute whatever is newest",
            remedy="Remove disable_bundle_versioning from the Dag and push again",
            dag_id=dag_id,
        )
    if why := faults.unmade(session, {state.bundle_name, target.bundle_name}):
        # A run needs the files, which a worker gets from the bundle.
        raise HostError(
            f"Cannot {verb} {dag_id} on a build",
            found=next(iter(why.values())).rstrip("."),
            remedy="See: pinwheel bundles",
            dag_id=dag_id,
            bundle=state.bundle_name,
        )
    return Target(build=target, version=bundle_version)


def _record(
    host: Host,
    session: Session,
    kind: EventKind,
    bound: Bound,
    *,
    actor: str,
    reason: str | None,
    **more: Json,
) -> None:
    details = {
        "run_id": bound.run_id,
        "build": bound.build,
        "release": bound.release,
        "bundle_version": bound.bundle_version,
        **more,
    }
    events.add(
        session,
        kind,
        now=host.now(),
        actor=actor,
        dag_id=bound.dag_id,
        reason=reason,
        details=details,
    )
    host.audit(
        session,
        event=f"pinwheel_{kind}",
        dag_id=bound.dag_id,
        actor=actor,
        details={"reason": reason, **details},
    )
