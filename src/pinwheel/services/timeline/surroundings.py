"""What is around the code of a build, and may be another thing than it was when runs are to execute it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pinwheel.core.build import Build
from pinwheel.core.structure.assets import assets_of_tasks
from pinwheel.services.ports.host import Host
from pinwheel.services.timeline.place import SHORT, Standpoint
from pinwheel.store import builds, stands

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMED = 5
"""So many assets are named."""


def of_versions(session: Session, place: Standpoint) -> str:
    """Of how many versions the one is that an era takes its build from."""
    build, seq = place.build, place.seq
    newest = stands.newest_heads(session, [build.id]).get(build.id)
    last = max(seq, newest.seq if newest is not None else 0)
    count = stands.count_of(session, build.id, build.bundle_name, last)
    which = f"{'the newest' if seq == last else 'one'} of {count} versions in which it stood"
    of = which if count > 1 else "the only version in which it stood"
    return f"build {build.build} is taken from {place.version[:SHORT]}, {of}"


def of_assets(host: Host, session: Session, of: Collection[Build]) -> list[str]:
    """Which assets of these builds no Dag needs as it is now."""
    contents = builds.serialized(session, {build.id for build in of})
    by_build = {build: assets_of_tasks(contents[build.id]) for build in of}
    lone = host.reads.lone_assets(session, set().union(*by_build.values())) if any(by_build.values()) else {}
    said = []
    for build, assets in sorted(by_build.items(), key=lambda item: item[0].build):
        for kept, what in (
            (True, "kept active for its runs"),
            (False, "another one has that name or URI, so tasks fail at their start"),
        ):
            found = sorted(uri for name, uri in assets if lone.get((name, uri)) is kept)
            if found:
                more = f" and {len(found) - NAMED} more" if found[NAMED:] else ""
                named = f"{'assets' if found[1:] else 'asset'} {', '.join(found[:NAMED])}{more}"
                has = "have" if found[1:] else "has"
                said.append(f"{named} of build {build.build} {has} no other user now: {what}")
    return said
