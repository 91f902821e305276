"""Carrying decisions out: the ledger, the Dag's state and Airflow's rows, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, assert_never
from uuid import UUID

from attrs import frozen

from pinwheel.core.build import Build, BuildContent, runtime_warnings
from pinwheel.core.drift import Drift
from pinwheel.core.errors import PinwheelError, Refused, unknown_dag
from pinwheel.core.event import EventKind
from pinwheel.core.projection import Place, Projected, Projection, place_of, serialized_for
from pinwheel.core.release import DagState, Decision, Kind, Release, SetTrack, Track, unversioned_remedy
from pinwheel.core.text import storable
from pinwheel.services.ports import Host
from pinwheel.store import builds, bundles, dags, events, releases

ACTOR = "pinwheel"
"""Who did what nobody asked for."""


@frozen(kw_only=True)
class Act:
    """One decision on one Dag, with who asked for it and why."""

    state: DagState
    decision: Decision
    verb: str
    actor: str
    reason: str | None = None
    told: bool = False
    """There is an event of it already, which counts how often it was done."""


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
    warnings: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    """Runs that were cleared to run again on the build rolled back to."""


def load_states(host: Host, session: Any, dag_ids: Sequence[str]) -> dict[str, DagState]:
    """The state of each Dag that Pinwheel manages. The caller has locked them if it means to change them.

    :raises NotFound: one of them is not managed.
    :raises Refused: one of them is Airflow's alone: its bundle keeps no versions.
    """
    rows = dags.rows(session, dag_ids)
    missing = [dag_id for dag_id in dag_ids if dag_id not in rows]
    if missing:
        raise _not_managed(host, session, missing[0])
    wanted = {row.active_build_id for row in rows.values()} | {row.newest_build_id for row in rows.values()}
    found = builds.by_ids(session, [build_id for build_id in wanted if build_id is not None])
    versioned = {name: host.is_versioned(name) for name in {row.bundle_name for row in rows.values()}}
    unstable = [
        row.dag_version_id
        for row in rows.values()
        if row.dag_version_id is not None
        and (newest := found.get(row.newest_build_id or 0))
        and newest.unstable
    ]
    unused = host.unused(session, unstable) if unstable else set()
    states = {}
    for dag_id in dag_ids:
        row = rows[dag_id]
        automatic = False
        if row.dag_version_id in unused and row.active_release is not None:
            ledger = releases.one(session, dag_id, row.active_release)
            automatic = ledger is not None and ledger.kind == Kind.AUTO
        states[dag_id] = DagState(
            dag_id=dag_id,
            track=Track(row.track),
            active_release=row.active_release,
            active_build=found.get(row.active_build_id or 0),
            newest_build=found.get(row.newest_build_id or 0),
            retired=row.retired,
            versioned=versioned[row.bundle_name],
            bundle_name=row.bundle_name,
            unused_auto_release=automatic,
            track_actor=row.track_actor,
            track_reason=row.track_reason,
            track_since=row.track_since,
        )
    return states


def _not_managed(host: Host, session: Any, dag_id: str) -> PinwheelError:
    """Why a Dag has no state: nobody knows it, or it is Airflow's alone, of an unversioned bundle."""
    known = host.airflow_dags(session, [dag_id])
    if not known or known[0].bundle_version is not None:
        return unknown_dag(dag_id)
    bundle_name = known[0].bundle_name or ""
    return Refused(
        f"Cannot change {dag_id}",
        found=f"its bundle {bundle_name!r} keeps no versions, so older code can not be fetched again",
        remedy=unversioned_remedy(bundle_name),
        dag_id=dag_id,
        bundle=bundle_name,
    )


