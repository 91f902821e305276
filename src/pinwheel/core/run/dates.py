"""The date of a run's data: what decides which code it executes, whenever it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from pinwheel.core.run.binding import Binding


class DatedBy(StrEnum):
    """Which of a run's dates is that of its data; the first that it has."""

    DATA_INTERVAL = "data_interval"
    """The start of its data interval."""
    PARTITION = "partition"
    LOGICAL_DATE = "logical_date"
    ASSET_EVENTS = "asset_events"
    """The earliest date of data among the runs whose asset events it consumed."""
    RUN_AFTER = "run_after"
    """It has none of the others: from when on it may run."""


@frozen(kw_only=True)
class RunDates:
    """The dates that Airflow's row of a run has, with those of the runs that it was triggered by."""

    data_interval_start: datetime | None = None
    partition_date: datetime | None = None
    """None also for a run of several partitions whose dates differ: Airflow gives it none."""
    logical_date: datetime | None = None
    event_dates: tuple[datetime, ...] = ()
    """Of the runs whose asset events it consumed. An event made over REST has no run, so no date."""
    run_after: datetime


@frozen
class Dated:
    """The date of a run's data."""

    at: datetime
    by: DatedBy
    latest: datetime | None = None
    """Of asset events of different dates the latest, where ``at`` is the earliest."""


def date_of(run: RunDates) -> Dated:
    """The one date that a run has. An interval that crosses an edge belongs to its start."""
    if run.data_interval_start is not None:
        return Dated(run.data_interval_start, DatedBy.DATA_INTERVAL)
    if run.partition_date is not None:
        return Dated(run.partition_date, DatedBy.PARTITION)
    if run.logical_date is not None:
        return Dated(run.logical_date, DatedBy.LOGICAL_DATE)
    if run.event_dates:
        first, last = min(run.event_dates), max(run.event_dates)
        return Dated(first, DatedBy.ASSET_EVENTS, last if last != first else None)
    return Dated(run.run_after, DatedBy.RUN_AFTER)


HOPS = 10
"""So far back asset events are followed: a Dag that triggers itself by an asset has no first run."""


def dates_of_events(
    ids: Collection[int], look: Callable[[Collection[int]], Mapping[int, Mapping[int, datetime | None]]]
) -> dict[int, set[datetime]]:
    """By run: the dates of data of the runs whose asset events it consumed.

    ``look`` gives by run those runs, each with the date that it has itself; None: it may have that of events
    in its turn. It is asked once for each hop.
    """
    sources: dict[int, Mapping[int, datetime | None]] = {}
    wanted = set(ids)
    for _ in range(HOPS):
        if not wanted:
            break
        found = look(wanted)
        sources |= {one: found.get(one, {}) for one in wanted}
        wanted = {
            source for one in wanted for source, date in sources[one].items() if date is None
        } - sources.keys()
    earliest: dict[int, datetime] = {}
    grew = True
    while grew:
        grew = False
        for one in sources:
            first = min(_known(sources[one], earliest), default=None)
            if first is not None and first != earliest.get(one):
                earliest[one], grew = first, True
    return {one: _known(sources[one], earliest) for one in ids}


def _known(sources: Mapping[int, datetime | None], earliest: Mapping[int, datetime]) -> set[datetime]:
    dates = (date or earliest.get(source) for source, date in sources.items())
    return {date for date in dates if date is not None}


def noted(ledger: Iterable[Binding]) -> datetime | None:
    """The date that a run had last by its asset events, as the ledger says."""
    found = [one.date for one in ledger if one.date is not None and one.date_by == DatedBy.ASSET_EVENTS]
    return found[-1] if found else None


def remembered(run: RunDates, ledger: Iterable[Binding]) -> RunDates:
    """With the date that its asset events gave the run before: these, or the runs behind them, go in time
    (`db clean`, a Dag that is deleted), and the run is of the same data all the same.
    """
    date = noted(ledger)
    if date is None or date in run.event_dates:
        return run
    return evolve(run, event_dates=tuple(sorted((*run.event_dates, date))))
