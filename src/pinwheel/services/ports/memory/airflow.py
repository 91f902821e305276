"""Airflow's side in plain values, and what its scheduler, its workers and other writers do to it.

The rows hold what the services can see of Airflow's tables, under the names of its columns where they have
one. What a deployment does by itself is a method here: a test calls it where in a real one time would pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from attrs import define, evolve, field, frozen

from pinwheel.core.digest import digest_of
from pinwheel.core.json import Json
from pinwheel.core.retention import Keep
from pinwheel.core.rollout.authors import People
from pinwheel.core.structure.windows import MOST_SEGMENTS
from pinwheel.services.ports.memory import form

FINISHED = ("success", "failed")
"""States of a run that has ended."""
FINISHED_TASK = (*FINISHED, "skipped", "upstream_failed", "removed")


@frozen(kw_only=True)
class BundleRow:
    """A bundle, as the configuration and Airflow's row of it say."""

    name: str
    active: bool = True
    refreshed_at: datetime | None = None
    versioned: bool = True
    serves_moved_files: bool = True
    url: str | None = None
    """Where a version can be looked at, with ``{version}`` in it."""
    ours: bool = True
    """Its class is one of Pinwheel's."""


@frozen(kw_only=True)
class DagRow:
    """A Dag, with what stands in the tables beside its row."""

    dag_id: str
    bundle_name: str | None = None
    bundle_version: str | None = None
    relative_fileloc: str | None = None
    is_stale: bool = False
    has_import_errors: bool = False
    paused: bool = True
    display_name: str = ""
    owners: str = ""
    tags: tuple[str, ...] = ()
    references: frozenset[str] = frozenset()
    """Tables that have asset references of it."""
    described: str = ""
    """A digest of the serialized Dag that the row was written from: stands for all other columns."""
    next_run_at: datetime | None = None
    last_parsed_at: datetime | None = None


@frozen(kw_only=True)
class VersionRow:
    """A version of a Dag, with its serialized form and its code."""

    id: UUID
    dag_id: str
    number: int
    bundle_name: str | None
    bundle_version: str | None
    version_data: Mapping[str, Json] | None
    created_at: datetime
    serialized: Mapping[str, Json] | None
    code: str | None

    @property
    def serialized_hash(self) -> str | None:
        if self.serialized is None:
            return None
        dag = {name: value for name, value in form.inner(self.serialized).items() if name != "fileloc"}
        return digest_of({**self.serialized, "dag": dag})[:32]

    @property
    def code_hash(self) -> str | None:
        return digest_of(self.code)[:32] if self.code is not None else None


@frozen(kw_only=True)
class RunRow:
    """A Dag run."""

    id: int
    dag_id: str
    run_id: str
    state: str
    run_type: str
    logical_date: datetime | None
    run_after: datetime
    queued_at: datetime | None
    start_date: datetime | None = None
    end_date: datetime | None = None
    updated_at: datetime
    clear_number: int = 0
    dag_version_id: UUID | None
    bundle_version: str | None
    conf: Mapping[str, Json] | None = None
    note: str | None = None
    actor: str | None = None
    backfill_id: int | None = None
    data_interval_start: datetime | None = None
    partition_date: datetime | None = None
    triggered_by: tuple[str, ...] = ()
    """Ids of runs, of any Dags, whose asset events it consumed."""


@frozen(kw_only=True)
class TaskRow:
    """A task instance as it is, or one of its earlier tries."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 0
    state: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    dag_version_id: UUID | None


@frozen(kw_only=True)
class BackfillDate:
    """One date of a backfill; without a run there is a reason."""

    logical_date: datetime
    run_id: str | None
    reason: str | None


@frozen(kw_only=True)
class BackfillRow:
    """A backfill with its dates, in the order in which they run."""

    id: int
    dag_id: str
    from_date: datetime
    to_date: datetime
    max_active_runs: int
    reprocess: str
    conf: Mapping[str, Json]
    actor: str
    created_at: datetime
    completed_at: datetime | None = None
    behind: frozenset[int] = frozenset()
    """Row ids of runs that were moved behind the others."""
    dates: tuple[BackfillDate, ...] = ()


@frozen(kw_only=True)
class AuditLine:
    """A line of Airflow's audit log."""

    at: datetime
    event: str
    dag_id: str | None
    actor: str
    details: Mapping[str, Json]


