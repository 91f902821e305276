"""How each Dag stands, and words that all views share. Nothing here locks or writes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pinwheel.core.build import Build
from pinwheel.core.errors import unknown_dag
from pinwheel.core.lookup import named
from pinwheel.core.records import ManagedDag
from pinwheel.core.version_alias import split_version
from pinwheel.core.why_held import Hold, Standing, why_held
from pinwheel.services.ports import Host
from pinwheel.store import builds as build_store
from pinwheel.store import dags as dag_store
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
        found = build_store.by_ids(session, wanted)
        active = release_store.active_ones(session, rows)
        broken = file_store.errors(
            session, {(row.bundle_name, row.relative_fileloc) for row in rows.values()}
        )
        return [
            _status(
                row,
                named(found, row.active_build_id),
                named(found, row.newest_build_id),
                active.get(dag_id),
                broken.get((row.bundle_name, row.relative_fileloc)),
            )
            for dag_id, row in sorted(rows.items())
        ]

    return host.run(work)


def _status(row: Any, active: Build | None, newest: Build | None, release: Any, broken: Any) -> View:
    pinned = row.pinned
    held = holds(row)
    return {
        "dag_id": row.dag_id,
        "bundle": row.bundle_name,
        "active_release": row.active_release,
        "active_build": active.build if active else None,
        "newest_build": newest.build if newest else None,
        "track": row.track,
        "held": bool(held),
        "holds": held,
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


def holds(dag: Standing) -> list[View]:
    """What holds a Dag, the first to be shown; empty: nothing."""
    return [_hold(hold) for hold in why_held(dag)]


def _hold(hold: Hold) -> View:
    return {
        "kind": hold.kind.value,
        "reason": hold.reason,
        "since": instant(hold.since),
        "until": instant(hold.until),
        "by": hold.by,
    }


def _broken(row: Any) -> View:
    return {
        "bundle_version": plain_version(row.version),
        "error": row.error,
        "at": instant(row.broken_since or row.parsed_at),
        "path": row.relative_fileloc,
    }


def managed(session: Any, dag_id: str) -> ManagedDag:
    """The Dag's row.

    :raises NotFound: the Dag is not managed.
    """
    row = dag_store.rows(session, [dag_id]).get(dag_id)
    if row is None:
        raise unknown_dag(dag_id)
    return row
