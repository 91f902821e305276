"""Version rows that eras need: each build's own, or one of all tasks where its dates would leave some out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pinwheel.core.build import Build
from pinwheel.core.errors import Refused
from pinwheel.core.release.follow import plain
from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import needs_whole
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.services.release.own_row import Target, version_for, without_its_data
from pinwheel.store import builds, bundles, releases, segments, timelines
from pinwheel.store.locking import begin_write, lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def make_needed(host: Host, session: Session, dag_id: str, eras: Sequence[Era]) -> None:
    """Make the rows that these eras need and lack, so that no run waits for them; the Dag is locked."""
    if not eras:
        return
    ids = {era.build_id for era in eras}
    contents, loaded = builds.serialized(session, ids), builds.by_ids(session, ids)
    for build_id in sorted(ids):
        spans = [(era.starts_at, era.ends_at) for era in eras if era.build_id == build_id]
        if any(needs_whole(contents[build_id], *span) for span in spans):
            position = segments.add_whole(session, dag_id, build_id)
            variants.make_rows(host, session, loaded[build_id], [position])
    _make_own(host, session, eras)


def require_its_data(host: Host, session: Session, build: Build, version: str) -> None:
    """That no version row which an era's runs take holds the data of another version of the bundle.

    Airflow hands out the row's data with a run's version.

    :raises Refused: one does.
    """
    if not bundles.with_data(session, build.bundle_name, {version}):
        return
    own = [one.dag_version_id for one in releases.rows_of(session, [build.id]).get(build.id, ())]
    for_dates = segments.versions_of(session, build.id)
    rows = host.reads.airflow_versions(session, {*own, *for_dates})
    of = {version_id: plain(row.bundle_version or "") for version_id, row in rows.items()}
    known = {of[one] for one in own if one in of}
    if (known and version not in known) or {of[one] for one in for_dates if one in of} - {version}:
        raise without_its_data(f"Cannot bind runs of dates of {build.dag_id}", build, version)


def make_missing(host: Host, limit: int = 25) -> int:
    """Make the own rows that builds of eras lack, because `airflow db clean` took them, say; how many.

    A Dag a transaction. What can not be made as things are is left: its runs wait, and say so.
    """

    def look(session: Session) -> list[str]:
        eras = timelines.in_force(session)
        lacking = _without_rows(host, session, [era for own in eras.values() for era in own])
        return [dag_id for dag_id, own in eras.items() if any(era.build_id in lacking for era in own)]

    def one(dag_id: str, session: Session) -> int:
        begin_write(session)
        newest = timelines.newest(session, [dag_id]).get(dag_id) if lock_dags(session, [dag_id]) else None
        if newest is None:
            return 0
        return _make_own(host, session, newest.eras)

    return sum(host.unit.run(partial(one, dag_id)) for dag_id in host.unit.run(look)[:limit])


def _make_own(host: Host, session: Session, eras: Sequence[Era]) -> int:
    lacking, made = _without_rows(host, session, eras), 0
    loaded = builds.by_ids(session, lacking)
    for build_id, version in lacking.items():
        try:
            version_for(host, session, Target(build=loaded[build_id], version=version))
        except Refused:
            # Its file lies elsewhere now, say: runs of its dates wait, and say so.
            continue
        made += 1
    return made


def _without_rows(host: Host, session: Session, eras: Sequence[Era]) -> dict[int, str]:
    """The builds of these eras that have no version row of their own and need one; each with its version."""
    versions = {era.build_id: era.bundle_version for era in eras}
    if not versions:
        return {}
    rows = releases.rows_of(session, versions)
    ids = {one.dag_version_id for known in rows.values() for one in known}
    there = host.reads.existing_version_ids(session, ids) if ids else set()
    have = {build_id for build_id, known in rows.items() if any(one.dag_version_id in there for one in known)}
    lacking = {build_id: version for build_id, version in sorted(versions.items()) if build_id not in have}
    # Where there is one of all tasks no run takes the build's own.
    known = segments.of_builds(session, lacking) if lacking else {}
    return {
        build_id: version
        for build_id, version in lacking.items()
        if all(one.stretch for one in known.get(build_id, ()))
    }