@frozen(kw_only=True)
class LogLine:
    """A line of Airflow's log about a run, or a try of a task of it."""

    dag_id: str
    run_id: str
    event: str
    task_id: str | None = None
    try_number: int | None = None
    on_host: bool = False


TaskKey = tuple[str, str, str, int]
"""Dag, run, task and map index."""


@define
class Tables:
    """All rows. They are frozen, so a copy of the mappings is a copy of them all."""

    bundles: dict[str, BundleRow] = field(factory=dict)
    dags: dict[str, DagRow] = field(factory=dict)
    versions: dict[UUID, VersionRow] = field(factory=dict)
    runs: dict[tuple[str, str], RunRow] = field(factory=dict)
    tasks: dict[TaskKey, TaskRow] = field(factory=dict)
    earlier: list[TaskRow] = field(factory=list)
    """Tries before the present ones."""
    backfills: dict[int, BackfillRow] = field(factory=dict)
    errors: dict[tuple[str, str], str] = field(factory=dict)
    """Import errors: the traceback by bundle and path."""
    warnings: dict[tuple[str, str], str] = field(factory=dict)
    """The message by Dag and type."""
    audit: list[AuditLine] = field(factory=list)
    log: list[LogLine] = field(factory=list)
    missed: set[tuple[str, str]] = field(factory=set)
    """Runs that missed a deadline, by Dag and run id."""
    keeps_assets: bool = False
    """Assets are kept active for runs on other builds than the active ones."""
    last_id: int = 0

    def copy(self) -> Tables:
        return Tables(
            bundles=dict(self.bundles),
            dags=dict(self.dags),
            versions=dict(self.versions),
            runs=dict(self.runs),
            tasks=dict(self.tasks),
            earlier=list(self.earlier),
            backfills=dict(self.backfills),
            errors=dict(self.errors),
            warnings=dict(self.warnings),
            audit=list(self.audit),
            log=list(self.log),
            missed=set(self.missed),
            keeps_assets=self.keeps_assets,
            last_id=self.last_id,
        )


