"""Which version a try ran on, and what there is to say of a version.

A version key names one of a Dag's versions to a reader and in URLs: ``r5`` is release 5, ``t3`` a trial of
build 3, which was never released, ``v2`` Airflow's version 2 from before Pinwheel. ``unknown`` is what
neither Pinwheel nor Airflow can name any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import frozen

from pinwheel.services.history import binding_at
from pinwheel.services.links import Links
from pinwheel.services.ports import AirflowRun, AirflowTry, Host
from pinwheel.services.views import View, instant, plain_version
from pinwheel.store import bindings, builds, releases, versions

UNKNOWN = "unknown"
_KEY = re.compile(r"([rtv])([1-9][0-9]{0,9})\Z")


def parse_key(key: str) -> tuple[str, int] | None:
    """``("r", 5)`` of ``"r5"``; None for anything else."""
    match = _KEY.match(key)
    return (match[1], int(match[2])) if match else None


@frozen
class RunVersions:
    """The versions of one run, as ids of Airflow's version rows; None stands for one that nobody knows."""

    current: UUID | None
    """What its tasks run on from now on."""
    used: tuple[UUID | None, ...]
    """What its tries ran on, oldest first, and what those to come will."""
    bound: tuple[Any, ...]
    """Its bindings, oldest first."""

    @property
    def mixed(self) -> bool:
        return len(self.used) > 1


def run_versions(host: Host, session: Any, dag_id: str, runs: Sequence[AirflowRun]) -> dict[str, RunVersions]:
    """By run id. Only runs that were bound more than once are looked at closely."""
    bound = bindings.of_runs(session, dag_id, [run.run_id for run in runs])
    several = [run_id for run_id, rows in bound.items() if len({row.dag_version_id for row in rows}) > 1]
    unbound = [run.run_id for run in runs if run.run_id not in bound]
    # What ran before the first binding was recorded, which only a run that Pinwheel did not see begin has.
    early = [run_id for run_id, rows in bound.items() if rows[0].seq > 0]
    total = host.started(session, dag_id, {*several, *early}) if several or early else {}
    since = host.started_since_bound(session, dag_id, {*several, *early}) if several or early else {}
    asked = [*unbound, *early]
    rows_say = host.versions_of_instances(session, dag_id, asked) if asked else {}
    found = {}
    for run in runs:
        rows = tuple(bound.get(run.run_id, ()))
        current = rows[-1].dag_version_id if rows else run.dag_version_id
        used: list[UUID | None] = []
        if not rows or (
            rows[0].seq > 0 and total.get(run.run_id, 0) > since.get((run.run_id, rows[0].seq), 0)
        ):
            said = rows_say.get(run.run_id, set()) - {row.dag_version_id for row in rows}
            used += sorted(said, key=str)
        if run.run_id in several:
            used += _with_tries(run.run_id, rows, total, since)
        used = [version for version in dict.fromkeys(used) if version != current]
        found[run.run_id] = RunVersions(current, (*used, current), rows)
    return found


def _with_tries(
    run_id: str, rows: Sequence[Any], total: Mapping[str, int], since: Mapping[tuple[str, int], int]
) -> list[UUID | None]:
    """Versions of those bindings in whose time a try began."""
    found = []
    for place, row in enumerate(rows):
        first = place == 0 and row.seq == 0
        begun = total.get(run_id, 0) if first else since.get((run_id, row.seq), 0)
        later = since.get((run_id, rows[place + 1].seq), 0) if place + 1 < len(rows) else 0
        if begun > later:
            found.append(row.dag_version_id)
    return found


def version_of(item: AirflowTry, run: AirflowRun, bound: Sequence[Any]) -> tuple[UUID | None, Any]:
    """The version that a try ran on, and the binding that says so, if one does."""
    binding = binding_at(bound, item.start_date or item.end_date)
    if binding is not None:
        return binding.dag_version_id, binding
    return item.dag_version_id or run.dag_version_id, None


class Names:
    """Keys and descriptions of a Dag's versions."""

    def __init__(self, host: Host, session: Any, dag_id: str, ids: Collection[UUID | None]) -> None:
        wanted = {version_id for version_id in ids if version_id is not None}
        known = releases.by_dag_version(session, wanted)
        found = builds.by_ids(session, {row.build_id for row in known.values()})
        ledger = versions.releases(
            session, dag_id, [row.release for row in known.values() if row.release is not None]
        )
        before = host.airflow_versions(session, wanted - known.keys()) if wanted - known.keys() else {}
        self._views: dict[UUID | None, View] = {None: _view(UNKNOWN, "unknown")}
        for version_id in wanted:
            row = known.get(version_id)
            if row is not None:
                build = found[row.build_id]
                entry = ledger.get(row.release) if row.release is not None else None
                self._views[version_id] = _view(
                    f"r{row.release}" if row.release is not None else f"t{row.build}",
                    "release" if row.release is not None else "trial",
                    release=row.release,
                    build=row.build,
                    label=build.label,
                    bundle=build.bundle_name,
                    bundle_version=plain_version(build.bundle_version),
                    author=build.author,
                    message=build.message,
                    committed_at=instant(build.committed_at),
                    path=build.relative_fileloc,
                    released_at=instant(entry.created_at) if entry is not None else None,
                    released_by=entry.actor if entry is not None else None,
                    release_kind=entry.kind if entry is not None else None,
                    reason=entry.reason if entry is not None else None,
                    adopted=build.adopted,
                )
            elif version_id in before:
                version = before[version_id]
                self._views[version_id] = _view(
                    f"v{version.version_number}",
                    "before",
                    airflow_version=version.version_number,
                    bundle=version.bundle_name,
                    bundle_version=None,
                )
            else:
                self._views[version_id] = self._views[None]

    def key(self, version_id: UUID | None) -> str:
        return str(self._views[version_id]["key"])

    def by_key(self) -> dict[str, View]:
        return {view["key"]: view for view in self._views.values()}

    def shown(self, keys: Collection[str]) -> dict[str, View]:
        """Descriptions of these keys."""
        every = self.by_key()
        return {key: every[key] for key in keys}

    def link(self, host: Host, session: Any) -> None:
        """Add to each description where its commit can be looked at."""
        views = self._views.values()
        links = Links.to(host, session, [(view["bundle"], view["bundle_version"]) for view in views])
        for view in views:
            view["url"] = links.of(view["bundle"], view["bundle_version"])


def _view(key: str, kind: str, **values: Any) -> View:
    return {
        "key": key,
        "kind": kind,
        "release": None,
        "build": None,
        "airflow_version": None,
        "label": None,
        "bundle": None,
        "bundle_version": None,
        "author": None,
        "message": None,
        "committed_at": None,
        "path": None,
        "released_at": None,
        "released_by": None,
        "release_kind": None,
        "reason": None,
        "adopted": False,
        "url": None,
        **values,
    }
