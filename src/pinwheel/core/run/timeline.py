"""Timelines: which build of a Dag its data of a date is for.

An era is half-open, ``[starts_at, ends_at)``, and open on a side that is None. Eras of one timeline never
overlap; what no era holds is a gap, in which the active release runs. A timeline is changed by whole
revisions, and none is ever changed, so what was believed at a time can be told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen

from pinwheel.core.errors import InvalidInput

_FIRST = datetime.min.replace(tzinfo=UTC)


@frozen(kw_only=True)
class Era:
    """A stretch of dates, and the place that its runs execute."""

    starts_at: datetime | None
    ends_at: datetime | None
    """The first instant after it."""
    build_id: int
    build: int
    """The build's number."""
    bundle_version: str
    written_from: str | None = None
    """The start as somebody wrote it; None where it is open."""
    written_until: str | None = None
    zone: str = "UTC"
    """In which it was written."""
    runtime: str | None = None
    """Fingerprint of the runtime with which its file was imported when it was set."""
    since_revision: int = 1
    """The revision that set it; one that only cut it keeps this."""

    def holds(self, at: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= at) and (
            self.ends_at is None or at < self.ends_at
        )

    @property
    def words(self) -> str:
        """As it is written: ``2019-01-01 → 2020-01-01``, with ``…`` for an open side."""
        return span_words(self.written_from, self.written_until)


@frozen(kw_only=True)
class Revision:
    """A timeline as a whole, from a moment on."""

    number: int
    at: datetime
    eras: tuple[Era, ...]


def span_words(starts: str | None, ends: str | None) -> str:
    return f"{starts or '…'} → {ends or '…'}"


def era_at(eras: Iterable[Era], at: datetime) -> Era | None:
    """The era that holds a date; None: it lies in a gap."""
    return next((era for era in eras if era.holds(at)), None)


def ordered(eras: Iterable[Era]) -> tuple[Era, ...]:
    """The eras of a whole timeline, by their dates.

    :raises InvalidInput: one is empty, or two overlap; both are named.
    """
    found = sorted(eras, key=_start)
    for era in found:
        _check_holds_any(era, f"Cannot set {era.words} on build {era.build}")
    for one, other in itertools.pairwise(found):
        if one.ends_at is None or other.starts_at is None or other.starts_at < one.ends_at:
            raise InvalidInput(
                f"Cannot set {other.words} on build {other.build}",
                found=f"it overlaps {one.words} on build {one.build}",
                remedy="End one where the other begins",
                problem="era-overlap",
            )
    return tuple(found)


def set_era(eras: Iterable[Era], era: Era) -> tuple[Era, ...]:
    """The timeline with this era, which takes its dates from those that had them; what is left of them stays.

    :raises InvalidInput: the era is empty.
    """
    return ordered([*_cut(eras, era), *ordered([era])])


def unset_span(eras: Iterable[Era], span: Era) -> tuple[Era, ...]:
    """The timeline without any era in the dates of *span*: a gap from there on. Its build does not count.

    :raises InvalidInput: the span is empty.
    """
    _check_holds_any(span, f"Cannot unset {span.words}")
    return ordered(_cut(eras, span))


def as_of(revisions: Sequence[Revision], at: datetime) -> Revision | None:
    """What was believed at a time: the last revision of until then. None: there was none yet."""
    return max((one for one in revisions if one.at <= at), key=lambda one: one.number, default=None)


def said_by(revisions: Sequence[Revision], at: datetime) -> int:
    """The revision that said of a date what the last of these says of it.

    Of an era it is the one that set it, of a gap the one that left it; where none ever had an era, the last.
    """
    era = era_at(revisions[-1].eras, at)
    if era is not None:
        return era.since_revision
    left = (
        later.number
        for earlier, later in itertools.pairwise(revisions)
        if era_at(earlier.eras, at) is not None and era_at(later.eras, at) is None
    )
    return max(left, default=revisions[-1].number)


def differences(before: Iterable[Era], after: Iterable[Era]) -> tuple[tuple[Era | None, Era | None], ...]:
    """What a new revision changes, by stretches of dates, oldest first: the era before and the one after.

    Both are cut to the stretch. Stretches of the same place before and after are left out.
    """
    old, new = tuple(before), tuple(after)
    edges = sorted(
        {edge for era in (*old, *new) for edge in (era.starts_at, era.ends_at) if edge is not None}
    )
    found = []
    for starts, ends in zip([None, *edges], [*edges, None], strict=True):
        was, will = (_within(side, starts, ends) for side in (old, new))
        if _place(was) != _place(will):
            found.append((was, will))
    return tuple(found)


def _within(eras: Sequence[Era], starts: datetime | None, ends: datetime | None) -> Era | None:
    """The era of a stretch in which no era begins or ends."""
    for era in eras:
        begins = era.starts_at is None or (starts is not None and era.starts_at <= starts)
        lasts = era.ends_at is None or (ends is not None and ends <= era.ends_at)
        if begins and lasts:
            return evolve(era, starts_at=starts, ends_at=ends)
    return None


def _place(era: Era | None) -> tuple[int, str] | None:
    return (era.build_id, era.bundle_version) if era is not None else None


def _cut(eras: Iterable[Era], by: Era) -> list[Era]:
    """What *by* leaves of each era: all, nothing, one end or both."""
    left = []
    for era in eras:
        if by.starts_at is not None:
            before = evolve(era, ends_at=_earlier(era.ends_at, by.starts_at))
            if before.ends_at == by.starts_at and era.ends_at != by.starts_at:
                before = evolve(before, written_until=by.written_from)
            if _holds_any(before):
                left.append(before)
        if by.ends_at is not None:
            after = evolve(era, starts_at=_later(era.starts_at, by.ends_at))
            if after.starts_at == by.ends_at and era.starts_at != by.ends_at:
                after = evolve(after, written_from=by.written_until)
            if _holds_any(after):
                left.append(after)
    return left


def _holds_any(era: Era) -> bool:
    return era.starts_at is None or era.ends_at is None or era.starts_at < era.ends_at


def _check_holds_any(era: Era, failed: str) -> None:
    if not _holds_any(era):
        raise InvalidInput(
            failed,
            found="it ends before it begins, or where it begins",
            remedy="The end is the first moment after it: write a later one",
            problem="era-empty",
        )


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _start(era: Era) -> tuple[bool, datetime]:
    """Open starts first."""
    return era.starts_at is not None, era.starts_at or _FIRST
