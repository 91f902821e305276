"""What rows in memory say of how runs ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen
from sqlalchemy import select

from pinwheel.core.rollout.blame import BY_PERSONS, FailedTry, Traces, Word
from pinwheel.core.run.binding import Tries, tries_noted
from pinwheel.services.ports.memory.airflow import LogLine, TaskRow
from pinwheel.services.ports.memory.unbound import UnboundReads
from pinwheel.services.ports.reads import RunEnd
from pinwheel.store import tables as t

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
        last, left = self._last_failed(session, end, own)
        return Traces(
            started=started,
            by_hand=any(line.event in ("patch_dag_run", "bulk_dag_runs") for line in by_persons),
            failed=tuple(_failed_try(row, log, by_persons) for row in last),
            left=left,
        )

    def _last_failed(
        self, session: Session, end: RunEnd, own: Collection[TaskRow]
    ) -> tuple[list[TaskRow], bool]:
        """Those of this end, and whether there is one from before that was not run again."""
        c = t.binding.c
        query = select(c.seq, c.tries).where(
            c.dag_id == end.dag_id, c.run_id == end.run_id, c.seq > 0, c.part == 0, c.tries.is_not(None)
        )
        noted: dict[int, Tries] = {}
        for seq, stored in session.execute(query):
            tries = tries_noted(stored)
            if tries is not None:
                noted[seq] = tries
        before = noted.get(end.seq)
        after = next((noted[seq] for seq in sorted(noted) if seq > end.seq), None)
        last: dict[tuple[str, int], TaskRow] = {}
        for row in sorted(own, key=lambda row: row.try_number):
            at = row.task_id, row.map_index, row.try_number
            if row.state is not None and (after is None or after.began_before(*at)):
                last[at[:2]] = row
        failed = [row for _, row in sorted(last.items()) if row.state == "failed"]
        if before is None:
            return failed, False
        new = [row for row in failed if not before.began_before(row.task_id, row.map_index, row.try_number)]
        return new, len(new) < len(failed)


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
        by_hand=any(
            line.task_id == row.task_id or line.event == "patch_task_group_instances" for line in by_persons
        ),
    )
