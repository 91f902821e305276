"""What there is to see in Airflow's rows. Nothing here locks or writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self
from uuid import UUID

from attrs import frozen

from pinwheel.core.json import Json
from pinwheel.core.records import RunOutcome
from pinwheel.core.rollout.blame import Traces
from pinwheel.core.run.binding import WITHOUT_EXECUTION, Present, Try
from pinwheel.core.run.dates import RunDates
from pinwheel.core.run.executed import TryRow, executed
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class AirflowDag:
    """What Airflow's own rows say of a Dag, its newest version included."""

    dag_id: str
    bundle_name: str | None
    bundle_version: str | None
    relative_fileloc: str | None
    is_stale: bool
    version_number: int | None
    dag_version_id: UUID | None
    dag_version_bundle: str | None
    dag_version_bundle_version: str | None
    serialized: Mapping[str, Json] | None
    source_code: str | None
    version_data: Mapping[str, Json] | None
    created_at: datetime | None
    serialized_hash: str | None = None
    code_hash: str | None = None


@frozen(kw_only=True)
class AirflowRun:
    """A Dag run, as Airflow's row says."""

    run_id: str
    state: str
    clear_number: int
    dag_version_id: UUID | None
    bundle_version: str | None


@frozen(kw_only=True)
class DatedRun:
    """A run that is to be judged by its date, as Airflow's row of it stands."""

    id: int
    dag_id: str
    run_id: str
    state: str
    clear_number: int
    dag_version_id: UUID | None
    bundle_version: str | None
    dates: RunDates


class InstanceTry(TryRow, Protocol):
    """A row of one try, with the instance that it is of."""

    @property
    def run_id(self) -> str: ...
    @property
    def task_id(self) -> str: ...
    @property
    def map_index(self) -> int: ...
    @property
    def dag_version_id(self) -> UUID | None: ...


@frozen(kw_only=True)
class AirflowTry(Try):
    """One try of one task instance, with what came of it."""

    run_id: str
    state: str | None
    start_date: datetime | None
    end_date: datetime | None

    @classmethod
    def of(cls, rows: Iterable[tuple[bool, InstanceTry]]) -> list[Self]:
        """Rows of instances, with True for an earlier try, as the tries that :func:`executed` keeps of them.

        By run, task, map index and try number.
        """
        found: dict[tuple[str, str, int], list[tuple[bool, InstanceTry]]] = {}
        for archived, row in rows:
            found.setdefault((row.run_id, row.task_id, row.map_index), []).append((archived, row))
        return [
            cls(
                run_id=row.run_id,
                task_id=row.task_id,
                map_index=row.map_index,
                try_number=row.try_number,
                state=row.state,
                start_date=row.start_date,
                end_date=row.end_date,
                dag_version_id=row.dag_version_id,
                executed=row.state not in WITHOUT_EXECUTION,
                current=not archived,
            )
            for key in sorted(found)
            for archived, row in executed(found[key])
        ]


@frozen(kw_only=True)
class PlacedRun:
    """A run on the line of a Dag's releases: what it runs on now, and what came of it."""

    run_id: str
    state: str
    run_type: str
    at: datetime
    """When it began; of one that has not: when it was queued or made."""
    logical_date: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    dag_version_id: UUID | None
    bound_by: str | None


@frozen(kw_only=True)
class AirflowVersion:
    """One of Airflow's versions of a Dag."""

    id: UUID
    version_number: int
    bundle_name: str | None
    bundle_version: str | None
    created_at: datetime | None


@frozen(kw_only=True)
class GridRun(AirflowRun):
    """A Dag run with what heads its column in the history's grid."""

    run_type: str
    logical_date: datetime | None
    run_after: datetime
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None


@frozen
class InstanceGroup:
    """Task instances of one run and task that are in the same state on the same version."""

    run_id: str
    task_id: str
    state: str | None
    dag_version_id: UUID | None
    count: int
    try_number: int
    """The highest of them."""
    map_index: int
    """The highest of them; below 0 for a task that is not mapped."""


@frozen
class InstanceRow:
    """One task instance as it is at present."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    start_date: datetime | None


@frozen(kw_only=True)
class DagCard:
    """What Airflow's rows say of a Dag to people."""

    display_name: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    paused: bool


@frozen(kw_only=True)
class UnrecordedRun:
    """A run whose present version no binding records."""

    id: int
    dag_id: str
    run_id: str
    clear_number: int
    dag_version_id: UUID | None
    bundle_version: str | None
    queued_at: datetime | None
    """When it was queued, or cleared."""


