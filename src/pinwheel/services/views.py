"""What there is to see: JSON-able lists for the CLI, the API and the UI. Nothing here locks or writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pinwheel.core import diff as differences
from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.release import Track
from pinwheel.core.version_alias import split_version
from pinwheel.services.ports import Host
from pinwheel.services.releasing import runtime_warnings, unknown_dag
from pinwheel.store import builds as build_store
from pinwheel.store import dags as dag_store
from pinwheel.store import events as event_store
from pinwheel.store import files as file_store
from pinwheel.store import releases as release_store

View = dict[str, Any]


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return value.isoformat() if value is not None else None


def plain_version(version: str | None) -> str | None:
    """A bundle version as a person knows it: without the path aliases that Airflow's rows may carry."""
    if version is None:
        return None
    try:
        return split_version(version)[0]
    except ValueError:
        return version


def status(host: Host, *, dag_ids: Collection[str] | None = None) -> list[View]:
    """Each managed Dag, by id: what runs, what waits and why.

    ``broken`` tells of the newest bundle version's file, whether or not anything runs differently for it.
    ``reason``, ``actor`` and ``since`` are those of the pin for a pinned Dag, else of the active release.

    :raises NotFound: one of the named Dags is not managed.
    """

    def work(session: Any) -> list[View]:
        rows = dag_store.rows(session, dag_ids)
        for dag_id in sorted(set(dag_ids or ()) - rows.keys()):
            raise unknown_dag(dag_id)
        wanted = {row.active_build_id for row in rows.values()} | {
            row.newest_build_id for row in rows.values()
        }
        found = build_store.by_ids(session, [build_id for build_id in wanted if build_id is not None])
        active = release_store.active_ones(session, rows)
        broken = file_store.errors(
            session, {(row.bundle_name, row.relative_fileloc) for row in rows.values()}
        )
        return [
            _status(
                row,
                found.get(row.active_build_id or 0),
                found.get(row.newest_build_id or 0),
                active.get(dag_id),
                broken.get((row.bundle_name, row.relative_fileloc)),
            )
            for dag_id, row in sorted(rows.items())
        ]

    return host.run(work)


def _status(row: Any, active: Build | None, newest: Build | None, release: Any, broken: Any) -> View:
    pinned = row.track == Track.PINNED
    return {
        "dag_id": row.dag_id,
        "bundle": row.bundle_name,
        "active_release": row.active_release,
        "active_build": active.build if active else None,
        "newest_build": newest.build if newest else None,
        "track": row.track,
        "held": bool(active and newest and active.build != newest.build),
        "label": active.label if active else None,
        "broken": _broken(broken) if broken is not None else None,
        "retired": bool(row.retired),
        "reason": row.track_reason if pinned else (release.reason if release else None),
        "actor": row.track_actor if pinned else (release.actor if release else None),
        "since": instant(row.track_since if pinned else (release.created_at if release else None)),
        "unstable": list(newest.unstable) if newest else [],
        "bundle_version": active.bundle_version if active else None,
        "kind": release.kind if release else None,
        "released_at": instant(release.created_at) if release else None,
        "path": row.relative_fileloc,
    }


def _broken(row: Any) -> View:
    return {
        "bundle_version": plain_version(row.version),
        "error": row.error,
        "at": instant(row.broken_since or row.parsed_at),
        "path": row.relative_fileloc,
    }


def builds(host: Host, dag_id: str) -> list[View]:
    """Good and broken builds of a Dag, newest first; a broken one has neither number nor digest.

    :raises NotFound: the Dag is not managed.
    """

    def work(session: Any) -> list[View]:
        managed(session, dag_id)
        numbers = release_store.numbers_by_build(session, dag_id)
        good = [good_build(build, numbers.get(build.id, [])) for build in build_store.of_dag(session, dag_id)]
        bad = [broken_build(row) for row in build_store.broken_of_dag(session, dag_id)]
        return by_time(good, bad)

    return host.run(work)


def by_time(good: list[View], bad: list[View]) -> list[View]:
    """Builds newest first: good ones keep the order of their numbers, broken ones go where their time is."""
    found: list[View] = []
    waiting = list(bad)
    for item in good:
        while waiting and waiting[0]["created_at"] >= item["created_at"]:
            found.append(waiting.pop(0))
        found.append(item)
    return found + waiting


def good_build(build: Build, numbers: list[int]) -> View:
    """A build and the releases of it."""
    return {
        "dag_id": build.dag_id,
        "build": build.build,
        "digest": build.digest,
        "bundle_version": build.bundle_version,
        "created_at": instant(build.created_at),
        "author": build.author,
        "message": build.message,
        "label": build.label,
        "status": "good",
        "releases": numbers,
        "error": None,
        "pure": build.pure,
        "adopted": build.adopted,
        "unstable": list(build.unstable),
        "bundle": build.bundle_name,
        "path": build.relative_fileloc,
        "committed_at": instant(build.committed_at),
    }


def broken_build(row: Any) -> View:
    """A row of ``store.builds.broken_of_dag``."""
    return {
        "dag_id": row.dag_id,
        "build": None,
        "digest": None,
        "bundle_version": plain_version(row.bundle_version),
        "created_at": instant(row.created_at),
        "author": row.author,
        "message": row.message,
        "label": row.label,
        "status": "broken",
        "releases": [],
        "error": row.error,
        "pure": False,
        "adopted": False,
        "unstable": [],
        "bundle": row.bundle_name,
        "path": row.relative_fileloc,
        "committed_at": None,
    }


