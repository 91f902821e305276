"""Runs of some dates are on version rows of their own, and count with the active release all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pinwheel.core.records import FleetDag, ManagedDag
from pinwheel.core.run.mark import is_marked
from pinwheel.store import segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def stand_ins(session: Session, rows: Iterable[ManagedDag | FleetDag]) -> dict[UUID, UUID]:
    """By version row made for dates, the active version of these Dags that it stands for.

    Nothing is asked where no Dag is dated.
    """
    dated = [row.active_build_id for row in rows if is_marked(row.row_version)]
    wanted = [build_id for build_id in dated if build_id is not None]
    return segments.of_active(session, wanted) if wanted else {}


def counted(
    counts: Mapping[UUID, Mapping[str, int]], stand_for: Mapping[UUID, UUID]
) -> dict[UUID, dict[str, int]]:
    """How many runs came to what, by the version that theirs stands for."""
    found: dict[UUID, dict[str, int]] = {}
    for version, states in counts.items():
        known = found.setdefault(stand_for.get(version, version), {})
        for state, count in states.items():
            known[state] = known.get(state, 0) + count
    return found


def earliest(
    ends: Mapping[UUID, datetime | None], stand_for: Mapping[UUID, UUID]
) -> dict[UUID, datetime | None]:
    """The first of the ends of each version; None: nobody noted one."""
    found: dict[UUID, datetime | None] = {}
    for version, end in ends.items():
        version = stand_for.get(version, version)
        found[version] = min((one for one in (found.get(version), end) if one is not None), default=None)
    return found
