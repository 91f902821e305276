"""Which Dag version a run and each of its tries used: the one answer that every surface gives.

A run is bound to a version, and perhaps to another one when it is cleared. A further binding notes how far
each task had come by then, so what a try ran on follows from its number. No clock is asked (a worker's may
be seconds away from the scheduler's), and never what the run's row says now, which Airflow moves on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

from attrs import field, frozen

from pinwheel.core.record import Record


class BoundBy(StrEnum):
    """Who chose the version of a run."""

    ACTIVE = "active"
    """Nobody: it was the active release when the run began."""
    HAND = "hand"
    """Somebody, of the releases."""
    TRIAL = "trial"
    """Somebody, a build that was never released."""
    ERA = "era"
    """The Dag's timeline, by the run's date."""
    CANARY = "canary"
    """A rollout, of a share of new runs."""

    @classmethod
    def of_choice(cls, *, chosen: bool, release: int | None) -> BoundBy:
        """For a run on *release* (None: its build was never released) that somebody chose, or nobody did."""
        if not chosen:
            return cls.ACTIVE
        return cls.TRIAL if release is None else cls.HAND


def bound_by(word: str) -> BoundBy | str:
    """The chooser of a stored binding; a word of a later version of Pinwheel stays as it is."""
    try:
        return BoundBy(word)
    except ValueError:
        return word


class _Side(Enum):
    BEFORE = "before"
    AFTER = "after"
    OPEN = "open"


@frozen(kw_only=True)
class Present:
    """A task instance as it stands when its run is bound again."""

    task_id: str
    map_index: int
    """-1 where the task is not mapped."""
    begun: int
    """Number of the last try that a worker was asked to execute; 0: none was."""
    state: str | None


@frozen
class Tries:
    """How far the tasks of a run had come when it was bound again.

    ``counts`` has for each task ranges of map indexes with the try number that was the last one on the
    version before; tasks that are not in it had not begun. Of one that is ``open`` that last try may have
    begun before or after; where not ``sure``, any of those up to it. ``marked`` are those that stood as
    skipped, removed or upstream failed.
    """

    counts: Mapping[str, Sequence[tuple[int, int, int]]] = field(factory=dict)
    open: frozenset[tuple[str, int]] = frozenset()
    sure: bool = True
    marked: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def of(cls, rows: Iterable[Present], *, late: bool = False, sure: bool = True) -> Tries:
        """From the run's task instances. *late*: since the run was bound they may have gone on, by one try;
        not *sure*: by any number.
        """
        counts: dict[str, list[tuple[int, int, int]]] = {}
        unsure, marked = set(), set()
        for row in sorted(rows, key=lambda row: (row.task_id, row.map_index)):
            if row.state in WITHOUT_EXECUTION:
                marked.add((row.task_id, row.map_index))
            if late and row.state not in _WAITING:
                unsure.add((row.task_id, row.map_index))
            if row.begun == 0:
                continue
            ranges = counts.setdefault(row.task_id, [])
            if ranges and ranges[-1][1:] == (row.map_index - 1, row.begun):
                ranges[-1] = (ranges[-1][0], row.map_index, row.begun)
            else:
                ranges.append((row.map_index, row.map_index, row.begun))
        return cls(counts, frozenset(unsure), sure, frozenset(marked))

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": {task_id: [list(one) for one in ranges] for task_id, ranges in self.counts.items()},
            "open": [list(one) for one in sorted(self.open)],
            "sure": self.sure,
            "marked": [list(one) for one in sorted(self.marked)],
        }

    def side(self, task_id: str, map_index: int, try_number: int) -> _Side:
        """Whether a try began before or after."""
        ranges = self.counts.get(task_id, ())
        count = next((count for first, last, count in ranges if first <= map_index <= last), 0)
        if try_number > count:
            return _Side.AFTER
        last_one = try_number == count and (task_id, map_index) in self.open
        return _Side.OPEN if last_one or not self.sure else _Side.BEFORE

    def began_before(self, task_id: str, map_index: int, try_number: int) -> bool:
        """Whether a try began before, or may have."""
        return self.side(task_id, map_index, try_number) is not _Side.AFTER

    def side_of_mark(self, task_id: str, map_index: int) -> _Side:
        """Whether a task instance that stands as only marked was so before or after."""
        if (task_id, map_index) not in self.marked:
            return _Side.AFTER
        return _Side.OPEN if (task_id, map_index) in self.open or not self.sure else _Side.BEFORE


WITHOUT_EXECUTION = frozenset({"removed", "skipped", "upstream_failed"})
"""States that Airflow gives without running anything."""
FAILED = frozenset({"failed", "upstream_failed"})
"""States of what a clear of "only failed" tasks runs again, in Airflow too."""
_WAITING = frozenset({None, "scheduled", "up_for_retry"})
"""States in which a task has a try to come that has not begun."""


def tries_noted(stored: Mapping[str, Any] | Tries | None) -> Tries | None:
    """As :meth:`Tries.as_json` gave it, or as it is; None for a binding that noted nothing."""
    if stored is None or isinstance(stored, Tries):
        return stored
    counts = {
        task_id: [(int(first), int(last), int(count)) for first, last, count in ranges]
        for task_id, ranges in stored["counts"].items()
    }
    unsure, marked = (
        frozenset((task_id, int(index)) for task_id, index in stored[key]) for key in ("open", "marked")
    )
    return Tries(counts, unsure, bool(stored["sure"]), marked)


@frozen(kw_only=True)
class Binding(Record):
    """What a run executes from its ``clear_number`` on."""

    dag_id: str
    run_id: str
    seq: int
    """The run's ``clear_number``."""
    part: int = 0
    """From 0 on for each seq: a run that waits to start may be bound anew, and one that was moved is."""
    dag_version_id: UUID | None
    bundle_version: str | None
    bound_by: BoundBy | str = field(converter=bound_by)
    actor: str | None
    bound_at: datetime
    release: int | None
    build_id: int | None
    tries: Tries | None = field(converter=tries_noted)
    """None: not noted. The first binding of a run that was never cleared needs none."""
    date: datetime | None = None
    """Of the run's data, where it was judged by that."""
    date_by: str | None = None
    """Which of the run's dates that is: see :class:`pinwheel.core.run.dates.DatedBy`."""
    revision: int | None = None
    """Of the Dag's timeline that was asked; None: it had no say."""
    segment: int | None = None
    """Position of the build's segment that holds the date; 0: the build has none."""


