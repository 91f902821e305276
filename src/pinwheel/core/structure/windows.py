"""Task windows: from the start and end dates that an author gave tasks, which tasks have a place when.

A window is ``[start_date, end_date]``, both inclusive, as Airflow compares them with a run's logical date
where it makes a run's task instances (``models/dagrun.py``). Times are whole microseconds since 1970, in
UTC: Airflow stores a date as a float of seconds, which holds them exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from pinwheel.core.errors import Refused
from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.encoded import argument, unwrapped

MOST_SEGMENTS = 24
"""Each is a whole serialized Dag in Airflow's tables (``[pinwheel] max_variants``)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@frozen
class Window:
    """When a task has a place, in microseconds; None: open on that side."""

    start: int | None
    end: int | None

    def holds(self, at: int) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at <= self.end)


OPEN = Window(None, None)


@frozen
class Segment:
    """A stretch of dates in which the same tasks have no place; the next segment ends it."""

    starts_at: datetime | None
    """None: the first one has no beginning."""
    absent: frozenset[str]


def windows(serialized: Mapping[str, Any]) -> dict[str, Window]:
    """The window of each task of a serialized Dag.

    A bound is open where it says no more than the Dag does: one that equals the Dag's own or that of its
    ``default_args``, the earliest start or the latest end of all tasks.
    """
    dag = serialized.get("dag", {})
    tasks = tasks_of(dag)
    starts = {task_id: _moment(argument(task, "start_date")) for task_id, task in tasks.items()}
    ends = {task_id: _moment(argument(task, "end_date")) for task_id, task in tasks.items()}
    common = unwrapped(dag.get("default_args")) or {}
    first, last = ({_moment(dag.get(name)), _moment(common.get(name))} for name in ("start_date", "end_date"))
    # A task without a date of its own has the Dag's, if that has one: then there is an outermost bound.
    if _all_set(starts, dag.get("start_date")):
        first.add(min(_known([*starts.values(), _moment(dag.get("start_date"))]), default=None))
    if _all_set(ends, dag.get("end_date")):
        last.add(max(_known([*ends.values(), _moment(dag.get("end_date"))]), default=None))
    return {
        task_id: Window(
            None if starts[task_id] in first else starts[task_id],
            None if ends[task_id] in last else ends[task_id],
        )
        for task_id in tasks
    }


def segments(spans: Mapping[str, Window]) -> tuple[Segment, ...]:
    """The stretches of dates, oldest first, in each of which the same tasks are absent; at least one."""
    cuts = {span.start for span in spans.values()} | {
        span.end + 1 for span in spans.values() if span.end is not None
    }
    found: list[Segment] = []
    for cut in [None, *sorted(_known(cuts))]:
        absent = frozenset(
            task_id
            for task_id, span in spans.items()
            if not (span.start is None if cut is None else span.holds(cut))
        )
        if not found or found[-1].absent != absent:
            found.append(Segment(None if cut is None else _EPOCH + cut * _MICROSECOND, absent))
    return tuple(found)


def segment_at(found: Sequence[Segment], at: datetime) -> int:
    """The position of the segment that holds a date."""
    return max(
        position
        for position, segment in enumerate(found)
        if segment.starts_at is None or segment.starts_at <= at
    )


def has_windows(found: Sequence[Segment]) -> bool:
    """Whether any task is absent at any date: other Dags need no variant."""
    return any(segment.absent for segment in found)


def stretches(serialized: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The segments of a serialized Dag; none, if no task is ever absent."""
    found = segments(windows(serialized))
    return found if has_windows(found) else ()


def needs_whole(serialized: Mapping[str, Any], starts: datetime | None, ends: datetime | None) -> bool:
    """Whether Airflow could leave out tasks of a build, by its own dates, in runs whose dates lie in
    ``[starts, ends)``.

    It compares them with a run's logical date, which may be later than the date of its data, by any time.
    """
    dag = serialized.get("dag", {})
    tasks = tasks_of(dag).values()
    first = [_moment(dag.get("start_date")), *(_moment(argument(task, "start_date")) for task in tasks)]
    last = [_moment(dag.get("end_date")), *(_moment(argument(task, "end_date")) for task in tasks)]
    if _known(last):
        return True
    from_ = None if starts is None else (starts - _EPOCH) // _MICROSECOND
    return any(from_ is None or start > from_ for start in _known(first))


def whole_is_needed(serialized: Mapping[str, Any], found: Sequence[Segment]) -> bool:
    """Whether Airflow could leave out tasks of a build in runs at whose dates all of them have a place."""
    ends = [*(segment.starts_at for segment in found[1:]), None]
    return any(
        needs_whole(serialized, segment.starts_at, until)
        for segment, until in zip(found, ends, strict=True)
        if not segment.absent
    )


def check_count(found: Sequence[Segment], *, most: int = MOST_SEGMENTS) -> None:
    """:raises Refused: there are more segments than a build may have."""
    if len(found) > most:
        raise Refused(
            "Cannot make a build of this Dag",
            found=f"the start and end dates of its tasks divide time into {len(found)} stretches, and {most} "
            "are allowed",
            remedy="Give tasks fewer dates, or set builds by date instead: pinwheel timeline set",
            problem="too-many-windows",
            segments=len(found),
        )


def _moment(value: Any) -> int | None:
    """Microseconds of a serialized date: seconds, as a float, wrapped or not."""
    seconds = unwrapped(value)
    return round(seconds * 1_000_000) if isinstance(seconds, (int, float)) else None


def _all_set(bounds: Mapping[str, int | None], of_dag: Any) -> bool:
    return _moment(of_dag) is not None or None not in bounds.values()


def _known(bounds: Iterable[int | None]) -> list[int]:
    return [bound for bound in bounds if bound is not None]
