"""How each Dag stands, and words that all views share. Nothing here locks or writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import unknown_dag
from pinwheel.core.lookup import named
from pinwheel.core.records import DagFile, ManagedDag, ReleaseRecord
from pinwheel.core.release.behind import Behind, Lag, behind
from pinwheel.core.release.follow import taken
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.release.why_held import PresentEra, waits, why_held
from pinwheel.core.request import ANY_STATE, States
from pinwheel.core.rollout.hold import Hold
from pinwheel.services.ports.host import Host
from pinwheel.services.release import holding, watched
from pinwheel.services.release.watched import UnderWatch
from pinwheel.services.rules import facts
from pinwheel.services.show import for_dates
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.services.show.words import plain_version
from pinwheel.store import builds as build_store
from pinwheel.store import dags as dag_store
from pinwheel.store import files as file_store
from pinwheel.store import rejections, stands, timelines
from pinwheel.store import releases as release_store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class BrokenView:
    """What is wrong with a Dag's file in the newest bundle version."""

    bundle_version: str | None
    error: str | None
    """None: whoever asks may not see it."""
    at: datetime | None
    path: str

    @classmethod
    def of(cls, file: DagFile) -> Self:
        """Of a file that has an error."""
        return cls(
            bundle_version=plain_version(file.version),
            error=file.error,
            at=file.broken_since or file.parsed_at,
            path=file.relative_fileloc,
        )


@frozen(kw_only=True)
class StatusView:
    """How a managed Dag stands: what runs, what waits and why."""

    dag_id: str
    bundle: str
    active_release: int | None
    active_build: int | None
    newest_build: int | None
    track: Track
    held: bool
    holds: tuple[Hold, ...]
    """What holds it, the first to be shown."""
    watch: UnderWatch | None
    """Its active release, where that is under watch."""
    behind: Behind | None
    """How far its new runs are behind what its bundle shows; None: they take that."""
    label: str | None
    broken: BrokenView | None
    """Whether or not anything runs differently for it."""
    retired: bool
    reason: str | None
    """This and the next two are those of the pin for a pinned Dag, else of the active release."""
    actor: str | None
    since: datetime | None
    unstable: tuple[str, ...]
    bundle_version: str | None
    """What new runs take."""
    kind: Kind | None
    """Why the active release was made."""
    released_at: datetime | None
    path: str
    windowed: Sometimes[bool] = ABSENT
    """Tasks of the active build have a place at some dates only, and runs of others leave them out."""
    runs: Sometimes[Mapping[str, int] | None] = ABSENT
    """Runs on the active release, by state. None: whoever asks may not see them."""


def everybodys(dag_ids: Collection[str]) -> set[str]:
    """Whoever asks may see the runs of all Dags."""
    return set(dag_ids)


def status(
    host: Host,
    *,
    dag_ids: Collection[str] | None = None,
    states: States = ANY_STATE,
    runs: bool = False,
    sees_runs: Callable[[Collection[str]], set[str]] = everybodys,
) -> list[StatusView]:
    """Each managed Dag that is in these states, by id; if asked for, with how its runs went.

    ``sees_runs`` tells of which Dags whoever asks may know that: no other is failing.

    :raises NotFound: one of the named Dags is not managed.
    """

    def work(session: Session) -> list[StatusView]:
        rows = dag_store.rows(session, dag_ids)
        for dag_id in sorted(set(dag_ids or ()) - rows.keys()):
            raise unknown_dag(dag_id)
        wanted = {row.active_build_id for row in rows.values()} | {
            row.newest_build_id for row in rows.values()
        }
        found = build_store.by_ids(session, wanted)
        active = release_store.active_ones(session, rows)
        broken = file_store.errors(
            session, {(row.bundle_name, row.relative_fileloc) for row in rows.values()}
        )
        rejected = rejections.of_newest(session, rows)
        lags = stands.lags(session, rows)
        eras = present_eras(host, session, rows)
        known = facts.know(session, rows, every=dag_ids is None)
        ruled = holding.of_rows(host, session, known, rows, lags)
        watches = watched.of_rows(host, session, known, rows)
        failing = host.reads.active_with_failures(session) if states.failing is not None else {}
        if failing:
            failing = for_dates.earliest(failing, for_dates.stand_ins(session, rows.values()))
        views = [
            _status(
                row,
                named(found, row.active_build_id),
                named(found, row.newest_build_id),
                active.get(dag_id),
                broken.get((row.bundle_name, row.relative_fileloc)),
                rejected.get(dag_id),
                lags.get(dag_id),
                eras.get(dag_id),
                ruled.get(dag_id, ()),
                watches.get(dag_id),
            )
            for dag_id, row in sorted(rows.items())
        ]
        failed = [dag_id for dag_id, row in rows.items() if row.dag_version_id in failing]
        told = sees_runs(failed) if failed else set()
        views = [view for view in views if states.admit(_states(view, failing=view.dag_id in told))]
        return _with_runs(host, session, views, rows, sees_runs) if runs else views

    return host.unit.run(work)


