"""Which rows of a task instance stand for tries that began: Airflow keeps some that say nothing new."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from pinwheel.core.run.binding import WITHOUT_EXECUTION

PENDING = frozenset({None, "scheduled", "queued", "up_for_retry"})
"""States of a row that stands for a try still to come."""


class TryRow(Protocol):
    """A row of one try, as far as this asks."""

    @property
    def try_number(self) -> int: ...
    @property
    def state(self) -> str | None: ...
    @property
    def start_date(self) -> datetime | None: ...
    @property
    def end_date(self) -> datetime | None: ...


R = TypeVar("R", bound=TryRow)


def executed(rows: Iterable[tuple[bool, R]]) -> list[tuple[bool, R]]:
    """Those rows of one task instance (with True for an earlier try) that are worth to be shown, by number.

    Those not begun yet are left out. Skipped, removed and upstream-failed ones are kept although nothing was
    executed, unless the row is what is left of an execution that is kept itself: Airflow marks the row of a
    task that a newer version lacks as removed but leaves the times of its last execution in it.
    """
    shown: list[tuple[bool, R]] = []
    starts: set[datetime | None] = set()
    for archived, row in sorted(rows, key=lambda item: (not item[0], item[1].try_number)):
        repeated = row.start_date is not None and row.start_date in starts
        if row.state in PENDING:
            # Rescheduled or resumed: begun already. Otherwise the times are still those of the try before.
            keep = row.start_date is not None and not repeated and not archived
        elif row.state == "removed":
            keep = not shown
        elif archived and row.try_number == 0 and row.start_date is None:
            # A clear archives what was waiting as failed, although it never began ("Queue up new tasks").
            keep = row.state in WITHOUT_EXECUTION
        else:
            keep = not repeated and (
                row.start_date is not None or row.state in WITHOUT_EXECUTION or row.end_date is not None
            )
        if keep:
            shown.append((archived, row))
            starts.add(row.start_date)
    return sorted(shown, key=lambda item: item[1].try_number)
