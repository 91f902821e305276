"""Dates as people write them, against a look at every minute of a zone's clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.errors import InvalidInput
from pinwheel.core.run.local_time import instant

MINUTE = timedelta(minutes=1)
ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))


def clocks(day: date, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Each minute of two days before and after, with what the clocks show then."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=40)
    minutes = (begin + count * MINUTE for count in range(80 * 60))
    return [(at, at.astimezone(zone).replace(tzinfo=None)) for at in minutes]


@pytest.mark.acceptance("dates", 13)
@given(
    zone=st.sampled_from(ZONES),
    # Since 1972 all offsets and changes are at whole minutes.
    day=st.dates(date(1975, 1, 2), date(2035, 12, 30)),
    minute=st.integers(0, 24 * 60 - 1),
)
def test_a_written_time_is_the_instant_at_which_the_clocks_show_it(zone: str, day: date, minute: int) -> None:
    where = ZoneInfo(zone)
    shown = clocks(day, where)
    of_day = [at for at, local in shown if local.date() == day]
    wanted = datetime(day.year, day.month, day.day) + minute * MINUTE
    of_minute = [at for at, local in shown if local == wanted]

    if of_day:
        assert instant(day.isoformat(), where) == of_day[0]
    else:
        with pytest.raises(InvalidInput, match="does not exist"):
            instant(day.isoformat(), where)
    written = wanted.isoformat(timespec="minutes")
    if len(of_minute) == 1:
        assert instant(written, where) == of_minute[0]
    else:
        with pytest.raises(InvalidInput, match="comes twice" if of_minute else "does not exist"):
            instant(written, where)


@pytest.mark.acceptance("dates", 13)
@pytest.mark.parametrize(
    ("zone", "years"), [("America/Santiago", (2015, 2026)), ("America/Havana", (2013, 2026))]
)
def test_each_day_of_a_zone_with_changes_at_midnight_begins_where_its_clocks_say(
    zone: str, years: tuple[int, int]
) -> None:
    where = ZoneInfo(zone)
    day = date(years[0], 1, 1)
    while day.year < years[1]:
        at = instant(day.isoformat(), where)
        assert at.astimezone(where).date() == day
        assert (at - timedelta(microseconds=1)).astimezone(where).date() < day
        day += timedelta(days=1)
