"""Which releases can still be fetched: the versions of these are protected, and no other is run again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from pinwheel.core.build import Build
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import Refused, spoken
from pinwheel.core.records import ManagedDag
from pinwheel.core.retention import ReleaseFact, fetchable_releases, older_releases
from pinwheel.services.ports.host import Host
from pinwheel.store import dags, keeping, rejections, releases, segments, timelines

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WAITS = timedelta(hours=2)
"""A version that a bundle showed so long ago is kept for the runs that Airflow has on it, and not as such."""
AT_ONCE = 200
"""Dags whose ledgers are in memory at once."""


def fetchable(host: Host, session: Session, rows: Mapping[str, ManagedDag]) -> dict[str, set[int]]:
    """The numbers of the releases of these Dags, given by their rows, that can be fetched."""
    keep, now = host.deployment.retention(), host.unit.now()
    ledgers = keeping.ledgers(session, sorted(rows))
    older = {
        release.dag_version_id for ledger in ledgers.values() for release in older_releases(ledger, keep, now)
    }
    used = _used(host, session, older)
    needed = _needed(session, rows) if older else {}
    released = {release.build_id for ledger in ledgers.values() for release in ledger} if older else set()
    in_dates = _used_in_dates(host, session, released)
    return {
        dag_id: fetchable_releases(ledger, keep, now, builds=needed.get(dag_id, set()) | in_dates, used=used)
        for dag_id, ledger in ledgers.items()
    }


def protected(host: Host, session: Session, bundle_name: str) -> set[str]:
    """The versions of a bundle that must stay fetchable.

    Those of fetchable releases, of trials and newest builds, each with the last in which it stood; the one
    that Dags follow to and the one before; what is on its way, and what was proven; and of late all that the
    bundle showed, since runs may wait that were made on them.
    """
    found = keeping.other_versions(session, bundle_name, since=host.unit.now() - WAITS)
    for chunk in chunks(keeping.dags_of_bundle(session, bundle_name), AT_ONCE):
        numbers = fetchable(host, session, dags.rows(session, chunk))
        found |= keeping.released_versions(session, bundle_name, numbers)
    return found


def ledger(session: Session, dag_id: str) -> list[ReleaseFact]:
    """All releases of a Dag."""
    return keeping.ledgers(session, [dag_id]).get(dag_id, [])


def require(
    host: Host, session: Session, build: Build, *, verb: str, ledger: Sequence[ReleaseFact] | None = None
) -> None:
    """Make sure that a build can run: a release of it can be fetched, or it was never released.

    *ledger* are all releases of its Dag, where the caller has them.

    :raises Refused: its files are not kept any more.
    """
    keep = host.deployment.retention()
    if ledger is None:
        ledger = keeping.ledgers(session, [build.dag_id]).get(build.dag_id, [])
    numbers = {release.number for release in ledger if release.build_id == build.id}
    # Mostly that is all: it was released not long ago, or never
    if (
        not numbers <= {release.number for release in older_releases(ledger, keep, host.unit.now())}
        or not numbers
    ):
        return
    there = fetchable(host, session, dags.rows(session, [build.dag_id]))
    if not there[build.dag_id].isdisjoint(numbers):
        return
    raise Refused(
        f"Cannot {spoken(verb)} {build.dag_id} to build {build.build}",
        found=f"its files can no longer be fetched: kept are those of the last {keep.releases} releases, of "
        f"{keep.releases_days} days, and of each run that Airflow has",
        remedy="Commit that state again, or choose a later build: pinwheel releases " + build.dag_id,
        problem="version-not-fetchable",
        dag_id=build.dag_id,
        build=build.build,
    )


def _used(host: Host, session: Session, version_ids: Collection[UUID]) -> set[UUID]:
    used: set[UUID] = set()
    for chunk in chunks(sorted(version_ids, key=str)):
        used |= set(chunk) - host.reads.unused(session, chunk)
    return used


def _used_in_dates(host: Host, session: Session, build_ids: Collection[int]) -> set[int]:
    """Those of these builds that runs are on by rows that were made for dates."""
    made = {
        one.dag_version_id: build_id
        for build_id, rows in segments.of_builds(session, build_ids).items()
        for one in rows
        if one.dag_version_id is not None
    }
    return {made[version_id] for version_id in _used(host, session, made)}


def _needed(session: Session, rows: Mapping[str, ManagedDag]) -> dict[str, set[int]]:
    """By Dag: the active and the newest build, the way back, what was tried, what eras name, what was proven,
    and what is on its way."""
    active = {
        row.dag_id: (row.active_release, row.active_build_id)
        for row in rows.values()
        if row.active_release is not None and row.active_build_id is not None
    }
    passed_over = rejections.build_ids(session, rejections.of_dags(session, active))
    back = releases.previous_build_ids(session, active, passed_over=passed_over)
    tried = keeping.tried_builds(session, sorted(rows))
    dated = timelines.newest(session, rows)
    live = keeping.live_builds(session, sorted(rows))
    return {
        dag_id: {
            *tried.get(dag_id, ()),
            *live.get(dag_id, ()),
            *(era.build_id for era in (dated[dag_id].eras if dag_id in dated else ())),
            *(
                i
                for i in (row.active_build_id, row.newest_build_id, row.proven_build_id, back.get(dag_id))
                if i is not None
            ),
        }
        for dag_id, row in rows.items()
    }