@define
class Airflow:
    """A deployment of Airflow: its rows, its clock, its configuration, and what it does by itself."""

    tables: Tables = field(factory=Tables)
    now: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)
    """Stands still until somebody sets it, or :meth:`tick` moves it on."""
    announced: list[Mapping[str, str]] = field(factory=list)
    """What was told after commits."""
    keep: Keep = field(factory=Keep)
    people: People = field(factory=People)
    most_segments: int = MOST_SEGMENTS
    takes_any_version: set[str] = field(factory=set)
    """Bundles that refuse no version, not even one that does not exist."""
    processors: list[str] = field(factory=list)
    """Machines on which a Dag processor is alive."""

    def tick(self, seconds: float = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def bundle(self, name: str) -> BundleRow:
        """The bundle of this name, which is there from then on."""
        return self.tables.bundles.setdefault(name, BundleRow(name=name))

    # What scheduler and workers do

    def make_run(self, dag_id: str, run_id: str, *, run_type: str = "manual") -> RunRow:
        """A queued run on the newest version, as Airflow itself makes it."""
        row, newest = self.tables.dags[dag_id], self.newest(dag_id)
        assert newest is not None
        version = None if form.is_unversioned(newest.serialized) else row.bundle_version
        return self.add_run(newest, run_id, run_type=run_type, bundle_version=version)

    def start_run(self, dag_id: str, run_id: str) -> None:
        """A queued run starts."""
        run = self.tables.runs[dag_id, run_id]
        started = run.start_date or self.now
        self._put(evolve(run, state="running", start_date=started, end_date=None))

    def execute(
        self, dag_id: str, run_id: str, task_id: str, try_number: int, state: str = "success"
    ) -> None:
        """One try of a task began now and ended, unless the state says that it has not."""
        key = (dag_id, run_id, task_id, -1)
        ended = self.now + timedelta(milliseconds=1) if state in FINISHED_TASK else None
        self.tables.tasks[key] = evolve(
            self.tables.tasks[key], try_number=try_number, state=state, start_date=self.now, end_date=ended
        )

    def end_run(self, dag_id: str, run_id: str, state: str = "success") -> None:
        """No task of a run is left."""
        self._put(evolve(self.tables.runs[dag_id, run_id], state=state, end_date=self.now))

    def say(
        self, dag_id: str, run_id: str, event: str, task_id: str | None = None, *, on_host: bool = False
    ) -> None:
        """A line of Airflow's log, of the present try where it is of a task."""
        row = self.tables.tasks[dag_id, run_id, task_id, -1] if task_id is not None else None
        line = LogLine(
            dag_id=dag_id,
            run_id=run_id,
            event=event,
            task_id=task_id,
            try_number=row.try_number if row is not None else None,
            on_host=on_host,
        )
        self.tables.log.append(line)

    def miss_deadline(self, dag_id: str, run_id: str) -> None:
        self.tables.missed.add((dag_id, run_id))

    def complete_backfills(self, dag_id: str) -> None:
        for row in self.tables.backfills.values():
            if row.dag_id == dag_id:
                self.tables.backfills[row.id] = evolve(row, completed_at=self.now)

    # What other writers do

    def change_dag(self, dag_id: str, bundle_version: str | None) -> None:
        """Another writer lets a Dag's row name another bundle version, or none."""
        self.tables.dags[dag_id] = evolve(self.tables.dags[dag_id], bundle_version=bundle_version)

    def delete_dag(self, dag_id: str) -> None:
        """Somebody deletes a Dag with all that belongs to it."""
        tables = self.tables
        tables.dags.pop(dag_id)
        tables.versions = {key: row for key, row in tables.versions.items() if row.dag_id != dag_id}
        tables.runs = {key: row for key, row in tables.runs.items() if row.dag_id != dag_id}
        tables.tasks = {key: row for key, row in tables.tasks.items() if row.dag_id != dag_id}
        tables.earlier = [row for row in tables.earlier if row.dag_id != dag_id]

    def delete_run(self, dag_id: str, run_id: str) -> None:
        tables = self.tables
        del tables.runs[dag_id, run_id]
        tables.tasks = {key: row for key, row in tables.tasks.items() if key[:2] != (dag_id, run_id)}
        tables.earlier = [row for row in tables.earlier if (row.dag_id, row.run_id) != (dag_id, run_id)]

    def foreign_version(self, dag_id: str) -> UUID:
        """Another writer adds a version of what is the newest one."""
        newest = self.newest(dag_id)
        assert newest is not None
        made = evolve(newest, id=uuid4(), number=newest.number + 1, bundle_version=None, created_at=self.now)
        self.tables.versions[made.id] = made
        return made.id

    # What both the ports and the above need

    def newest(self, dag_id: str) -> VersionRow | None:
        of_dag = [row for row in self.tables.versions.values() if row.dag_id == dag_id]
        return max(of_dag, key=lambda row: row.number, default=None)

    def next_id(self) -> int:
        self.tables.last_id += 1
        return self.tables.last_id

    def add_run(
        self,
        version: VersionRow,
        run_id: str,
        *,
        run_type: str,
        bundle_version: str | None,
        logical_date: datetime | None = None,
        start_date: datetime | None = None,
        run_after: datetime | None = None,
        conf: Mapping[str, Json] | None = None,
        note: str | None = None,
        actor: str | None = None,
        backfill_id: int | None = None,
    ) -> RunRow:
        """A queued run on a version, with the task instances of that."""
        run = RunRow(
            id=self.next_id(),
            dag_id=version.dag_id,
            run_id=run_id,
            state="queued",
            run_type=run_type,
            logical_date=logical_date,
            data_interval_start=logical_date,
            run_after=run_after or self.now,
            queued_at=self.now,
            start_date=start_date,
            updated_at=self.now,
            dag_version_id=version.id,
            bundle_version=bundle_version,
            conf=conf,
            note=note,
            actor=actor,
            backfill_id=backfill_id,
        )
        self._put(run)
        self.check_tasks(run, version)
        return run

    def check_tasks(self, run: RunRow, version: VersionRow) -> None:
        """Give a run the task instances that it lacks, and mark those that the version lacks as removed."""
        wanted = form.tasks(version.serialized)
        for key, row in self.tables.tasks.items():
            if key[:2] != (run.dag_id, run.run_id):
                continue
            if row.task_id in wanted and row.state == "removed":
                self.tables.tasks[key] = evolve(row, state=None)
            elif row.task_id not in wanted and run.state != "running":
                self.tables.tasks[key] = evolve(row, state="removed")
        for task_id in wanted:
            self.tables.tasks.setdefault(
                (run.dag_id, run.run_id, task_id, -1),
                TaskRow(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id, dag_version_id=version.id),
            )

    def _put(self, run: RunRow) -> None:
        self.tables.runs[run.dag_id, run.run_id] = evolve(run, updated_at=self.now)
