"""What there is to see of runs and their tries in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import frozen
from sqlalchemy import select

from pinwheel.core.records import RunOutcome
from pinwheel.core.run.binding import Present
from pinwheel.core.run.dates import RunDates, dates_of_events, noted
from pinwheel.services.ports.memory.airflow import FINISHED, RunRow, TaskRow
from pinwheel.services.ports.memory.bound import Bound
from pinwheel.services.ports.memory.traced import TracedReads
from pinwheel.services.ports.reads import (
    AirflowRun,
    AirflowTry,
    DatedRun,
    GridRun,
    InstanceGroup,
    InstanceRow,
    PlacedRun,
    UnrecordedRun,
)
from pinwheel.store import bindings
from pinwheel.store import tables as t

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class RunReads(TracedReads):
    """The part of :class:`pinwheel.services.ports.reads.Reads` that looks at runs."""

    # Runs by what they are bound to and came to

    def failed_runs(self, session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
        bound = Bound.of(session)
        return [
            run.run_id
            for run in sorted(self._runs(dag_id), key=lambda run: run.run_after)
            if run.state == "failed"
            and bound.came_to(run) in (None, "failed")
            and bound.went_on(run) in dag_version_ids
        ]

    def placed_runs(
        self, session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
    ) -> list[PlacedRun]:
        bound = Bound.of(session)
        placed = sorted(
            ((at, run) for run in self._runs(dag_id) if (at := run.start_date or run.queued_at)),
            key=lambda item: (item[0], item[1].id),
            reverse=True,
        )
        return [
            PlacedRun(
                run_id=run.run_id,
                state=run.state,
                run_type=run.run_type,
                at=at,
                logical_date=run.logical_date,
                start_date=run.start_date,
                end_date=run.end_date,
                dag_version_id=bound.version_of(run),
                bound_by=bound.by(run),
            )
            for at, run in placed
            if (since is None or since <= at) and (before is None or at < before)
        ][:limit]

    def earlier_ends(
        self, session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
    ) -> list[PlacedRun]:
        present = {run.run_id: run for run in self._runs(dag_id)}
        o = t.outcome
        ended = session.execute(
            select(o).where(o.c.dag_id == dag_id).order_by(o.c.ended_at.desc(), o.c.run_id, o.c.seq.desc())
        )
        found = []
        for row in ended:
            run = present.get(row.run_id)
            past = run is None or run.clear_number > row.seq
            if (
                past
                and (since is None or since <= row.ended_at)
                and (before is None or row.ended_at < before)
            ):
                found.append(
                    PlacedRun(
                        run_id=row.run_id,
                        state=row.state,
                        run_type=run.run_type if run is not None else "",
                        at=row.ended_at,
                        logical_date=run.logical_date if run is not None else None,
                        start_date=None,
                        end_date=row.ended_at,
                        dag_version_id=row.dag_version_id,
                        bound_by=None,
                    )
                )
        return found[:limit]

    def run_counts(self, session: Session, dag_id: str) -> dict[UUID | None, dict[str, int]]:
        return Bound.of(session).counts(self._all_runs(), lambda of_dag, _, __: of_dag == dag_id)

    def counts_by_version(self, session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        counted = Bound.of(session).counts(self._all_runs(), lambda _, version, __: version in ids)
        return {version: states for version, states in counted.items() if version is not None}

    def active_with_failures(self, session: Session) -> dict[UUID, datetime | None]:
        active = {
            *session.scalars(select(t.dag.c.dag_version_id)),
            *session.scalars(
                select(t.segment.c.dag_version_id).join(
                    t.dag, t.dag.c.active_build_id == t.segment.c.build_id
                )
            ),
        }
        failed = Bound.of(session).each(
            self._all_runs(), lambda _, version, state: state == "failed" and version in active
        )
        found: dict[UUID, datetime | None] = {}
        for version, _, ended in failed:
            if version is not None:
                ends = [end for end in (found.get(version), ended) if end is not None]
                found[version] = min(ends, default=None)
        return found

    def running_runs(self, session: Session) -> set[int]:
        managed = _managed(session)
        return {run.id for run in self._all_runs() if run.dag_id in managed and run.state == "running"}

    def unrecorded_runs(self, session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
        bound, managed = Bound.of(session), _managed(session)
        return [
            UnrecordedRun(
                id=run.id,
                dag_id=run.dag_id,
                run_id=run.run_id,
                clear_number=run.clear_number,
                dag_version_id=run.dag_version_id,
                bundle_version=run.bundle_version,
                queued_at=run.queued_at,
            )
            for run in self._all_runs()
            if run.dag_id in managed
            and (run.state == "running" or run.id in watched)
            and not bound.has_binding(run)
        ][:limit]

    def unrecorded_outcomes(
        self, session: Session, limit: int, watched: Collection[int], newest: int
    ) -> list[RunOutcome]:
        bound, managed = Bound.of(session), _managed(session)
        last = max((run.id for run in self._all_runs()), default=0)
        return [
            RunOutcome(
                dag_id=run.dag_id,
                run_id=run.run_id,
                seq=run.clear_number,
                state=run.state,
                ended_at=run.end_date or run.updated_at,
                dag_version_id=run.dag_version_id,
                started_at=run.start_date,
            )
            for run in self._all_runs()
            if run.dag_id in managed
            and (run.id > last - newest or run.id in watched)
            and run.state in FINISHED
            and bound.came_to(run) is None
        ][:limit]

    # Runs and tries as they stand

    def runs(self, session: Session, dag_id: str, *, run_id: str | None, limit: int) -> list[AirflowRun]:
        found = [run for run in self._newest_first(dag_id) if run_id in (None, run.run_id)]
        return [_run(run) for run in found[:limit]]

    def count_runs(self, session: Session, dag_id: str) -> int:
        return len(self._runs(dag_id))

    def some_runs(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, AirflowRun]:
        return {run.run_id: _run(run) for run in self._runs(dag_id) if run.run_id in run_ids}

    def dated_runs(self, session: Session, ids: Collection[int]) -> list[DatedRun]:
        every = list(self._all_runs())
        by_run_id = {run.run_id: run for run in every}
        by_id = {run.id: run for run in every}

        def own(run: RunRow) -> datetime | None:
            return run.data_interval_start or run.partition_date or run.logical_date

        def sources(wanted: Collection[int]) -> dict[int, dict[int, datetime | None]]:
            found: dict[int, dict[int, datetime | None]] = {}
            for one in wanted:
                known = [by_run_id[run_id] for run_id in by_id[one].triggered_by if run_id in by_run_id]
                ledger = bindings.of_each(session, [(run.dag_id, run.run_id) for run in known])
                found[one] = {
                    run.id: own(run) or noted(ledger.get((run.dag_id, run.run_id), ())) for run in known
                }
            return found

        events = dates_of_events([run.id for run in every if run.id in ids and own(run) is None], sources)

        def dates(run: RunRow) -> RunDates:
            return RunDates(
                data_interval_start=run.data_interval_start,
                partition_date=run.partition_date,
                logical_date=run.logical_date,
                event_dates=tuple(sorted(events.get(run.id, ()))),
                run_after=run.run_after,
            )

        return [
            DatedRun(
                id=run.id,
                dag_id=run.dag_id,
                run_id=run.run_id,
                state=run.state,
                clear_number=run.clear_number,
                dag_version_id=run.dag_version_id,
                bundle_version=run.bundle_version,
                dates=dates(run),
            )
            for run in self._all_runs()
            if run.id in ids
        ]

    def all_row_ids(self, session: Session, dag_id: str) -> list[int]:
        return [run.id for run in self._runs(dag_id)]

    def run_page(
        self, session: Session, dag_id: str, *, until: str | None, limit: int
    ) -> tuple[list[GridRun], str | None]:
        runs = self._newest_first(dag_id)
        first, newer = 0, None
        if until is not None:
            first = next((place for place, run in enumerate(runs) if run.run_id == until), len(runs))
            if 0 < first < len(runs):
                newer = runs[max(first - limit, 0)].run_id
        return [_grid_run(run) for run in runs[first : first + limit + 1]], newer

    def tries(
        self,
        session: Session,
        dag_id: str,
        run_ids: Collection[str],
        *,
        task_id: str | None = None,
        task_ids: Collection[str] | None = None,
    ) -> list[AirflowTry]:
        wanted = [task_id] if task_id is not None else task_ids
        rows = self._rows(dag_id, run_ids)
        return AirflowTry.of(item for item in rows if wanted is None or item[1].task_id in wanted)

    def present(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Present]]:
        found: dict[str, list[Present]] = {}
        for row in self._instances(dag_id, run_ids):
            # A try that is scheduled has its number already.
            begun = max(row.try_number - (row.state == "scheduled"), 0)
            found.setdefault(row.run_id, []).append(
                Present(task_id=row.task_id, map_index=row.map_index, begun=begun, state=row.state)
            )
        return found

    def versions_of_instances(
        self, session: Session, dag_id: str, run_ids: Collection[str]
    ) -> dict[str, set[UUID]]:
        found: dict[str, set[UUID]] = {}
        for _, row in self._rows(dag_id, run_ids):
            if row.dag_version_id is not None and row.start_date is not None:
                found.setdefault(row.run_id, set()).add(row.dag_version_id)
        return found

    def instance_groups(
        self, session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
    ) -> list[InstanceGroup]:
        alike: dict[tuple[str, str, str | None, UUID | None], list[TaskRow]] = {}
        for row in self._instances(dag_id, run_ids):
            if row.task_id in task_ids:
                key = (row.run_id, row.task_id, row.state, row.dag_version_id)
                alike.setdefault(key, []).append(row)
        return [
            InstanceGroup(
                *key,
                count=len(rows),
                try_number=max(row.try_number for row in rows),
                map_index=max(row.map_index for row in rows),
            )
            for key, rows in alike.items()
        ]

    def instance_rows(
        self, session: Session, dag_id: str, run_id: str, *, task_id: str | None = None
    ) -> list[InstanceRow]:
        return [
            InstanceRow(row.task_id, row.map_index, row.state, row.try_number, row.start_date)
            for row in self._instances(dag_id, [run_id])
            if task_id in (None, row.task_id)
        ]

    def _all_runs(self) -> list[RunRow]:
        return sorted(self.airflow.tables.runs.values(), key=lambda run: run.id)

    def _runs(self, dag_id: str) -> list[RunRow]:
        return [run for run in self._all_runs() if run.dag_id == dag_id]

    def _newest_first(self, dag_id: str) -> list[RunRow]:
        return sorted(self._runs(dag_id), key=lambda run: (run.run_after, run.id), reverse=True)

    def _instances(self, dag_id: str, run_ids: Collection[str]) -> list[TaskRow]:
        rows = self.airflow.tables.tasks.values()
        found = [row for row in rows if row.dag_id == dag_id and row.run_id in run_ids]
        return sorted(found, key=lambda row: (row.run_id, row.task_id, row.map_index))

    def _rows(self, dag_id: str, run_ids: Collection[str]) -> list[tuple[bool, TaskRow]]:
        """Rows with True for an earlier try, False for the present one."""
        earlier = [
            row for row in self.airflow.tables.earlier if row.dag_id == dag_id and row.run_id in run_ids
        ]
        return [(True, row) for row in earlier] + [(False, row) for row in self._instances(dag_id, run_ids)]


def _run(run: RunRow) -> AirflowRun:
    return AirflowRun(
        run_id=run.run_id,
        state=run.state,
        clear_number=run.clear_number,
        dag_version_id=run.dag_version_id,
        bundle_version=run.bundle_version,
    )


def _grid_run(run: RunRow) -> GridRun:
    return GridRun(
        run_id=run.run_id,
        state=run.state,
        clear_number=run.clear_number,
        dag_version_id=run.dag_version_id,
        bundle_version=run.bundle_version,
        run_type=run.run_type,
        logical_date=run.logical_date,
        run_after=run.run_after,
        queued_at=run.queued_at,
        start_date=run.start_date,
        end_date=run.end_date,
    )


def _managed(session: Session) -> set[str]:
    return set(session.scalars(select(t.dag.c.dag_id)))
