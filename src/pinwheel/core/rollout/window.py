"""Release windows: when releases may happen, by the wall clock of a time zone.

A window is a set of days and of hours on the clocks of its zone. Nothing is counted from a begin: at each
instant the clocks are read. So a window that ends at 06:00 ends when clocks show 06:00, however long the
night was; hours that the clocks skip never come, and hours that they show twice are in the window twice.
Hours over midnight are of the day on which they begin.

Limits add up, and each one only restricts. It is open at an instant if no :class:`Deny` and no
:class:`Freeze` has it, and each :class:`Allow` has it in one of its windows. So a second limit never opens
what the first closes; whoever means "in this window or in that one" writes both into one limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import field, frozen

from pinwheel.core.run.local_time import first_change

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON = timedelta(days=2 * 366)
"""How far the next opening is looked for: each day of a year comes in it, but for 29 February."""
FIRST_YEAR, LAST_YEAR = 1970, 9990
"""Of instants of releases: there is room before and after for what is looked for, and for any zone."""
MIDNIGHT = 24 * 60
"""The end of a day, in minutes."""
_DAY = timedelta(days=1)


@frozen
class Hours:
    """From one time of the clocks to another, in minutes since midnight; half-open."""

    begin: int
    end: int
    """At most :data:`MIDNIGHT`; less than ``begin``: over midnight."""

    @property
    def over_midnight(self) -> bool:
        return self.end < self.begin


@frozen
class Yearly:
    """From one day to another, both inclusive, in each year; over the year's end if the last comes first."""

    first: tuple[int, int]
    last: tuple[int, int]
    """Month and day."""

    def has(self, day: date) -> bool:
        this = day.month, day.day
        if self.first <= self.last:
            return self.first <= this <= self.last
        return this >= self.first or this <= self.last


@frozen
class Dates:
    """From one day to another, both inclusive."""

    first: date
    last: date

    def has(self, day: date) -> bool:
        return self.first <= day <= self.last


@frozen(kw_only=True)
class Window:
    """Hours of days, on the clocks of a zone."""

    zone: str
    """A name of the IANA database."""
    days: frozenset[int] = frozenset(range(7))
    """Monday is 0."""
    hours: tuple[Hours, ...] = (Hours(0, MIDNIGHT),)
    dates: tuple[Yearly | Dates, ...] = ()
    """Only on these; empty: on all. They and the days narrow each other."""

    def begins(self, day: date) -> bool:
        """Whether its hours begin on this day."""
        return day.weekday() in self.days and (not self.dates or any(span.has(day) for span in self.dates))

    def has(self, at: datetime) -> bool:
        wall = at.astimezone(ZoneInfo(self.zone))
        day, minute = wall.date(), wall.hour * 60 + wall.minute
        return any(self._holds(hours, day, minute) for hours in self.hours)

    def _holds(self, hours: Hours, day: date, minute: int) -> bool:
        if not hours.over_midnight:
            return hours.begin <= minute < hours.end and self.begins(day)
        return (minute >= hours.begin and self.begins(day)) or (
            minute < hours.end and self.begins(day - _DAY)
        )


@frozen
class Allow:
    """Releases may happen in these windows only."""

    windows: tuple[Window, ...]

    def closes(self, at: datetime) -> bool:
        return not any(window.has(at) for window in self.windows)


@frozen
class Deny:
    """No release may happen in these windows."""

    windows: tuple[Window, ...]

    def closes(self, at: datetime) -> bool:
        return any(window.has(at) for window in self.windows)


@frozen(kw_only=True)
class Freeze:
    """No release may happen from one instant to another, half-open."""

    since: datetime | None = None
    """None: it has begun."""
    until: datetime | None = None
    """None: until it is lifted."""
    reason: str | None = None

    def closes(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@frozen
class Limit:
    """When one rule lets releases happen."""

    name: str
    """The rule's."""
    when: Allow | Deny | Freeze


@frozen
class Open:
    """Releases may happen."""


@frozen
class Closed:
    """Releases may not happen, because of these limits: denials and freezes first."""

    by: tuple[Limit, ...] = field()


OPEN = Open()


def is_open(limits: Iterable[Limit], at: datetime) -> Open | Closed:
    """Whether releases may happen at an instant, which has a time zone; if not, all that is against it."""
    closing = [limit for limit in limits if limit.when.closes(at)]
    if not closing:
        return OPEN
    # What forbids is told before what does not allow: an override is asked of the former first.
    return Closed(tuple(sorted(closing, key=lambda limit: isinstance(limit.when, Allow))))


def next_change(limits: Sequence[Limit], at: datetime) -> datetime | None:
    """The first instant after *at*, in UTC, at which it opens or closes; None: not within the horizon."""
    now = _opens(limits, at)
    return _first(limits, at, lambda edge: _opens(limits, edge) != now)


def next_opening(limits: Sequence[Limit], at: datetime) -> datetime | None:
    """The first instant from *at* on, in UTC, at which it is open; None: not within the horizon."""
    if _opens(limits, at):
        return at.astimezone(UTC)
    return _first(limits, at, lambda edge: _opens(limits, edge))


def _opens(limits: Iterable[Limit], at: datetime) -> bool:
    return not any(limit.when.closes(at) for limit in limits)


def _first(limits: Sequence[Limit], at: datetime, wanted: Callable[[datetime], bool]) -> datetime | None:
    return next((edge for edge in _edges(limits, at) if wanted(edge)), None)


def _edges(limits: Sequence[Limit], after: datetime) -> Iterator[datetime]:
    """In order, the instants at which a limit may begin or cease to close; mostly the first few tell."""
    low, end = after.astimezone(UTC), after.astimezone(UTC) + HORIZON
    windows = [
        window for limit in limits if not isinstance(limit.when, Freeze) for window in limit.when.windows
    ]
    zones = {window.zone for window in windows}
    frozen_at = [
        edge.astimezone(UTC)
        for limit in limits
        if isinstance(limit.when, Freeze)
        for edge in (limit.when.since, limit.when.until)
        if edge is not None
    ]
    reach = 2 * _DAY
    while low < end:
        high = min(low + reach, end)
        found = {edge for window in windows for edge in _edges_of(window, low, high)}
        found.update(frozen_at)
        found.update(edge for zone in zones for edge in _changes(zone, low, high))
        yield from sorted(edge for edge in found if low < edge <= high)
        low, reach = high, 2 * reach


def _edges_of(window: Window, low: datetime, high: datetime) -> Iterator[datetime]:
    """The instants at which the clocks show a begin or an end of the window, each as often as they do."""
    zone = ZoneInfo(window.zone)
    day, last = low.astimezone(zone).date() - _DAY, high.astimezone(zone).date() + _DAY
    while day <= last:
        if window.begins(day):
            for hours in window.hours:
                yield from _instants(day, hours.begin, zone)
                yield from _instants(day, hours.end + (MIDNIGHT if hours.over_midnight else 0), zone)
        day += _DAY


def _instants(day: date, minute: int, zone: ZoneInfo) -> Iterator[datetime]:
    # A time that is skipped gives instants at which nothing begins or ends: no harm, each is looked at.
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
    for fold in (0, 1):
        yield wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _changes(key: str, low: datetime, high: datetime) -> Iterator[datetime]:
    """The instants at which the zone's clocks are set forward or back."""
    zone = ZoneInfo(key)
    while low < high:
        next_day = low + _DAY
        if low.astimezone(zone).utcoffset() != next_day.astimezone(zone).utcoffset():
            yield first_change(low, next_day, zone)
        low = next_day
