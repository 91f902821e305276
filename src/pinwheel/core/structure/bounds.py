"""Would a build's own dates leave tasks out of an era? Airflow goes by them where it makes a run's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.encoded import argument, unwrapped
from pinwheel.core.structure.windows import windows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def needs_whole(serialized: Mapping[str, Any], starts_at: datetime | None, ends_at: datetime | None) -> bool:
    """Whether runs of an era need a version row in which the tasks have no dates.

    What a closed window leaves out is left out: only bounds that are open where the build is judged count,
    those of the Dag among them.
    """
    dag = serialized.get("dag", {})
    own = _instant(dag.get("start_date")), _instant(dag.get("end_date"))
    spans, tasks = windows(serialized), tasks_of(dag)
    for task_id, window in spans.items():
        start = _instant(argument(tasks[task_id], "start_date")) or own[0]
        end = _instant(argument(tasks[task_id], "end_date")) or own[1]
        if window.start is None and start is not None and (starts_at is None or starts_at < start):
            return True
        if window.end is None and end is not None and (ends_at is None or end + _LAST < ends_at):
            return True
    return False


_LAST = timedelta(microseconds=1)
"""An end date is the last moment that counts, an era's end the first that does not."""


def _instant(value: Any) -> datetime | None:
    seconds = unwrapped(value)
    if not isinstance(seconds, (int, float)):
        return None
    return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
