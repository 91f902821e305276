"""Carrying decisions out: the ledger, the Dag's state and Airflow's rows, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.event import EventKind
from pinwheel.core.records import ManagedDag, ReleaseRecord
from pinwheel.core.release.decide import Lift, Reject, Release, SetTrack
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import plain, taken
from pinwheel.core.release.rejection import NewRejection
from pinwheel.core.release.rows import Location, Projected
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.run.mark import is_marked
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.rows import Observed
from pinwheel.services.release import dated, revise, variants
from pinwheel.services.release.follow import follow_each
from pinwheel.services.release.outcome import ACTOR, Act, Outcome, outcome_of, record
from pinwheel.services.release.projecting import projections_for, released_location, settle_locations
from pinwheel.store import dags, rejections, releases, rollouts, stands
from pinwheel.store.builds import StoredContent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


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
    batch: str | None = None,
    ruled: bool = True,
) -> list[Outcome]:
    """Carry out decisions on Dags that the caller has locked. Writes everything, commits nothing.

    ``contents``, and the newest ``versions`` in which they stand, are those of builds that the caller has at
    hand, by id of the build, so that they need not be read back. ``batch`` is that of the events. Not
    ``ruled``: the caller knows that no rule, policy or rollout is about the Dags.
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
    _mark_born(host, session, releasing)
    made, written = _release_all(host, session, releasing, contents or {}, versions or {}, now=now)
    for m in made:
        dag_id = m.act.state.dag_id
        rows[dag_id] = _released(rows.get(dag_id, m.act.dag), m, written[dag_id], now)
        columns[dag_id] = (*columns.get(dag_id, ()), *_RELEASED)
    # Those alike together: one statement for each of track, release and both.
    for alike in dict.fromkeys(columns.values()):
        dags.write(session, [row for dag_id, row in sorted(rows.items()) if columns[dag_id] == alike], alike)
    _settle_dated(host, session, made, contents or {}, now=now)
    _catch_up(host, session, acts, released=written.keys(), ruled=ruled)
    numbers = {m.act.state.dag_id: m.number for m in made}
    outcomes = [outcome_of(act, numbers.get(act.state.dag_id)) for act in acts]
    record(
        host,
        session,
        [
            (act, outcome)
            for act, outcome in zip(acts, outcomes, strict=True)
            if act.decision.changes and not act.told
        ],
        now=now,
        batch=batch,
    )
    return outcomes


def _mark_born(host: Host, session: Session, releasing: Sequence[tuple[Act, Release]]) -> None:
    """What was born while its Dag's mark was lost gets it as long as it stands on the active release: on one
    that was left it would look as if somebody had chosen it.
    """
    if judged := {act.state.dag_id for act, _ in releasing if is_marked(act.dag.row_version)}:
        host.runs.mark_waiting(session, judged, marked=True)


def _settle_dated(
    host: Host,
    session: Session,
    made: Sequence[Made],
    contents: Mapping[int, StoredContent],
    *,
    now: datetime,
) -> None:
    """Where it matters: Dags that were dated before these releases, and those that are now.

    With a release comes the version row of runs whose data is of this moment; the others follow.
    """
    concerned = [m for m in made if m.step.build.windowed or is_marked(m.act.dag.row_version)]
    if not concerned:
        return
    dag_ids = [m.act.state.dag_id for m in concerned]
    dated.settle(host, session, dag_ids, now)
    for m in concerned:
        if m.step.build.windowed and m.step.kind is not Kind.RETIRE:
            variants.make_present(host, session, m.step.build, contents)
    variants.remove_needless(host, session, dag_ids)


def _catch_up(
    host: Host, session: Session, acts: Sequence[Act], *, released: Collection[str], ruled: bool
) -> None:
    """Dags that nothing holds any more on the version that they have follow again, at once."""
    free = []
    for act in acts:
        freed = any(
            isinstance(step, Lift) or (isinstance(step, SetTrack) and step.track is Track.AUTO)
            for step in act.decision.steps
        )
        if freed and act.state.stands_still and act.state.dag_id not in released:
            free.append((act.dag.bundle_name, act.state.dag_id))
    follow_each(host, session, free, ruled=ruled)


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
    observed = host.rows.observe(session, {act.state.dag_id: act.dag for act, _ in releasing})
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
    written = {**host.rows.project(session, added), **host.rows.restore(session, replaced)}
    if replaced:
        host.rows.reassert(session, replaced)
    retired = [m.act.state.dag_id for m in made if m.step.kind is Kind.RETIRE]
    if retired:
        host.rows.retire(session, retired)
        rollouts.wake(session, now, retired)
        bundle_of = {m.act.state.dag_id: m.act.dag.bundle_name for m in made}
        gone = {dag_id: bundle_of[dag_id] for dag_id in retired}
        # One that comes back starts without a timeline.
        revise.end(host, session, gone, actor=ACTOR, reason="the Dag is gone from its bundle")
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
        host.rows.restore(session, projections_for(session, [wanted], written=row))
        record_drift(host, session, drift, bundle_name=row.bundle_name, now=now)


def record_drift(host: Host, session: Session, drift: Drift, *, bundle_name: str, now: datetime) -> None:
    """Say in the events and in Airflow's audit log what was found and put back."""
    told = Told(
        kind=EventKind.DRIFT,
        actor=ACTOR,
        dag_id=drift.dag_id,
        bundle_name=bundle_name,
        reason=drift.summary,
        details={
            "found": {name: str(value) for name, value in drift.found.items()},
            "foreign_versions": [str(i) for i in drift.foreign_versions],
            "repaired": True,
        },
        line={"found": drift.summary},
    )
    tell(host, session, [told], now=now)
