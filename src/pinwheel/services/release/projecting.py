"""Where Airflow is told to find builds, and what is written to its rows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from pinwheel.core.build import Build
from pinwheel.core.errors import Refused
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.follow import plain
from pinwheel.core.release.rows import Location, Projected, Projection, location_of, serialized_for
from pinwheel.core.release.state import Kind
from pinwheel.core.text import storable
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.rows import Observed
from pinwheel.store import builds, bundles
from pinwheel.store.builds import StoredContent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


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
    known = host.rows.with_runs(session, moved) if moved else set()
    configured = cache(lambda name: host.deployment.bundle_is_configured(session, name))
    serves = cache(lambda name: host.deployment.serves_moved_files(session, name))
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
    location = _location_at(row, build, lambda name: host.deployment.serves_moved_files(session, name))
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
