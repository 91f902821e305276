"""Version rows of all tasks of a build, for eras that its own dates would leave tasks out of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import needs_whole
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.store import builds, segments

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
