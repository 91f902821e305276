"""Runs on a chosen version in memory: made and cleared."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen
from sqlalchemy import select

from pinwheel.core.errors import Conflict, NotFound, Refused
from pinwheel.core.json import Json
from pinwheel.core.release.follow import plain
from pinwheel.core.run.binding import FAILED, in_force
from pinwheel.core.run.dates import RunDates
from pinwheel.core.run.mark import Queued, gets_mark, is_marked, loses_mark, without_mark
from pinwheel.core.run.mark import marked as with_mark
from pinwheel.services.ports.memory import form
from pinwheel.services.ports.memory.airflow import (
    FINISHED,
    FINISHED_TASK,
    RunRow,
    TaskRow,
    VersionRow,
)
from pinwheel.services.ports.memory.unbound import WaitingRuns
from pinwheel.store import bindings, dags, start_rules
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_ASSETS_OF_TASKS = {"task_inlet_asset_reference", "task_outlet_asset_reference"}


@frozen
class SingleRuns(WaitingRuns):
    """Runs one by one. Params of Dags are not checked."""

    def create_run(
        self,
        session: Session,
        dag_id: str,
        dag_version_id: UUID,
        *,
        bundle_version: str | None,
        run_id: str | None,
        logical_date: datetime | None,
        conf: dict[str, Json] | None,
        note: str | None,
        actor: str,
        of_its_dates: Callable[[RunDates], UUID | None] | None = None,
    ) -> tuple[str, int]:
        version = self._runnable(dag_id, dag_version_id)
        if of_its_dates is not None:
            dates = RunDates(
                data_interval_start=logical_date, logical_date=logical_date, run_after=self.airflow.now
            )
            version = self._runnable(dag_id, of_its_dates(dates) or dag_version_id)
        if not form.allows(version.serialized, "manual"):
            raise Refused(
                f"Cannot run {dag_id}", found="the Dag does not allow manual runs", remedy="Use a backfill"
            )
        run_id = run_id or f"manual__{self.airflow.now.isoformat()}"
        self._check_new(dag_id, run_id, logical_date)
        run = self.airflow.add_run(
            version,
            run_id,
            run_type="manual",
            bundle_version=None if form.is_unversioned(version.serialized) else bundle_version,
            logical_date=logical_date,
            conf=conf,
            note=note,
            actor=actor,
        )
        self._keep_assets(session, version)
        return run.run_id, run.clear_number

    def mark_waiting(
        self, session: Session, dag_ids: Collection[str], *, marked: bool, anew: bool = False
    ) -> int:
        changed = 0
        managed, rules = dags.rows(session, dag_ids), start_rules.of_dags(session, dag_ids)
        for run in list(self.airflow.tables.runs.values()):
            waits = run.state == "queued" and run.start_date is None and run.dag_id in managed
            if not waits or run.bundle_version is None or is_marked(run.bundle_version) == marked:
                continue
            ledger = bindings.of_runs(session, run.dag_id, [run.run_id]).get(run.run_id, [])
            bound = in_force(ledger, run.clear_number)
            since = (rule.since for rule in rules.get(run.dag_id, []) if rule.kind is RuleKind.DATED)
            active = managed[run.dag_id].dag_version_id
            queued = Queued(
                clear_number=run.clear_number,
                on_active=active is not None and run.dag_version_id == active,
                queued_at=run.queued_at,
                bound_by=bound.bound_by if bound is not None else None,
                judged=bound is not None and bound.date is not None,
            )
            if not (gets_mark(queued, since=next(since, None), anew=anew) if marked else loses_mark(queued)):
                continue
            version = with_mark(plain(run.bundle_version)) if marked else self._unmarked(run)
            self.airflow.tables.runs[run.dag_id, run.run_id] = evolve(run, bundle_version=version)
            changed += 1
        return changed

    def _unmarked(self, run: RunRow) -> str:
        of_dag = self.airflow.tables.dags[run.dag_id].bundle_version
        if of_dag is not None and not is_marked(of_dag):
            return of_dag
        return without_mark(run.bundle_version or "")

    def would_clear(
        self,
        session: Session,
        dag_id: str,
        run_id: str,
        *,
        of: Collection[str],
        only_failed: bool,
        task_ids: Collection[str] | None,
    ) -> bool:
        run = self._run(dag_id, run_id)
        wanted = {row.task_id for row in self._wanted(run, only_failed, task_ids)}
        if run.state == "failed" and (wanted or task_ids is None):
            # What failed is gone in that version, or no task failed: what is new in it has to run.
            return True
        return not wanted.isdisjoint(of)

    def clear_run(
        self,
        session: Session,
        dag_id: str,
        run_id: str,
        *,
        dag_version_id: UUID | None,
        bundle_version: str | None,
        only_failed: bool,
        task_ids: Collection[str] | None,
    ) -> tuple[int, int, UUID | None, str | None]:
        run = self._run(dag_id, run_id)
        if dag_version_id is not None:
            run = self._rebind(run, self.airflow.tables.versions[dag_version_id], bundle_version)
        version = self.airflow.tables.versions.get(run.dag_version_id) if run.dag_version_id else None
        tasks = form.tasks(version.serialized) if version is not None else None
        wanted = self._wanted(run, only_failed, task_ids)
        rows = [row for row in wanted if tasks is None or row.task_id in tasks]
        for row in rows:
            self._archive(row)
            self._put_task(
                evolve(
                    row,
                    state="restarting" if row.state == "running" else None,
                    dag_version_id=row.dag_version_id
                    if dag_version_id is None or row.state == "running"
                    else dag_version_id,
                )
            )
        if rows or dag_version_id is not None:
            run = evolve(run, clear_number=run.clear_number + 1, queued_at=self.airflow.now)
            if run.state in FINISHED or not rows:
                run = evolve(run, state="queued", start_date=None, end_date=None)
            self._put(run)
            if version is not None:
                self._keep_assets(session, version)
        return len(rows), run.clear_number, run.dag_version_id, run.bundle_version

    def rebind_run(
        self, session: Session, dag_id: str, run_id: str, *, dag_version_id: UUID, bundle_version: str
    ) -> None:
        run = self._run(dag_id, run_id)
        version = self.airflow.tables.versions.get(dag_version_id)
        if version is None:
            raise self._cannot_bind(run, "the version row of its build and date is gone")
        tasks = set(form.tasks(version.serialized))
        run = evolve(run, dag_version_id=version.id, bundle_version=bundle_version)
        self._put(run)
        self._move(run, behind=False)
        for row in self._tasks(run):
            if row.state is None and row.try_number == 0:
                del self.airflow.tables.tasks[row.dag_id, row.run_id, row.task_id, row.map_index]
            elif row.task_id not in tasks and row.state != "removed":
                if row.state in FINISHED_TASK:
                    self._archive(row)
                self._put_task(evolve(row, state="removed"))
            elif row.state is None:
                self._put_task(evolve(row, dag_version_id=version.id))
        self.airflow.check_tasks(run, version)
        if {row.task_id for row in self._tasks(run) if row.state != "removed"} != tasks:
            raise self._cannot_bind(run, "its task instances are not the tasks of its build and date")

    def _cannot_bind(self, run: RunRow, found: str) -> Refused:
        return Refused(
            f"Cannot bind run {run.run_id} of {run.dag_id} by its date",
            found=found,
            remedy="It waits until it can be bound",
            dag_id=run.dag_id,
            run_id=run.run_id,
        )

    def _runnable(self, dag_id: str, dag_version_id: UUID) -> VersionRow:
        dag = self.airflow.tables.dags.get(dag_id)
        version = self.airflow.tables.versions.get(dag_version_id)
        if dag is None or version is None:
            raise NotFound(
                f"Cannot run {dag_id}", found="Airflow has no row of it", remedy="Try again in a few seconds"
            )
        if dag.is_stale:
            raise Refused(
                f"Cannot run {dag_id}",
                found="it is retired: gone from its bundle",
                remedy=f"Promote a build of it first: pinwheel promote {dag_id} --build N",
            )
        return version

    def _check_new(self, dag_id: str, run_id: str, logical_date: datetime | None) -> None:
        if (dag_id, run_id) in self.airflow.tables.runs:
            raise Conflict(
                f"Cannot run {dag_id}", found=f"a run {run_id!r} exists", remedy="Choose another run id"
            )
        same_date = self._of_date(dag_id, logical_date) if logical_date is not None else None
        if same_date is not None and logical_date is not None:
            raise Conflict(
                f"Cannot run {dag_id}",
                found=f"run {same_date.run_id!r} has logical date {logical_date.isoformat()}",
                remedy="Clear that run, or choose another date",
            )

    def _run(self, dag_id: str, run_id: str) -> RunRow:
        run = self.airflow.tables.runs.get((dag_id, run_id))
        if run is None:
            raise NotFound(
                f"Cannot find run {run_id} of {dag_id}",
                found="Airflow has no such run",
                remedy="Check the run id",
            )
        return run

    def _of_date(self, dag_id: str, logical_date: datetime) -> RunRow | None:
        runs = self.airflow.tables.runs.values()
        return next((run for run in runs if (run.dag_id, run.logical_date) == (dag_id, logical_date)), None)

    def _wanted(self, run: RunRow, only_failed: bool, task_ids: Collection[str] | None) -> list[TaskRow]:
        return [
            row
            for row in self._tasks(run)
            if (not only_failed or row.state in FAILED) and (task_ids is None or row.task_id in task_ids)
        ]

    def _tasks(self, run: RunRow) -> list[TaskRow]:
        rows = self.airflow.tables.tasks.values()
        return [row for row in rows if (row.dag_id, row.run_id) == (run.dag_id, run.run_id)]

    def _rebind(self, run: RunRow, version: VersionRow, bundle_version: str | None) -> RunRow:
        if run.state == "running":
            raise Refused(
                f"Cannot bind run {run.run_id} of {run.dag_id} to another build",
                found="it is running",
                remedy="Wait until it ends, or mark it failed, then clear it",
            )
        tasks = form.tasks(version.serialized)
        unversioned = form.is_unversioned(version.serialized)
        run = evolve(run, dag_version_id=version.id, bundle_version=None if unversioned else bundle_version)
        for row in self._tasks(run):
            if row.state is None and row.try_number == 0:
                # Made anew from that version.
                del self.airflow.tables.tasks[row.dag_id, row.run_id, row.task_id, row.map_index]
            elif row.task_id not in tasks and row.state in FINISHED_TASK and row.state != "removed":
                # "removed" is written over the state of what the version lacks.
                self._archive(row)
        self._put(run)
        self.airflow.check_tasks(run, version)
        return run

    def _archive(self, row: TaskRow) -> None:
        """Keep a try as an earlier one, unless that number is kept already."""
        tables = self.airflow.tables
        key = (row.dag_id, row.run_id, row.task_id, row.map_index, row.try_number)
        if any(
            (each.dag_id, each.run_id, each.task_id, each.map_index, each.try_number) == key
            for each in tables.earlier
        ):
            return
        if row.state not in FINISHED_TASK:
            row = evolve(row, state="failed", end_date=row.end_date or self.airflow.now)
        tables.earlier.append(row)

    def _put(self, run: RunRow) -> None:
        self.airflow.tables.runs[run.dag_id, run.run_id] = evolve(run, updated_at=self.airflow.now)

    def _put_task(self, row: TaskRow) -> None:
        self.airflow.tables.tasks[row.dag_id, row.run_id, row.task_id, row.map_index] = row

    def _keep_assets(self, session: Session, version: VersionRow) -> None:
        """A run that is not on the active version finds its assets active."""
        active = session.scalar(select(t.dag.c.dag_version_id).where(t.dag.c.dag_id == version.dag_id))
        if version.id != active and form.references(version.serialized or {}) & _ASSETS_OF_TASKS:
            self.airflow.tables.keeps_assets = True
