"""The deadlines of runs: those of the version that a run is bound to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline, ReferenceModels
from airflow.sdk import timezone
from sqlalchemy import select
from sqlalchemy.orm import Session

_BY_QUEUE = ReferenceModels.DagRunQueuedAtDeadline.__name__


def of_new_run(session: Session, run: DagRun, dag: Any) -> None:
    """Give a run that was just made the deadlines of *dag*, the version that it is bound to."""
    for deadline in _not_missed(session, run):
        # One by one: with each goes the callback that was made for it.
        session.delete(deadline)
    session.flush()
    if dag.deadline:
        dag._process_dagrun_deadline_alerts(run, session)
        session.flush()


def take(session: Session, run: DagRun, *, all_alerts: bool) -> set[UUID]:
    """Take the deadlines from a run that is to be cleared which it will get anew: see :func:`give`.

    Those that it missed stay, with the callbacks that were started for them, and so does one whose time has
    come without the scheduler having looked; but not if its time goes by when the run is queued, which a
    clear changes. Airflow 3.3.2 would fail in setting that time (apache/airflow#70368). One whose alert is
    gone, with the rows of a version that were written anew say, cannot be made again: it is taken with
    ``all_alerts`` only, which is for a run that gets another version. Returns of which alerts those are that
    were taken.
    """
    now = timezone.utcnow()
    taken = set()
    for deadline in _not_missed(session, run):
        alert = deadline.deadline_alert
        by_queue = (
            alert is not None and alert.reference.get(ReferenceModels.REFERENCE_TYPE_FIELD) == _BY_QUEUE
        )
        if alert is None and not all_alerts:
            continue
        if by_queue or deadline.deadline_time > now:
            taken.add(deadline.deadline_alert_id)
            session.delete(deadline)
    session.flush()
    return {alert_id for alert_id in taken if alert_id is not None}


def give(session: Session, run: DagRun, dag: Any, *, only: Collection[UUID] | None = None) -> None:
    """Give a run that was cleared the deadlines of *dag*, the version that it is bound to, that lie ahead.

    With ``only``, those of these alerts. No run can keep a time that has passed: what it missed is told.
    """
    if not dag.deadline or (only is not None and not only):
        return
    before = set(session.scalars(select(Deadline.id).where(Deadline.dagrun_id == run.id)))
    dag._process_dagrun_deadline_alerts(run, session)
    session.flush()
    now: datetime = timezone.utcnow()
    for deadline in _not_missed(session, run):
        wanted = only is None or deadline.deadline_alert_id in only
        if deadline.id not in before and not (wanted and deadline.deadline_time > now):
            session.delete(deadline)
    session.flush()


def _not_missed(session: Session, run: DagRun) -> list[Deadline]:
    query = select(Deadline).where(Deadline.dagrun_id == run.id, Deadline.missed.is_(False))
    return list(session.scalars(query))
