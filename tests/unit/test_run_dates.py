"""The date of a run's data, and dates as people write them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pinwheel.core.errors import InvalidInput
from pinwheel.core.run.binding import Binding
from pinwheel.core.run.dates import HOPS, Dated, DatedBy, RunDates, date_of, dates_of_events, remembered
from pinwheel.core.run.local_time import instant

EARLY, LATE = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = {
    "data_interval_start": DatedBy.DATA_INTERVAL,
    "partition_date": DatedBy.PARTITION,
    "logical_date": DatedBy.LOGICAL_DATE,
    "event_dates": DatedBy.ASSET_EVENTS,
}


@pytest.mark.parametrize("first", [*SOURCES, None])
def test_the_first_date_that_a_run_has_is_its_own(first: str | None) -> None:
    """Those before it are absent, those after it are there and say something else."""
    names = list(SOURCES)
    after = names[names.index(first) :] if first is not None else []
    values = {name: EARLY if name == first else LATE for name in after}
    if "event_dates" in values:
        values["event_dates"] = (values["event_dates"],)  # type: ignore[assignment]
    found = date_of(RunDates(run_after=NOW, **values))  # type: ignore[arg-type]
    expected = (EARLY, SOURCES[first]) if first is not None else (NOW, DatedBy.RUN_AFTER)
    assert (found.at, found.by, found.latest) == (*expected, None)


def test_a_run_of_asset_events_of_several_dates_has_the_earliest_and_says_so() -> None:
    run = RunDates(event_dates=(LATE, EARLY, LATE), run_after=NOW)
    assert date_of(run) == Dated(EARLY, DatedBy.ASSET_EVENTS, LATE)


Sources = dict[int, dict[int, datetime | None]]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({1: {2: EARLY}}, {EARLY}),
        # Two and three hops.
        ({1: {2: None}, 2: {3: EARLY}}, {EARLY}),
        ({1: {2: None}, 2: {3: None}, 3: {4: EARLY}}, {EARLY}),
        # One that has a date is not asked further; of what one consumed the earliest is its date.
        ({1: {2: LATE}, 2: {3: EARLY}}, {LATE}),
        ({1: {2: None, 5: NOW}, 2: {3: LATE, 4: EARLY}}, {EARLY, NOW}),
        # By REST, of a run without any date, of a run that is gone, and in a circle.
        ({}, set()),
        ({1: {2: None}}, set()),
        ({1: {2: None}, 2: {1: None, 3: EARLY}}, {EARLY}),
        ({1: {1: None}}, set()),
    ],
)
@pytest.mark.acceptance("dates", 12)
def test_asset_events_are_followed_to_the_runs_that_have_a_date(
    sources: Sources, expected: set[datetime]
) -> None:
    asked: list[int] = []

    def look(ids: Collection[int]) -> Sources:
        asked.extend(ids)
        return {one: sources[one] for one in ids if one in sources}

    assert dates_of_events([1], look) == {1: expected}
    assert len(asked) == len(set(asked)), "each run once"


@pytest.mark.parametrize("hops", [HOPS, HOPS + 1])
def test_asset_events_are_followed_so_far_and_with_one_look_for_each_hop(hops: int) -> None:
    asked: list[set[int]] = []

    def look(ids: Collection[int]) -> Sources:
        asked.append(set(ids))
        return {one: {one + 2: EARLY if one + 2 > 2 * hops else None} for one in ids}

    found = dates_of_events([1, 2], look)
    assert found == {one: {EARLY} if hops == HOPS else set() for one in (1, 2)}
    assert asked == [{2 * hop + 1, 2 * hop + 2} for hop in range(HOPS)]


def noted(date: datetime | None, by: str | None, seq: int = 0) -> Binding:
    return Binding(
        dag_id="a",
        run_id="r",
        seq=seq,
        dag_version_id=None,
        bundle_version="v1",
        bound_by="era",
        actor=None,
        bound_at=NOW,
        release=None,
        build_id=1,
        tries=None,
        date=date,
        date_by=by,
    )


@pytest.mark.parametrize(
    ("ledger", "left", "expected"),
    [
        ([noted(EARLY, "asset_events")], (), Dated(EARLY, DatedBy.ASSET_EVENTS)),
        ([noted(EARLY, "asset_events")], (EARLY,), Dated(EARLY, DatedBy.ASSET_EVENTS)),
        ([noted(EARLY, "asset_events")], (LATE,), Dated(EARLY, DatedBy.ASSET_EVENTS, LATE)),
        # Bound by hand since, or by the moment: that says nothing of its data.
        (
            [noted(EARLY, "asset_events"), noted(None, None, 1), noted(LATE, "run_after", 2)],
            (),
            Dated(EARLY, DatedBy.ASSET_EVENTS),
        ),
        (
            [noted(LATE, "asset_events"), noted(EARLY, "asset_events", 1)],
            (),
            Dated(EARLY, DatedBy.ASSET_EVENTS),
        ),
        ([noted(EARLY, "run_after")], (), Dated(NOW, DatedBy.RUN_AFTER)),
        ([], (LATE,), Dated(LATE, DatedBy.ASSET_EVENTS)),
    ],
)
@pytest.mark.acceptance("dates", 12)
def test_a_run_keeps_the_date_of_asset_events_that_are_gone(
    ledger: list[Binding], left: tuple[datetime, ...], expected: Dated
) -> None:
    assert date_of(remembered(RunDates(event_dates=left, run_after=NOW), ledger)) == expected


def test_a_date_of_its_own_goes_before_those_of_events_that_are_gone() -> None:
    run = RunDates(logical_date=LATE, run_after=NOW)
    assert date_of(remembered(run, [noted(EARLY, "asset_events")])).at == LATE


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2019-01-01", "Europe/Warsaw", "2018-12-31T23:00+00:00"),
        ("2019-05", "UTC", "2019-05-01T00:00+00:00"),
        ("2019", "Asia/Tokyo", "2018-12-31T15:00+00:00"),
        (" 2019-01-01T06:30 ", "Asia/Kolkata", "2019-01-01T01:00+00:00"),
        ("2019-01-01T06:30Z", "Asia/Kolkata", "2019-01-01T06:30+00:00"),
        ("2019-01-01T06:30:00.000001-05:00", "Asia/Kolkata", "2019-01-01T11:30:00.000001+00:00"),
    ],
)
def test_a_date_is_read_in_the_zone_and_a_time_with_an_offset_as_that(
    text: str, zone: str, expected: str
) -> None:
    assert instant(text, ZoneInfo(zone)) == datetime.fromisoformat(expected)


@pytest.mark.acceptance("dates", 13)
@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        # Clocks went from 00:00 to 01:00: there was no midnight.
        ("2019-09-08", "America/Santiago", "2019-09-08T04:00+00:00"),
        # Clocks went from 24:00 back to 23:00 of the day before.
        ("2019-04-07", "America/Santiago", "2019-04-07T04:00+00:00"),
        # Clocks went from 01:00 back to 00:00: there were two midnights.
        ("2018-11-04", "America/Havana", "2018-11-04T04:00+00:00"),
        ("2018-03-11", "America/Havana", "2018-03-11T05:00+00:00"),
        # A date in its other forms is the same day.
        ("20260906", "America/Santiago", "2026-09-06T04:00+00:00"),
        ("2026-W36-7", "America/Santiago", "2026-09-06T04:00+00:00"),
        ("2026W367", "America/Santiago", "2026-09-06T04:00+00:00"),
    ],
)
def test_a_day_begins_at_the_first_instant_that_its_zone_shows_it(day: str, zone: str, expected: str) -> None:
    assert instant(day, ZoneInfo(zone)) == datetime.fromisoformat(expected)


@pytest.mark.acceptance("dates", 13)
@pytest.mark.parametrize(
    ("text", "zone", "problem", "words"),
    [
        (
            "2019-09-08T00:30",
            "America/Santiago",
            "local-time-missing",
            "2019-09-08T00:30 does not exist in America/Santiago: clocks go from 00:00 to 01:00. "
            "Write 2019-09-07T23:30, 2019-09-08T01:30, or a time with an offset.",
        ),
        (
            "2011-12-30",
            "Pacific/Apia",
            "local-time-missing",
            "2011-12-30 does not exist in Pacific/Apia: clocks go from 2011-12-29 to 2011-12-31. "
            "Write another day.",
        ),
        (
            "2018-11-04T00:30",
            "America/Havana",
            "local-time-twice",
            "2018-11-04T00:30 comes twice in America/Havana: clocks are set back over it. "
            "Say which: with -04:00 the first, with -05:00 the second.",
        ),
    ],
)
def test_a_time_that_the_clocks_pass_by_or_show_twice_is_refused_and_says_what_to_write(
    text: str, zone: str, problem: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        instant(text, ZoneInfo(zone))
    assert (refused.value.message, refused.value.facts["problem"]) == (words, problem)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2019-13", "2019-02-30", "2019-01-01Z", "1", "9999-12-31T23:00", "0001-01-01", "2019-1-1"],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Cannot read"):
        instant(text, ZoneInfo("America/Santiago") if text.startswith("9") else ZoneInfo("Asia/Tokyo"))
