"""At which dates a task of a Dag is there: eras, gaps, windows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pinwheel.core.run.presence import Dates, builds_by_date, missing, presences
from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.sensors import Awaited
from pinwheel.core.structure.windows import Segment

ACTIVE, OLD = 9, 1


def at(year: int | None) -> datetime | None:
    return datetime(year, 1, 1, tzinfo=UTC) if year is not None else None


def dates(starts: int | None, ends: int | None) -> Dates:
    return Dates(starts_at=at(starts), ends_at=at(ends))


def era(starts: int | None, ends: int | None, build_id: int = OLD) -> Era:
    return Era(starts_at=at(starts), ends_at=at(ends), build_id=build_id, build=build_id, bundle_version="c")


def dag(*tasks: str, groups: dict[str, Any] | None = None) -> dict[str, Any]:
    children = {task: ["operator", task] for task in tasks} | (groups or {})
    return {"dag": {"tasks": [{"task_id": task} for task in tasks], "task_group": {"children": children}}}


def task(name: str) -> Awaited:
    return Awaited("wait", name, group=False)


@pytest.mark.parametrize(
    ("eras", "active", "expected"),
    [
        ([], ACTIVE, [(None, None, ACTIVE)]),
        ([], None, []),
        ([era(None, None)], ACTIVE, [(None, None, OLD)]),
        ([era(None, 2020)], ACTIVE, [(None, 2020, OLD), (2020, None, ACTIVE)]),
        ([era(2020, None)], ACTIVE, [(None, 2020, ACTIVE), (2020, None, OLD)]),
        (
            [era(2018, 2019), era(2019, 2020, 2), era(2021, 2022)],
            ACTIVE,
            [
                (None, 2018, ACTIVE),
                (2018, 2019, OLD),
                (2019, 2020, 2),
                (2020, 2021, ACTIVE),
                (2021, 2022, OLD),
                (2022, None, ACTIVE),
            ],
        ),
        ([era(2018, 2019), era(2021, 2022)], None, [(2018, 2019, OLD), (2021, 2022, OLD)]),
    ],
)
def test_each_date_is_for_its_era_or_for_the_active_build(
    eras: list[Era], active: int | None, expected: list[tuple[int | None, int | None, int]]
) -> None:
    assert builds_by_date(eras, active) == tuple((dates(*ends), build) for *ends, build in expected)


def test_a_task_is_missing_where_the_build_of_the_date_lacks_it() -> None:
    by_date = builds_by_date([era(None, 2020)], ACTIVE)
    there = presences(by_date, {OLD: dag("load"), ACTIVE: dag("load", "cloud")}, {})
    assert missing(task("cloud"), there) == (dates(None, 2020),)
    assert missing(task("load"), there) == ()
    assert missing(task("typo"), there) == (), "it is there at no date, so none decides"


def test_windows_count_inside_of_the_dates_that_their_build_is_for() -> None:
    segments = {
        ACTIVE: [
            Segment(None, frozenset({"new"})),
            Segment(at(2019), frozenset()),
            Segment(at(2021), frozenset({"old"})),
            Segment(at(2023), frozenset({"old", "new"})),
        ]
    }
    contents = {ACTIVE: dag("start", "old", "new"), OLD: dag("start", "old")}
    alone = presences(builds_by_date([], ACTIVE), contents, segments)
    assert missing(task("new"), alone) == (dates(None, 2019), dates(2023, None))
    assert missing(task("old"), alone) == (dates(2021, None),), "what is next to each other is one"
    beside = presences(builds_by_date([era(2020, 2022)], ACTIVE), contents, segments)
    assert missing(task("new"), beside) == (dates(None, 2019), dates(2020, 2022), dates(2023, None))
    assert missing(task("old"), beside) == (dates(2022, None),)
    at_an_edge = presences(builds_by_date([era(None, 2021)], ACTIVE), contents, segments)
    assert missing(task("old"), at_an_edge) == (dates(2021, None),)
    assert [one.dates for one in at_an_edge] == [dates(None, 2021), dates(2021, 2023), dates(2023, None)]


def test_a_group_is_missing_once_none_of_its_tasks_is_left() -> None:
    groups = {
        "g": ["taskgroup", {"children": {"g.i": ["taskgroup", {"children": {"a": ["operator", "a"]}}]}}],
        "h": ["taskgroup", {"children": {"b": ["operator", "b"], "c": ["operator", "c"]}}],
    }
    segments = {ACTIVE: [Segment(None, frozenset({"a", "b"})), Segment(at(2020), frozenset())]}
    there = presences(builds_by_date([], ACTIVE), {ACTIVE: dag("a", "b", "c", groups=groups)}, segments)
    for group in ("g", "g.i"):
        assert missing(Awaited("wait", group, group=True), there) == (dates(None, 2020),)
    assert missing(Awaited("wait", "h", group=True), there) == ()
    assert missing(Awaited("wait", "a", group=True), there) == (), "a task is no group"
