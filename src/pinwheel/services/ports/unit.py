"""One transaction of Pinwheel's rows and Airflow's, the clock, and what is told after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


class Unit(Protocol):
    """One transaction of Pinwheel's rows and Airflow's, the clock, and what is told after the commit."""

    def run(self, work: Callable[[Session], T]) -> T:
        """Run *work(session)* in one transaction and commit it.

        Deadlocks, lost locks and broken connections are retried from the start, so *work* may run more
        than once and must take everything it decides on from the database.
        """
        ...

    def rehearse(self, work: Callable[[Unit], T]) -> T:
        """Call *work* with a unit whose changes are all undone afterwards, and return what it returned.

        What a plan shows is so what would be done, refusals included.
        """
        ...

    def now(self) -> datetime:
        """The current instant, aware UTC."""
        ...

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        """Tell the outside what was committed. Called after the commit; must not raise."""
        ...
