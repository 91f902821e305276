"""What the services need from the world around them. ``airflow3.host`` is the one real implementation.

No service opens a session or asks it anything: each is handed from :meth:`Host.run` to the store and back to
the host, so that Pinwheel's rows and Airflow's rows change in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from attrs import frozen

from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag, RunOutcome
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import Follower, Step
from pinwheel.core.release.rows import Location, Projected, Projection
from pinwheel.core.retention import Keep
from pinwheel.core.run.binding import Present, Try

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


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
class Observed:
    """What Airflow's rows say of a Dag before a release is written to them."""

    highest: int
    """The highest version number; 0: there is none from 1 on."""
    drift: Drift | None
    """How they differ from the active release; None: they do not, or there is none."""
    references: frozenset[str]
    """Tables that have asset references of the Dag."""
    keeps_assets: bool | None = None
    """Whether assets are kept active for runs on other builds than the active ones; None: nobody looked."""


@frozen(kw_only=True)
class AirflowRun:
    """A Dag run, as Airflow's row says."""

    run_id: str
    state: str
    clear_number: int
    dag_version_id: UUID | None
    bundle_version: str | None


@frozen(kw_only=True)
class AirflowTry(Try):
    """One try of one task instance, with what came of it."""

    run_id: str
    state: str | None
    start_date: datetime | None
    end_date: datetime | None


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
class BackfillWish:
    """What somebody wants to have backfilled; the words are those of ``airflow backfill create``."""

    from_date: datetime
    to_date: datetime
    max_active_runs: int = 10
    run_backwards: bool = False
    reprocess: str = "none"
    """``none``, ``failed`` or ``completed``: which dates that have a run already are run again."""
    conf: dict[str, Json] | None = None


@frozen(kw_only=True)
class BackfillRun:
    """What a backfill made of one date."""

    run_id: str | None
    logical_date: datetime | None
    partition_key: str | None
    outcome: str
    """``new``, ``cleared``, or Airflow's reason to leave the date out."""
    seq: int
    """The run's clear number."""
    dag_version_id: UUID | None
    bundle_version: str | None


@frozen(kw_only=True)
class AirflowBackfill:
    """One backfill and its dates, in the order in which they run."""

    id: int
    runs: tuple[BackfillRun, ...]


@frozen(kw_only=True)
class DagCard:
    """What Airflow's rows say of a Dag to people."""

    display_name: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    paused: bool


@frozen(kw_only=True)
class AirflowBundle:
    """What Airflow's row of a bundle says."""

    active: bool
    """The configuration names it."""
    refreshed_at: datetime | None


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
class Leftovers:
    """What is still ours in Airflow's rows and configuration once the tables are gone."""

    bundles: tuple[str, ...]
    """Bundles of the configuration that use Pinwheel's classes."""
    aliased_dags: tuple[str, ...]
    """Dags whose version only Pinwheel's bundles read."""
    trial_versions: int


