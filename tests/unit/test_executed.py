"""Which rows of a task instance are tries that began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen

from pinwheel.core.run.executed import executed

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@frozen
class Try:
    """A row; ``start`` and ``end`` in minutes."""

    try_number: int
    state: str | None
    start: int | None = None
    end: int | None = None

    @property
    def start_date(self) -> datetime | None:
        return None if self.start is None else T0 + timedelta(minutes=self.start)

    @property
    def end_date(self) -> datetime | None:
        return None if self.end is None else T0 + timedelta(minutes=self.end)


def kept(present: Try | None, *earlier: Try) -> list[tuple[bool, Try]]:
    rows = [(True, row) for row in earlier]
    return executed([*([(False, present)] if present else []), *rows])


def test_tries_are_told_by_number_and_the_present_one_last() -> None:
    present, second, first = Try(3, "success", 5, 6), Try(2, "failed", 3, 4), Try(1, "failed", 1, 2)
    assert kept(present, second, first) == [(True, first), (True, second), (False, present)]


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "up_for_retry"])
def test_what_waits_and_never_began_is_left_out(state: str | None) -> None:
    assert kept(Try(0, state)) == []
    assert kept(Try(1, state, None, 4)) == []


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "up_for_retry"])
def test_what_waits_with_a_beginning_of_its_own_was_rescheduled(state: str | None) -> None:
    waiting = Try(1, state, 1)
    assert kept(waiting) == [(False, waiting)]


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "up_for_retry"])
def test_what_waits_with_the_times_of_the_try_before_has_not_begun(state: str | None) -> None:
    first = Try(1, "failed", 1, 2)
    assert kept(Try(1, state, 1, 2), first) == [(True, first)]


def test_an_earlier_row_that_waits_is_no_try() -> None:
    assert kept(None, Try(1, "scheduled", 1)) == []


def test_a_removed_task_that_never_ran_is_told_as_removed() -> None:
    removed = Try(0, "removed")
    assert kept(removed) == [(False, removed)]


def test_a_removed_task_that_ran_is_told_by_what_it_came_to() -> None:
    first = Try(1, "success", 1, 2)
    assert kept(Try(1, "removed", 1, 2), first) == [(True, first)]


@pytest.mark.parametrize("state", ["skipped", "upstream_failed"])
def test_what_was_only_marked_is_told_without_times_too(state: str) -> None:
    marked = Try(0, state)
    assert kept(marked) == [(False, marked)]
    assert kept(None, marked) == [(True, marked)]


def test_what_a_clear_archived_before_it_began_is_no_try() -> None:
    assert kept(None, Try(0, "failed", None, 3)) == []


def test_an_earlier_try_of_number_zero_that_began_is_one() -> None:
    began = Try(0, "failed", 1, 3)
    assert kept(None, began) == [(True, began)]


def test_a_failure_without_a_beginning_is_told_where_it_has_an_end() -> None:
    ended, nothing = Try(1, "failed", None, 3), Try(1, "failed")
    assert kept(ended) == [(False, ended)]
    assert kept(nothing) == []
    assert kept(None, ended) == [(True, ended)], "it has a number, so it was queued"


def test_a_row_that_repeats_the_times_of_an_earlier_try_is_that_try() -> None:
    first = Try(1, "failed", 1, 2)
    assert kept(Try(1, "failed", 1, 2), first) == [(True, first)]


def test_two_rows_without_a_beginning_are_not_one() -> None:
    first, second = Try(1, "failed", None, 2), Try(2, "failed", None, 4)
    assert kept(second, first) == [(True, first), (False, second)]
