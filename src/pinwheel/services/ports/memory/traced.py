"""What rows in memory say of how runs ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.rollout.blame import (
    BY_PERSONS,
    MARKS_RUNS,
    MARKS_SEVERAL,
    FailedTry,
    Traces,
    Word,
    last_failed,
)
from pinwheel.services.ports.memory.airflow import LogLine, TaskRow
from pinwheel.services.ports.memory.unbound import UnboundReads
from pinwheel.services.ports.reads import RunEnd
from pinwheel.store import bindings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_WORDS = frozenset(word.value for word in Word)


@frozen
class TracedReads(UnboundReads):
    """The part of :class:`pinwheel.services.ports.reads.Reads` that says how runs ended."""

    def traces(
        self, session: Session, ended: Collection[RunEnd], failed: Collection[RunEnd]
    ) -> Mapping[RunEnd, Traces]:
        return {end: self._traces(session, end, end in failed) for end in ended}

    def failing(self, session: Session, dag_ids: Collection[str]) -> Mapping[RunEnd, datetime]:
        found: dict[RunEnd, datetime] = {}
        for row in self.airflow.tables.tasks.values():
            run = self.airflow.tables.runs.get((row.dag_id, row.run_id))
            if run is None or run.dag_id not in dag_ids or run.state != "running" or row.state != "failed":
                continue
            end = RunEnd(dag_id=run.dag_id, run_id=run.run_id, seq=run.clear_number)
            if row.end_date is not None:
                found[end] = min(found.get(end, row.end_date), row.end_date)
        return found

    def missed_deadlines(self, session: Session, runs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return self.airflow.tables.missed & set(runs)

    def _traces(self, session: Session, end: RunEnd, failed: bool) -> Traces:
        tables = self.airflow.tables
        own = [
            row
            for row in (*tables.earlier, *tables.tasks.values())
            if (row.dag_id, row.run_id) == (end.dag_id, end.run_id)
        ]
        started = any(row.start_date is not None for row in own)
        if not failed:
            return Traces(started=started)
        log = [line for line in tables.log if (line.dag_id, line.run_id) == (end.dag_id, end.run_id)]
        by_persons = [line for line in log if line.event in BY_PERSONS]
        bound = bindings.of_runs(session, end.dag_id, [end.run_id]).get(end.run_id, ())
        last, left = last_failed(own, bound, end.seq, _instance)
        return Traces(
            started=started,
            by_hand=any(line.event in MARKS_RUNS for line in by_persons),
            failed=tuple(_failed_try(row, log, by_persons) for row in last),
            left=left,
        )


def _instance(row: TaskRow) -> tuple[str, int]:
    return row.task_id, row.map_index


def _failed_try(row: TaskRow, log: Collection[LogLine], by_persons: Collection[LogLine]) -> FailedTry:
    own = [
        line
        for line in log
        if line.event in _WORDS and (line.task_id, line.try_number) == (row.task_id, row.try_number)
    ]
    return FailedTry(
        task_id=row.task_id,
        words=frozenset(Word(line.event) for line in own),
        on_host=any(line.on_host for line in own),
        by_hand=any(line.task_id == row.task_id or line.event == MARKS_SEVERAL for line in by_persons),
    )
