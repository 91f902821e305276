"""The services' view of Airflow: its database, its rows, its configured bundles."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, TypeVar
from uuid import UUID

import structlog
from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagcode import DagCode
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.serialization.definitions.deadline import DeadlineAlertFields
from airflow.utils.retries import run_with_db_retries
from airflow.utils.session import create_session
from attrs import fields_dict
from sqlalchemy import exists, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from tenacity import retry_if_exception

from pinwheel.airflow3 import compat
from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.reads import fleet, grid, line, runs, tries
from pinwheel.airflow3.rows import drift, fingerprint, follow, import_errors, projection, uninstall
from pinwheel.airflow3.run import backfill, clear, create
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import HostError, InvalidInput, PinwheelError, Refused
from pinwheel.core.records import ManagedDag, RunOutcome
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import Follower, Step
from pinwheel.core.release.rows import Location, Projected, Projection
from pinwheel.core.retention import Keep
from pinwheel.core.run.binding import Present
from pinwheel.services.ports import (
    AirflowBackfill,
    AirflowBundle,
    AirflowDag,
    AirflowRun,
    AirflowTry,
    AirflowVersion,
    BackfillRun,
    BackfillWish,
    DagCard,
    GridRun,
    Host,
    InstanceGroup,
    InstanceRow,
    Leftovers,
    Observed,
    PlacedRun,
    UnrecordedRun,
)
from pinwheel.store import tables as t
from pinwheel.store.refusals import is_hopeless, said

T = TypeVar("T")
log = structlog.get_logger(__name__)


class AirflowHost:
    """Implements :class:`pinwheel.services.ports.Host` on Airflow's own models and session."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session
        self._versioned: dict[str, bool] | None = None

    def run(self, work: Callable[[Session], T]) -> T:
        """See the port. With a session given at construction, *work* joins its transaction instead."""
        if self._session is not None:
            return work(self._session)

        def once() -> T:
            with _transaction() as session:
                return work(session)

        return _with_retries(once)

    def rehearse(self, work: Callable[[Host], T]) -> T:
        def once() -> T:
            with _transaction() as session:
                rehearsal = _Rehearsal(session)
                rehearsal._versioned = self._versioned
                try:
                    return work(rehearsal)
                finally:
                    session.rollback()

        return _with_retries(once)

    def now(self) -> datetime:
        now: datetime = timezone.utcnow()
        return now

    def retention(self) -> Keep:
        values = {}
        for name, field in fields_dict(Keep).items():
            try:
                values[name] = conf.getint("pinwheel", f"keep_{name}", fallback=field.default)
            except (AirflowConfigException, ValueError) as error:
                raise InvalidInput(
                    f"Cannot read the option [pinwheel] keep_{name}",
                    found=str(error).rstrip("."),
                    remedy="Correct it; nothing is removed until then",
                ) from error
        return Keep(**values)

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        for event in events:
            log.info("pinwheel change", **event)

    def project(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        with _writing(projections):
            return projection.project(session, projections) if projections else {}

    def reassert(self, session: Session, projections: Sequence[Projection]) -> None:
        with _writing(projections):
            projection.reassert(session, projections)

    def standing(self, session: Session, dag_ids: Sequence[str]) -> dict[str, str]:
        return fingerprint.standing(session, dag_ids, self.now())

    def due_to_follow(
        self, session: Session, bundle_name: str, version: str, dag_ids: Collection[str] | None
    ) -> list[Follower]:
        return follow.due(session, bundle_name, version, dag_ids)

    def follow(self, session: Session, steps: Sequence[Step]) -> None:
        follow.write(session, steps)

    def touch(self, session: Session, dag_ids: Sequence[str]) -> None:
        fingerprint.touch(session, dag_ids, self.now())

    def restore(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        with _writing(projections):
            return projection.restore(session, projections) if projections else {}

    def retire(self, session: Session, dag_ids: Collection[str]) -> None:
        projection.retire(session, dag_ids)

    def write_trial(self, session: Session, p: Projection) -> UUID:
        with _writing([p]):
            return projection.write_trial(session, p)

    def move_version(self, session: Session, dag_version_id: UUID, location: Location) -> None:
        projection.move_version(session, dag_version_id, location)

    def create_run(
        self, session: Session, dag_id: str, dag_version_id: UUID, **arguments: Any
    ) -> tuple[str, int]:
        return create.create_run(session, dag_id, dag_version_id, **arguments)

    def would_clear(self, session: Session, dag_id: str, run_id: str, **arguments: Any) -> bool:
        return clear.would_clear(session, dag_id, run_id, **arguments)

    def clear_run(
        self, session: Session, dag_id: str, run_id: str, **arguments: Any
    ) -> tuple[int, int, UUID | None, str | None]:
        return clear.clear(session, dag_id, run_id, **arguments)

    def create_backfill(
        self, session: Session, dag_id: str, dag_version_id: UUID, wish: BackfillWish, **arguments: Any
    ) -> AirflowBackfill:
        return backfill.create(session, dag_id, dag_version_id, wish, **arguments)

    def create_default_backfill(self, dag_id: str, wish: BackfillWish, *, actor: str) -> int:
        return backfill.create_default(dag_id, wish, actor=actor)

    def plan_default_backfill(
        self, session: Session, dag_id: str, wish: BackfillWish
    ) -> tuple[BackfillRun, ...]:
        return backfill.plan_default(session, dag_id, wish)

    def backfill_since(
        self, session: Session, dag_id: str, wish: BackfillWish, since: datetime, *, actor: str
    ) -> int | None:
        return backfill.made_since(session, dag_id, wish, since, actor=actor)

    def backfill_runs(self, session: Session, backfill_id: int) -> tuple[BackfillRun, ...]:
        return backfill.read(session, backfill_id)

    def failed_runs(self, session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
        return runs.failed_runs(session, dag_id, dag_version_ids)

    def existing_version_ids(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        return set(session.scalars(select(DagVersion.id).where(DagVersion.id.in_(list(ids)))))

    def observe(self, session: Session, dags: Mapping[str, ManagedDag]) -> dict[str, Observed]:
        return drift.observe(session, dags)

    def unused(self, session: Session, dag_version_ids: Collection[UUID]) -> set[UUID]:
        ids = list(dag_version_ids)
        used = set(
            session.scalars(
                select(DagRun.created_dag_version_id).where(DagRun.created_dag_version_id.in_(ids))
            )
        )
        used |= set(
            session.scalars(select(TaskInstance.dag_version_id).where(TaskInstance.dag_version_id.in_(ids)))
        )
        return set(ids) - used - compat.versions_of_earlier_tries(session, ids)

    def drifted(self, session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
        return drift.drifted(session, dag_ids)

    def delete_unused_versions(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        unused = self.unused(session, ids) if ids else set()
        projection.delete_versions(session, unused)
        return unused

    def running_runs(self, session: Session) -> set[int]:
        return drift.running_runs(session)

    def unrecorded_runs(self, session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
        return drift.unrecorded_runs(session, limit, watched)

    def unrecorded_outcomes(
        self, session: Session, limit: int, watched: Collection[int], newest: int
    ) -> list[RunOutcome]:
        return drift.unrecorded_outcomes(session, limit, watched, newest)

    def with_runs(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        found: set[str] = set()
        for chunk in chunks(sorted(set(dag_ids))):
            # The scheduler holds the Dag's row while it makes a run (models/dag.py, dags_needing_dagruns).
            these = DagModel.dag_id.in_(chunk)
            session.execute(select(DagModel.dag_id).where(these).order_by(DagModel.dag_id).with_for_update())
            has_run = exists().where(DagRun.dag_id == DagModel.dag_id)
            found |= set(session.scalars(select(DagModel.dag_id).where(these, has_run)))
        return found

    def airflow_dags(self, session: Session, dag_ids: Collection[str] | None = None) -> list[AirflowDag]:
        newest = (
            select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
            .group_by(DagVersion.dag_id)
            .subquery()
        )
        query = (
            select(DagModel, DagVersion, SerializedDagModel, DagCode)
            .outerjoin(newest, newest.c.dag_id == DagModel.dag_id)
            .outerjoin(
                DagVersion,
                (DagVersion.dag_id == DagModel.dag_id) & (DagVersion.version_number == newest.c.number),
            )
            .outerjoin(SerializedDagModel, SerializedDagModel.dag_version_id == DagVersion.id)
            .outerjoin(DagCode, DagCode.dag_version_id == DagVersion.id)
            .order_by(DagModel.dag_id)
        )
        if dag_ids is not None:
            query = query.where(DagModel.dag_id.in_(list(dag_ids)))
        found = []
        for dag, version, serialized, code in session.execute(query).unique():
            found.append(
                AirflowDag(
                    dag_id=dag.dag_id,
                    bundle_name=dag.bundle_name,
                    bundle_version=dag.bundle_version,
                    relative_fileloc=dag.relative_fileloc,
                    is_stale=bool(dag.is_stale),
                    version_number=version.version_number if version else None,
                    dag_version_id=version.id if version else None,
                    dag_version_bundle=version.bundle_name if version else None,
                    dag_version_bundle_version=version.bundle_version if version else None,
                    serialized=_with_deadlines(serialized) if serialized else None,
                    serialized_hash=serialized.dag_hash if serialized else None,
                    code_hash=code.source_code_hash if code else None,
                    source_code=code.source_code if code else None,
                    version_data=version.version_data if version else None,
                    created_at=version.created_at if version else None,
                )
            )
        return found

    def audit(
        self, session: Session, *, event: str, dag_id: str | None, actor: str, details: Mapping[str, Any]
    ) -> None:
        session.add(
            Log(event=event, dag_id=dag_id, owner=actor, owner_display_name=actor, extra=_as_json(details))
        )

    def show_errors(
        self,
        session: Session,
        bundle_name: str,
        errors: Mapping[str, Mapping[str, str]],
        *,
        tell: bool = True,
    ) -> None:
        import_errors.show(session, bundle_name, errors, tell=tell)

    def show_warnings(
        self, session: Session, dag_ids: Collection[str], warnings: Sequence[Mapping[str, str]]
    ) -> None:
        import_errors.show_warnings(session, dag_ids, warnings)

    def select(
        self,
        session: Session,
        *,
        ids: Collection[str] = (),
        globs: Collection[str] = (),
        tags: Collection[str] = (),
        bundle: str | None = None,
    ) -> list[str]:
        query = select(t.dag.c.dag_id).order_by(t.dag.c.dag_id)
        if bundle is not None:
            query = query.where(t.dag.c.bundle_name == bundle)
        if tags:
            tagged = select(DagTag.dag_id).where(DagTag.name.in_(list(tags)))
            query = query.where(t.dag.c.dag_id.in_(tagged))
        found = list(session.scalars(query))
        if ids or globs:
            wanted = set(ids)
            found = [d for d in found if d in wanted or any(fnmatchcase(d, pattern) for pattern in globs)]
        return found

    def runs(self, session: Session, dag_id: str, *, run_id: str | None, limit: int) -> list[AirflowRun]:
        return tries.runs(session, dag_id, run_id=run_id, limit=limit)

    def tries(
        self,
        session: Session,
        dag_id: str,
        run_ids: Collection[str],
        *,
        task_id: str | None = None,
        task_ids: Collection[str] | None = None,
    ) -> list[AirflowTry]:
        return tries.tries(session, dag_id, run_ids, task_id=task_id, task_ids=task_ids)

    def run_page(
        self, session: Session, dag_id: str, *, until: str | None, limit: int
    ) -> tuple[list[GridRun], str | None]:
        return grid.run_page(session, dag_id, until=until, limit=limit)

    def some_runs(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, AirflowRun]:
        return tries.some_runs(session, dag_id, run_ids)

    def present(self, session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Present]]:
        return tries.present(session, dag_id, run_ids)

    def versions_of_instances(
        self, session: Session, dag_id: str, run_ids: Collection[str]
    ) -> dict[str, set[UUID]]:
        return grid.versions_of_instances(session, dag_id, run_ids)

    def instance_groups(
        self, session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
    ) -> list[InstanceGroup]:
        return grid.instance_groups(session, dag_id, run_ids, task_ids)

    def instance_rows(
        self, session: Session, dag_id: str, run_id: str, *, task_id: str | None = None
    ) -> list[InstanceRow]:
        return grid.instance_rows(session, dag_id, run_id, task_id=task_id)

    def airflow_versions(self, session: Session, ids: Collection[UUID]) -> dict[UUID, AirflowVersion]:
        return grid.airflow_versions(session, ids)

    def version_id_of(self, session: Session, dag_id: str, number: int) -> UUID | None:
        return grid.version_id_of(session, dag_id, number)

    def serialized_hashes(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, str]:
        return grid.serialized_hashes(session, version_ids)

    def serialized(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
        return grid.serialized(session, version_ids)

    def view_urls(
        self, session: Session, places: Collection[tuple[str, str | None]]
    ) -> dict[tuple[str, str | None], str]:
        return grid.view_urls(session, places)

    def placed_runs(
        self, session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
    ) -> list[PlacedRun]:
        return line.placed_runs(session, dag_id, since=since, before=before, limit=limit)

    def run_counts(self, session: Session, dag_id: str) -> dict[UUID | None, dict[str, int]]:
        return line.run_counts(session, dag_id)

    def matching(
        self, session: Session, *, tags: Collection[str], owner: str | None, text: str | None
    ) -> set[str] | None:
        return fleet.matching(session, tags=tags, owner=owner, text=text)

    def cards(self, session: Session, dag_ids: Collection[str]) -> dict[str, DagCard]:
        return fleet.cards(session, dag_ids)

    def owners_and_tags(self, session: Session, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
        return fleet.owners_and_tags(session, dag_ids)

    def in_files(
        self, session: Session, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], set[str]]:
        return fleet.in_files(session, places)

    def bundles(self, session: Session) -> dict[str, AirflowBundle]:
        return fleet.bundles(session)

    def dags_of_bundles(self, session: Session) -> dict[str, dict[str, bool]]:
        return fleet.dags_of_bundles(session)

    def active_with_failures(self, session: Session) -> set[UUID]:
        return fleet.active_with_failures(session)

    def counts_by_version(self, session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        return fleet.counts(session, ids)

    def versions_before(self, session: Session, dag_id: str, number: int) -> list[AirflowVersion]:
        return tries.versions_before(session, dag_id, number)

    def own_tables(self, session: Session) -> list[str]:
        return uninstall.own_tables(session)

    def drop_own_tables(self, session: Session) -> None:
        uninstall.drop_own_tables(session)

    def live_processors(self, session: Session) -> list[str]:
        return uninstall.live_processors(session)

    def leftovers(self, session: Session) -> Leftovers:
        return uninstall.leftovers(session)

    def bundle_is_configured(self, session: Session, bundle_name: str) -> bool:
        if configured.get(bundle_name) is not None:
            return True
        active = session.scalar(select(DagBundleModel.active).where(DagBundleModel.name == bundle_name))
        return bool(active)

    def serves_moved_files(self, session: Session, bundle_name: str) -> bool:
        found = configured.serves_moved_files(bundle_name)
        return found if found is not None else self.bundle_is_configured(session, bundle_name)

    def is_versioned(self, bundle_name: str) -> bool:
        if self._versioned is None:
            self._versioned = {}
        if bundle_name not in self._versioned:
            self._versioned[bundle_name] = configured.is_versioned(bundle_name)
        return self._versioned[bundle_name]


class _Rehearsal(AirflowHost):
    """A host in a transaction that will be rolled back, so there is nothing to announce."""

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        return


def _with_deadlines(row: SerializedDagModel) -> dict[str, Any]:
    """The serialized Dag with its deadlines as a parse writes them, where Airflow keeps only references."""
    data = dict(row.data or {})
    references = data.get("dag", {}).get("deadline")
    if not references or not isinstance(references[0], str):
        return data
    alerts = {str(alert.id): alert for alert in row.deadline_alerts}
    written = [
        {
            DeadlineAlertFields.NAME: alert.name,
            DeadlineAlertFields.REFERENCE: alert.reference,
            DeadlineAlertFields.INTERVAL: alert.interval,
            DeadlineAlertFields.CALLBACK: alert.callback_def,
        }
        for reference in references
        if (alert := alerts.get(reference)) is not None
    ]
    return {**data, "dag": {**data["dag"], "deadline": written}}


def _with_retries(once: Callable[[], T]) -> T:
    """What *once* gives, tried again where the database may be of another mind a moment later."""
    for attempt in run_with_db_retries().copy(retry=retry_if_exception(_is_worth_a_retry)):
        with attempt:
            return once()
    raise HostError("Cannot reach the metadata database", remedy="See the log and try again")


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, (DBAPIError, StaleDataError)) and not is_hopeless(error)


@contextmanager
def _writing(projections: Sequence[Projection]) -> Iterator[None]:
    """Say it where the database, its driver or Airflow does not take what a build says.

    :raises Refused: that.
    """
    try:
        yield
    except (SQLAlchemyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, PinwheelError) or (
            isinstance(error, SQLAlchemyError) and not is_hopeless(error)
        ):
            raise
        names = sorted({p.dag_id for p in projections})
        raise Refused(
            f"Cannot write {', '.join(names[:5])}{' and others' if names[5:] else ''} to Airflow's rows",
            found=said(error),
            remedy="Change what the Dag says there and push again; until then it stays as released",
        ) from error


@contextmanager
def _transaction() -> Iterator[Session]:
    with create_session() as session:
        yield session


def _as_json(details: Mapping[str, Any]) -> str:
    return json.dumps(details, default=str, sort_keys=True)
