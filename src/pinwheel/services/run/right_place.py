"""A run that starts executes a bundle version in which its build stands, none older than it had before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve

from pinwheel.core.records import KnownVersion, ManagedDag
from pinwheel.core.release.follow import plain
from pinwheel.store import bindings, bundles, dags, stands
from pinwheel.store.bindings import NewBinding

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def put_right(
    session: Session, starting: Sequence[NewBinding], known: Mapping[UUID, KnownVersion]
) -> list[NewBinding]:
    """These bindings of runs that start, with the bundle version that each is to execute.

    ``known`` are their version rows. Airflow's own trigger reads the Dag's bundle version and its newest
    version row in two statements: with a release between them the run has the commit of the one and the tasks
    of the other. And a clear of "only new tasks" puts a run of a Dag that follows back on the commit of the
    version row, which is older than the one that it had. A run that is on the commit of its version row for
    the first time costs no statement.
    """
    suspects = [one for one in starting if _is_suspect(one, known)]
    if not suspects:
        return list(starting)
    rows = dags.rows(session, {one.dag_id for one in suspects})
    right = {}
    for one in suspects:
        row = rows.get(one.dag_id)
        version = known[one.dag_version_id] if one.dag_version_id is not None else None
        if row is not None and version is not None:
            right[one.dag_id, one.run_id] = _right(session, one, version, row)
    return [
        evolve(one, bundle_version=right.get((one.dag_id, one.run_id)) or one.bundle_version)
        for one in starting
    ]


def _is_suspect(one: NewBinding, known: Mapping[UUID, KnownVersion]) -> bool:
    version = known.get(one.dag_version_id) if one.dag_version_id is not None else None
    if version is None or version.bundle_version is None or one.bundle_version is None:
        return False
    return one.seq > 0 or one.bundle_version != version.bundle_version


def _right(session: Session, one: NewBinding, version: KnownVersion, row: ManagedDag) -> str | None:
    """The bundle version of a run; None: the one that it has is right."""
    assert one.bundle_version is not None
    is_active = row.dag_version_id == one.dag_version_id
    wanted = row.in_force if is_active else version.bundle_version
    if one.bundle_version == wanted:
        return None
    if one.bundle_version == version.bundle_version:
        before = bindings.of_runs(session, one.dag_id, [one.run_id]).get(one.run_id, [])
        went_back = bool(before) and before[-1].bundle_version not in (None, one.bundle_version)
        return wanted if went_back else None
    return None if _stood(session, one, version, row) else wanted


def _stood(session: Session, one: NewBinding, version: KnownVersion, row: ManagedDag) -> bool:
    """Whether the build stood in the version that the run has; so it counts where no head showed that one."""
    assert one.bundle_version is not None
    place = (row.bundle_name, plain(one.bundle_version))
    head = bundles.versions(session, [place]).get(place)
    if head is None or head.seq < 1:
        return True
    return stands.build_at(session, one.dag_id, row.bundle_name, head.seq) == version.build_id
