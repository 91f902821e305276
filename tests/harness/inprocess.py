"""Airflow's own ORM inside the test process, bound to a database of the test.

For tests of code that needs Airflow's models but none of its processes: milliseconds instead of seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from harness.databases import Database

_VARIABLE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@contextlib.contextmanager
def bound_airflow(database: Database) -> Iterator[None]:
    """While inside, ``airflow.settings.Session`` and all that stands on it use this database."""
    previous = os.environ[_VARIABLE]
    _bind(database.url)
    try:
        yield
    finally:
        _bind(previous)


@contextlib.contextmanager
def airflow_session(database: Database) -> Iterator[Session]:
    """A session of Airflow's own making on this database; rolled back at the end unless committed."""
    with bound_airflow(database):
        from airflow import settings

        session = settings.Session()
        try:
            yield session
        finally:
            session.rollback()
            session.close()
            settings.Session.remove()


def db_clean(*tables: str, **more: Any) -> None:
    """``airflow db clean`` of the database that Airflow is bound to: all that is older than the year 2099."""
    from airflow.sdk import timezone
    from airflow.utils.db_cleanup import run_cleanup

    # It says why a table was passed over at this level only.
    logging.getLogger("airflow.utils.db_cleanup").setLevel(logging.DEBUG)
    run_cleanup(
        clean_before_timestamp=timezone.datetime(2099, 1, 1),
        table_names=list(tables),
        skip_archive=True,
        confirm=False,
        **more,
    )


def _bind(url: str) -> None:
    os.environ[_VARIABLE] = url
    from airflow import settings

    settings.dispose_orm(do_log=False)
    settings.configure_vars()
    settings.configure_adapters()
    settings.configure_orm(disable_connection_pool=True)


def stock_run(dag_id: str, run_id: str) -> str | None:
    """A queued manual run, made as Airflow's own trigger makes it; the bundle version that it has."""
    from airflow.models.dagbag import DBDagBag
    from airflow.sdk import timezone
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(dag_id, session=session)
        assert dag is not None
        run = dag.create_dagrun(
            run_id=run_id,
            run_after=timezone.utcnow(),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.QUEUED,
            session=session,
        )
        version: str | None = run.bundle_version
        return version
