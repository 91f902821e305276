"""Which builds a change means: the one of a release that is named, the one before, the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pinwheel.core.errors import NotFound, spoken
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Verb
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.why_held import waits
from pinwheel.core.request import ChangeRequest
from pinwheel.core.retention import ReleaseFact
from pinwheel.store import rejections, releases

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def targets(
    session: Session,
    asked: ChangeRequest,
    rows: Mapping[str, ManagedDag],
    ledger: Sequence[ReleaseFact],
    rejected: Mapping[str, Sequence[Rejection]],
) -> dict[str, int]:
    """By Dag, the id of the build of the release asked for, or of the one before that a rollback goes to."""
    if asked.to_release is not None:
        (dag_id,) = rows
        build_ids = [release.build_id for release in ledger if release.number == asked.to_release]
        if not build_ids:
            raise NotFound(
                f"Cannot {spoken(asked.verb)} {dag_id} to release {asked.to_release}",
                found="it has no release of that number",
                remedy=f"See its releases: pinwheel releases {dag_id}",
                dag_id=dag_id,
                release=asked.to_release,
            )
        return {dag_id: build_ids[0]}
    if asked.verb is not Verb.ROLLBACK or asked.build is not None:
        return {}
    active = {
        dag_id: (row.active_release, row.active_build_id)
        for dag_id, row in rows.items()
        if row.active_release is not None and row.active_build_id is not None
    }
    passed_over = rejections.build_ids(session, rejected)
    return releases.previous_build_ids(session, active, passed_over=passed_over)


def waiting(asked: ChangeRequest, rows: Mapping[str, ManagedDag]) -> list[int]:
    """Ids of the newest builds that promote or unpin may release."""
    if asked.verb not in (Verb.PROMOTE, Verb.UNPIN, Verb.LIFT) or asked.build is not None:
        return []
    return [row.newest_build_id for row in rows.values() if waits(row) and row.newest_build_id is not None]