def carry_out(
    host: Host,
    session: Any,
    acts: Sequence[Act],
    *,
    now: datetime,
    contents: Mapping[int, BuildContent] | None = None,
) -> list[Outcome]:
    """Carry out decisions on Dags that the caller has locked. Writes everything, commits nothing.

    ``contents`` are those of builds that the caller has at hand, by id of the build, so that they need not be
    read back.
    """
    tracks: dict[tuple[Track, str, str | None], list[str]] = {}
    releasing: list[tuple[Act, Release]] = []
    for act in acts:
        for step in act.decision.steps:
            match step:
                case SetTrack(track=track):
                    tracks.setdefault((track, act.actor, act.reason), []).append(act.state.dag_id)
                case Release():
                    releasing.append((act, step))
                case _:
                    assert_never(step)
    for (track, actor, reason), dag_ids in tracks.items():
        dags.set_track(session, dag_ids, track, actor=actor, reason=reason, now=now)
    made = _release_all(host, session, releasing, contents or {}, now=now)
    outcomes = [outcome_of(act, made.get(act.state.dag_id)) for act in acts]
    _record(
        host,
        session,
        [
            (act, outcome)
            for act, outcome in zip(acts, outcomes, strict=True)
            if act.decision.changes and not act.told
        ],
        now=now,
    )
    return outcomes


def _release_all(
    host: Host,
    session: Any,
    releasing: Sequence[tuple[Act, Release]],
    contents: Mapping[int, BuildContent],
    *,
    now: datetime,
) -> dict[str, int]:
    if not releasing:
        return {}
    steps = {act.state.dag_id: step for act, step in releasing}
    rows = dags.rows(session, steps)
    _mend_superseded(
        host, session, [rows[d] for d, step in steps.items() if not step.replaces_active], now=now
    )
    free = host.next_version_numbers(session, steps)
    numbers: dict[str, int] = {}
    reuse: dict[str, UUID | None] = {}
    places: dict[str, Place] = {}
    for act, step in releasing:
        dag_id, row = act.state.dag_id, rows[act.state.dag_id]
        if step.replaces_active and row.active_release is not None:
            numbers[dag_id], reuse[dag_id] = row.active_release, row.dag_version_id
        else:
            numbers[dag_id] = max(free[dag_id], (row.active_release or 0) + 1)
            reuse[dag_id] = None
        places[dag_id] = settle_place(host, session, row, step.build)
    projections = projections_for(
        session,
        [(numbers[d], step.kind, step.build, places[d], reuse[d]) for d, step in steps.items()],
        contents=contents,
    )
    replaced = [p for p in projections if p.dag_version_id is not None]
    added = [p for p in projections if p.dag_version_id is None]
    written = {**host.project(session, added), **host.restore(session, replaced)}
    if replaced:
        host.reassert(session, replaced)
    retired = [d for d, step in steps.items() if step.kind is Kind.RETIRE]
    if retired:
        host.retire(session, retired)
    ledger: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for act, step in releasing:
        dag_id = act.state.dag_id
        projected, place = written[dag_id], places[dag_id]
        if reuse[dag_id] is not None:
            releases.replace(
                session,
                dag_id,
                numbers[dag_id],
                build_id=step.build.id,
                dag_version_id=projected.dag_version_id,
                bundle_version=place.bundle_version,
                now=now,
            )
        else:
            ledger.append(
                {
                    "dag_id": dag_id,
                    "release": numbers[dag_id],
                    "build_id": step.build.id,
                    "kind": step.kind.value,
                    "actor": act.actor,
                    "reason": act.reason,
                    "previous_release": act.state.active_release,
                    "dag_version_id": projected.dag_version_id,
                    "bundle_version": place.bundle_version,
                    "created_at": now,
                }
            )
        changes.append(
            {
                "dag_id": dag_id,
                "active_release": numbers[dag_id],
                "active_build_id": step.build.id,
                "retired": step.kind is Kind.RETIRE,
                "missing_since": None,
                "dag_version_id": projected.dag_version_id,
                "projected_version": place.bundle_version,
                "projected_hash": projected.serialized_hash,
                "projected_code_hash": projected.code_hash,
                "stable_bundle": place.bundle_name,
                "stable_fileloc": place.relative_fileloc,
                "asserted_at": now,
            }
        )
    releases.add_all(session, ledger)
    dags.change_each(session, changes)
    return numbers


