"""Runs in memory: one by one, and backfills."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.json import Json
from pinwheel.services.ports.memory import form
from pinwheel.services.ports.memory.airflow import FINISHED, BackfillDate, BackfillRow, RunRow, VersionRow
from pinwheel.services.ports.memory.single_runs import SingleRuns
from pinwheel.services.ports.memory.unit import MemoryUnit
from pinwheel.services.ports.runs import AirflowBackfill, BackfillRun, BackfillWish

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_Surveyed = tuple[datetime, datetime, RunRow | None]
"""A date of a schedule, the end of its interval, and the run that there is."""


@frozen
class MemoryRuns(SingleRuns):
    """Implements :class:`pinwheel.services.ports.runs.Runs`."""

    unit: MemoryUnit

    def create_backfill(
        self,
        session: Session,
        dag_id: str,
        dag_version_id: UUID,
        wish: BackfillWish,
        *,
        bundle_version: str | None,
        actor: str,
    ) -> AirflowBackfill:
        version = self._runnable(dag_id, dag_version_id)
        row = self._backfill(session, version, wish, bundle_version=bundle_version, actor=actor)
        return AirflowBackfill(id=row.id, runs=self.backfill_runs(session, row.id))

    def create_default_backfill(self, dag_id: str, wish: BackfillWish, *, actor: str) -> int:
        def work(session: Session) -> int:
            newest, dag = self._newest(dag_id), self.airflow.tables.dags[dag_id]
            return self._backfill(session, newest, wish, bundle_version=dag.bundle_version, actor=actor).id

        return self.unit.run(work)

    def plan_default_backfill(
        self, session: Session, dag_id: str, wish: BackfillWish
    ) -> tuple[BackfillRun, ...]:
        survey = self._survey(self._newest(dag_id), wish)
        return tuple(_told(run, date, _reason(run, wish), run is not None) for date, _, run in survey)

    def backfill_since(
        self, session: Session, dag_id: str, wish: BackfillWish, since: datetime, *, actor: str
    ) -> int | None:
        wanted = (dag_id, wish.from_date, wish.to_date, wish.max_active_runs, wish.reprocess, actor)
        for row in self.airflow.tables.backfills.values():
            made = (row.dag_id, row.from_date, row.to_date, row.max_active_runs, row.reprocess, row.actor)
            if made == wanted and row.created_at >= since and dict(row.conf) == (wish.conf or {}):
                return row.id
        return None

    def backfill_runs(self, session: Session, backfill_id: int) -> tuple[BackfillRun, ...]:
        row = self.airflow.tables.backfills.get(backfill_id)
        if row is None:
            return ()
        runs = self.airflow.tables.runs
        found = []
        for date in row.dates:
            run = runs.get((row.dag_id, date.run_id)) if date.run_id is not None else None
            again = run is not None and bool(run.clear_number)
            found.append(_told(run, date.logical_date, date.reason, again))
        return tuple(found)

    def _newest(self, dag_id: str) -> VersionRow:
        newest = self.airflow.newest(dag_id)
        if newest is None:
            raise NotFound(
                f"Cannot backfill {dag_id}", found="Airflow has no such Dag", remedy="See: pinwheel status"
            )
        return newest

    def _backfill(
        self,
        session: Session,
        version: VersionRow,
        wish: BackfillWish,
        *,
        bundle_version: str | None,
        actor: str,
    ) -> BackfillRow:
        dag_id, tables = version.dag_id, self.airflow.tables
        survey = self._survey(version, wish)
        row = BackfillRow(
            id=self.airflow.next_id(),
            dag_id=dag_id,
            from_date=wish.from_date,
            to_date=wish.to_date,
            max_active_runs=wish.max_active_runs,
            reprocess=wish.reprocess,
            conf=wish.conf or {},
            actor=actor,
            created_at=self.airflow.now,
        )
        dates = []
        for date, end, run in survey:
            reason = _reason(run, wish)
            if run is None:
                unversioned = form.is_unversioned(version.serialized)
                run = self.airflow.add_run(
                    version,
                    f"backfill__{date.isoformat()}",
                    run_type="backfill",
                    bundle_version=None if unversioned else bundle_version,
                    logical_date=date,
                    start_date=self.airflow.now,
                    run_after=end,
                    conf=wish.conf,
                    actor=actor,
                    backfill_id=row.id,
                )
                self._keep_assets(session, version)
            elif reason is None:
                self.clear_run(
                    session,
                    dag_id,
                    run.run_id,
                    dag_version_id=version.id,
                    bundle_version=bundle_version,
                    only_failed=False,
                    task_ids=None,
                )
                cleared = tables.runs[dag_id, run.run_id]
                conf: Mapping[str, Json] | None = wish.conf if wish.conf is not None else cleared.conf
                self._put(evolve(cleared, backfill_id=row.id, run_type="backfill", conf=conf))
            dates.append(
                BackfillDate(logical_date=date, run_id=run.run_id if reason is None else None, reason=reason)
            )
        tables.backfills[row.id] = evolve(row, dates=tuple(dates))
        return row

    def _survey(self, version: VersionRow, wish: BackfillWish) -> list[_Surveyed]:
        """Every date in the range with the run that exists for it, in the order in which they will run."""
        dag_id, serialized = version.dag_id, version.serialized or {}
        if not form.is_periodic(serialized):
            raise _refused(
                dag_id,
                "its schedule is not periodic, so no dates follow from it",
                f"Start single runs: pinwheel trigger {dag_id}",
            )
        if not form.allows(serialized, "backfill"):
            raise _refused(
                dag_id,
                "the Dag does not allow backfill runs",
                "Add them to its allowed_run_types and push again",
            )
        for row in self.airflow.tables.backfills.values():
            if row.dag_id == dag_id and row.completed_at is None:
                raise Conflict(
                    f"Cannot backfill {dag_id}",
                    found=f"another backfill of it ({row.id}) is active, and Airflow runs one at a time",
                    remedy="Wait until it is complete, or cancel it on the Dag's Backfills page",
                    dag_id=dag_id,
                    backfill=row.id,
                )
        self._check(dag_id, serialized, wish)
        dates = form.dates(serialized, wish.from_date, wish.to_date)
        found = [(date, end, self._of_date(dag_id, date)) for date, end in dates if end < self.airflow.now]
        if not found:
            raise _invalid(
                dag_id,
                "no date of its schedule lies in this range and has passed",
                "Give a longer range; see the schedule of the Dag",
            )
        return found[::-1] if wish.run_backwards else found

    def _check(self, dag_id: str, serialized: Mapping[str, Json], wish: BackfillWish) -> None:
        if wish.from_date > wish.to_date:
            raise _invalid(
                dag_id,
                f"from_date ({wish.from_date.isoformat()}) must not be after "
                f"to_date ({wish.to_date.isoformat()})",
                "Give the earlier date as --from-date",
            )
        if min(wish.from_date, wish.to_date).astimezone(UTC) >= self.airflow.now:
            raise _invalid(dag_id, "the dates are in the future", "Give dates that have passed")
        if form.depends_on_past(serialized):
            if wish.run_backwards:
                raise _refused(
                    dag_id,
                    "it has tasks with depends_on_past=True, which can not run backwards",
                    "Leave --run-backwards out",
                )
            if wish.reprocess == "none":
                raise _refused(
                    dag_id,
                    "it has tasks with depends_on_past=True, which need the runs in between",
                    "Add --reprocess-behavior completed, or failed",
                )


def _refused(dag_id: str, found: str, remedy: str) -> Refused:
    return Refused(f"Cannot backfill {dag_id}", found=found, remedy=remedy, dag_id=dag_id)


def _invalid(dag_id: str, found: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"Cannot backfill {dag_id}", found=found, remedy=remedy, dag_id=dag_id)


def _reason(run: RunRow | None, wish: BackfillWish) -> str | None:
    """Airflow's reason to leave a date out; None when it gets a run."""
    if run is None:
        return None
    if run.state not in FINISHED:
        return "in flight"
    again = wish.reprocess == "completed" or (wish.reprocess == "failed" and run.state == "failed")
    return None if again else "already exists"


def _told(run: RunRow | None, date: datetime, reason: str | None, again: bool) -> BackfillRun:
    return BackfillRun(
        run_id=run.run_id if run is not None else None,
        logical_date=date,
        partition_key=None,
        outcome=reason or ("cleared" if again else "new"),
        seq=run.clear_number if run is not None else 0,
        dag_version_id=run.dag_version_id if run is not None else None,
        bundle_version=run.bundle_version if run is not None else None,
    )
