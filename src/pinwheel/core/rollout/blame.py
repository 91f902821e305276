"""How a run ended, as far as its release is judged by it: who, or what, is to blame for a failed one.

Airflow has no such answer. What its audit log says of the tries that failed gives it, in words that are in no
contract; so what is not known is never taken for a failure of the release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from attrs import frozen

from pinwheel.core.rollout.watched import End
from pinwheel.core.run.binding import Binding, Tries
from pinwheel.core.run.how import How


class Word(StrEnum):
    """What Airflow's log says of a task's try, in its own words: those that say why it failed."""

    FAILED = "failed"
    """``execution_api/routes/task_instances.py``: with the host where it ran the task says so itself; else
    somebody says it in its place."""
    HEARTBEAT = "heartbeat timeout"
    MISMATCH = "state mismatch"
    STUCK = "stuck in queued tries exceeded"
    """``jobs/scheduler_job_runner.py``: its worker was lost, or it never came out of the queue."""
    FAIL_FAST = "fail task"
    """``models/taskinstance.py``: another task failed, and the Dag wants none to go on then."""


OF_INFRASTRUCTURE = frozenset((Word.HEARTBEAT, Word.MISMATCH, Word.STUCK))
BY_PERSONS = frozenset(
    (
        "patch_task_instance",
        "patch_task_group_instances",
        "bulk_task_instances",
        "patch_dag_run",
        "bulk_dag_runs",
    )
)
"""Events of Airflow's log of persons who mark runs and tasks: names of functions of its API."""


MARKS_RUNS = frozenset(("patch_dag_run", "bulk_dag_runs"))
"""Those that are about runs."""
MARKS_SEVERAL = "patch_task_group_instances"
"""That which names none of the tasks that it marks."""


class TryOfTask(Protocol):
    """A try of a task instance, as Airflow's rows have it."""

    @property
    def task_id(self) -> str: ...
    @property
    def map_index(self) -> int: ...
    @property
    def try_number(self) -> int: ...
    @property
    def state(self) -> str | None: ...


T = TypeVar("T", bound=TryOfTask)


def last_failed(
    tries: Iterable[T], bound: Sequence[Binding], seq: int, instance: Callable[[T], tuple[Any, ...]]
) -> tuple[list[T], bool]:
    """Of a run's tries those that failed before the end *seq*, each the last of its *instance* by then; and
    whether a task had failed before the run was bound for that end, and was not run again with it."""
    noted = {each.seq: each.tries for each in bound if each.seq and not each.part and each.tries is not None}
    before, after = noted.get(seq), next((noted[later] for later in sorted(noted) if later > seq), None)
    last: dict[tuple[Any, ...], T] = {}
    for each in sorted(tries, key=lambda each: each.try_number):
        if each.state is not None and (after is None or _began_before(after, each)):
            last[instance(each)] = each
    failed = [each for _, each in sorted(last.items()) if each.state == "failed"]
    own = [each for each in failed if before is None or not _began_before(before, each)]
    return own, len(own) < len(failed)


def _began_before(noted: Tries, each: TryOfTask) -> bool:
    return noted.began_before(each.task_id, each.map_index, each.try_number)


@frozen(kw_only=True)
class FailedTry:
    """The last try of a task that failed, in a run that did."""

    task_id: str
    words: frozenset[Word] = frozenset()
    """All that Airflow's log says of it."""
    on_host: bool = False
    """It was told from where it ran that it failed."""
    by_hand: bool = False
    """Somebody marked tasks of this name in the run."""


@frozen(kw_only=True)
class Traces:
    """What Airflow's rows say of one end of a run."""

    started: bool = False
    """A task of it began."""
    by_hand: bool = False
    """Somebody marked the run."""
    failed: tuple[FailedTry, ...] = ()
    left: bool = False
    """A task of it had failed before it was run again, and was not run again with it."""


class Ended(Protocol):
    """What is recorded of the end of a run: :class:`pinwheel.core.records.RunOutcome`."""

    @property
    def state(self) -> str: ...
    @property
    def how(self) -> How | None: ...
    @property
    def started_at(self) -> datetime | None: ...


NOTHING = Traces()
"""Of a run of which Airflow has no rows any more."""


def end_of(outcome: Ended, traces: Traces) -> End:
    """How the run ended that came to *outcome*."""
    if outcome.how is How.BY_HAND or (outcome.how is None and traces.by_hand):
        return End.BY_HAND
    if outcome.state == "success":
        return End.WELL if traces.started or outcome.how is How.BY_TASKS else End.CANCELLED
    if not traces.started and outcome.started_at is None:
        return End.CANCELLED
    if outcome.how in (How.TIMED_OUT, How.DEADLOCKED):
        return End.FAILED
    if traces.left and not traces.failed:
        # Of what ran again nothing failed: that failure was counted when it came.
        return End.BY_HAND
    return _of_tries(traces.failed)


def _of_tries(failed: Iterable[FailedTry]) -> End:
    """One that failed by itself is enough; else what is not known weighs more than what is."""
    found = {end for each in failed if (end := _of_try(each)) is not None}
    for end in (End.FAILED, End.UNKNOWN, End.BY_HAND, End.INFRASTRUCTURE):
        if end in found:
            return end
    return End.UNKNOWN


def _of_try(each: FailedTry) -> End | None:
    """None: it says nothing of its own."""
    if Word.FAILED in each.words and each.on_host:
        return End.FAILED
    if each.words & OF_INFRASTRUCTURE:
        return End.INFRASTRUCTURE
    if each.by_hand:
        return End.BY_HAND
    return None if Word.FAIL_FAST in each.words else End.UNKNOWN
