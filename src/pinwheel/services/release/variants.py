"""The version rows of builds that are made for dates: without the tasks that have no place then."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve

from pinwheel.core import text
from pinwheel.core.build import Build
from pinwheel.core.errors import HostError, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.rows import Location, number_for_dates
from pinwheel.core.structure.windows import Segment, segment_at, whole_is_needed
from pinwheel.core.structure.without import without
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.release.projecting import location_for_runs, projections_for, released_location
from pinwheel.store import builds, bundles, dags, events, segments, stands, timelines
from pinwheel.store.builds import StoredContent
from pinwheel.store.locking import begin_write, lock_dags
from pinwheel.store.segments import StoredSegment

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Clock = Callable[[], float]
RETRY = 30.0
"""Seconds after which rows are tried again that could not be made: until then others' come first."""


class Unanswered(HostError):
    """A bundle's class can not be asked now what its Dags may have. Later it can."""


def allowed(host: Host, session: Session, bundle_name: str, version: str) -> int:
    """How many segments a build of this bundle's version may have; 0: none, its runs are as in Airflow.

    :raises Unanswered: as :func:`hindrance`.
    """
    most = host.deployment.most_segments()
    return most if most and hindrance(host, session, bundle_name, version) is None else 0


def hindrance(host: Host, session: Session, bundle_name: str, version: str) -> str | None:
    """Why no build of this bundle's version may have segments, whatever the options say; None: it may.

    A run that waits to be bound must execute nothing, which only a class sees to that refuses what it does
    not know.

    :raises Unanswered: nobody can tell now whether this one does.
    """
    known = bundles.versions(session, [(bundle_name, version)]).get((bundle_name, version))
    if known is not None and known.version_data is not None:
        return (
            f"the class of bundle {bundle_name!r} gives data with each version, which Airflow hands out with "
            "a version row; a row for dates is of many versions"
        )
    refuses = host.deployment.refuses_unknown(bundle_name, version, None)
    if refuses is None:
        raise Unanswered(
            f"Cannot tell whether bundle {bundle_name!r} refuses a version that it does not know",
            found=f"its class does not even make version {version!r} ready now, which it has",
            remedy="It is asked again by itself; what hinders it is said where tasks of that bundle start",
            bundle=bundle_name,
        )
    if not refuses:
        return (
            f"the class of bundle {bundle_name!r} makes a version ready that it does not know, so a run "
            "could execute what is there before it is bound by its date"
        )
    return None


def tell_none(session: Session, build: Build, why: str, *, now: datetime) -> None:
    """Tell why runs of a build have all tasks at all dates, though some have dates of their own."""
    events.add(
        session,
        EventKind.VARIANT_REFUSED,
        now=now,
        actor=ACTOR,
        dag_id=build.dag_id,
        bundle_name=build.bundle_name,
        details={
            "build": build.build,
            "bundle_version": build.bundle_version,
            "path": build.relative_fileloc,
            "error": text.fit(why, text.EVENT),
        },
    )


def note(session: Session, build: Build, serialized: Mapping[str, Json], found: Sequence[Segment]) -> None:
    """Note when which tasks of a new build are absent, and the rows that its runs need."""
    segments.add(session, build.dag_id, build.id, found)
    if whole_is_needed(serialized, found):
        segments.add_whole(session, build.dag_id, build.id)


def make_rows(
    host: Host,
    session: Session,
    build: Build,
    positions: Collection[int],
    *,
    contents: Mapping[int, StoredContent] = MappingProxyType({}),
) -> dict[int, UUID]:
    """The version rows of these segments of a build, by position; those that are missing are made.

    The caller holds the Dag's lock. Segments without the same tasks have one row. Where nothing is absent a
    run has the row of all tasks without their own dates, if the build needs one, else the build's own: those
    positions are left out.

    :raises Refused: no bundle version serves the build's file where the Dag's runs look for it.
    """
    every = segments.of_builds(session, [build.id]).get(build.id, [])
    wanted = {one.position: _row_for(one, every) for one in every if one.position in set(positions)}
    firsts = {one.position: one for one in wanted.values() if one is not None}
    noted = [one.dag_version_id for one in firsts.values() if one.dag_version_id is not None]
    there = host.reads.existing_version_ids(session, noted) if noted else set()
    missing = [one for one in firsts.values() if one.dag_version_id not in there]
    made = {position: one.dag_version_id for position, one in firsts.items() if one not in missing}
    made |= _make(host, session, build, missing, contents)
    found = {
        position: version_id
        for position, first in wanted.items()
        if first is not None and (version_id := made[first.position]) is not None
    }
    alike = {
        one.position: (number_for_dates(build.build, first.position), version_id)
        for one in every
        if (first := _first_alike(one, every)) is not None
        and (version_id := made.get(first.position)) is not None
        and one.dag_version_id != version_id
    }
    segments.made(session, build.id, alike)
    return found


def make_row(host: Host, session: Session, build: Build, position: int) -> UUID | None:
    """The version row of one segment, as :func:`make_rows`; position 0: of a build without stretches."""
    if not position:
        known = segments.of_builds(session, [build.id]).get(build.id, ())
        position = next((one.position for one in known), 0)
    return make_rows(host, session, build, [position]).get(position)


