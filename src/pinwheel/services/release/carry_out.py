"""Carrying decisions out: the ledger, the Dag's state and Airflow's rows, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build, runtime_warnings
from pinwheel.core.errors import Refused
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag, ReleaseRecord
from pinwheel.core.release.decide import Decision, Lift, Reject, Release, SetTrack
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import plain, taken
from pinwheel.core.release.rejection import NewRejection
from pinwheel.core.release.rows import Location, Projected, Projection, location_of, serialized_for
from pinwheel.core.release.state import DagState, Kind, Track
from pinwheel.core.text import storable
from pinwheel.services.ingest.follow import follow
from pinwheel.services.ports import Host, Observed
from pinwheel.store import builds, bundles, dags, events, rejections, releases, stands
from pinwheel.store.builds import StoredContent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ACTOR = "pinwheel"
"""Who did what nobody asked for."""


@frozen(kw_only=True)
class Act:
    """One decision on one Dag, with who asked for it and why. ``dag`` is its locked row."""

    dag: ManagedDag
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
    rejected: int | None = None
    """The build that is never released by itself again."""
    lifted: bool = False
    """A rejection was taken back."""
    warnings: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()
    """Runs that were cleared to run again on the build rolled back to."""


@frozen(kw_only=True)
class Made:
    """One release in the making: its number, its location, and the version row that it takes over, if any."""

    act: Act
    step: Release
    number: int
    location: Location
    replaced: UUID | None


def carry_out(
    host: Host,
    session: Session,
    acts: Sequence[Act],
    *,
    now: datetime,
    contents: Mapping[int, StoredContent] | None = None,
    versions: Mapping[int, str] | None = None,
) -> list[Outcome]:
    """Carry out decisions on Dags that the caller has locked. Writes everything, commits nothing.

    ``contents``, and the newest ``versions`` in which they stand, are those of builds that the caller has at
    hand, by id of the build, so that they need not be read back.
    """
    rows: dict[str, ManagedDag] = {}
    columns: dict[str, tuple[str, ...]] = {}
    rejected: list[NewRejection] = []
    lifted: dict[tuple[str, str | None], list[int]] = {}
    releasing: list[tuple[Act, Release]] = []
    for act in acts:
        for step in act.decision.steps:
            match step:
                case SetTrack(track=track):
                    rows[act.state.dag_id] = evolve(
                        act.dag,
                        track=track,
                        track_actor=act.actor,
                        track_reason=act.reason,
                        track_since=now,
                    )
                    columns[act.state.dag_id] = _TRACK
                case Reject():
                    rejected.append(_rejection(act, step, now))
                case Lift():
                    lifted.setdefault((act.actor, act.reason), []).extend(each.id for each in step.rejections)
                case Release():
                    releasing.append((act, step))
                case _:
                    assert_never(step)
    for (actor, reason), ids in lifted.items():
        rejections.lift(session, ids, actor=actor, reason=reason, now=now)
    rejections.add_all(session, rejected)
    made, written = _release_all(host, session, releasing, contents or {}, versions or {}, now=now)
    for m in made:
        dag_id = m.act.state.dag_id
        rows[dag_id] = _released(rows.get(dag_id, m.act.dag), m, written[dag_id], now)
        columns[dag_id] = (*columns.get(dag_id, ()), *_RELEASED)
    # Those alike together: one statement for each of track, release and both.
    for alike in dict.fromkeys(columns.values()):
        dags.write(session, [row for dag_id, row in sorted(rows.items()) if columns[dag_id] == alike], alike)
    _catch_up(host, session, acts, released=written.keys())
    numbers = {m.act.state.dag_id: m.number for m in made}
    outcomes = [outcome_of(act, numbers.get(act.state.dag_id)) for act in acts]
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


def _catch_up(host: Host, session: Session, acts: Sequence[Act], *, released: Collection[str]) -> None:
    """Dags that nothing holds any more on the version that they have follow again, at once."""
    free: dict[str, list[str]] = {}
    for act in acts:
        freed = any(
            isinstance(step, Lift) or (isinstance(step, SetTrack) and step.track is Track.AUTO)
            for step in act.decision.steps
        )
        if freed and act.state.stands_still and act.state.dag_id not in released:
            free.setdefault(act.dag.bundle_name, []).append(act.state.dag_id)
    for bundle_name, dag_ids in sorted(free.items()):
        follow(host, session, bundle_name, dag_ids)


def _rejection(act: Act, step: Reject, now: datetime) -> NewRejection:
    return NewRejection(
        dag_id=act.state.dag_id,
        build_id=step.build.id,
        inputs_digest=step.inputs_digest,
        first_seq=step.first_seq,
        last_seq=step.last_seq,
        actor=act.actor,
        reason=act.reason,
        at=now,
    )


def _release_all(
    host: Host,
    session: Session,
    releasing: Sequence[tuple[Act, Release]],
    contents: Mapping[int, StoredContent],
    versions: Mapping[int, str],
    *,
    now: datetime,
) -> tuple[list[Made], dict[str, Projected]]:
    """Write each release to Airflow's rows and to the ledger; by Dag, what was written."""
    if not releasing:
        return [], {}
    observed = host.observe(session, {act.state.dag_id: act.dag for act, _ in releasing})
    _mend_superseded(host, session, releasing, observed, now=now)
    unplaced = {step.build.id for _, step in releasing if step.version is None} - versions.keys()
    newest = {**versions, **(stands.newest_versions(session, unplaced) if unplaced else {})}
    locations = settle_locations(
        host,
        session,
        [
            (act.dag, evolve(step.build, bundle_version=step.version or newest[step.build.id]))
            for act, step in releasing
        ],
    )
    made = [
        _numbered(act, step, locations[act.state.dag_id], observed[act.state.dag_id])
        for act, step in releasing
    ]
    projections = projections_for(
        session,
        [(m.number, m.step.kind, m.step.build, m.location, m.replaced) for m in made],
        contents=contents,
        observed=observed,
    )
    replaced = [p for p in projections if p.dag_version_id is not None]
    added = [p for p in projections if p.dag_version_id is None]
    written = {**host.project(session, added), **host.restore(session, replaced)}
    if replaced:
        host.reassert(session, replaced)
    retired = [m.act.state.dag_id for m in made if m.step.kind is Kind.RETIRE]
    if retired:
        host.retire(session, retired)
    _keep_ledger(session, made, written, now=now)
    return made, written


