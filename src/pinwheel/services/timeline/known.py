"""All that is asked of the database before a timeline is changed or shown."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput
from pinwheel.core.records import ManagedDag
from pinwheel.core.run.local_time import instant, zone_of
from pinwheel.core.run.timeline import Era
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import managed
from pinwheel.store import builds, timelines

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Known:
    """A Dag and its timeline, as good as the lock that the reader holds on the Dag."""

    row: ManagedDag
    active: Build | None
    zone: ZoneInfo
    """In which dates are written: that of the active release's Dag."""
    revision: int
    """The newest; 0: there never was one."""
    eras: tuple[Era, ...]

    @property
    def dag_id(self) -> str:
        return self.row.dag_id


def known(host: Host, session: Session, dag_id: str, rows: dict[str, ManagedDag] | None = None) -> Known:
    """What is known of one Dag; *rows* are those that the caller has locked.

    :raises NotFound: it is not managed.
    :raises Refused: its bundle keeps no versions.
    """
    row = managed(host, session, [dag_id], rows)[dag_id]
    newest = timelines.newest(session, [dag_id]).get(dag_id)
    active_id = row.active_build_id
    zone, active = ZoneInfo("UTC"), None
    if active_id is not None:
        active = builds.by_ids(session, [active_id])[active_id]
        zone = zone_of(builds.serialized(session, [active_id])[active_id])
    return Known(
        row=row,
        active=active,
        zone=zone,
        revision=newest.number if newest is not None else 0,
        eras=newest.eras if newest is not None else (),
    )


def moment(text: str, zone: ZoneInfo, failed: str) -> datetime:
    """What somebody wrote, as an instant.

    :raises InvalidInput: it is no date, or no such local time.
    """
    try:
        return instant(text, zone)
    except InvalidInput as error:
        if "problem" in error.facts:
            # "2019-09-08T00:30 does not exist in America/Santiago" says it all.
            raise
        raise InvalidInput(failed, found=f"{error.failed}: {error.found}", remedy=error.remedy) from error


def edge_words(written: str | None, at: datetime | None, zone: ZoneInfo) -> str | None:
    """An edge as somebody wrote it, or, where that is another moment in the zone of now, with its offset.

    Read again, the words mean the same.
    """
    if at is None:
        return None
    try:
        if written is not None and instant(written, zone) == at:
            return written
    except InvalidInput:
        pass  # There is no such local time in this zone.
    local = at.astimezone(zone)
    return local.isoformat(timespec="auto" if local.second or local.microsecond else "minutes")
