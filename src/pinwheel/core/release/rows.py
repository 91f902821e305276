"""What is to be written to Airflow's rows so that they describe one build, and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.digest import with_bundle_path
from pinwheel.core.release.state import Kind
from pinwheel.core.version_alias import make_aliased_version


@frozen(kw_only=True)
class Location:
    """Where Airflow is told to find a Dag: bundle, version and path, all three as its rows hold them.

    Airflow takes a run's path and bundle from the Dag's row but the version from the run, so the first two
    stay the same over all releases of a Dag that has runs; a version in which the file lies elsewhere
    carries an alias.
    """

    bundle_name: str
    bundle_version: str
    relative_fileloc: str


def location_of(build: Build, *, stable_bundle: str | None, stable_fileloc: str | None) -> Location:
    """The location under which a build is released, given the one that the Dag's earlier runs know."""
    bundle_name = stable_bundle or build.bundle_name
    fileloc = stable_fileloc or build.relative_fileloc
    if not build.versioned or (bundle_name, fileloc) == (build.bundle_name, build.relative_fileloc):
        return _own_location(build)
    served_by = build.relative_fileloc
    if bundle_name != build.bundle_name:
        served_by = f"@{build.bundle_name}!{served_by}"
    try:
        version = make_aliased_version(build.bundle_version, {fileloc: served_by})
    except ValueError:
        # Not a version of one of our bundles, or longer than Airflow's column: as stock Airflow then, where
        # runs of earlier releases can not be run again after a move.
        return _own_location(build)
    return Location(bundle_name=bundle_name, bundle_version=version, relative_fileloc=fileloc)


def _own_location(build: Build) -> Location:
    return Location(
        bundle_name=build.bundle_name,
        bundle_version=build.bundle_version,
        relative_fileloc=build.relative_fileloc,
    )


@frozen(kw_only=True)
class Projected:
    """What now stands in Airflow's rows; kept to notice when somebody else changes it."""

    dag_id: str
    dag_version_id: UUID
    serialized_hash: str
    code_hash: str


@frozen(kw_only=True)
class Projection:
    """One Dag's rows as they should be."""

    dag_id: str
    release: int
    """Becomes ``dag_version.version_number``; negative for a build that is only tried."""
    kind: Kind | None
    build: Build
    location: Location
    serialized: Mapping[str, Any] = field(repr=False)
    source_code: str = field(repr=False)
    version_data: Mapping[str, Any] | None = None
    row_version: str | None = None
    """What the Dag's row names in place of the location's version: it has followed since it was released."""
    dag_version_id: UUID | None = None
    """Write into (or re-create) this version instead of adding one."""
    written: Projected | None = None
    """What was written to that version before; parts of it that still stand are left alone."""
    references: frozenset[str] | None = None
    """Tables in which Airflow has asset references of the Dag; None: nobody looked yet."""
    keeps_assets: bool | None = None
    """Whether assets are kept active for runs on other builds than the active ones; None: nobody looked."""


APART = 1_000_000
"""More than a Dag has builds: no version row that is made for dates has the number of another one or a
trial's.
"""


def number_for_dates(build: int, position: int) -> int:
    """The number of the version row of a build's segment; that of a trial of it is ``-build``."""
    return -(position * APART + build)


def serialized_for(
    build: Build, stored: Mapping[str, Any], location: Location, bundle_path: str | None
) -> dict[str, Any]:
    """The stored serialized Dag with its absolute paths filled in, as Airflow would hold it."""
    data: dict[str, Any] = with_bundle_path(stored, bundle_path) if bundle_path else dict(stored)
    if location.relative_fileloc != build.relative_fileloc:
        data = {**data, "dag": {**data["dag"], "relative_fileloc": location.relative_fileloc}}
    return data