def releases(host: Host, dag_id: str, *, include_before: bool = False) -> list[View]:
    """Releases of a Dag, newest first.

    With ``include_before`` Airflow's versions from before Pinwheel follow, of kind ``before``, without a
    build: nobody can say which code they ran.

    :raises NotFound: the Dag is not managed.
    """

    def work(session: Any) -> list[View]:
        row = managed(session, dag_id)
        ledger = release_store.of_dag(session, dag_id)
        found = build_store.by_ids(session, {item.build_id for item in ledger})
        shown = [
            one_release(item, found[item.build_id], active=item.release == row.active_release)
            for item in ledger
        ]
        if include_before and ledger:
            shown += [
                _before(dag_id, version)
                for version in host.versions_before(session, dag_id, ledger[-1].release)
            ]
        return shown

    return host.run(work)


def one_release(row: Any, build: Build, *, active: bool) -> View:
    """A row of ``store.releases.of_dag`` and its build."""
    return {
        "dag_id": row.dag_id,
        "release": row.release,
        "build": row.build,
        "kind": row.kind,
        "actor": row.actor,
        "reason": row.reason,
        "created_at": instant(row.created_at),
        "active": active,
        "bundle_version": plain_version(row.bundle_version),
        "label": build.label,
        "previous_release": row.previous_release,
    }


def _before(dag_id: str, version: Any) -> View:
    return {
        "dag_id": dag_id,
        "release": version.version_number,
        "build": None,
        "kind": "before",
        "actor": None,
        "reason": "before Pinwheel",
        "created_at": instant(version.created_at),
        "active": False,
        "bundle_version": plain_version(version.bundle_version),
        "label": None,
        "previous_release": None,
    }


def diff(host: Host, dag_id: str, from_build: int | None = None, to_build: int | None = None) -> View:
    """What changed between two builds of a Dag: ``{from, to, structure, files}``.

    Without numbers: from the active build to the newest one. Of an adopted build whose inputs were never
    traced only the Dag's own file is known; ``untraced`` is true then and the other files are left out.

    :raises NotFound: the Dag or a build does not exist.
    :raises InvalidInput: a number is below 1.
    """

    def work(session: Any) -> View:
        row = managed(session, dag_id)
        old = build_named(session, dag_id, from_build, row.active_build_id)
        new = build_named(session, dag_id, to_build, row.newest_build_id)
        stored = build_store.serialized(session, [old.id, new.id])
        before, after, untraced = files_of_two(session, old, new)
        return {
            "dag_id": dag_id,
            "from": old.build,
            "to": new.build,
            "structure": differences.structure(stored[old.id], stored[new.id]),
            "files": _file_changes(session, before, after),
            "untraced": untraced,
            "warnings": list(runtime_warnings(old, new)),
        }

    return host.run(work)


def files_of_two(session: Any, old: Build, new: Build) -> tuple[dict[str, str], dict[str, str], bool]:
    """Paths to content ids of both builds, and whether one of them is known by its Dag's file only."""
    found = build_store.files_of(session, {old.id, new.id})
    before, after = found.get(old.id, {}), found.get(new.id, {})
    untraced = any(build.adopted and not build.inputs_digest for build in (old, new))
    if untraced:
        common = before.keys() & after.keys()
        before = {path: before[path] for path in common}
        after = {path: after[path] for path in common}
    return before, after, untraced


def build_named(session: Any, dag_id: str, number: int | None, default_id: int | None) -> Build:
    """The build of a number, or the default one, for comparing.

    :raises NotFound: there is none.
    :raises InvalidInput: the number is below 1.
    """
    if number is not None and number < 1:
        raise InvalidInput(
            f"Cannot compare builds of {dag_id}", found=f"build {number}", remedy="Numbers start at 1"
        )
    if number is None:
        found = build_store.by_ids(session, [default_id]).get(default_id) if default_id is not None else None
    else:
        found = build_store.by_number(session, dag_id, number)
    if found is None:
        raise NotFound(
            f"Cannot compare builds of {dag_id}",
            found=f"it has no good build {number}" if number else "it has no good build yet",
            remedy=f"See its builds: pinwheel builds {dag_id}",
            dag_id=dag_id,
            build=number,
        )
    return found


def _file_changes(session: Any, before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    digests = {m[path] for m in (before, after) for path in changed if path in m}
    contents = build_store.sources(session, digests)
    return differences.files(
        {path: contents.get(before[path]) for path in changed if path in before},
        {path: contents.get(after[path]) for path in changed if path in after},
    )


def events(
    host: Host,
    *,
    dag_ids: Collection[str] | None = None,
    limit: int = 100,
    kinds: Collection[str] | None = None,
    actor: str | None = None,
    before_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[View]:
    """The audit trail, newest first. ``dag_ids`` leaves out what happened to other Dags.

    ``before_id`` pages on: only events older than that one. ``since`` is included, ``until`` is not.
    """
    if limit < 1:
        raise InvalidInput("Cannot list events", found=f"limit {limit}", remedy="Give a limit of 1 or more")

    def work(session: Any) -> list[View]:
        rows = event_store.listed(
            session,
            dag_ids=dag_ids,
            kinds=kinds,
            actor=actor,
            limit=limit,
            before_id=before_id,
            since=since,
            until=until,
        )
        return [
            {
                **(row.details or {}),
                "id": row.id,
                "at": instant(row.at),
                "kind": row.kind,
                "dag_id": row.dag_id,
                "bundle": row.bundle_name,
                "actor": row.actor,
                "reason": row.reason,
            }
            for row in rows
        ]

    return host.run(work)


def managed(session: Any, dag_id: str) -> Any:
    """The Dag's row.

    :raises NotFound: the Dag is not managed.
    """
    row = dag_store.rows(session, [dag_id]).get(dag_id)
    if row is None:
        raise unknown_dag(dag_id)
    return row