@frozen(kw_only=True)
class Try:
    """A try of a task instance, as Airflow's rows have it."""

    task_id: str
    map_index: int
    try_number: int
    executed: bool
    """False for what Airflow only marked: skipped, removed, upstream failed."""
    current: bool
    """The task instance's present row; False for one that was archived."""
    dag_version_id: UUID | None
    """What Airflow's row says. It is moved on, so it is told only of what ran before Pinwheel."""


@frozen(kw_only=True)
class Used:
    """What a try ran on."""

    dag_version_id: UUID | None
    """None: nobody knows."""
    binding: Binding | None
    """None where no binding says so: before Pinwheel, or not known."""

    @property
    def bundle_version(self) -> str | None:
        """The commit; None where no binding says it."""
        return self.binding.bundle_version if self.binding is not None else None


UNKNOWN = Used(dag_version_id=None, binding=None)


def used(bound: Sequence[Binding], item: Try) -> Used:
    """What a try ran on, given its run's bindings, oldest first.

    Of what ran before the first binding (Pinwheel came later) Airflow's own row is told, which names a
    version and no commit. Where more than one binding comes into question and they differ: unknown.
    """
    if not bound:
        return Used(dag_version_id=item.dag_version_id, binding=None)
    possible: list[Binding | None] = []
    for binding in reversed(bound):
        side = _side(binding, item)
        if side is not _Side.BEFORE:
            possible.append(binding)
        if side is _Side.AFTER:
            break
    else:
        possible.append(None)
    if len({binding and (binding.dag_version_id, binding.bundle_version) for binding in possible}) > 1:
        return UNKNOWN
    last = possible[-1]
    if last is None:
        return Used(dag_version_id=item.dag_version_id, binding=None)
    return Used(dag_version_id=last.dag_version_id, binding=last)


def _side(binding: Binding, item: Try) -> _Side:
    if (binding.seq, binding.part) == (0, 0):
        return _Side.AFTER
    if binding.tries is None:
        return _Side.OPEN
    if not item.executed:
        # What was only marked has no number of its own, and an earlier mark leaves no trace.
        return binding.tries.side_of_mark(item.task_id, item.map_index) if item.current else _Side.OPEN
    return binding.tries.side(item.task_id, item.map_index, item.try_number)


@frozen(kw_only=True)
class RunVersions:
    """The versions of one run, as ids of Airflow's version rows; None stands for one that nobody knows."""

    current: UUID | None
    """What its tasks run on from now on."""
    used: tuple[UUID | None, ...]
    """What its tries ran on, oldest first, and what those to come will."""
    bound: tuple[Binding, ...]
    """Its bindings, oldest first."""

    @property
    def mixed(self) -> bool:
        return len(self.used) > 1


def in_force(bound: Sequence[Binding], clear_number: int) -> Binding | None:
    """The binding of a run as it stands; None when it was cleared since, or never bound.

    Airflow's own row says what such a run will execute, until it begins.
    """
    return bound[-1] if bound and bound[-1].seq == clear_number else None


def kept(bound: Sequence[Binding], dag_version_id: UUID | None) -> Binding | None:
    """The choice that a run stays with that is bound again without one: its last, if on the same version."""
    return bound[-1] if bound and bound[-1].dag_version_id == dag_version_id else None


def needs_tries(bound: Sequence[Binding]) -> bool:
    """Whether the versions of a run that was bound follow from its tries only."""
    return bool(bound) and (bound[0].seq > 0 or len({b.dag_version_id for b in bound}) > 1)


def versions_of(
    bound: Sequence[Binding],
    *,
    clear_number: int,
    dag_version_id: UUID | None,
    tries: Iterable[Try] = (),
    said: Collection[UUID] = (),
) -> RunVersions:
    """All that a run used; ``dag_version_id`` is what Airflow's row of the run says now.

    ``tries`` are wanted where :func:`needs_tries`; ``said`` is what Airflow's rows of the tries say of a run
    without bindings, which :func:`used` goes by then.
    """
    binding = in_force(bound, clear_number)
    current = binding.dag_version_id if binding is not None else dag_version_id
    order = {b.dag_version_id: place for place, b in enumerate(bound)}
    found: set[UUID | None] = {used(bound, item).dag_version_id for item in tries}
    if not bound:
        found |= set(said)
    elif not needs_tries(bound):
        found.add(bound[0].dag_version_id)
    earlier = sorted(found - {current}, key=lambda version: (order.get(version, -1), str(version)))
    return RunVersions(current=current, used=(*earlier, current), bound=tuple(bound))
