"""Runs with all of their dates, those of the runs that triggered them among these."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any

from airflow.models.asset import AssetEvent, association_table
from airflow.models.dagrun import DagRun
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.tries import word_of
from pinwheel.core.chunks import chunks
from pinwheel.core.run.dates import RunDates, dates_of_events, noted
from pinwheel.services.ports.reads import DatedRun
from pinwheel.store import bindings

_OWN_DATES = (DagRun.data_interval_start, DagRun.partition_date, DagRun.logical_date)


def dated_runs(session: Session, ids: Collection[int]) -> list[DatedRun]:
    """Those of the runs that exist, by id, each with all of its dates."""
    rows: list[Any] = []
    for chunk in chunks(sorted(set(ids))):
        query = select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.state,
            DagRun.clear_number,
            DagRun.created_dag_version_id,
            DagRun.bundle_version,
            DagRun.run_after,
            *_OWN_DATES,
        )
        rows += session.execute(query.where(DagRun.id.in_(chunk)).order_by(DagRun.id)).all()
    undated = {
        row.id for row in rows if not any((_interval_start(row), row.partition_date, row.logical_date))
    }
    events = dates_of_events(undated, partial(_sources, session))
    return [
        DatedRun(
            id=row.id,
            dag_id=row.dag_id,
            run_id=row.run_id,
            state=word_of(row.state),
            clear_number=row.clear_number,
            dag_version_id=row.created_dag_version_id,
            bundle_version=row.bundle_version,
            dates=RunDates(
                data_interval_start=_interval_start(row),
                partition_date=row.partition_date,
                logical_date=row.logical_date,
                event_dates=tuple(sorted(events.get(row.id, ()))),
                run_after=row.run_after,
            ),
        )
        for row in rows
    ]


def _own_date(row: Any) -> datetime | None:
    own: datetime | None = _interval_start(row) or row.partition_date or row.logical_date
    return own


def _interval_start(row: Any) -> datetime | None:
    """Where the run's data begins; None: its row does not say.

    The command line and TriggerDagRunOperator give a run of a logical date the interval of the moment
    (``api/common/trigger_dag.py``), which is of no data of that date. No other interval begins after the
    logical date, and the type does not tell: a backfill that runs such a run again makes it one of its own.
    """
    start: datetime | None = row.data_interval_start
    of_the_moment = start is not None and row.logical_date is not None and row.logical_date < start
    return None if of_the_moment else start


def _sources(session: Session, ids: Collection[int]) -> dict[int, dict[int, datetime | None]]:
    """By run: the runs whose asset events it consumed, each with its date; None: its row has none, and the
    ledger none of events.
    """
    consumed = association_table.c
    found: dict[int, dict[int, datetime | None]] = {}
    undated: dict[tuple[str, str], int] = {}
    for chunk in chunks(sorted(ids)):
        rows = session.execute(
            select(consumed.dag_run_id, DagRun.id, DagRun.dag_id, DagRun.run_id, *_OWN_DATES)
            .select_from(association_table)
            .join(AssetEvent, AssetEvent.id == consumed.event_id)
            .join(
                DagRun,
                (DagRun.dag_id == AssetEvent.source_dag_id) & (DagRun.run_id == AssetEvent.source_run_id),
            )
            .where(consumed.dag_run_id.in_(chunk))
        )
        for row in rows:
            date = found.setdefault(row.dag_run_id, {})[row.id] = _own_date(row)
            if date is None:
                undated[row.dag_id, row.run_id] = row.id
    ledger = bindings.of_each(session, undated) if undated else {}
    known = {undated[run]: noted(rows) for run, rows in ledger.items()}
    return {
        one: {source: date or known.get(source) for source, date in of_run.items()}
        for one, of_run in found.items()
    }
