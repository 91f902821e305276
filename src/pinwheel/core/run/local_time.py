"""Dates as people write them, in a zone, as instants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pinwheel.core.errors import InvalidInput

_SHORT = re.compile(r"(\d{4})(?:-(\d{2}))?")
_DAY = timedelta(hours=26)
"""No clock is further away from UTC."""


def instant(text: str, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, that *text* names: an ISO date, month or year, or a date and time.

    A date is the first instant of that local day: in Santiago there are days without midnight, in Havana days
    with two. A time with an offset means that offset, one without the zone.

    :raises InvalidInput: it is no date, or the zone's clocks pass that time by, or show it twice.
    """
    text = text.strip()
    try:
        if short := _SHORT.fullmatch(text):
            return _first_of(date(int(short[1]), int(short[2] or 1), 1), zone)
        if (day := _day(text)) is not None:
            return _first_of(day, zone)
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else _at(at, zone)
    except (ValueError, OverflowError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"Cannot read {text!r} as a date",
            found=str(error),
            remedy="Write it as 2026-03-01, or 2026-03-01T06:30, with an offset if need be",
        ) from error


def _day(text: str) -> date | None:
    """The date, in any form of ISO 8601; None: the text has a time, or is no date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _at(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a time without an offset."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if _shown(first, zone) != local:
        # The later offset comes first here: the clocks went forward over it.
        before, after = sorted((_shown(first, zone), _shown(second, zone)))
        jump = first_change(second, first, zone)
        raise InvalidInput(
            f"{local.isoformat(timespec='minutes')} does not exist in {zone.key}",
            found=f"clocks go from {_clock(jump - _MICRO, zone, up=True)} to {_clock(jump, zone)}",
            remedy=f"Write {before.isoformat(timespec='minutes')}, {after.isoformat(timespec='minutes')}, "
            "or a time with an offset",
            problem="local-time-missing",
        )
    offsets = [_offset(one, zone) for one in (first, second)]
    raise InvalidInput(
        f"{local.isoformat(timespec='minutes')} comes twice in {zone.key}",
        found="clocks are set back over it",
        remedy=f"Say which: with {offsets[0]} the first, with {offsets[1]} the second",
        problem="local-time-twice",
    )


def _first_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant at which the zone's clocks show this day."""
    midnight = datetime.combine(day, time.min)
    at = midnight.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(at, zone) == midnight:
        return at
    # No midnight: the day begins where the clocks go forward.
    nominal = midnight.replace(tzinfo=UTC)
    at = first_change(nominal - _DAY, nominal + _DAY, zone, until=midnight)
    if _shown(at, zone).date() != day:
        raise InvalidInput(
            f"{day} does not exist in {zone.key}",
            found=f"clocks go from {_shown(at - _MICRO, zone).date()} to {_shown(at, zone).date()}",
            remedy="Write another day",
            problem="local-time-missing",
        )
    return at


_MICRO = timedelta(microseconds=1)


def first_change(low: datetime, high: datetime, zone: ZoneInfo, until: datetime | None = None) -> datetime:
    """The first instant after *low*, up to *high*, at which the clocks show *until*, or another offset."""

    def after(at: datetime) -> bool:
        if until is not None:
            return _shown(at, zone) >= until
        return at.astimezone(zone).utcoffset() != low.astimezone(zone).utcoffset()

    while high - low > _MICRO:
        middle = low + (high - low) // 2
        low, high = (low, middle) if after(middle) else (middle, high)
    return high


def _shown(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _clock(at: datetime, zone: ZoneInfo, *, up: bool = False) -> str:
    """What the clocks show; *up*: rounded up, for the last microsecond before a change."""
    return (_shown(at, zone) + (_MICRO if up else timedelta())).strftime("%H:%M")


def _offset(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat()[-6:]


def zone_of(serialized: Mapping[str, Any]) -> ZoneInfo:
    """The zone in which dates of a serialized Dag are written.

    Airflow writes a fixed offset as seconds. One of whole hours has a name; of others UTC is taken, where
    every time is written with its offset.
    """
    said = serialized.get("dag", {}).get("timezone") or "UTC"
    if isinstance(said, (int, float)):
        hours, rest = divmod(-int(said), 3600)
        said = "UTC" if rest or not -14 <= hours <= 12 else f"Etc/GMT{hours:+d}"
    try:
        return ZoneInfo(str(said))
    except (ValueError, OSError):
        return ZoneInfo("UTC")
