"""Which version a try ran on, and what there is to say of a version.

A version key names one of a Dag's versions to a reader and in URLs: ``r5`` is release 5, ``t3`` a trial of
build 3, which was never released, ``v2`` Airflow's version 2 from before Pinwheel. ``r5.2`` and ``t3.2`` are
what runs of some dates have in place of these: without the tasks that are absent in the build's segment 2.
``unknown`` is what neither Pinwheel nor Airflow can name any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.records import KnownVersion, ReleaseRecord
from pinwheel.core.release.state import Kind
from pinwheel.core.run.binding import RunVersions, needs_tries, versions_of
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import AirflowRun, AirflowTry
from pinwheel.services.show.links import Links
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.services.show.words import plain_version
from pinwheel.store import bindings, builds, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

UNKNOWN = "unknown"
_KEY = re.compile(r"([rtv])([1-9][0-9]{0,9})(?:\.([1-9][0-9]{0,3}))?\Z")


def parse_key(key: str) -> tuple[str, int, int | None] | None:
    """``("r", 5, None)`` of ``"r5"``, ``("r", 5, 2)`` of ``"r5.2"``; None for anything else."""
    match = _KEY.match(key)
    if match is None or (match[1] == "v" and match[3]):
        return None
    return match[1], int(match[2]), int(match[3]) if match[3] else None


def run_versions(
    host: Host, session: Session, dag_id: str, runs: Sequence[AirflowRun]
) -> dict[str, RunVersions]:
    """By run id. Only runs whose versions follow from their tries are looked at closely."""
    bound = bindings.of_runs(session, dag_id, [run.run_id for run in runs])
    close = {run_id for run_id, rows in bound.items() if needs_tries(rows)}
    unbound = [run.run_id for run in runs if run.run_id not in bound]
    tries: dict[str, list[AirflowTry]] = {}
    for item in host.reads.tries(session, dag_id, close) if close else ():
        tries.setdefault(item.run_id, []).append(item)
    said = host.reads.versions_of_instances(session, dag_id, unbound) if unbound else {}
    return {
        run.run_id: versions_of(
            bound.get(run.run_id, ()),
            clear_number=run.clear_number,
            dag_version_id=run.dag_version_id,
            tries=tries.get(run.run_id, ()),
            said=said.get(run.run_id, ()),
        )
        for run in runs
    }


@frozen(kw_only=True)
class VersionView:
    """What there is to say of a version. Of one from before Pinwheel neither build nor commit is told."""

    key: str
    kind: str
    release: int | None = None
    build: int | None = None
    digest: str | None = None
    """Of its build: another one when the build or the release was written anew under the same number."""
    airflow_version: int | None = None
    label: str | None = None
    bundle: str | None = None
    bundle_version: str | None = None
    author: str | None = None
    message: str | None = None
    committed_at: datetime | None = None
    path: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    release_kind: Kind | None = None
    reason: str | None = None
    adopted: bool = False
    url: str | None = None
    """Where its commit can be looked at; only where it was asked for."""
    absent: Sometimes[tuple[str, ...]] = ABSENT
    """Tasks of its build that runs on it have not: they have no place at the dates of these."""


RELEASE, TRIAL, BEFORE = "release", "trial", "before"
_UNKNOWN = VersionView(key=UNKNOWN, kind=UNKNOWN)


class Names:
    """Keys and descriptions of a Dag's versions."""

    def __init__(self, host: Host, session: Session, dag_id: str, ids: Collection[UUID | None]) -> None:
        wanted = {version_id for version_id in ids if version_id is not None}
        known = releases.by_dag_version(session, wanted)
        found = builds.by_ids(session, {row.build_id for row in known.values()})
        for_dates = {row.build_id for row in known.values() if row.segment is not None}
        stretches = segments.of_builds(session, for_dates) if for_dates else {}
        absent = {(one.build_id, one.position): one.absent for rows in stretches.values() for one in rows}
        ledger = releases.by_number(
            session, dag_id, [row.release for row in known.values() if row.release is not None]
        )
        before = host.reads.airflow_versions(session, wanted - known.keys()) if wanted - known.keys() else {}
        self._views: dict[UUID | None, VersionView] = {None: _UNKNOWN}
        for version_id in wanted:
            row = known.get(version_id)
            if row is not None:
                entry = ledger.get(row.release) if row.release is not None else None
                view = _known(row, found[row.build_id], entry)
                if row.segment is not None:
                    view = evolve(view, absent=tuple(sorted(absent[row.build_id, row.segment])))
                self._views[version_id] = view
            elif version_id in before:
                version = before[version_id]
                self._views[version_id] = VersionView(
                    key=f"v{version.version_number}",
                    kind=BEFORE,
                    airflow_version=version.version_number,
                    bundle=version.bundle_name,
                )
            else:
                self._views[version_id] = _UNKNOWN

    def key(self, version_id: UUID | None) -> str:
        return self._views[version_id].key

    def by_key(self) -> dict[str, VersionView]:
        return {view.key: view for view in self._views.values()}

    def shown(self, keys: Collection[str]) -> dict[str, VersionView]:
        """Descriptions of these keys."""
        every = self.by_key()
        return {key: every[key] for key in keys}

    def link(self, host: Host, session: Session) -> None:
        """Add to each description where its commit can be looked at."""
        views = self._views.values()
        links = Links.to(host, session, [(view.bundle, view.bundle_version) for view in views])
        for version_id, view in self._views.items():
            self._views[version_id] = evolve(view, url=links.of(view.bundle, view.bundle_version))


def _known(row: KnownVersion, build: Build, entry: ReleaseRecord | None) -> VersionView:
    key = f"r{row.release}" if row.release is not None else f"t{row.build}"
    return VersionView(
        key=key if row.segment is None else f"{key}.{row.segment}",
        kind=RELEASE if row.release is not None else TRIAL,
        release=row.release,
        build=row.build,
        digest=build.digest,
        label=build.label,
        bundle=build.bundle_name,
        bundle_version=plain_version(build.bundle_version),
        author=build.author,
        message=build.message,
        committed_at=build.committed_at,
        path=build.relative_fileloc,
        released_at=entry.created_at if entry is not None else None,
        released_by=entry.actor if entry is not None else None,
        release_kind=entry.kind if entry is not None else None,
        reason=entry.reason if entry is not None else None,
        adopted=build.adopted,
    )
