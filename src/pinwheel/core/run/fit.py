"""Does a run stand on the build of its date? For whoever asks after a timeline was changed, or runs began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from attrs import frozen

from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.timeline import Era, era_at
from pinwheel.core.structure.windows import Segment, segment_at


class Fit(StrEnum):
    """How a run stands to what its date asks for."""

    MATCHES = "matches"
    DIFFERS = "differs"
    """It ran, or runs, on another build, or with tasks that have no place at its date."""
    BY_HAND = "by_hand"
    """Somebody chose its build: the timeline has no say."""
    WAITS = "waits"
    """It has not begun: when it does, it gets what its date asks for."""


@frozen(kw_only=True)
class Standing:
    """What a run is on."""

    build_id: int | None
    """None: nobody knows."""
    bound_by: BoundBy | str
    segment: int | None
    """Position of the build's segment; 0: all its tasks; None: nobody noted."""
    waits: bool
    """It has not begun since it was made or cleared."""
    tasks: frozenset[str] | None = None
    """Of which it has instances, where no segment is noted; None: it is taken to have all of its build."""


def fit(
    at: datetime,
    on: Standing,
    eras: Sequence[Era],
    segments: Mapping[int, Sequence[Segment]],
    *,
    active_build_id: int | None,
    tasks: Mapping[int, frozenset[str]] = MappingProxyType({}),
) -> Fit:
    """How a run of this date stands. *segments* are those of all builds that have any, *tasks* those of the
    builds that are asked of runs without a noted segment.

    In a gap every build that was active once is right, but one of an era that is no longer there.
    """
    if on.waits:
        return Fit.WAITS
    if on.bound_by in (BoundBy.HAND, BoundBy.TRIAL):
        return Fit.BY_HAND
    era = era_at(eras, at)
    wanted = era.build_id if era is not None else on.build_id
    if era is None and on.bound_by == BoundBy.ERA and on.build_id != active_build_id:
        return Fit.DIFFERS
    if wanted is None:
        return Fit.MATCHES
    if on.build_id != wanted:
        return Fit.DIFFERS
    stretches = segments.get(wanted, ())
    absent = absent_at(stretches, at)
    if on.segment is None and on.tasks is not None and wanted in tasks:
        return Fit.MATCHES if on.tasks == tasks[wanted] - absent else Fit.DIFFERS
    return Fit.MATCHES if absent == _absent_of(stretches, on.segment) else Fit.DIFFERS


def absent_at(stretches: Sequence[Segment], at: datetime) -> frozenset[str]:
    """The tasks that have no place at a date; of a build without segments none."""
    return stretches[segment_at(stretches, at)].absent if stretches else frozenset()


def _absent_of(stretches: Sequence[Segment], position: int | None) -> frozenset[str]:
    return stretches[position - 1].absent if position and position <= len(stretches) else frozenset()
