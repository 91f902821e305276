"""At which dates a Dag has which tasks, by its eras and the windows of the builds that are named."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.diff import tasks_of, walk_groups
from pinwheel.core.structure.sensors import Awaited
from pinwheel.core.structure.windows import Segment


@frozen(kw_only=True)
class Dates:
    """A stretch of dates, ``[starts_at, ends_at)``, open on a side that is None."""

    starts_at: datetime | None
    ends_at: datetime | None


@frozen(kw_only=True)
class Presence:
    """What a Dag has at a stretch of dates."""

    dates: Dates
    tasks: frozenset[str]
    groups: frozenset[str]
    """Those in which any task is left."""

    def has(self, what: Awaited) -> bool:
        return what.name in (self.groups if what.group else self.tasks)


def builds_by_date(eras: Sequence[Era], active_build_id: int | None) -> tuple[tuple[Dates, int], ...]:
    """All dates for which some build is, oldest first: eras, and the gaps in which the active one runs."""
    found: list[tuple[Dates, int]] = []
    edge, over = None, False
    for era in eras:
        adjoins = bool(found) and edge == era.starts_at
        if active_build_id is not None and era.starts_at is not None and not adjoins:
            found.append((Dates(starts_at=edge, ends_at=era.starts_at), active_build_id))
        found.append((Dates(starts_at=era.starts_at, ends_at=era.ends_at), era.build_id))
        edge, over = era.ends_at, era.ends_at is None
    if active_build_id is not None and not over:
        found.append((Dates(starts_at=edge, ends_at=None), active_build_id))
    return tuple(found)


def presences(
    builds: Sequence[tuple[Dates, int]],
    serialized: Mapping[int, Mapping[str, Any]],
    stretches: Mapping[int, Sequence[Segment]],
) -> tuple[Presence, ...]:
    """What is there at the dates of these builds, oldest first."""
    found = []
    for dates, build_id in builds:
        dag = serialized[build_id].get("dag", {})
        tasks, groups = frozenset(tasks_of(dag)), _tasks_of_groups(dag)
        for inside, absent in _cut(dates, stretches.get(build_id, ())):
            left = tasks - absent
            filled = frozenset(name for name, members in groups.items() if members & left)
            found.append(Presence(dates=inside, tasks=left, groups=filled))
    return tuple(found)


def missing(what: Awaited, where: Sequence[Presence]) -> tuple[Dates, ...]:
    """The dates without a task or group; none, if it is there at all dates, or at none: no date decides."""
    there = [one.has(what) for one in where]
    if not any(there):
        return ()
    found: list[Dates] = []
    for one in (one for one, has in zip(where, there, strict=True) if not has):
        starts, ends = one.dates.starts_at, one.dates.ends_at
        if found and starts is not None and found[-1].ends_at == starts:
            found[-1] = evolve(found[-1], ends_at=ends)
        else:
            found.append(one.dates)
    return tuple(found)


def _cut(dates: Dates, segments: Sequence[Segment]) -> list[tuple[Dates, frozenset[str]]]:
    """The parts of a stretch of dates, each with the tasks that have no place there."""
    if not segments:
        return [(dates, frozenset())]
    found = []
    for one, following in itertools.zip_longest(segments, segments[1:]):
        starts = max(filter(None, (dates.starts_at, one.starts_at)), default=None)
        ends = min(filter(None, (dates.ends_at, following and following.starts_at)), default=None)
        if starts is None or ends is None or starts < ends:
            found.append((Dates(starts_at=starts, ends_at=ends), one.absent))
    return found


def _tasks_of_groups(dag: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """By task group, the tasks in it and in the groups inside of it."""
    return {
        name: frozenset(
            str(inside)
            for _, one in walk_groups(group)
            for _, inside in (one.get("children") or {}).values()
            if not isinstance(inside, Mapping)
        )
        for name, group in walk_groups(dag.get("task_group"))
        if name is not None
    }