@frozen(kw_only=True)
class JudgedRun:
    """A run that is to be judged by its date: it is not bound, or not on what it was bound to."""

    id: int
    dag_id: str
    run_id: str
    state: str
    clear_number: int
    dag_version_id: UUID | None
    bundle_version: str | None
    queued_at: datetime | None
    """When it was queued, or cleared."""
    started_at: datetime | None
    ended_at: datetime | None
    backfill_id: int | None


@frozen(kw_only=True, order=True)
class RunEnd:
    """One end of a run: one that is cleared ends again, with the next clear number."""

    dag_id: str
    run_id: str
    seq: int


class Reads(Protocol):
    """What there is to see in Airflow's rows. Nothing here locks or writes."""

    def failed_runs(self, session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
        """Runs that failed on one of these versions and were not run again since, oldest first."""
        ...

    def existing_version_ids(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        """Those of Airflow's version ids that (still) exist."""
        ...

    def unused(self, session: Session, dag_version_ids: Collection[UUID]) -> set[UUID]:
        """Those versions that no run and no task instance refers to."""
        ...

    def running_runs(self, session: Session) -> set[int]:
        """Ids of running runs."""
        ...

    def unrecorded_runs(self, session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
        """Running runs, and runs of these ids, whose present version no binding records."""
        ...

    def unbound_runs(
        self,
        session: Session,
        states: Collection[str],
        limit: int,
        *,
        dag_ids: Collection[str] | None = None,
    ) -> list[JudgedRun]:
        """Runs (of these Dags, or of all) in these states that carry the mark, and queued ones of dated Dags
        that are not on what the ledger says; by id.
        """
        ...

    def ended_unbound(
        self, session: Session, dag_ids: Collection[str], limit: int, since: datetime, newest: int
    ) -> list[JudgedRun]:
        """Runs of these Dags, of so many of the newest runs, that ended with the mark since then; by id."""
        ...

    def astray_runs(self, session: Session, limit: int) -> list[JudgedRun]:
        """Running runs that carry the mark, or of dated Dags and not on what the ledger says; by id."""
        ...

    def row_ids(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, int]:
        """The ids of the rows of those of the runs that exist."""
        ...

    def jobs_of(self, session: Session, ids: Collection[int]) -> dict[int, list[str]]:
        """By run id of a row: the scheduler jobs that made the run or queued its tasks, in words."""
        ...

    def unrecorded_outcomes(
        self, session: Session, limit: int, watched: Collection[int], newest: int
    ) -> list[RunOutcome]:
        """Ends that nobody recorded, of so many of the newest runs and of runs of these ids.

        With the version of the run's row; release and build are left out.
        """
        ...

    def traces(
        self, session: Session, ended: Collection[RunEnd], failed: Collection[RunEnd]
    ) -> Mapping[RunEnd, Traces]:
        """What rows say of each of these ends; of those that failed with the last tries of their tasks."""
        ...

    def failing(self, session: Session, dag_ids: Collection[str]) -> Mapping[RunEnd, datetime]:
        """Running runs of these Dags of which a task has failed for good, with when the first one did."""
        ...

    def missed_deadlines(self, session: Session, runs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the runs, each a Dag and a run id, that missed a deadline."""
        ...

    def airflow_dags(self, session: Session, dag_ids: Collection[str] | None = None) -> list[AirflowDag]:
        """What Airflow holds, newest version included; all Dags when no ids are given."""
        ...

    def select(self, session: Session, selector: Selector) -> list[str]:
        """Ids of managed Dags that match every given criterion, sorted."""
        ...

    def runs(self, session: Session, dag_id: str, *, run_id: str | None, limit: int) -> list[AirflowRun]:
        """The Dag's newest runs, newest first; with a run id, that one or none."""
        ...

    def count_runs(self, session: Session, dag_id: str) -> int:
        """How many runs the Dag has."""
        ...

    def tries(
        self,
        session: Session,
        dag_id: str,
        run_ids: Collection[str],
        *,
        task_id: str | None = None,
        task_ids: Collection[str] | None = None,
    ) -> list[AirflowTry]:
        """Every try of these runs that began, earlier ones included, and what was skipped or removed."""
        ...

    def run_page(
        self, session: Session, dag_id: str, *, until: str | None, limit: int
    ) -> tuple[list[GridRun], str | None]:
        """At most *limit* + 1 runs from *until* on, newest first, and the first of the page before."""
        ...

    def some_runs(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, AirflowRun]:
        """Those of the runs that exist, by id."""
        ...

    def present(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Present]]:
        """By run: how far its task instances have come; without runs that have none."""
        ...

    def versions_of_instances(
        self, session: Session, dag_id: str, run_ids: Collection[str]
    ) -> dict[str, set[UUID]]:
        """By run: the versions that Airflow's rows of its started task instances name."""
        ...

    def instance_groups(
        self, session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
    ) -> list[InstanceGroup]:
        """Present task instances of these tasks in these runs, counted by state and version."""
        ...

    def instance_rows(
        self, session: Session, dag_id: str, run_id: str, *, task_id: str | None = None
    ) -> list[InstanceRow]:
        """Present task instances of one run, by task and map index."""
        ...

    def airflow_versions(self, session: Session, ids: Collection[UUID]) -> dict[UUID, AirflowVersion]:
        """Airflow's versions with these ids; those that are gone are left out."""
        ...

    def version_id_of(self, session: Session, dag_id: str, number: int) -> UUID | None:
        """The id of a Dag's version of this number in Airflow."""
        ...

    def serialized_hashes(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, str]:
        """Airflow's own hash of the serialized Dag of each of its versions."""
        ...

    def serialized(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Json]]:
        """The serialized Dag that Airflow holds of each of its versions."""
        ...

    def view_urls(
        self, session: Session, places: Collection[tuple[str, str | None]]
    ) -> dict[tuple[str, str | None], str]:
        """Where each ``(bundle, version)`` can be looked at in a browser; others are left out."""
        ...

    def placed_runs(
        self, session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
    ) -> list[PlacedRun]:
        """The Dag's runs that began in a span of time (from, below), newest first."""
        ...

    def earlier_ends(
        self, session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
    ) -> list[PlacedRun]:
        """What the Dag's runs came to before they were run again or removed, by the recorded ends.

        Those that ended in a span of time (from, below), newest first, each ``at`` its end.
        """
        ...

    def run_counts(self, session: Session, dag_id: str) -> dict[UUID | None, dict[str, int]]:
        """How many of the Dag's runs came to what on each version, or are under way on it."""
        ...

    def matching(
        self,
        session: Session,
        *,
        tags: Collection[str],
        all_tags: bool = False,
        owner: str | None,
        text: str | None,
    ) -> set[str] | None:
        """Ids of the Dags with any of the tags (or all), that owner, and the text in their id or name.

        None: no limit.
        """
        ...

    def cards(self, session: Session, dag_ids: Collection[str]) -> dict[str, DagCard]:
        """What Airflow's rows say of these Dags, by id; those that it lost are left out."""
        ...

    def owners_and_tags(self, session: Session, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
        """All owners and all tags of these Dags, sorted."""
        ...

    def tags_of(self, session: Session, dag_ids: Collection[str]) -> dict[str, set[str]]:
        """The tags of these Dags, as their active releases have them; Dags without any are left out."""
        ...

    def busy(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        """Those of these Dags with a run that is queued or running."""
        ...

    def in_files(
        self, session: Session, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], set[str]]:
        """By bundle and path of each Dag file: the Dags that Airflow's rows place in it."""
        ...

    def dags_of_bundles(self, session: Session) -> dict[str, dict[str, bool]]:
        """By name of the bundle: the Dags that Airflow's rows place in it, and whether each is active."""
        ...

    def active_with_failures(self, session: Session) -> dict[UUID, datetime | None]:
        """Active versions, and those made for dates of active builds, on which a run has failed and was not
        run again since.

        With when the first of these ended; None: nobody noted when.
        """
        ...

    def counts_by_version(self, session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        """How many runs came to what on each of these versions, or are under way on it."""
        ...

    def versions_before(self, session: Session, dag_id: str, number: int) -> list[AirflowVersion]:
        """Airflow's versions of a Dag below this number, newest first."""
        ...

    def dated_runs(self, session: Session, ids: Collection[int]) -> list[DatedRun]:
        """Those of the runs that exist, by id, each with all of its dates."""
        ...

    def all_row_ids(self, session: Session, dag_id: str) -> list[int]:
        """The ids of the rows of all runs of a Dag, in the order in which they were made."""
        ...

    def may_wait_for(self, session: Session, dag_id: str) -> set[str]:
        """Ids of Dags with a sensor on this one, as far as Airflow's rows say; more than these, never fewer.

        Their newest forms (:meth:`airflow_dags`) tell what these wait for.
        """
        ...

    def lone_assets(
        self, session: Session, assets: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], bool]:
        """Those of these assets (name and URI) that no Dag's active release refers to.

        With whether one can be kept active all the same: no other one that is has its name or its URI.
        """
        ...
