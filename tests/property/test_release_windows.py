"""Release windows against a look at the clocks, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.soak import size
from pinwheel.core.rollout.window import (
    MIDNIGHT,
    Allow,
    Dates,
    Deny,
    Freeze,
    Hours,
    Limit,
    Open,
    Window,
    Yearly,
    is_open,
    next_change,
    next_opening,
)
from pinwheel.core.rollout.window_text import days, hours

MINUTE = timedelta(minutes=1)
ZONES = [
    "Africa/Casablanca",  # Back for each Ramadan
    "America/New_York",
    "America/Santiago",  # At midnight
    "Asia/Kathmandu",  # Three quarters of an hour
    "Australia/Lord_Howe",  # By half an hour
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "UTC",
]
NEAR = [
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("America/Santiago", "2026-04-05T03:00"),
    ("America/Santiago", "2026-09-06T04:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Pacific/Apia", "2026-12-31T10:00"),  # The year
]
"""A zone and when its clocks change."""
SCANNED = 2 * 24 * 60
"""Minutes."""


def has(window: Window, at: datetime) -> bool:
    """The same as the words say, with nothing of the module."""
    wall = at.astimezone(ZoneInfo(window.zone))
    now = time(wall.hour, wall.minute)

    def on(day: date) -> bool:
        spans = []
        for span in window.dates:
            if isinstance(span, Dates):
                spans.append((span.first, span.last))
            else:
                years = day.year - 1, day.year
                spans += [_of_year(span, year) for year in years]
        return day.weekday() in window.days and (
            not window.dates or any(first <= day <= last for first, last in spans)
        )

    for each in window.hours:
        begin, end = (time(edge // 60 % 24, edge % 60) for edge in (each.begin, each.end))
        if each.end == MIDNIGHT:
            found = on(wall.date()) and now >= begin
        elif begin < end:
            found = on(wall.date()) and begin <= now < end
        else:
            found = (on(wall.date()) and now >= begin) or (on(wall.date() - timedelta(days=1)) and now < end)
        if found:
            return True
    return False


def _of_year(span: Yearly, year: int) -> tuple[date, date]:
    return date(year, *span.first), date(year + (span.last < span.first), *span.last)


def opens(limits: Sequence[Limit], at: datetime) -> bool:
    for limit in limits:
        match limit.when:
            case Freeze(since=since, until=until):
                if (since is None or at >= since) and (until is None or at < until):
                    return False
            case Deny(windows):
                if any(has(window, at) for window in windows):
                    return False
            case Allow(windows):
                if not any(has(window, at) for window in windows):
                    return False
    return True


TIMES = st.sampled_from([0, 15, 60, 90, 120, 135, 150, 180, 210, 360, 540, 1020, 1380, 1410, 1425])
HOURS = (
    st.tuples(TIMES, TIMES | st.just(MIDNIGHT))
    .filter(lambda both: both[0] != both[1] and both[1])
    .map(lambda both: Hours(*both))
)
# Without 29 February, which the reference above can not put into each year
OF_YEAR = st.dates(date(2026, 1, 1), date(2026, 12, 31)).map(lambda day: (day.month, day.day))
DATES = st.builds(Yearly, OF_YEAR, OF_YEAR) | st.tuples(
    st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.dates(date(2026, 1, 1), date(2026, 12, 31))
).map(lambda both: Dates(min(both), max(both)))


@st.composite
def cases(draw: st.DrawFn, lists: int = 1) -> tuple[datetime, *tuple[list[Limit], ...]]:
    """An instant before clocks change, and lists of limits, mostly by these clocks."""
    zone, change = draw(st.sampled_from(NEAR))
    changes = datetime.fromisoformat(change).replace(tzinfo=UTC)
    near = st.integers(-1800, 600).map(lambda minutes: changes + minutes * MINUTE)
    windows = st.builds(
        Window,
        zone=st.just(zone) | st.just(zone) | st.sampled_from(ZONES),
        days=st.just(frozenset(range(7))) | st.frozensets(st.integers(0, 6), min_size=1),
        hours=st.lists(HOURS, min_size=1, max_size=2).map(tuple) | st.just((Hours(0, MIDNIGHT),)),
        dates=st.just(()) | st.lists(DATES, max_size=2).map(tuple),
    )
    several = st.lists(windows, min_size=1, max_size=2).map(tuple)
    limits = st.builds(
        Limit,
        st.just("x"),
        several.map(Allow)
        | several.map(Deny)
        | st.builds(Freeze, since=st.none() | near, until=st.none() | near),
    )
    return draw(near), *(draw(st.lists(limits, min_size=1 - at, max_size=3)) for at in range(lists))


@pytest.mark.acceptance("rollouts", 31)
@settings(max_examples=size(80, gate=20), deadline=None)
@given(case=cases())
def test_the_next_opening_and_the_next_change_are_those_that_a_look_at_each_minute_finds(
    case: tuple[datetime, list[Limit]],
) -> None:
    at, limits = case
    minutes = [at + count * MINUTE for count in range(SCANNED)]
    seen = [opens(limits, minute) for minute in minutes]
    changes = [minute for was, is_, minute in zip(seen, seen[1:], minutes[1:], strict=False) if was != is_]

    assert isinstance(is_open(limits, at), Open) == seen[0]
    found, last = [], next_change(limits, at)
    while last is not None and last <= minutes[-1]:
        found.append(last)
        last = next_change(limits, last)
    assert found == changes
    for begin in [at, *changes]:
        scanned = [minute for minute, is_ in zip(minutes, seen, strict=True) if is_ and minute >= begin]
        told = next_opening(limits, begin)
        assert told == scanned[0] if scanned else told is None or told > minutes[-1]


@pytest.mark.acceptance("rollouts", 27)
@given(case=cases(2))
def test_a_denial_wins_over_what_allows_and_no_further_limit_opens_what_another_closes(
    case: tuple[datetime, list[Limit], list[Limit]],
) -> None:
    at, limits, more = case
    closed = not isinstance(is_open(limits, at), Open)
    if closed:
        assert not isinstance(is_open([*limits, *more], at), Open)
        assert not isinstance(is_open([*more, *limits], at), Open)
    always = Window(zone="UTC")
    assert isinstance(is_open([Limit("all", Allow((always,)))], at), Open)
    for order in (1, -1):
        both = [Limit("yes", Allow((always,))), Limit("no", Deny((always,)))][::order]
        found = is_open([*limits, *both], at)
        assert not isinstance(found, Open)
        assert found.by[0].name in {"no", "x"} and not isinstance(found.by[0].when, Allow)


@pytest.mark.acceptance("rollouts", 28)
@pytest.mark.parametrize("zone", ZONES)
def test_nothing_is_released_inside_a_denial_in_three_years(zone: str) -> None:
    denied = (
        Window(zone=zone, days=days("fri"), hours=hours("18:00-06:00")),
        Window(zone=zone, days=days("sun"), hours=hours("01:15-02:45")),
        Window(zone=zone, dates=(Yearly((3, 28), (4, 2)), Yearly((12, 20), (1, 3)))),
    )
    limits = [
        Limit("denied", Deny(denied)),
        Limit("office", Allow((Window(zone=zone, hours=hours("00:30-23:00")),))),
    ]
    at, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    released = []
    while at < end:
        if isinstance(is_open(limits, at), Open):
            released.append(at)
        at += 30 * MINUTE
    assert len(released) > 30_000
    assert [at for at in released if any(has(window, at) for window in denied)] == []


@pytest.mark.acceptance("rollouts", 29)
@pytest.mark.parametrize("zone", ZONES)
def test_a_weekend_freeze_ends_on_monday_at_six_by_the_clocks_in_each_week_of_three_years(zone: str) -> None:
    weekend = Deny(
        (
            Window(zone=zone, days=days("fri"), hours=hours("18:00-24:00")),
            Window(zone=zone, days=days("sat-sun")),
            Window(zone=zone, days=days("mon"), hours=hours("00:00-06:00")),
        )
    )
    limits = [Limit("weekend", weekend)]
    where = ZoneInfo(zone)
    friday = date(2026, 1, 2)
    lengths = set()
    while friday.year < 2029:
        at = datetime.combine(friday, time(18), where)
        assert next_opening(limits, at - MINUTE) == at - MINUTE
        ends = next_opening(limits, at)
        assert ends is not None
        assert ends.astimezone(where).replace(tzinfo=None) == datetime.combine(
            friday + timedelta(days=3), time(6)
        )
        lengths.add(ends - at.astimezone(UTC))
        friday += timedelta(days=7)
    assert len(lengths) == (1 if zone in {"Asia/Kathmandu", "Pacific/Apia", "UTC"} else 3), "both changes"
