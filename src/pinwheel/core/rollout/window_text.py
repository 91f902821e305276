"""Release windows as people write them, and as they are told.

Days: ``mon-thu``, ``sat, sun``. Hours: ``09:00-16:00``, ``22:00-06:00``, ``09:00-12:00, 13:00-24:00``. Dates:
``12-24``, ``03-28..04-02, 12-20..01-03`` in each year, ``2026-12-20..2027-01-03`` once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import available_timezones

from pinwheel.core.rollout.window import (
    DAYS,
    FIRST_YEAR,
    LAST_YEAR,
    MIDNIGHT,
    Allow,
    Dates,
    Deny,
    Freeze,
    Hours,
    Window,
    Yearly,
)

_TIME = re.compile(r"(\d{2}):(\d{2})")
_YEARLY = re.compile(r"(\d{2})-(\d{2})")
_LEAP = 2024
"""Has each day that any year has."""
_MOST_PARTS = 50
_LONGEST_ZONE = 100
_NO_DATES = "which is no date of any year, nor from one to another"
_WHOLE = Window(zone="UTC")


class Unreadable(ValueError):
    """What is wrong with a text, and what to do about it."""

    def __init__(self, found: str, remedy: str) -> None:
        self.found = found
        self.remedy = remedy
        super().__init__(f"{found}. {remedy}.")


def days(text: str) -> frozenset[int]:
    """:raises Unreadable: a part of it is neither a day nor from one day to another."""
    found: set[int] = set()
    for part in _parts(text):
        first, dash, last = (side.strip().lower() for side in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise Unreadable(f"it has {part!r}, which names no days", f"Write {', '.join(DAYS)}, or mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        # Over the week's end too: fri-mon
        found.update((begin + count) % 7 for count in range((end - begin) % 7 + 1))
    return frozenset(found)


def hours(text: str) -> tuple[Hours, ...]:
    """:raises Unreadable: a part of it is not from one time to another one."""
    return tuple(sorted({_hours(part) for part in _parts(text)}, key=lambda each: (each.begin, each.end)))


def _hours(part: str) -> Hours:
    sides = [_minutes(side.strip()) for side in part.split("-")]
    if len(sides) != 2 or None in sides:
        raise Unreadable(f"it has {part!r}, which is not from one time to another", 'Write "09:00-16:00"')
    begin, end = (side or 0 for side in sides)
    if begin in (end, MIDNIGHT):
        raise Unreadable(
            f"it has {part!r}, which has no length",
            'Leave hours out for the whole day, or write "00:00-24:00"',
        )
    return Hours(begin, end or MIDNIGHT)


def _minutes(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None or int(match[2]) > 59:
        return None
    minutes = int(match[1]) * 60 + int(match[2])
    return minutes if minutes <= MIDNIGHT else None


def dates(text: str) -> tuple[Yearly | Dates, ...]:
    """:raises Unreadable: a part of it is neither a date nor from one to a later one."""
    return tuple(_dates(part) for part in _parts(text))


def _dates(part: str) -> Yearly | Dates:
    first, dots, last = (side.strip() for side in part.partition(".."))
    begin = _date(first, part)
    end = _date(last, part) if dots else begin
    match begin, end:
        case (int(), int()), (int(), int()):
            return Yearly(begin, end)
        case date(), date():
            if end < begin:
                raise Unreadable(
                    f"it has {part!r}, which ends before it begins", "Write the earlier date first"
                )
            return Dates(begin, end)
        case _:
            raise Unreadable(
                f"it has {part!r}, where one side has a year", "Write the year on both, or on none"
            )


def _date(text: str, part: str) -> tuple[int, int] | date:
    try:
        if match := _YEARLY.fullmatch(text):
            day = date(_LEAP, int(match[1]), int(match[2]))
            return day.month, day.day
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Unreadable(
        f"it has {part!r}, {_NO_DATES}",
        "Write 12-24, 12-20..01-03 or 2026-12-24",
    )


def zone(text: str) -> str:
    """:raises Unreadable: there is no such zone."""
    known = _zones()
    if text in known:
        return text
    near = get_close_matches(text[:_LONGEST_ZONE], known, n=1)
    raise Unreadable(
        f"no time zone is called {text!r}",
        f"Write {near[0]!r}, if that is meant" if near else "Write a name as Europe/Berlin, or UTC",
    )


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # That of the machine is another one on each.
    return frozenset(available_timezones() - {"localtime"})


def instant(text: str) -> datetime:
    """The instant, in UTC.

    :raises Unreadable: it is no date and time with an offset, or of a year that nobody can mean.
    """
    try:
        at: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise Unreadable("it is no date and time with an offset", "Write it as 2026-12-20T18:00+01:00")
    # In UTC, as it is kept: what is written can be read again. Close to the ends of all time there is none.
    if FIRST_YEAR <= at.year <= LAST_YEAR and FIRST_YEAR <= at.astimezone(UTC).year <= LAST_YEAR:
        return at.astimezone(UTC)
    raise Unreadable(
        f"it is of the year {at.year}", f"Write an instant of the years {FIRST_YEAR} to {LAST_YEAR}, in UTC"
    )


def _parts(text: str) -> Iterator[str]:
    parts = text.split(",")
    if len(parts) > _MOST_PARTS:
        raise Unreadable(f"it has {len(parts):,} parts, and can have {_MOST_PARTS}", "Write fewer")
    for part in parts:
        if not part.strip():
            raise Unreadable("it has an empty part", "Remove a comma, or fill it")
        yield part.strip()


def written(window: Window) -> Mapping[str, str]:
    """The window by its keys, in one form: what is not narrowed is left out."""
    found = {"zone": window.zone}
    if window.days != _WHOLE.days:
        found["days"] = days_text(window.days)
    if window.hours != _WHOLE.hours:
        found["hours"] = ", ".join(f"{_clock(each.begin)}-{_clock(each.end)}" for each in window.hours)
    if window.dates:
        found["dates"] = ", ".join(map(_dates_text, window.dates))
    return found


def days_text(days: frozenset[int]) -> str:
    """The days, those that follow each other as one part."""
    parts: list[list[int]] = []
    for day in sorted(days):
        if parts and parts[-1][-1] == day - 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    return ", ".join(
        DAYS[part[0]] if len(part) == 1 else f"{DAYS[part[0]]}-{DAYS[part[-1]]}" for part in parts
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _dates_text(span: Yearly | Dates) -> str:
    if isinstance(span, Yearly):
        first, last = (f"{month:02}-{day:02}" for month, day in (span.first, span.last))
    else:
        first, last = span.first.isoformat(), span.last.isoformat()
    return first if first == last else f"{first}..{last}"


def told(when: Allow | Deny | Freeze) -> str:
    """Why it is closed, as part of a sentence."""
    match when:
        case Freeze(until=until, reason=reason):
            end = f"until {until:%Y-%m-%d %H:%M %Z}" if until else "until it is lifted"
            return f"frozen {end}" + (f": {reason}" if reason else "")
        case Deny(windows):
            return f"closed {_spoken(windows)}"
        case Allow(windows):
            return f"open {_spoken(windows)} only"


def span_told(since: datetime, until: datetime | None) -> str:
    """From when until when, as part of a sentence."""
    end = f"until {until.astimezone(UTC):%Y-%m-%d %H:%M UTC}" if until else "until it is lifted"
    return f"from {since.astimezone(UTC):%Y-%m-%d %H:%M UTC} {end}"


def _spoken(windows: tuple[Window, ...]) -> str:
    return " and ".join(_window(window) for window in windows)


def _window(window: Window) -> str:
    said = written(window)
    parts = [said[key] for key in ("dates", "days", "hours") if key in said]
    return f"{' '.join(parts) or 'always'} ({window.zone})"
