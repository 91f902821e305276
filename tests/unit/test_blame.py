"""Who, or what, is to blame for how a run ended: what Airflow's rows say of it, and what nothing says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen

from pinwheel.core.rollout.blame import NOTHING, FailedTry, Traces, Word, end_of
from pinwheel.core.rollout.watched import End
from pinwheel.core.run.how import How

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ITSELF = FailedTry(task_id="x", words=frozenset({Word.FAILED}), on_host=True)
LOST = FailedTry(task_id="x", words=frozenset({Word.HEARTBEAT, Word.MISMATCH, Word.FAILED}))
MARKED = FailedTry(task_id="x", by_hand=True)
STOPPED = FailedTry(task_id="x", words=frozenset({Word.FAIL_FAST}))
UNHEARD = FailedTry(task_id="x")


@frozen(kw_only=True)
class Came:
    state: str = "failed"
    how: How | None = How.BY_TASKS
    started_at: datetime | None = NOW


def end(*failed: FailedTry, started: bool = True, by_hand: bool = False, **came: Any) -> End:
    return end_of(Came(**came), Traces(started=started, by_hand=by_hand, failed=failed))


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ((ITSELF,), End.FAILED),
        ((LOST,), End.INFRASTRUCTURE),
        ((MARKED,), End.BY_HAND),
        ((UNHEARD,), End.UNKNOWN),
        ((), End.UNKNOWN),
        ((STOPPED,), End.UNKNOWN),
        ((STOPPED, ITSELF), End.FAILED),
        ((STOPPED, LOST), End.INFRASTRUCTURE),
        ((LOST, ITSELF), End.FAILED),
        ((UNHEARD, ITSELF), End.FAILED),
        ((UNHEARD, LOST), End.UNKNOWN),
        ((UNHEARD, MARKED), End.UNKNOWN),
        ((LOST, MARKED), End.BY_HAND),
    ],
)
def test_of_the_tasks_that_failed_one_that_did_by_itself_is_enough(
    failed: tuple[FailedTry, ...], expected: End
) -> None:
    assert end(*failed) is expected


@pytest.mark.parametrize("word", [Word.HEARTBEAT, Word.MISMATCH, Word.STUCK])
def test_each_word_of_infrastructure_is_no_failure_of_the_release(word: Word) -> None:
    assert end(FailedTry(task_id="x", words=frozenset({word}))) is End.INFRASTRUCTURE


def test_a_failure_that_was_told_from_no_host_is_none_that_is_known() -> None:
    assert end(FailedTry(task_id="x", words=frozenset({Word.FAILED}))) is End.UNKNOWN


def test_a_run_that_somebody_marked_is_by_hand_whatever_its_tasks_say() -> None:
    assert end(ITSELF, how=How.BY_HAND) is End.BY_HAND
    assert end(state="success", how=How.BY_HAND) is End.BY_HAND
    assert end(ITSELF, how=None, by_hand=True) is End.BY_HAND


def test_who_noted_how_a_run_ended_is_believed_before_the_log() -> None:
    assert end(ITSELF, by_hand=True) is End.FAILED, "somebody wrote a note on it"


@pytest.mark.parametrize("how", [How.TIMED_OUT, How.DEADLOCKED])
def test_a_run_that_took_too_long_or_could_not_go_on_failed(how: How) -> None:
    assert end(how=how) is End.FAILED
    assert end(how=how, started=False) is End.FAILED


def test_a_run_that_ended_before_a_task_began_was_cancelled() -> None:
    assert end(started=False, started_at=None, how=None) is End.CANCELLED
    assert end(started=False, state="success", how=None) is End.CANCELLED


def test_a_run_that_went_well_did_so_by_its_tasks() -> None:
    assert end(state="success") is End.WELL
    assert end(state="success", started=False) is End.WELL
    assert end(state="success", how=None) is End.WELL


def test_a_run_of_which_only_old_failures_are_left_is_not_counted_again() -> None:
    assert end_of(Came(), Traces(started=True, left=True)) is End.BY_HAND
    assert end_of(Came(), Traces(started=True, left=True, failed=(ITSELF,))) is End.FAILED
    assert end_of(Came(), Traces(started=True, left=True, failed=(UNHEARD,))) is End.UNKNOWN
    assert end_of(Came(state="success"), Traces(started=True, left=True)) is End.WELL


def test_of_a_failed_run_that_airflow_has_no_more_nothing_is_known() -> None:
    assert end_of(Came(), NOTHING) is End.UNKNOWN