def make_present(host: Host, session: Session, build: Build, contents: Mapping[int, StoredContent]) -> None:
    """Make the row of the segment that holds this moment, of a build that is released."""
    found = [one for one in segments.of_builds(session, [build.id]).get(build.id, []) if one.stretch]
    if found:
        at = segment_at([one.segment for one in found], host.unit.now())
        make_rows(host, session, build, [found[at].position], contents=contents)


def _row_for(one: StoredSegment, every: Sequence[StoredSegment]) -> StoredSegment | None:
    """The segment whose row runs of this one have; None: they have the build's own."""
    if one.stretch and not one.absent:
        return next((other for other in every if not other.stretch), None)
    return _first_alike(one, every)


def _first_alike(one: StoredSegment, every: Sequence[StoredSegment]) -> StoredSegment | None:
    """The segment whose row this one has; None: it has the build's own."""
    if one.stretch and not one.absent:
        return None
    return next(other for other in every if (other.stretch, other.absent) == (one.stretch, one.absent))


def _make(
    host: Host,
    session: Session,
    build: Build,
    missing: Sequence[StoredSegment],
    contents: Mapping[int, StoredContent],
) -> dict[int, UUID]:
    if not missing:
        return {}
    row = dags.rows(session, [build.dag_id])[build.dag_id]
    # A row that `airflow db clean` took is made anew under its id: the ledger knows it by that.
    location = _location(host, session, row, build)
    tuples = [
        (number_for_dates(build.build, one.position), None, build, location, one.dag_version_id)
        for one in missing
    ]
    made = {}
    for one, whole in zip(missing, projections_for(session, tuples, contents=contents), strict=True):
        spent = evolve(whole, serialized=without(whole.serialized, one.absent))
        made[one.position] = host.rows.write_trial(session, spent)
        if one.dag_version_id is not None:
            events.add(
                session,
                EventKind.VERSION_RESTORED,
                now=host.unit.now(),
                actor=ACTOR,
                dag_id=build.dag_id,
                bundle_name=build.bundle_name,
                details={"build": build.build},
            )
    return made


def _location(host: Host, session: Session, row: ManagedDag, build: Build) -> Location:
    if build.id == row.active_build_id:
        return released_location(row)
    version = stands.newest_versions(session, [build.id])[build.id]
    if bundles.with_data(session, build.bundle_name, {version}):
        # Airflow hands out a row's data with a run's version: that of the runs that take it.
        newest = timelines.newest(session, [build.dag_id]).get(build.dag_id)
        of_eras = [era.bundle_version for era in newest.eras if era.build_id == build.id] if newest else []
        version = of_eras[0] if of_eras else version
    return location_for_runs(host, session, row, evolve(build, bundle_version=version))


def missing(host: Host, session: Session, limit: int, but: Collection[int] = ()) -> dict[int, list[int]]:
    """By build, but for these, positions of segments whose rows are still to be made: those of active builds
    and of eras.
    """
    found: dict[int, list[int]] = {}
    every = [one for one in segments.in_use(session) if one.absent or not one.stretch]
    noted = {one.dag_version_id for one in every if one.dag_version_id is not None}
    there = host.reads.existing_version_ids(session, noted) if noted else set()
    wanted = [one for one in every if one.dag_version_id not in there and one.build_id not in but]
    for one in wanted[:limit]:
        found.setdefault(one.build_id, []).append(one.position)
    return found


def make_missing(
    host: Host, limit: int = 25, *, failed: dict[int, float] | None = None, clock: Clock = time.monotonic
) -> int:
    """Make rows that are missing, a build a transaction; how many segments have one now.

    What can not be made as things are, because a file lies elsewhere now, is left: its runs wait, and say so.
    ``failed`` keeps until when such builds are passed over. Raises the first other fault when all is done
    that can be.
    """

    def one(build_id: int, positions: Sequence[int], session: Session) -> int:
        begin_write(session)
        build = builds.by_ids(session, [build_id]).get(build_id)
        if build is None or not lock_dags(session, [build.dag_id]):
            return 0
        return len(make_rows(host, session, build, positions))

    failed, now = {} if failed is None else failed, clock()
    passed_over = {build_id for build_id, until in failed.items() if until > now}
    made, faults = 0, []
    for build_id, positions in host.unit.run(partial(missing, host, limit=limit, but=passed_over)).items():
        try:
            made += host.unit.run(partial(one, build_id, positions))
            failed.pop(build_id, None)
        except Exception as error:
            failed[build_id] = now + RETRY
            if not isinstance(error, Refused):
                error.add_note(f"build {build_id}")
                faults.append(error)
    if faults:
        raise faults[0]
    return made


def remove_needless(host: Host, session: Session, dag_ids: Collection[str]) -> set[UUID]:
    """Remove the rows of superseded builds of these Dags, which are locked, that nothing needs; which ones.

    Nothing of Airflow's refers to them then, neither an active build nor an era nor the ledger of runs.
    """
    candidates = segments.superseded(session, dag_ids)
    gone = host.rows.delete_unused_versions(session, candidates) if candidates else set()
    segments.unmade(session, gone)
    return gone