def _numbered(act: Act, step: Release, location: Location, seen: Observed) -> Made:
    active, replaced = act.dag.active_release, None
    number = max(seen.highest, active or 0) + 1
    if step.replaces_active and active is not None:
        number, replaced = active, act.dag.dag_version_id
    return Made(act=act, step=step, number=number, location=location, replaced=replaced)


def _keep_ledger(
    session: Session, made: Sequence[Made], written: Mapping[str, Projected], *, now: datetime
) -> None:
    for m in made:
        if m.replaced is not None:
            releases.replace(
                session,
                m.act.state.dag_id,
                m.number,
                build_id=m.step.build.id,
                dag_version_id=written[m.act.state.dag_id].dag_version_id,
                bundle_version=m.location.bundle_version,
                now=now,
            )
    releases.add_all(
        session,
        [
            ReleaseRecord(
                dag_id=m.act.state.dag_id,
                release=m.number,
                build_id=m.step.build.id,
                kind=m.step.kind,
                actor=m.act.actor,
                reason=m.act.reason,
                previous_release=m.act.state.active_release,
                dag_version_id=written[m.act.state.dag_id].dag_version_id,
                bundle_version=m.location.bundle_version,
                created_at=now,
            )
            for m in made
            if m.replaced is None
        ],
    )


_TRACK = ("track", "track_actor", "track_reason", "track_since")
_RELEASED = (
    "active_release",
    "active_build_id",
    "retired",
    "missing_since",
    "dag_version_id",
    "released_version",
    "row_version",
    "follow_version",
    "follow_before",
    "projected_hash",
    "projected_code_hash",
    "stable_bundle",
    "stable_fileloc",
    "asserted_at",
)
"""Columns of a Dag's row that say on which track it is, and what was released."""


