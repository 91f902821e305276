"""How many runs came to what on each version: by their outcomes, and of those under way by Airflow's rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dagrun import DagRun
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.bound import BINDING, OUTCOME, VERSION
from pinwheel.airflow3.reads.tries import word_of
from pinwheel.store import tables as t

_LATER = t.outcome.alias("later_outcome")
_GOES_ON = exists(
    select(DagRun.id)
    .outerjoin(t.binding, BINDING)
    .where(
        DagRun.dag_id == t.outcome.c.dag_id,
        DagRun.run_id == t.outcome.c.run_id,
        DagRun.clear_number > t.outcome.c.seq,
        t.outcome.c.dag_version_id == VERSION,
    )
    .correlate(t.outcome)
)
_ENDED_LATER = exists(
    select(_LATER.c.seq)
    .where(
        _LATER.c.dag_id == t.outcome.c.dag_id,
        _LATER.c.run_id == t.outcome.c.run_id,
        _LATER.c.seq > t.outcome.c.seq,
        _LATER.c.dag_version_id == t.outcome.c.dag_version_id,
    )
    .correlate(t.outcome)
)


def counts(
    session: Session, *, of_runs: ColumnElement[bool], of_outcomes: ColumnElement[bool]
) -> dict[UUID | None, dict[str, int]]:
    """How many runs are in which state on each version, each run once on each: as it went there last.

    A run that failed on one version and went well on another counts on both; an outcome counts also when
    Airflow has the run no more. Runs that are under way, and ended ones whose outcome was never recorded,
    count by Airflow's rows, on the version that they are bound to. The conditions say which runs and which
    outcomes count: that of runs may name :data:`~pinwheel.airflow3.reads.bound.VERSION`.
    """
    found: dict[UUID | None, dict[str, int]] = {}
    for row in _grouped(session, of_runs, of_outcomes):
        states = found.setdefault(row.version, {})
        state = word_of(row.state)
        states[state] = states.get(state, 0) + int(row.number)
    return found


def first_ends(
    session: Session, *, of_runs: ColumnElement[bool], of_outcomes: ColumnElement[bool]
) -> dict[UUID, datetime | None]:
    """When the first of the runs that :func:`counts` counts ended, by version; None: nobody noted when."""
    found: dict[UUID, datetime | None] = {}
    for row in _grouped(session, of_runs, of_outcomes):
        if row.version is not None:
            ends = [end for end in (found.get(row.version), row.first) if end is not None]
            found[row.version] = min(ends, default=None)
    return found


def _grouped(session: Session, of_runs: ColumnElement[bool], of_outcomes: ColumnElement[bool]) -> list[Any]:
    return [
        *session.execute(
            select(
                t.outcome.c.dag_version_id.label("version"),
                t.outcome.c.state,
                func.count().label("number"),
                func.min(t.outcome.c.ended_at).label("first"),
            )
            .where(of_outcomes, ~_ENDED_LATER, ~_GOES_ON)
            .group_by(t.outcome.c.dag_version_id, t.outcome.c.state)
        ),
        *session.execute(
            select(
                VERSION.label("version"),
                DagRun.state,
                func.count().label("number"),
                func.min(DagRun.end_date).label("first"),
            )
            .select_from(DagRun)
            .outerjoin(t.binding, BINDING)
            .outerjoin(t.outcome, OUTCOME)
            .where(of_runs, t.outcome.c.seq.is_(None))
            .group_by(VERSION, DagRun.state)
        ),
    ]