def _mend_superseded(host: Host, session: Any, rows: Sequence[Any], *, now: datetime) -> None:
    """Put back what another writer changed in versions that are superseded now.

    Runs may be bound to them later, and nobody compares a version again once another is the newest.
    """
    released = {row.dag_id: row for row in rows if row.active_release is not None}
    for drift in host.drifted(session, released) if released else ():
        if not drift.of_version:
            continue
        row = released[drift.dag_id]
        build = builds.by_ids(session, [row.active_build_id])[row.active_build_id]
        wanted = (row.active_release, None, build, released_place(row), row.dag_version_id)
        host.restore(session, projections_for(session, [wanted], written=row))
        record_drift(host, session, drift, bundle_name=row.bundle_name, now=now)


def record_drift(host: Host, session: Any, drift: Drift, *, bundle_name: str, now: datetime) -> None:
    """Say in the events and in Airflow's audit log what was found and put back."""
    events.add(
        session,
        EventKind.DRIFT,
        now=now,
        actor=ACTOR,
        dag_id=drift.dag_id,
        bundle_name=bundle_name,
        reason=drift.summary,
        details={
            "found": {name: str(value) for name, value in drift.found.items()},
            "foreign_versions": [str(i) for i in drift.foreign_versions],
            "repaired": True,
        },
    )
    host.audit(
        session, event="pinwheel_drift", dag_id=drift.dag_id, actor=ACTOR, details={"found": drift.summary}
    )


def released_place(row: Any) -> Place:
    """The place under which a Dag's active release stands in Airflow's rows."""
    return Place(
        bundle_name=row.stable_bundle,
        bundle_version=row.projected_version,
        relative_fileloc=row.stable_fileloc,
    )


def settle_place(host: Host, session: Any, row: Any, build: Build) -> Place:
    """Where Airflow is told to find a build: the place that the Dag's runs know, if it has runs."""
    moved = (row.stable_bundle, row.stable_fileloc) != (build.bundle_name, build.relative_fileloc)
    if row.stable_fileloc is None or (moved and not host.has_runs(session, row.dag_id)):
        return place_of(build, stable_bundle=None, stable_fileloc=None)
    if moved and not host.bundle_is_configured(session, row.stable_bundle):
        return place_of(build, stable_bundle=None, stable_fileloc=None)
    return _place_at(host, session, row, build)


def place_for_runs(host: Host, session: Any, row: Any, build: Build) -> Place:
    """The place of a build for runs of it, while another build of the Dag may be the active one.

    Airflow looks for the file of every run where the active release has it.

    :raises Refused: the build's file lies elsewhere and no bundle version serves it there.
    """
    place = _place_at(host, session, row, build)
    if row.stable_fileloc is None or (row.stable_bundle, row.stable_fileloc) == (
        place.bundle_name,
        place.relative_fileloc,
    ):
        return place
    raise Refused(
        f"Cannot run {build.dag_id} on build {build.build}",
        found=f"its file was {build.relative_fileloc!r} of bundle {build.bundle_name!r} and is "
        f"{row.stable_fileloc!r} of bundle {row.stable_bundle!r} now, where Airflow looks for the file of "
        "every run; and no version of that bundle can serve it there (a bundle class that is not "
        "Pinwheel's or is not configured any more, or too long a path)",
        remedy=f"Roll back to it: pinwheel rollback {build.dag_id} --build {build.build}",
        dag_id=build.dag_id,
        build=build.build,
    )


def _place_at(host: Host, session: Any, row: Any, build: Build) -> Place:
    """The place where the Dag's row has it, if its bundle and the build's can serve the file there."""
    if row.stable_fileloc is not None and all(
        host.serves_moved_files(session, name) for name in {row.stable_bundle, build.bundle_name}
    ):
        return place_of(build, stable_bundle=row.stable_bundle, stable_fileloc=row.stable_fileloc)
    return place_of(build, stable_bundle=None, stable_fileloc=None)