def _released(row: ManagedDag, made: Made, projected: Projected, now: datetime) -> ManagedDag:
    again = made.step.kind is Kind.AUTO and row.active_build_id == made.step.build.id and not row.retired
    # The same build in a newer version by itself: as if the Dag had followed.
    before = taken(row.follow_version, row.released_version)
    version = plain(made.location.bundle_version)
    return evolve(
        row,
        active_release=made.number,
        active_build_id=made.step.build.id,
        retired=made.step.kind is Kind.RETIRE,
        missing_since=None,
        dag_version_id=projected.dag_version_id,
        released_version=made.location.bundle_version,
        row_version=made.location.bundle_version,
        follow_version=version,
        follow_before=before if again and before != version else None,
        projected_hash=projected.serialized_hash,
        projected_code_hash=projected.code_hash,
        stable_bundle=made.location.bundle_name,
        stable_fileloc=made.location.relative_fileloc,
        asserted_at=now,
    )


def _mend_superseded(
    host: Host,
    session: Session,
    releasing: Sequence[tuple[Act, Release]],
    observed: Mapping[str, Observed],
    *,
    now: datetime,
) -> None:
    """Put back what another writer changed in versions that are superseded now.

    Runs may be bound to them later, and nobody compares a version again once another is the newest.
    """
    for act, step in releasing:
        row, build, drift = act.dag, act.state.active_build, observed[act.state.dag_id].drift
        if drift is None or build is None or step.replaces_active or not drift.of_version:
            continue
        wanted = (row.active_release or 0, None, build, released_location(row), row.dag_version_id)
        host.restore(session, projections_for(session, [wanted], written=row))
        record_drift(host, session, drift, bundle_name=row.bundle_name, now=now)


def record_drift(host: Host, session: Session, drift: Drift, *, bundle_name: str, now: datetime) -> None:
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


def released_location(row: ManagedDag) -> Location:
    """The location under which a Dag's active release stands in Airflow's rows."""
    bundle_name, version, path = row.stable_bundle, row.released_version, row.stable_fileloc
    # A release sets all three, and so does an adoption.
    assert bundle_name is not None and version is not None and path is not None
    return Location(bundle_name=bundle_name, bundle_version=version, relative_fileloc=path)


def settle_locations(
    host: Host, session: Session, wanted: Sequence[tuple[ManagedDag, Build]]
) -> dict[str, Location]:
    """By Dag, where Airflow is told to find its build: where the Dag's runs know it, if it has runs."""
    moved = [row.dag_id for row, build in wanted if row.stable_fileloc is not None and not _stays(row, build)]
    known = host.with_runs(session, moved) if moved else set()
    configured = cache(lambda name: host.bundle_is_configured(session, name))
    serves = cache(lambda name: host.serves_moved_files(session, name))
    return {
        row.dag_id: _location_at(row, build, serves)
        if row.dag_id in known and configured(row.stable_bundle)
        else location_of(build, stable_bundle=None, stable_fileloc=None)
        for row, build in wanted
    }


def _stays(row: ManagedDag, build: Build) -> bool:
    return (row.stable_bundle, row.stable_fileloc) == (build.bundle_name, build.relative_fileloc)


def location_for_runs(host: Host, session: Session, row: ManagedDag, build: Build) -> Location:
    """The location of a build for runs of it, while another build of the Dag may be the active one.

    Airflow looks for the file of every run where the active release has it.

    :raises Refused: the build's file lies elsewhere and no bundle version serves it there.
    """
    location = _location_at(row, build, lambda name: host.serves_moved_files(session, name))
    if row.stable_fileloc is None or (row.stable_bundle, row.stable_fileloc) == (
        location.bundle_name,
        location.relative_fileloc,
    ):
        return location
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