def _states(view: StatusView, *, failing: bool) -> States:
    return States(
        held=view.held,
        pinned=view.track is Track.PINNED,
        broken=view.broken is not None,
        failing=failing,
        behind=view.behind is not None,
    )


def _with_runs(
    host: Host,
    session: Session,
    views: Sequence[StatusView],
    rows: Mapping[str, ManagedDag],
    sees_runs: Callable[[Collection[str]], set[str]],
) -> list[StatusView]:
    versions = {view.dag_id: rows[view.dag_id].dag_version_id for view in views}
    stand_for = for_dates.stand_ins(session, [rows[view.dag_id] for view in views])
    wanted = [*(each for each in versions.values() if each is not None), *stand_for]
    counts = for_dates.counted(host.reads.counts_by_version(session, wanted), stand_for)
    told = sees_runs(list(versions))
    return [
        evolve(view, runs=counts.get(version, {}) if (version := versions[view.dag_id]) else {})
        if view.dag_id in told
        else evolve(view, runs=None)
        for view in views
    ]


def _status(
    row: ManagedDag,
    active: Build | None,
    newest: Build | None,
    release: ReleaseRecord | None,
    broken: DagFile | None,
    rejection: Rejection | None,
    lag: Lag | None,
    era: PresentEra | None,
    ruled: Sequence[Hold],
    watch: UnderWatch | None,
) -> StatusView:
    pinned = row.pinned
    later = lag is not None and lag.later and not row.retired
    holds = why_held(row, rejection, later=later, era=era, ruled=ruled)
    return StatusView(
        dag_id=row.dag_id,
        bundle=row.bundle_name,
        active_release=row.active_release,
        active_build=active.build if active else None,
        newest_build=newest.build if newest else None,
        track=row.track,
        held=bool(holds),
        holds=holds,
        watch=watch,
        behind=None if row.retired else behind(lag, waits=waits(row)),
        label=active.label if active else None,
        broken=BrokenView.of(broken) if broken is not None else None,
        retired=row.retired,
        reason=row.track_reason if pinned else (release.reason if release else None),
        actor=row.track_actor if pinned else (release.actor if release else None),
        since=row.track_since if pinned else (release.created_at if release else None),
        unstable=newest.unstable if newest else (),
        bundle_version=taken(row.follow_version, row.released_version),
        kind=release.kind if release else None,
        released_at=release.created_at if release else None,
        path=row.relative_fileloc,
        windowed=True if active is not None and active.windowed else ABSENT,
    )


def present_eras(host: Host, session: Session, dag_ids: Collection[str] | None) -> dict[str, PresentEra]:
    """By Dag (of these, or all), the era of its timeline that holds the present."""
    return {
        dag_id: PresentEra(
            build_id=found.era.build_id,
            reason=found.reason,
            since=found.at,
            until=found.era.ends_at,
            by=found.actor,
        )
        for dag_id, found in timelines.covering(session, host.unit.now(), dag_ids).items()
    }


def managed(session: Session, dag_id: str) -> ManagedDag:
    """The Dag's row.

    :raises NotFound: the Dag is not managed.
    """
    row = dag_store.rows(session, [dag_id]).get(dag_id)
    if row is None:
        raise unknown_dag(dag_id)
    return row
