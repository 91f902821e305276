"""Builds that runs are to be on, and Airflow's version row for each: of a release, else one for trials."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Refused
from pinwheel.core.records import ReleaseRecord, Trial
from pinwheel.core.release.follow import plain
from pinwheel.core.release.rows import Location
from pinwheel.services.ports.host import Host
from pinwheel.services.release import keeping
from pinwheel.services.release.projecting import location_for_runs, projections_for
from pinwheel.store import bundles, dags, releases, stands

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


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
    if target.version is None and build.id == row.active_build_id:
        # Not its release in its newest version: what was rolled back within a build is in force.
        own = row.dag_version_id
        if own is not None and host.reads.existing_version_ids(session, [own]):
            return own, row.active_release, row.in_force or row.released_version
    version = target.version or stands.newest_versions(session, [build.id])[build.id]
    released = releases.of_build(session, build.id, bundle_version=version)
    tried = releases.trial_of(session, build.id)
    version = _with_its_data(session, target, version, released or tried)
    placed = evolve(build, bundle_version=version)
    if released is not None and host.reads.existing_version_ids(session, [released.dag_version_id]):
        location = location_for_runs(host, session, row, placed)
        if released.dag_version_id != row.dag_version_id:
            _move_unused(host, session, released.dag_version_id, location)
        return released.dag_version_id, released.release, location.bundle_version
    location = location_for_runs(host, session, row, placed)
    if tried is not None and host.reads.existing_version_ids(session, [tried.dag_version_id]):
        _move_unused(host, session, tried.dag_version_id, location)
        return tried.dag_version_id, None, location.bundle_version
    wanted = (-build.build, None, build, location, tried.dag_version_id if tried is not None else None)
    version_id = host.rows.write_trial(session, projections_for(session, [wanted])[0])
    if tried is None:
        releases.add_trial(
            session,
            dag_id=build.dag_id,
            build_id=build.id,
            dag_version_id=version_id,
            bundle_version=location.bundle_version,
            now=host.unit.now(),
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
    raise without_its_data(f"Cannot bind runs of {build.dag_id}", build, version)


def without_its_data(failed: str, build: Build, version: str) -> Refused:
    return Refused(
        f"{failed} to build {build.build} of version {version}",
        found=f"the class of bundle {build.bundle_name!r} gives data with each version, which Airflow keeps "
        "with releases only, and the build was never released in that one",
        remedy=f"Name a version in which it was: pinwheel releases {build.dag_id}",
        dag_id=build.dag_id,
        build=build.build,
    )


def _move_unused(host: Host, session: Session, dag_version_id: UUID, location: Location) -> None:
    """Let a release's or trial's version row say the location that its runs will have, if it has none yet.

    Airflow takes a run's bundle version from the run, but that of some callbacks and of its own triggers
    from the row (scheduler_job_runner.py:1540 in 3.3.2). A row that runs refer to is history and stays; so
    does, in the ledger, what was released or tried first.
    """
    if host.reads.unused(session, [dag_version_id]):
        host.rows.move_version(session, dag_version_id, location)
