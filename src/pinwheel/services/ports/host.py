"""The world around the services, as one value that holds the ports.

No service opens a session or asks it anything: each is handed from :meth:`Unit.run` to the store and back to
the ports, so that Pinwheel's rows and Airflow's rows change in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve, frozen

from pinwheel.services.ports.deployment import Deployment
from pinwheel.services.ports.reads import Reads
from pinwheel.services.ports.rows import Rows
from pinwheel.services.ports.runs import Runs
from pinwheel.services.ports.unit import Unit

T = TypeVar("T")


@frozen(kw_only=True)
class Host:
    """Airflow, seen from the services."""

    unit: Unit
    rows: Rows
    runs: Runs
    reads: Reads
    deployment: Deployment

    def rehearse(self, work: Callable[[Host], T]) -> T:
        """Call *work* with a host whose changes are all undone afterwards, and return what it returned.

        What a plan shows is so what would be done, refusals included.
        """
        return self.unit.rehearse(lambda unit: work(evolve(self, unit=unit)))
