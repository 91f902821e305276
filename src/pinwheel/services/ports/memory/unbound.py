"""Runs in memory that carry the mark, or stand elsewhere than the ledger says; held and moved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from sqlalchemy import select

from pinwheel.core.run.mark import is_marked
from pinwheel.services.ports.memory.airflow import FINISHED, Airflow, RunRow
from pinwheel.services.ports.reads import JudgedRun
from pinwheel.store import bindings, start_rules
from pinwheel.store import tables as t

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class UnboundReads:
    """The part of :class:`pinwheel.services.ports.reads.Reads` that looks for runs to be judged."""

    airflow: Airflow

    def unbound_runs(
        self,
        session: Session,
        states: Collection[str],
        limit: int,
        *,
        dag_ids: Collection[str] | None = None,
    ) -> list[JudgedRun]:
        dated = start_rules.dated(session)
        return [
            _judged(run)
            for run in self._managed(session)
            if run.state in states
            and (dag_ids is None or run.dag_id in dag_ids)
            and (
                is_marked(run.bundle_version)
                or (run.state == "queued" and run.dag_id in dated and _is_elsewhere(session, run))
            )
        ][:limit]

    def ended_unbound(
        self, session: Session, dag_ids: Collection[str], limit: int, since: datetime, newest: int
    ) -> list[JudgedRun]:
        last = max((run.id for run in self.airflow.tables.runs.values()), default=0)
        return [
            _judged(run)
            for run in self._managed(session)
            if run.id > last - newest
            and run.dag_id in dag_ids
            and run.state in FINISHED
            and is_marked(run.bundle_version)
            and (run.end_date is None or run.end_date >= since)
        ][:limit]

    def astray_runs(self, session: Session, limit: int) -> list[JudgedRun]:
        dated = start_rules.dated(session)
        return [
            _judged(run)
            for run in self._managed(session)
            if run.state == "running"
            and (is_marked(run.bundle_version) or (run.dag_id in dated and _is_elsewhere(session, run)))
        ][:limit]

    def row_ids(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, int]:
        runs = self.airflow.tables.runs
        return {run_id: runs[dag_id, run_id].id for run_id in run_ids if (dag_id, run_id) in runs}

    def jobs_of(self, session: Session, ids: Collection[int]) -> dict[int, list[str]]:
        return {}

    def _managed(self, session: Session) -> list[RunRow]:
        managed = set(session.scalars(select(t.dag.c.dag_id)))
        found = (run for run in self.airflow.tables.runs.values() if run.dag_id in managed)
        return sorted(found, key=lambda run: run.id)


def _is_elsewhere(session: Session, run: RunRow) -> bool:
    bound = bindings.of_runs(session, run.dag_id, [run.run_id]).get(run.run_id, [])
    if not bound or bound[-1].seq != run.clear_number:
        return True
    return (bound[-1].dag_version_id, bound[-1].bundle_version) != (run.dag_version_id, run.bundle_version)


def _judged(run: RunRow) -> JudgedRun:
    return JudgedRun(
        id=run.id,
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=run.state,
        clear_number=run.clear_number,
        dag_version_id=run.dag_version_id,
        bundle_version=run.bundle_version,
        queued_at=run.queued_at,
        started_at=run.start_date,
        ended_at=run.end_date,
        backfill_id=run.backfill_id,
    )


@frozen
class WaitingRuns:
    """The part of :class:`pinwheel.services.ports.runs.Runs` that holds runs, and moves those that wait."""

    airflow: Airflow

    def hold_runs(self, session: Session, ids: Collection[int], state: str) -> set[int]:
        return {run.id for run in self.airflow.tables.runs.values() if run.id in ids and run.state == state}

    def move_behind(self, session: Session, ids: Collection[int]) -> int:
        return sum(
            self._move(run, behind=True) for run in list(self.airflow.tables.runs.values()) if run.id in ids
        )

    def _move(self, run: RunRow, *, behind: bool) -> bool:
        backfills = self.airflow.tables.backfills
        row = backfills.get(run.backfill_id) if run.backfill_id is not None else None
        if row is None or (run.id in row.behind) is behind:
            return False
        backfills[row.id] = evolve(row, behind=row.behind ^ {run.id})
        return True

    def run_failed_again(self, session: Session, dag_id: str, run_id: str, since: datetime) -> int:
        tables, again = self.airflow.tables, 0
        of_run = [(key, row) for key, row in tables.tasks.items() if key[:2] == (dag_id, run_id)]
        failed = [
            (key, row)
            for key, row in of_run
            if row.state == "failed" and row.start_date is not None and row.start_date >= since
        ]
        if not failed:
            return 0
        for key, row in [*failed, *(item for item in of_run if item[1].state == "upstream_failed")]:
            if row.state == "failed":
                tables.earlier.append(row)
                again += 1
            tables.tasks[key] = evolve(row, state=None)
        return again