def _location_at(row: ManagedDag, build: Build, serves: Callable[[str], bool]) -> Location:
    """The location where the Dag's row has it, if its bundle and the build's can serve the file there."""
    stable = row.stable_bundle
    if stable is not None and all(map(serves, {stable, build.bundle_name})):
        return location_of(build, stable_bundle=stable, stable_fileloc=row.stable_fileloc)
    return location_of(build, stable_bundle=None, stable_fileloc=None)


def projections_for(
    session: Session,
    wanted: Sequence[tuple[int, Kind | None, Build, Location, UUID | None]],
    *,
    written: ManagedDag | None = None,
    contents: Mapping[int, StoredContent] = MappingProxyType({}),
    observed: Mapping[str, Observed] = MappingProxyType({}),
    row_versions: Mapping[str, str | None] = MappingProxyType({}),
) -> list[Projection]:
    """Load what must be written for the given (number, kind, build, location, version id) tuples.

    ``row_versions`` are, by Dag, what their rows name where that is not the location's version.

    What ``contents`` has, by id of the build, is not loaded, nor looked at what ``observed`` tells of a Dag.
    ``written`` is the one Dag's row, when what was written before is to be left alone where it stands.
    """
    missing = [build.id for _, _, build, _, _ in wanted if build.id not in contents]
    content = {**contents, **builds.contents(session, missing)}
    code_digests = {
        build.id: content[build.id].files.get(build.relative_fileloc, "") for _, _, build, _, _ in wanted
    }
    code = builds.sources(session, [digest for digest in code_digests.values() if digest])
    data = _version_data(session, content, [(build, location) for _, _, build, location, _ in wanted])
    projections = []
    for number, kind, build, location, dag_version_id in wanted:
        stored, seen = content[build.id], observed.get(build.dag_id)
        source = code.get(code_digests[build.id])
        projections.append(
            Projection(
                dag_id=build.dag_id,
                release=number,
                kind=kind,
                build=build,
                location=location,
                serialized=serialized_for(build, stored.serialized, location, stored.bundle_path),
                source_code=storable((source or b"").decode(errors="replace"))
                or "# The source of this Dag is empty.\n",
                version_data=data[build.id],
                row_version=row_versions.get(build.dag_id),
                dag_version_id=dag_version_id,
                written=_written(written) if written is not None else None,
                references=seen.references if seen else None,
                keeps_assets=seen.keeps_assets if seen else None,
            )
        )
    return projections


def _version_data(
    session: Session, contents: Mapping[int, StoredContent], wanted: Sequence[tuple[Build, Location]]
) -> dict[int, Mapping[str, Json] | None]:
    """By id of the build, the data that its bundle's class gave with the version of the location."""
    elsewhere = {
        build.id: (build.bundle_name, plain(location.bundle_version))
        for build, location in wanted
        if plain(location.bundle_version) != build.bundle_version
    }
    known = bundles.versions(session, set(elsewhere.values())) if elsewhere else {}
    found = {build.id: contents[build.id].version_data for build, _ in wanted}
    return found | {
        build_id: known[key].version_data if key in known else None for build_id, key in elsewhere.items()
    }


def _written(row: ManagedDag) -> Projected | None:
    if row.projected_hash is None or row.projected_code_hash is None or row.dag_version_id is None:
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
    rejected: int | None = None
    lifted = False
    for step in act.decision.steps:
        match step:
            case SetTrack():
                track = step.track
            case Reject():
                rejected = step.build.build
            case Lift():
                lifted = True
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
        rejected=rejected,
        lifted=lifted,
        warnings=runtime_warnings(state.active_build, release.build if release else None),
    )


def _record(host: Host, session: Session, done: Sequence[tuple[Act, Outcome]], *, now: datetime) -> None:
    rows = []
    for act, outcome in done:
        kind = outcome.kind or act.verb
        details: dict[str, Json] = {
            "verb": act.verb,
            "from_release": outcome.from_release,
            "from_build": outcome.from_build,
            "release": outcome.release,
            "build": outcome.build,
            "track": outcome.track,
            "message": outcome.message,
            "rejected": outcome.rejected,
            "lifted": outcome.lifted,
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
