"""Dags that nobody knows: one error for them, whatever was wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pinwheel.core.errors import NotFound
from pinwheel.services.history.grid import require_known
from pinwheel.services.ports.host import Host


@contextmanager
def known_dag(host: Host, dag_id: str) -> Iterator[None]:
    """Let what is not found be the Dag, if neither Pinwheel nor Airflow has it.

    These are the words that somebody reads who may not see the Dag: nobody can tell the two apart.
    """
    try:
        yield
    except NotFound:
        # What Airflow lost is repaired in seconds: such a Dag is known.
        host.unit.run(lambda session: require_known(host, session, dag_id))
        raise