class Host(Protocol):
    """Airflow, seen from the services."""

    def run(self, work: Callable[[Session], T]) -> T:
        """Run *work(session)* in one transaction and commit it.

        Deadlocks, lost locks and broken connections are retried from the start, so *work* may run more
        than once and must take everything it decides on from the database.
        """
        ...

    def rehearse(self, work: Callable[[Host], T]) -> T:
        """Call *work* with a host whose changes are all undone afterwards, and return what it returned.

        What a plan shows is so what would be done, refusals included.
        """
        ...

    def now(self) -> datetime:
        """The current instant, aware UTC."""
        ...

    def retention(self) -> Keep:
        """How much the configuration says is to be kept.

        :raises InvalidInput: it says what makes no sense.
        """
        ...

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        """Tell the outside what was committed. Called after the commit; must not raise."""
        ...

    def project(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        """Make each Dag's rows describe the given build, as a new newest version. No file is read."""
        ...

    def reassert(self, session: Session, projections: Sequence[Projection]) -> None:
        """Write the Dag rows (not the version) anew, as each parse does in stock Airflow."""
        ...

    def standing(self, session: Session, dag_ids: Sequence[str]) -> dict[str, str]:
        """By Dag, a digest of the rows that :meth:`reassert` writes; if equal, that would change nothing.

        A Dag for which that can not be said is left out.
        """
        ...

    def due_to_follow(
        self, session: Session, bundle_name: str, version: str, dag_ids: Collection[str] | None
    ) -> list[Follower]:
        """Unpinned Dags (of these, or all) whose new runs do not take *version*, their bundle's head.

        Their active build stands in it, if their file is not pending. Rows that somebody holds are left out;
        the others are held until the transaction ends.
        """
        ...

    def follow(self, session: Session, steps: Sequence[Step]) -> None:
        """Let the rows of Dags that were due, Airflow's and ours, name the version that they follow to."""
        ...

    def touch(self, session: Session, dag_ids: Sequence[str]) -> None:
        """Note on the Dag rows that they were just looked at."""
        ...

    def restore(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        """Put an existing version's rows back to what was released, or re-create them under their id."""
        ...

    def retire(self, session: Session, dag_ids: Collection[str]) -> None:
        """Take Dags off the schedule (Airflow's "stale") and drop what refers to them as consumers."""
        ...

    def write_trial(self, session: Session, projection: Projection) -> UUID:
        """Add a version that is not the newest one and return its id; the Dag row stays as it is."""
        ...

    def move_version(self, session: Session, dag_version_id: UUID, location: Location) -> None:
        """Let a version that no run refers to name another place."""
        ...

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
    ) -> tuple[str, int]:
        """Create a queued manual run bound to both versions; return its id and clear number."""
        ...

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
        """Whether :meth:`clear_run` of some tasks finds something to run again, given the version's tasks."""
        ...

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
        """Clear a run's task instances, bound to other versions if they are given.

        Returns how many were cleared, the run's clear number, and the version and bundle version it has now.
        """
        ...

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
        """Create a backfill all of whose runs are bound to both versions."""
        ...

    def create_default_backfill(self, dag_id: str, wish: BackfillWish, *, actor: str) -> int:
        """Let Airflow create a backfill and return its id. It commits by itself: never inside :meth:`run`."""
        ...

    def plan_default_backfill(
        self, session: Session, dag_id: str, wish: BackfillWish
    ) -> tuple[BackfillRun, ...]:
        """What Airflow would make of each date."""
        ...

    def backfill_since(
        self, session: Session, dag_id: str, wish: BackfillWish, since: datetime, *, actor: str
    ) -> int | None:
        """The id of the backfill that this actor, asking for just this, made since then, if there is one."""
        ...

    def backfill_runs(self, session: Session, backfill_id: int) -> tuple[BackfillRun, ...]:
        """The dates of a backfill, in the order in which they run."""
        ...

    def failed_runs(self, session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
        """Runs that failed on one of these versions and were not run again since, oldest first."""
        ...

    def existing_version_ids(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        """Those of Airflow's version ids that (still) exist."""
        ...

    def observe(self, session: Session, dags: Mapping[str, ManagedDag]) -> dict[str, Observed]:
        """What Airflow's rows say of each of these Dags, given their own rows, by id."""
        ...

    def unused(self, session: Session, dag_version_ids: Collection[UUID]) -> set[UUID]:
        """Those versions that no run and no task instance refers to."""
        ...

    def drifted(self, session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
        """Dags whose rows differ from their active release."""
        ...

    def delete_unused_versions(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        """Delete those of the versions that nothing refers to and return them."""
        ...

    def running_runs(self, session: Session) -> set[int]:
        """Ids of running runs."""
        ...

    def unrecorded_runs(self, session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
        """Running runs, and runs of these ids, whose present version no binding records."""
        ...

    def unrecorded_outcomes(
        self, session: Session, limit: int, watched: Collection[int], newest: int
    ) -> list[RunOutcome]:
        """Ends that nobody recorded, of so many of the newest runs and of runs of these ids.

        With the version of the run's row; release and build are left out.
        """
        ...

    def with_runs(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        """Those of the Dags that have a run; the scheduler makes none for any until the transaction ends."""
        ...

    def airflow_dags(self, session: Session, dag_ids: Collection[str] | None = None) -> list[AirflowDag]:
        """What Airflow holds, newest version included; all Dags when no ids are given."""
        ...

    def audit(
        self, session: Session, *, event: str, dag_id: str | None, actor: str, details: Mapping[str, Json]
    ) -> None:
        """Write one line to Airflow's audit log."""
        ...

    def show_errors(
        self,
        session: Session,
        bundle_name: str,
        errors: Mapping[str, Mapping[str, str]],
        *,
        tell: bool = True,
    ) -> None:
        """Make Airflow's import errors of each of these files these, without touching its Dags.

        ``errors`` has for each file a traceback by path (in a zip there are several); none: clear them.
        Listeners are told, unless the caller says that it is no news.
        """
        ...

    def show_warnings(
        self, session: Session, dag_ids: Collection[str], warnings: Sequence[Mapping[str, str]]
    ) -> None:
        """Make Airflow's warnings on these Dags these."""
        ...

    def select(
        self,
        session: Session,
        *,
        ids: Collection[str] = (),
        globs: Collection[str] = (),
        tags: Collection[str] = (),
        bundle: str | None = None,
    ) -> list[str]:
        """Ids of managed Dags that match every given criterion, sorted."""
        ...

    def is_versioned(self, bundle_name: str) -> bool:
        """Whether the bundle keeps versions; True for one that this process does not know."""
        ...

    def bundle_is_configured(self, session: Session, bundle_name: str) -> bool:
        """Whether the deployment (not only this process) still has the bundle."""
        ...

    def serves_moved_files(self, session: Session, bundle_name: str) -> bool:
        """Whether the bundle's versions can serve a file under another path, or to another bundle."""
        ...

    def runs(self, session: Session, dag_id: str, *, run_id: str | None, limit: int) -> list[AirflowRun]:
        """The Dag's newest runs, newest first; with a run id, that one or none."""
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

    def run_counts(self, session: Session, dag_id: str) -> dict[UUID | None, dict[str, int]]:
        """How many of the Dag's runs came to what on each version, or are under way on it."""
        ...

    def matching(
        self, session: Session, *, tags: Collection[str], owner: str | None, text: str | None
    ) -> set[str] | None:
        """Ids of the Dags with any of the tags, that owner, and the text in their id or name; None: all."""
        ...

    def cards(self, session: Session, dag_ids: Collection[str]) -> dict[str, DagCard]:
        """What Airflow's rows say of these Dags, by id; those that it lost are left out."""
        ...

    def owners_and_tags(self, session: Session, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
        """All owners and all tags of these Dags, sorted."""
        ...

    def in_files(
        self, session: Session, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], set[str]]:
        """By bundle and path of each Dag file: the Dags that Airflow's rows place in it."""
        ...

    def bundles(self, session: Session) -> dict[str, AirflowBundle]:
        """All bundles that Airflow has a row of, by name."""
        ...

    def dags_of_bundles(self, session: Session) -> dict[str, dict[str, bool]]:
        """By name of the bundle: the Dags that Airflow's rows place in it, and whether each is active."""
        ...

    def active_with_failures(self, session: Session) -> set[UUID]:
        """Active versions on which a run has failed and was not run again since."""
        ...

    def counts_by_version(self, session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        """How many runs came to what on each of these versions, or are under way on it."""
        ...

    def versions_before(self, session: Session, dag_id: str, number: int) -> list[AirflowVersion]:
        """Airflow's versions of a Dag below this number, newest first."""
        ...

    def own_tables(self, session: Session) -> list[str]:
        """Pinwheel's tables that exist in the database."""
        ...

    def drop_own_tables(self, session: Session) -> None:
        """Drop Pinwheel's tables and its version table."""
        ...

    def live_processors(self, session: Session) -> list[str]:
        """Machines on which a Dag processor is alive."""
        ...

    def leftovers(self, session: Session) -> Leftovers:
        """What stays ours without the tables."""
        ...
