"""Dags that nobody knows: one error for them, whatever was wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinwheel.core.errors import NotFound, unknown_dag
from pinwheel.services.ports.host import Host
from pinwheel.store import dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def known_dag(host: Host, dag_id: str) -> Iterator[None]:
    """Let what is not found be the Dag, if neither Pinwheel nor Airflow has it.

    These are the words that somebody reads who may not see the Dag: nobody can tell the two apart.
    """
    try:
        yield
    except NotFound:
        if not host.unit.run(lambda session: _is_known(host, session, dag_id)):
            raise unknown_dag(dag_id) from None
        raise


def _is_known(host: Host, session: Session, dag_id: str) -> bool:
    """Whether Pinwheel or Airflow has the Dag; what Airflow lost is repaired in seconds."""
    return bool(dags.rows(session, [dag_id]) or host.reads.airflow_dags(session, [dag_id]))
