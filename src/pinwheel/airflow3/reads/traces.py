"""What Airflow's rows say of how runs ended: their tasks' tries, and its log of these."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState
from sqlalchemy import Row, Table, and_, func, literal, select, tuple_
from sqlalchemy.orm import Session

from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.airflow3.reads.tries import map_index_of, of_present
from pinwheel.core.chunks import chunks
from pinwheel.core.rollout.blame import (
    BY_PERSONS,
    MARKS_RUNS,
    MARKS_SEVERAL,
    FailedTry,
    Traces,
    Word,
    last_failed,
)
from pinwheel.services.ports.reads import RunEnd
from pinwheel.store import bindings

_AT_ONCE = 200
_WITH_OTHERS = ('"include_upstream": true', '"include_downstream": true')
"""In what is noted of a person who marks a task, and with it others, which no line names."""
_Try = tuple[str, str, str, int, int]
"""Dag, run, task, map index and number."""


def traces(session: Session, ended: Collection[RunEnd], failed: Collection[RunEnd]) -> dict[RunEnd, Traces]:
    """Traces of runs that ended; of those that failed with what is known of their tries. A few statements for
    each so many, whatever Dags they are of."""
    began: set[tuple[str, str]] = set()
    tries: dict[RunEnd, list[Row[Any]]] = {}
    left: set[RunEnd] = set()
    said: dict[UUID | _Try, set[tuple[str, bool]]] = {}
    marked: dict[tuple[str, str], set[tuple[str, str | None]]] = {}
    for chunk in chunks(sorted({(end.dag_id, end.run_id) for end in ended}), _AT_ONCE):
        began |= _began(session, chunk)
    for some in chunks(sorted(failed), _AT_ONCE):
        own, stand = _last_failed(session, some)
        tries |= own
        left |= stand
        said |= _said(session, {(end.dag_id, row.task_id, end.run_id) for end in own for row in own[end]})
        marked |= _marked(session, {(end.dag_id, end.run_id) for end in some})
    return {
        end: Traces(
            started=(end.dag_id, end.run_id) in began,
            by_hand=any(event in MARKS_RUNS for event, _ in marked.get((end.dag_id, end.run_id), ())),
            failed=tuple(
                _failed_try(row, said, marked.get((end.dag_id, end.run_id), ())) for row in tries.get(end, ())
            ),
            left=end in left,
        )
        for end in ended
    }


def failing(session: Session, dag_ids: Collection[str]) -> dict[RunEnd, datetime]:
    """Running runs of these Dags of which a task has failed for good, each with when the first one did."""
    c = TaskInstance.__table__.c
    found: dict[RunEnd, datetime] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        query = (
            select(DagRun.dag_id, DagRun.run_id, DagRun.clear_number, func.min(c.end_date).label("at"))
            .join(TaskInstance.__table__, and_(c.dag_id == DagRun.dag_id, c.run_id == DagRun.run_id))
            .where(
                DagRun.dag_id.in_(chunk),
                DagRun.state == DagRunState.RUNNING,
                c.state == "failed",
                *of_present(TaskInstance.__table__),
            )
            .group_by(DagRun.dag_id, DagRun.run_id, DagRun.clear_number)
        )
        for row in session.execute(query):
            if row.at is not None:
                end = RunEnd(dag_id=row.dag_id, run_id=row.run_id, seq=row.clear_number)
                found[end] = row.at
    return found


def missed_deadlines(session: Session, runs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the runs, each a Dag and a run id, that missed a deadline."""
    found: set[tuple[str, str]] = set()
    for chunk in chunks(sorted(set(runs)), _AT_ONCE):
        query = (
            select(DagRun.dag_id, DagRun.run_id)
            .join(Deadline, Deadline.dagrun_id == DagRun.id)
            .where(tuple_(DagRun.dag_id, DagRun.run_id).in_(chunk), Deadline.missed.is_(True))
        )
        found |= {(row.dag_id, row.run_id) for row in session.execute(query)}
    return found


def _tables() -> tuple[Table, ...]:
    """Where tries lie. Up to 3.3 earlier ones have a table of their own: remove it when the least is 3.4."""
    own: Table = TaskInstance.__table__
    if airflow_34_plus():
        return (own,)
    from airflow.models.taskinstancehistory import TaskInstanceHistory

    return own, TaskInstanceHistory.__table__


