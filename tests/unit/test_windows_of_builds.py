"""Which stretches of dates a build has, when it needs a row of all its tasks, and how versions are named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pinwheel.core.release.rows import number_for_dates
from pinwheel.core.structure.windows import needs_whole, stretches, whole_is_needed
from pinwheel.services.history.versions import parse_key

EDGE = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2021, 1, 1, tzinfo=UTC)


def serialized(*tasks: dict[str, Any], **dag: Any) -> dict[str, Any]:
    named = [{"__type": "operator", "__var": {"task_id": f"t{n}", **task}} for n, task in enumerate(tasks)]
    return {"__version": 3, "dag": {"dag_id": "d", "tasks": named, **dag}}


def at(moment: datetime) -> float:
    return moment.timestamp()


def test_a_dag_of_which_no_task_is_ever_absent_has_no_stretches() -> None:
    assert stretches(serialized({}, {}, start_date=at(EDGE))) == ()
    assert stretches(serialized({"start_date": at(EDGE)}, {"start_date": at(EDGE)})) == ()


def test_a_task_with_a_start_of_its_own_divides_time_in_two() -> None:
    found = stretches(serialized({}, {"start_date": at(LATER)}, start_date=at(EDGE)))
    assert [(one.starts_at, one.absent) for one in found] == [(None, {"t1"}), (LATER, frozenset())]


@pytest.mark.parametrize(
    ("dag", "starts", "ends", "needs"),
    [
        pytest.param(serialized({}), None, None, False, id="no dates"),
        pytest.param(serialized({}, start_date=at(EDGE)), EDGE, LATER, False, id="from the Dag's start on"),
        pytest.param(serialized({}, start_date=at(LATER)), EDGE, LATER, True, id="the Dag starts later"),
        pytest.param(serialized({}, start_date=at(EDGE)), None, LATER, True, id="without a beginning"),
        pytest.param(serialized({"start_date": at(LATER)}), EDGE, None, True, id="a task starts later"),
        pytest.param(serialized({}, end_date=at(LATER)), EDGE, EDGE, True, id="a logical date may be later"),
        pytest.param(serialized({"end_date": at(LATER)}), EDGE, EDGE, True, id="also than a task's end"),
    ],
)
@pytest.mark.acceptance("dates", 23)
def test_an_era_needs_a_row_of_all_tasks_where_the_builds_own_dates_could_leave_some_out(
    dag: dict[str, Any], starts: datetime | None, ends: datetime | None, needs: bool
) -> None:
    assert needs_whole(dag, starts, ends) is needs


@pytest.mark.parametrize(
    ("dag", "needed"),
    [
        pytest.param(serialized({}, {"start_date": at(LATER)}, start_date=at(EDGE)), False, id="it grew"),
        pytest.param(serialized({}, {"end_date": at(EDGE)}), True, id="a task ended"),
        pytest.param(
            serialized({"end_date": at(EDGE)}, {"start_date": at(LATER)}), False, id="never all of them"
        ),
        pytest.param(
            serialized({}, {"start_date": at(EDGE)}, end_date=at(LATER)), True, id="the Dag itself ends"
        ),
    ],
)
def test_a_build_with_windows_needs_one_where_its_dates_could_leave_some_out_when_all_have_a_place(
    dag: dict[str, Any], needed: bool
) -> None:
    assert whole_is_needed(dag, stretches(dag)) is needed


@pytest.mark.parametrize(
    ("key", "parsed"),
    [
        ("r5", ("r", 5, None)),
        ("t3", ("t", 3, None)),
        ("v2", ("v", 2, None)),
        ("r5.2", ("r", 5, 2)),
        ("t3.12", ("t", 3, 12)),
        ("v2.1", None),
        ("r5.0", None),
        ("r5.", None),
        ("r5.2.1", None),
        ("unknown", None),
    ],
)
def test_a_version_key_names_release_or_build_and_segment(key: str, parsed: object) -> None:
    assert parse_key(key) == parsed


def test_no_two_rows_have_one_number() -> None:
    numbers = [number_for_dates(build, position) for build in (1, 2, 999_999) for position in (1, 2, 25)]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < -999_999, "those of trials are above"
