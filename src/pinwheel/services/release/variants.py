"""Version rows for dates (part windows)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from pinwheel.core.build import Build
from pinwheel.services.ports.host import Host
from pinwheel.services.release.projecting import location_for_runs, projections_for
from pinwheel.store import dags, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def make_rows(host: Host, session: Session, build: Build, positions: Collection[int]) -> dict[int, UUID]:
    row = dags.rows(session, [build.dag_id])[build.dag_id]
    made = {}
    for position in positions:
        number = -(position * 1_000_000 + build.build)
        wanted = (number, None, build, location_for_runs(host, session, row, build), None)
        made[position] = host.rows.write_trial(session, projections_for(session, [wanted])[0])
        segments.made(session, build.id, {position: (number, made[position])})
    return made