def _began(session: Session, runs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for table in _tables():
        c = table.c
        query = (
            select(c.dag_id, c.run_id)
            .where(tuple_(c.dag_id, c.run_id).in_(list(runs)), c.start_date.is_not(None))
            .distinct()
        )
        found |= {(row.dag_id, row.run_id) for row in session.execute(query)}
    return found


def _last_failed(
    session: Session, ends: Collection[RunEnd]
) -> tuple[dict[RunEnd, list[Row[Any]]], set[RunEnd]]:
    """Of each end the tries of its tasks that failed, and that none came after before it; and those ends
    before which some task had failed already, and was not run again."""
    runs = sorted({(end.dag_id, end.run_id) for end in ends})
    bound = bindings.of_each(session, runs)
    of_run: dict[tuple[str, str], list[Any]] = {}
    for table in _tables():
        c = table.c
        query = select(
            c.dag_id,
            c.run_id,
            c.task_id,
            map_index_of(table).label("map_index"),
            c.try_number,
            c.state,
            *_identity(table),
        ).where(tuple_(c.dag_id, c.run_id).in_(runs), c.state.is_not(None))
        for row in session.execute(query):
            of_run.setdefault((row.dag_id, row.run_id), []).append(row)
    failed: dict[RunEnd, list[Row[Any]]] = {}
    left = set()
    for end in ends:
        run = end.dag_id, end.run_id
        failed[end], stands = last_failed(of_run.get(run, ()), bound.get(run, ()), end.seq, _instance)
        if stands:
            left.add(end)
    return failed, left


def _instance(row: Row[Any]) -> tuple[str, str, int]:
    return row.task_id, str(row.region_id), row.map_index


def _identity(table: Table) -> tuple[Any, ...]:
    """What tells a try, and an instance in one of several regions, apart: from 3.4 on."""
    if "region_id" not in table.c:
        return literal(None).label("id"), literal(None).label("region_id")
    return table.c.id, table.c.region_id


def _said(
    session: Session, tasks: Collection[tuple[str, str, str]]
) -> dict[UUID | _Try, set[tuple[str, bool]]]:
    """By try: each word of the log of it, and whether a host stands with it.

    From 3.4 on a line names its try. The map index beside it is that which people see, and not of the row.
    Remove the other key when what was written by 3.3 is old.
    """
    found: dict[UUID | _Try, set[tuple[str, bool]]] = {}
    words = [word.value for word in Word]
    named = Log.__table__.c.get("task_instance_id", literal(None)).label("named")
    for chunk in chunks(sorted(tasks), _AT_ONCE):
        query = (
            select(
                Log.dag_id,
                Log.run_id,
                Log.task_id,
                Log.map_index,
                Log.try_number,
                Log.event,
                Log.extra,
                named,
            )
            # As the index has them
            .where(tuple_(Log.dag_id, Log.task_id, Log.run_id).in_(chunk), Log.event.in_(words))
        )
        for row in session.execute(query):
            index = -1 if row.map_index is None else row.map_index
            key = row.named or (row.dag_id, row.run_id, row.task_id, index, row.try_number or 0)
            on_host = row.event == Word.FAILED and "host_name" in (row.extra or "")
            found.setdefault(key, set()).add((row.event, on_host))
    return found


def _marked(
    session: Session, runs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], set[tuple[str, str | None]]]:
    """By run: by which functions of the API persons marked it or a task of it, and which task, if only one.

    Those of other runs that somebody marked with a task of this one are noted nowhere.
    """
    found: dict[tuple[str, str], set[tuple[str, str | None]]] = {}
    for chunk in chunks(sorted(runs), _AT_ONCE):
        query = select(Log.dag_id, Log.run_id, Log.task_id, Log.event, Log.extra).where(
            tuple_(Log.dag_id, Log.run_id).in_(chunk), Log.event.in_(sorted(BY_PERSONS))
        )
        for row in session.execute(query):
            more = any(each in (row.extra or "") for each in _WITH_OTHERS)
            event = MARKS_SEVERAL if more else row.event
            found.setdefault((row.dag_id, row.run_id), set()).add((event, row.task_id))
    return found


def _failed_try(
    row: Row[Any],
    said: Mapping[UUID | _Try, Collection[tuple[str, bool]]],
    marked: Collection[tuple[str, str | None]],
) -> FailedTry:
    at = row.dag_id, row.run_id, row.task_id, row.map_index, row.try_number
    words = {*said.get(at, ()), *(said.get(row.id, ()) if row.id is not None else ())}
    return FailedTry(
        task_id=row.task_id,
        words=frozenset(Word(word) for word, _ in words),
        on_host=any(on_host for _, on_host in words),
        by_hand=any(task == row.task_id or event == MARKS_SEVERAL for event, task in marked),
    )