def projections_for(
    session: Any,
    wanted: Sequence[tuple[int, Kind | None, Build, Place, UUID | None]],
    *,
    written: Any = None,
    contents: Mapping[int, BuildContent] = MappingProxyType({}),
) -> list[Projection]:
    """Load what must be written for the given (number, kind, build, place, version id) tuples.

    What ``contents`` has, by id of the build, is not loaded.
    ``written`` is the one Dag's row, when what was written before is to be left alone where it stands.
    """
    missing = [build.id for _, _, build, _, _ in wanted if build.id not in contents]
    stored = {build_id: builds.as_stored(c.serialized) for build_id, c in contents.items()}
    stored |= builds.serialized(session, missing)
    known = bundles.versions(session, {(b.bundle_name, b.bundle_version) for _, _, b, _, _ in wanted})
    manifests: dict[int, Mapping[str, str]] = {build_id: c.files for build_id, c in contents.items()}
    manifests |= builds.files_of(session, missing)
    code_digests = {
        build.id: manifests[build.id].get(build.relative_fileloc, "") for _, _, build, _, _ in wanted
    }
    code = builds.sources(session, [digest for digest in code_digests.values() if digest])
    projections = []
    for number, kind, build, place, dag_version_id in wanted:
        version = known.get((build.bundle_name, build.bundle_version))
        source = code.get(code_digests[build.id])
        projections.append(
            Projection(
                dag_id=build.dag_id,
                release=number,
                kind=kind,
                build=build,
                place=place,
                serialized=serialized_for(build, stored[build.id], place, version.path if version else None),
                source_code=storable((source or b"").decode(errors="replace"))
                or "# The source of this Dag is empty.\n",
                version_data=version.version_data if version else None,
                dag_version_id=dag_version_id,
                written=_written(written) if written is not None else None,
            )
        )
    return projections


def _written(row: Any) -> Projected | None:
    if row.projected_hash is None or row.projected_code_hash is None:
        return None
    return Projected(
        dag_id=row.dag_id,
        dag_version_id=row.dag_version_id,
        serialized_hash=row.projected_hash,
        code_hash=row.projected_code_hash,
    )


def outcome_of(act: Act, number: int | None = None) -> Outcome:
    """Say what an act does, by the steps that :func:`carry_out` takes; without a number, what it would do."""
    state, track = act.state, act.state.track
    release: Release | None = None
    for step in act.decision.steps:
        match step:
            case SetTrack():
                track = step.track
            case Release():
                release = step
            case _:
                assert_never(step)
    build = release.build if release else state.active_build
    return Outcome(
        dag_id=state.dag_id,
        changed=act.decision.changes,
        message=act.decision.reason,
        kind=release.kind.value if release else None,
        release=number if release else state.active_release,
        build=build.build if build else None,
        from_release=state.active_release,
        from_build=state.active_build.build if state.active_build else None,
        track=track.value,
        warnings=runtime_warnings(state.active_build, release.build if release else None),
    )


def _record(host: Host, session: Any, done: Sequence[tuple[Act, Outcome]], *, now: datetime) -> None:
    rows = []
    for act, outcome in done:
        kind = outcome.kind or act.verb
        details: Mapping[str, Any] = {
            "verb": act.verb,
            "from_release": outcome.from_release,
            "from_build": outcome.from_build,
            "release": outcome.release,
            "build": outcome.build,
            "track": outcome.track,
            "message": outcome.message,
            "replaced": bool(act.decision.release and act.decision.release.replaces_active),
        }
        rows.append(
            {
                "at": now,
                "kind": kind,
                "dag_id": act.state.dag_id,
                "bundle_name": act.state.bundle_name,
                "actor": act.actor,
                "reason": act.reason,
                "details": details,
            }
        )
        host.audit(
            session,
            event=f"pinwheel_{kind}",
            dag_id=act.state.dag_id,
            actor=act.actor,
            details={"reason": act.reason, **details},
        )
    events.add_all(session, rows)
