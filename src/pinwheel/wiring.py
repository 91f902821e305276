"""The one door from the surfaces (CLI, API) to Airflow. Importing this module imports no Airflow."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pinwheel.core.errors import HostError, Refused

if TYPE_CHECKING:
    from pinwheel.core.rights import Rights
    from pinwheel.services.ports.host import Host


def require_airflow() -> None:
    """Check the installed Airflow without importing it.

    :raises Refused: it is older than Pinwheel needs.
    """
    from pinwheel.airflow3.compat import airflow_is_supported, unsupported_message

    if not airflow_is_supported():
        raise Refused(unsupported_message().rstrip("."))


def make_host(*, quiet: bool = False) -> Host:
    """Airflow, as configured in this environment. The first call imports it, which takes seconds.

    ``quiet`` keeps Airflow's and our own log lines below a warning away, unless the environment says which
    level is wanted.

    :raises Refused: Airflow is too old.
    """
    require_airflow()
    if quiet:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    from pinwheel.airflow3.host import airflow_host

    return airflow_host()


def web_address() -> str | None:
    """Where the configuration says that Airflow's pages are; None: it does not say. Imports Airflow."""
    from pinwheel.airflow3.deployment import web_address

    return web_address()


def rights(*, quiet: bool = False) -> Rights:
    """Make Pinwheel's rights known to the auth manager, where that has to know of them, and say who has them.

    :raises Refused: Airflow is too old.
    :raises HostError: the auth manager did not take them.
    """
    require_airflow()
    if quiet:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    from pinwheel.airflow3.rights import create

    return create()


def run_dag_processor(options: argparse.Namespace) -> None:
    """Run Pinwheel's Dag processor as ``airflow dag-processor`` runs Airflow's, until it is stopped.

    :raises Refused: Airflow is too old.
    """
    require_airflow()
    from pinwheel.airflow3.processor.command import dag_processor

    dag_processor(options)


def run_keeper(*, parent: int | None, turns: int = -1) -> None:
    """Look after runs in this process until it is stopped, or, with *parent*, until that has ended.

    :raises Refused: Airflow is too old.
    """
    require_airflow()
    from pinwheel.airflow3.keeper.process import run

    run(parent=parent, turns=turns)


def translated(error: Exception) -> Exception:
    """A database error in words that say what to do, or *error* itself when it is of another kind."""
    from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

    from pinwheel.store.refusals import is_locked

    if not isinstance(error, DBAPIError):
        return error
    text = str(error.orig).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if is_locked(error):
        # What it says may name one of our tables, which is as it should be.
        return HostError(
            "Cannot use Airflow's database",
            found=first,
            remedy="Try again in a few seconds: others write to it",
        )
    if isinstance(error, (OperationalError, ProgrammingError)) and "pinwheel_" in text:
        return HostError(
            "Cannot read Pinwheel's tables",
            found=first,
            remedy="Create or upgrade them with: airflow db migrate",
        )
    return HostError(
        "Cannot use Airflow's database",
        found=first,
        remedy="Check [database] sql_alchemy_conn and that the database is up, then try again",
    )
