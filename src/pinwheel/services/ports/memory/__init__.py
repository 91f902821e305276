"""The five ports in memory: services run on them in milliseconds, without Airflow.

Airflow's side are plain values (:class:`~pinwheel.services.ports.memory.airflow.Airflow`), Pinwheel's own
tables an SQLite database in memory, and a transaction is over both. For tests: ``tests/contract`` holds these
ports and the real ones to the same sentences and stories, and no other module imports them.

What is not here needs a real Airflow or database: other schedules than daily ones, mapped tasks, params of
runs, deadlines, permissions, listeners, values that a database refuses, locks, and retries.
"""

from __future__ import annotations

from pinwheel.services.ports.host import Host
from pinwheel.services.ports.memory.airflow import Airflow
from pinwheel.services.ports.memory.deployment import MemoryDeployment
from pinwheel.services.ports.memory.reads import MemoryReads
from pinwheel.services.ports.memory.rows import MemoryRows
from pinwheel.services.ports.memory.runs import MemoryRuns
from pinwheel.services.ports.memory.unit import MemoryUnit


def memory_host(airflow: Airflow | None = None) -> Host:
    """A deployment behind the ports: empty, or the given one, whose rows and clock the caller holds."""
    airflow = airflow if airflow is not None else Airflow()
    unit = MemoryUnit(airflow)
    return Host(
        unit=unit,
        rows=MemoryRows(airflow),
        runs=MemoryRuns(airflow, unit),
        reads=MemoryReads(airflow),
        deployment=MemoryDeployment(airflow),
    )
