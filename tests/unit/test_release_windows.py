"""Release windows as they are written, read, told, and what they mean where the clocks are changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from pinwheel.core.rollout import window_text
from pinwheel.core.rollout.window import (
    HORIZON,
    MIDNIGHT,
    OPEN,
    Allow,
    Closed,
    Dates,
    Deny,
    Freeze,
    Hours,
    Limit,
    Window,
    Yearly,
    is_open,
    next_change,
    next_opening,
)
from pinwheel.core.rollout.window_text import Unreadable, days, told, written

BERLIN = "Europe/Berlin"
OFFICE = Window(zone=BERLIN, days=days("mon-thu"), hours=(Hours(9 * 60, 16 * 60),))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at_night(kind: type[Allow | Deny]) -> list[Limit]:
    return [Limit("night", kind((Window(zone=BERLIN, hours=(Hours(120, 180),)),)))]


@pytest.mark.acceptance("rollouts", 30)
def test_a_window_in_the_hour_that_the_clocks_skip_does_nothing() -> None:
    assert next_opening(at_night(Allow), utc("2026-03-28T12:00")) == utc("2026-03-30T00:00")
    assert next_change(at_night(Deny), utc("2026-03-28T12:00")) == utc("2026-03-30T00:00")
    for minute in range(180):
        assert is_open(at_night(Deny), utc("2026-03-29T00:00") + timedelta(minutes=minute)) is OPEN


@pytest.mark.acceptance("rollouts", 30)
def test_a_window_in_the_hour_that_the_clocks_show_twice_holds_both() -> None:
    assert next_opening(at_night(Allow), utc("2026-10-24T12:00")) == utc("2026-10-25T00:00")
    assert next_change(at_night(Allow), utc("2026-10-25T00:00")) == utc("2026-10-25T02:00")
    assert next_opening(at_night(Deny), utc("2026-10-25T00:00")) == utc("2026-10-25T02:00")


def test_a_window_that_begins_in_the_skipped_hour_begins_when_the_clocks_go_on() -> None:
    late = [Limit("late", Deny((Window(zone=BERLIN, hours=(Hours(150, 240),)),)))]
    assert next_change(late, utc("2026-03-28T12:00")) == utc("2026-03-29T01:00")
    assert next_opening(late, utc("2026-03-29T01:00")) == utc("2026-03-29T02:00")


def test_hours_over_midnight_are_of_the_day_on_which_they_begin() -> None:
    friday_night = Window(zone="UTC", days=days("fri"), hours=(Hours(22 * 60, 6 * 60),))
    begins, ends = utc("2026-06-05T22:00"), utc("2026-06-06T06:00")
    assert [friday_night.has(at) for at in (begins, ends - timedelta(seconds=1))] == [True, True]
    assert [friday_night.has(at) for at in (begins - timedelta(seconds=1), ends)] == [False, False]
    assert not friday_night.has(utc("2026-06-05T05:00")) and not friday_night.has(utc("2026-06-06T22:00"))


def test_dates_are_those_of_the_clocks_and_come_each_year_unless_the_year_is_named() -> None:
    yearly = Window(zone="Pacific/Auckland", dates=(Yearly((12, 20), (1, 3)),))
    assert yearly.has(utc("2026-12-19T11:00")) and yearly.has(utc("2031-01-03T10:59"))
    assert not yearly.has(utc("2026-12-19T10:59")) and not yearly.has(utc("2031-01-03T11:00"))
    once = Window(zone="UTC", dates=(Dates(date(2026, 12, 24), date(2026, 12, 24)),))
    assert once.has(utc("2026-12-24T00:00")) and not once.has(utc("2027-12-24T00:00"))
    assert not once.has(utc("2026-12-25T00:00"))
    leap = Window(zone="UTC", dates=(Yearly((2, 29), (2, 29)),))
    assert leap.has(utc("2028-02-29T12:00")) and not leap.has(utc("2027-03-01T12:00"))


def test_several_limits_close_wherever_one_of_them_does_and_all_that_do_are_told() -> None:
    limits = [
        Limit("office", Allow((OFFICE,))),
        Limit("afternoon", Allow((Window(zone=BERLIN, hours=(Hours(12 * 60, MIDNIGHT),)),))),
        Limit("quarter", Deny((Window(zone=BERLIN, dates=(Yearly((6, 27), (7, 2)),)),))),
        Limit("incident", Freeze(until=utc("2026-06-08T12:00"))),
    ]
    found = is_open(limits, utc("2026-06-07T08:00"))
    assert isinstance(found, Closed)
    assert [limit.name for limit in found.by] == ["incident", "office", "afternoon"]
    assert next_opening(limits, utc("2026-06-07T08:00")) == utc("2026-06-08T12:00")
    assert next_change(limits, utc("2026-06-08T12:00")) == utc("2026-06-08T14:00")
    assert is_open(limits, utc("2026-06-08T13:59:59")) is OPEN
    # Either of two windows: both in one limit
    either = [Limit("both", Allow((OFFICE, Window(zone=BERLIN, days=days("fri"), hours=(Hours(540, 720),)))))]
    assert (
        is_open(either, utc("2026-06-05T09:00")) is OPEN and is_open(either, utc("2026-06-04T09:00")) is OPEN
    )
    assert next_opening(either, utc("2026-06-05T10:00")) == utc("2026-06-08T07:00")


def test_an_opening_is_looked_for_within_the_horizon_and_from_the_instant_itself() -> None:
    now = utc("2026-06-01T12:00")
    assert timedelta(days=732) == HORIZON
    assert next_opening([], now.astimezone()) == now and next_change([], now) is None
    assert next_opening([Limit("x", Freeze())], now) is None
    assert next_opening([Limit("x", Freeze(until=now + HORIZON))], now) == now + HORIZON
    assert next_opening([Limit("x", Freeze(until=now + HORIZON + timedelta(seconds=1)))], now) is None
    far = Allow((Window(zone="UTC", dates=(Dates(date(2028, 5, 1), date(2028, 5, 1)),)),))
    assert next_opening([Limit("x", far)], now) == utc("2028-05-01T00:00")
    farther = Allow((Window(zone="UTC", dates=(Dates(date(2028, 7, 1), date(2028, 7, 1)),)),))
    assert next_opening([Limit("x", farther)], now) is None
    coming = [Limit("x", Freeze(since=now, until=now + timedelta(hours=1)))]
    assert next_opening(coming, now) == now + timedelta(hours=1)
    assert next_change(coming, now - timedelta(hours=1)) == now


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (days, "mon-thu", {0, 1, 2, 3}),
        (days, "Sat, sun", {5, 6}),
        (days, "fri-mon", {4, 5, 6, 0}),
        (days, "wed-wed", {2}),
        (days, "wed" + ", wed" * 49, {2}),
        (window_text.hours, "09:00-16:00", (Hours(540, 960),)),
        (window_text.hours, "13:00 - 24:00, 00:05-12:59", (Hours(5, 779), Hours(780, 1440))),
        (window_text.hours, "22:00-06:00", (Hours(1320, 360),)),
        (window_text.hours, "22:00-00:00", (Hours(1320, 1440),)),
        (window_text.dates, "12-24", (Yearly((12, 24), (12, 24)),)),
        (
            window_text.dates,
            "03-28..04-02,12-20 .. 01-03",
            (Yearly((3, 28), (4, 2)), Yearly((12, 20), (1, 3))),
        ),
        (window_text.dates, "02-29", (Yearly((2, 29), (2, 29)),)),
        (window_text.dates, "2026-12-20..2027-01-03", (Dates(date(2026, 12, 20), date(2027, 1, 3)),)),
        (window_text.zone, "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        (window_text.instant, "2026-12-20T18:00+01:00", utc("2026-12-20T17:00")),
        (window_text.instant, "2026-12-20T18:00Z", utc("2026-12-20T18:00")),
    ],
)
def test_what_is_written_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "found", "remedy"),
    [
        (days, "monday", "'monday', which names no days", "mon, tue, wed"),
        (days, "mon-", "'mon-'", "or mon-fri"),
        (days, "mon,,tue", "an empty part", "Remove a comma"),
        (days, "", "an empty part", "or fill it"),
        (window_text.hours, "9-16", "'9-16'", "09:00-16:00"),
        (window_text.hours, "09:00", "'09:00'", "09:00-16:00"),
        (window_text.hours, "09:00-16:60", "'09:00-16:60'", "09:00-16:00"),
        (window_text.hours, "09:00-24:01", "'09:00-24:01'", "09:00-16:00"),
        (window_text.hours, "09:00-10:00-11:00", "not from one time to another", "09:00-16:00"),
        (window_text.hours, "09:00-09:00", "has no length", "Leave hours out"),
        (window_text.hours, "24:00-09:00", "has no length", "00:00-24:00"),
        (window_text.dates, "02-30", "'02-30', which is no date", "12-24"),
        (window_text.dates, "2026-02-29", "no date of any year", "2026-12-24"),
        (window_text.dates, "12-20..", "'12-20..'", "12-20..01-03"),
        (window_text.dates, "20261220", "'20261220'", "12-24"),
        (window_text.dates, "2026-12-20..01-03", "one side has a year", "on both, or on none"),
        (window_text.dates, "01-03..2026-12-20", "one side has a year", "on both, or on none"),
        (window_text.dates, "2026-12-20..2026-12-19", "ends before it begins", "earlier date first"),
        (window_text.zone, "Europe/Berln", "called 'Europe/Berln'", "Write 'Europe/Berlin'"),
        (window_text.zone, "Berlin", "called 'Berlin'", "Write 'Europe/Berlin'"),
        (window_text.zone, "../../etc/passwd", "no time zone", "as Europe/Berlin, or UTC"),
        (window_text.zone, "localtime", "no time zone", ""),
        (window_text.instant, "2026-12-20T18:00", "with an offset", "+01:00"),
        (window_text.instant, "tomorrow", "no date and time", "+01:00"),
        (window_text.instant, "0001-01-01T00:00+14:00", "the year 1", "1970 to 9990"),
        (window_text.instant, "9999-12-31T23:59-01:00", "the year 9999", "1970 to 9990"),
        (window_text.instant, "1970-01-01T00:00+01:00", "the year 1970", "in UTC"),
        (window_text.instant, "9990-12-31T23:59-01:00", "the year 9990", "in UTC"),
        (days, "mon," * 50 + "mon", "it has 51 parts, and can have 50", "Write fewer"),
    ],
)
def test_what_can_not_be_read_is_told_with_what_to_write(
    read: Callable[[str], object], text: str, found: str, remedy: str
) -> None:
    with pytest.raises(Unreadable) as error:
        read(text)
    assert found in error.value.found and remedy in error.value.remedy, error.value
    assert str(error.value) == f"{error.value.found}. {error.value.remedy}."


@pytest.mark.parametrize(
    "said",
    [
        {"zone": "UTC"},
        {"zone": BERLIN, "days": "mon-thu", "hours": "09:00-16:00"},
        {"zone": "UTC", "days": "mon, wed, fri-sun", "hours": "00:00-06:30, 22:00-02:00, 23:00-24:00"},
        {"zone": "UTC", "dates": "02-29, 12-20..01-03, 2026-12-20, 2026-12-20..2027-01-03"},
    ],
)
def test_a_window_is_written_in_one_form_that_is_read_as_the_same(said: dict[str, str]) -> None:
    narrowed: dict[str, object] = {
        key: getattr(window_text, key)(said[key]) for key in ("days", "hours", "dates") if key in said
    }
    assert written(Window(zone=said["zone"], **narrowed)) == said  # type: ignore[arg-type]
    assert written(Window(zone="UTC", days=days("mon-sun"), hours=(Hours(0, MIDNIGHT),))) == {"zone": "UTC"}


def test_why_it_is_closed_is_told_in_words() -> None:
    quarter = Window(zone=BERLIN, dates=(Yearly((3, 28), (4, 2)),))
    assert told(Allow((OFFICE,))) == "open mon-thu 09:00-16:00 (Europe/Berlin) only"
    assert told(Deny((quarter, Window(zone="UTC")))) == (
        "closed 03-28..04-02 (Europe/Berlin) and always (UTC)"
    )
    assert told(Freeze(until=utc("2026-06-08T12:00"))) == "frozen until 2026-06-08 12:00 UTC"
    assert told(Freeze(reason="incident 7")) == "frozen until it is lifted: incident 7"
