"""Version rows of all tasks of a build, for eras that its own dates would leave tasks out of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import needs_whole
from pinwheel.store import builds, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def note_needed(session: Session, dag_id: str, eras: Sequence[Era]) -> None:
    """Note for whom such rows are to be made; the keeper makes them, and their runs wait for that."""
    if not eras:
        return
    contents = builds.serialized(session, {era.build_id for era in eras})
    for era in eras:
        if needs_whole(contents[era.build_id], era.starts_at, era.ends_at):
            segments.add_whole(session, dag_id, era.build_id)
