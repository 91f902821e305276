"""Callback requests: those that can not be read, and the bundle version in which each is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.db_callback_request import DbCallbackRequest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.core.errors import HostError


class Unreadable(HostError):
    """Requests that were dropped, each by its row's id and what was wrong with it."""

    def __init__(self, lost: Sequence[str]) -> None:
        super().__init__(
            f"Dropped {len(lost)} callback requests that can not be read",
            found="; ".join(lost[:5]),
            remedy="The callbacks of these tasks or Dags were not run; all others go on",
        )


def version_of_its_run(session: Session, request: Any) -> str | None:
    """The bundle version of the run that a callback or mail is for; None: it names no run, or that has none.

    The scheduler (and 3.4's triggerer) ask for those of a task in the version of its *version row*
    (``scheduler_job_runner.py:1540/1742``), which stays behind where a Dag follows; its tasks run the run's.
    """
    ti = getattr(request, "ti", None)
    if ti is None:
        return None
    return session.scalar(
        select(DagRun.bundle_version).where(DagRun.dag_id == ti.dag_id, DagRun.run_id == ti.run_id)
    )


def drop_unreadable(session: Session) -> list[str]:
    """Delete the rows that no request can be made of, and say which.

    Airflow reads all rows of a turn in one go and outside of any guard (``_fetch_callbacks_from_db``): one
    that can not be read, of another Airflow version say, ends the stock processor at each start.
    """
    lost = []
    for row in session.scalars(select(DbCallbackRequest)):
        try:
            row.get_callback_request()
        except Exception as error:
            lost.append(f"{row.id}: {type(error).__name__}: {str(error)[:200]}")
            session.delete(row)
    return lost
