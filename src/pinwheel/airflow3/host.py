"""The services' view of Airflow: its database, its rows, its configured bundles."""

from __future__ import annotations

from sqlalchemy.orm import Session

from pinwheel.airflow3.deployment import AirflowDeployment
from pinwheel.airflow3.reads import port as reads
from pinwheel.airflow3.rows import port as rows
from pinwheel.airflow3.run import port as runs
from pinwheel.airflow3.unit import AirflowUnit
from pinwheel.services.ports.host import Host


def airflow_host(session: Session | None = None) -> Host:
    """Airflow behind the ports. With a session given, what is run joins its transaction."""
    return Host(unit=AirflowUnit(session), rows=rows, runs=runs, reads=reads, deployment=AirflowDeployment())
