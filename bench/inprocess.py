"""Airflow's models in this process, as a long-running server has them: with a pool of connections."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import structlog

from harness.databases import Database

_VARIABLE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


_Filtering: Any = structlog.make_filtering_bound_logger(logging.WARNING)


class _Quiet(_Filtering):  # type: ignore[misc]
    def isEnabledFor(self, level: int) -> bool:
        """As Airflow's scheduler asks."""
        return level >= logging.WARNING


@contextlib.contextmanager
def bound(database: Database) -> Iterator[None]:
    """While inside, Airflow's sessions in this process use *database*; no connection is left at the end."""
    before = os.environ[_VARIABLE]
    os.environ[_VARIABLE] = database.url
    from airflow import settings

    settings.dispose_orm(do_log=False)
    settings.configure_vars()
    settings.configure_orm()
    structlog.configure(wrapper_class=_Quiet)
    try:
        yield
    finally:
        settings.dispose_orm(do_log=False)
        os.environ[_VARIABLE] = before


def make_run(dag_id: str, run_id: str, *, state: str = "queued") -> None:
    """A run of the Dag's newest version, with its task instances, as a trigger makes it."""
    from airflow.utils.session import create_session

    with create_session() as session:
        add_run(session, newest_dag(session, dag_id), run_id, state=state)


def newest_dag(session: Any, dag_id: str) -> Any:
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbag import DBDagBag

    version = DagVersion.get_latest_version(dag_id, session=session)
    assert version is not None, f"{dag_id} has no version"
    return DBDagBag(load_op_links=False).get_dag(version.id, session)


def add_run(session: Any, dag: Any, run_id: str, *, state: str = "queued") -> None:
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    dag.create_dagrun(
        run_id=run_id,
        run_after=datetime.now(UTC),
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState(state),
        session=session,
    )


def telling(host: Any, told: dict[str, datetime]) -> Any:
    """The host, which notes when each Dag's release is committed."""
    from attrs import evolve

    from pinwheel.airflow3.unit import AirflowUnit

    class Telling(AirflowUnit):
        def announce(self, events: Any) -> None:
            told.update({event["dag_id"]: self.now() for event in events if event["kind"] != "rollout"})

    return evolve(host, unit=Telling())
