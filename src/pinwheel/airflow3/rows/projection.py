"""Writing a build to Airflow's rows: the Dag row, the newest version, its serialized form and its code.

Airflow's own bulk write makes the Dag row (`SerializedDAG.bulk_write_to_db`); the version rows are made
here, because Airflow's function for them opens the Dag's file on local disk and takes the Dag off the air
when it is not there, as on an API server. No function of this module reads a file.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from airflow.models.asset import (
    DagScheduleAssetAliasReference,
    DagScheduleAssetReference,
    TaskInletAssetReference,
    TaskOutletAssetReference,
    remove_references_to_deleted_dags,
)
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagcode import DagCode
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from sqlalchemy import delete, event, func, literal, select, union, update
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.airflow3.reads.versions import unused
from pinwheel.airflow3.rows import kept_assets
from pinwheel.airflow3.rows.writing import writing
from pinwheel.core.chunks import chunks
from pinwheel.core.release.rows import Location, Projected, Projection


class _DecodedOnce(LazyDeserializedDAG):
    """Airflow's bulk write asks a Dag for its timetable some fifteen times, and each time decodes it anew."""

    @cached_property
    def timetable(self) -> Any:
        return super().timetable


def project(session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
    """Add each projection as its Dag's newest version and make the Dag row describe it.

    Lock order is Airflow's own: Dag rows first (inside the bulk write), then versions. The caller's
    transaction holds both until it ends.
    """
    if not projections:
        return {}
    with writing(projections):
        reassert(session, projections)
        written = _add_versions(session, projections)
        for p in projections:
            sync_permissions(session, p)
        return written


def reassert(session: Session, projections: Sequence[Projection]) -> None:
    """Write the Dag rows, asset references included, as a parse of the same build would."""
    with writing(projections):
        groups: dict[str, list[Projection]] = {}
        for p in projections:
            groups.setdefault(p.location.bundle_name, []).append(p)
        for bundle_name, group in groups.items():
            dags = {p.dag_id: _DecodedOnce(data=dict(p.serialized)) for p in group}
            if any(
                p.keeps_assets is not False
                and _referenced(dags[p.dag_id], dags[p.dag_id].data.get("dag", {}))
                for p in group
            ):
                kept_assets.give_way(session, dags)
            with _finished(session, group, dags):
                SerializedDAG.bulk_write_to_db(bundle_name, None, list(dags.values()), None, session=session)
            _drop_references(session, group, dags)
        session.flush()


@contextmanager
def _finished(
    session: Session, projections: Sequence[Projection], dags: Mapping[str, LazyDeserializedDAG]
) -> Iterator[None]:
    """While Airflow writes Dag rows, see to what it does not: before a flush, so that each is written once.

    Version and duration of the parse are those of each Dag. Reset is what Airflow's bulk write sets but never
    takes back: `DagModelOperation.update_dags` (3.3, 3.4) assigns display name and deadline only when the new
    Dag has one, so a release without would keep those of the release before.
    """
    of = {p.dag_id: p for p in projections}
    # The session itself holds rows only as long as somebody else does.
    rows: dict[str, DagModel] = {}

    def keep(_: Session, loaded: object) -> None:
        if isinstance(loaded, DagModel) and loaded.dag_id in of:
            rows[loaded.dag_id] = loaded

    def finish(session: Session, *_: object) -> None:
        for new in session.new:
            keep(session, new)
        for dag_id, row in rows.items():
            p, inner = of[dag_id], dags[dag_id].data.get("dag", {})
            row.bundle_version = p.row_version or p.location.bundle_version
            row.last_parse_duration = p.build.parse_seconds
            if not inner.get("dag_display_name") or inner["dag_display_name"] == dag_id:
                row._dag_display_property_value = None
            # A new row has none; told so, it would hold a JSON null in place of nothing.
            if inner.get("deadline") is None and row.deadline is not None:
                row.deadline = None

    for row in session.identity_map.values():
        keep(session, row)
    event.listen(session, "loaded_as_persistent", keep)
    event.listen(session, "before_flush", finish)
    try:
        yield
    finally:
        event.remove(session, "loaded_as_persistent", keep)
        event.remove(session, "before_flush", finish)


def _drop_references(
    session: Session, projections: Sequence[Projection], dags: Mapping[str, LazyDeserializedDAG]
) -> None:
    """Take away references of kinds that a Dag has none of any more.

    `AssetModelOperation` (3.3, 3.4) writes no references at all when no Dag of the batch has an asset.
    """
    unknown = [p.dag_id for p in projections if p.references is None]
    there = {p.dag_id: p.references or frozenset() for p in projections} | _references(session, unknown)
    gone: dict[str, list[str]] = {}
    for dag_id, dag in dags.items():
        has = _referenced(dag, dag.data.get("dag", {}))
        for table in there.get(dag_id, ()):
            if REFERENCES[table] not in has:
                gone.setdefault(table, []).append(dag_id)
    for table, dag_ids in sorted(gone.items()):
        reference = REFERENCES[table]
        for chunk in chunks(dag_ids):
            session.execute(delete(reference).where(reference.dag_id.in_(chunk)))


def _references(session: Session, dag_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """By Dag, the tables that have references of it."""
    found: dict[str, set[str]] = {}
    for chunk in chunks(sorted(dag_ids)):
        kinds = [
            select(literal(table).label("kind"), reference.dag_id).where(reference.dag_id.in_(chunk))
            for table, reference in sorted(REFERENCES.items())
        ]
        for table, dag_id in session.execute(union(*kinds)):
            found.setdefault(dag_id, set()).add(table)
    return {dag_id: frozenset(tables) for dag_id, tables in found.items()}


# By table: what says which assets a Dag is scheduled by, reads and writes.
REFERENCES: dict[str, Any] = {
    model.__tablename__: model
    for model in (
        TaskInletAssetReference,
        TaskOutletAssetReference,
        DagScheduleAssetReference,
        DagScheduleAssetAliasReference,
    )
}


def _referenced(dag: LazyDeserializedDAG, inner: Mapping[str, Any]) -> set[Any]:
    """The kinds of references that a Dag has at least one of."""
    found: set[Any] = set()
    for port, reference in (("inlets", TaskInletAssetReference), ("outlets", TaskOutletAssetReference)):
        if any(_port(task, port) for task in inner.get("tasks", ())):
            found.add(reference)
    condition = dag.timetable.asset_condition
    if any(True for _ in condition.iter_assets()):
        found.add(DagScheduleAssetReference)
    if any(True for _ in condition.iter_asset_aliases()):
        found.add(DagScheduleAssetAliasReference)
    return found


def _port(task: Mapping[str, Any], name: str) -> Any:
    """The assets that a serialized task reads or writes; a mapped one keeps them apart."""
    inner = task["__var"]
    return (inner.get("partial_kwargs") or {} if inner.get("_is_mapped") else inner).get(name)


def _add_versions(session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
    added = []
    for p in projections:
        version = DagVersion(
            dag_id=p.dag_id,
            version_number=p.release,
            bundle_name=p.location.bundle_name,
            bundle_version=p.location.bundle_version,
            version_data=dict(p.version_data) if p.version_data else None,
        )
        if p.dag_version_id is not None:
            version.id = p.dag_version_id
        # Before the version is flushed: afterwards the relationships would be looked up, row by row.
        added.append((p, version, *_contents(version, p)))
    session.add_all(item for _, *made in added for item in made)
    session.flush()
    return {p.dag_id: _written(p, version, *made) for p, version, *made in added}


def _add_version(session: Session, p: Projection) -> Projected:
    return _add_versions(session, [p])[p.dag_id]


def _contents(version: DagVersion, p: Projection) -> tuple[SerializedDagModel, DagCode]:
    """Serialized form and code of a version, not yet in any session unless the version is."""
    # The bulk write needs the deadlines as the Dag serialized them; the version's row needs references to
    # alert rows instead. Two forms, so a copy.
    data = dict(p.serialized)
    if data["dag"].get("deadline"):
        data = copy.deepcopy(data)
    alerts = SerializedDagModel._generate_deadline_uuids(data)
    serialized = SerializedDagModel(LazyDeserializedDAG(data=data))
    serialized.dag_version = version
    SerializedDagModel._create_deadline_alert_records(serialized, alerts)
    fileloc = str(p.serialized["dag"].get("fileloc") or p.location.relative_fileloc)
    return serialized, DagCode(version, fileloc, p.source_code)


def _written(p: Projection, version: DagVersion, serialized: SerializedDagModel, code: DagCode) -> Projected:
    return Projected(
        dag_id=p.dag_id,
        dag_version_id=version.id,
        serialized_hash=serialized.dag_hash,
        code_hash=code.source_code_hash,
    )


def restore(session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
    """Write a version's rows anew under the id it has, whether they were changed, emptied or deleted."""
    with writing(projections):
        written = {}
        for p in projections:
            assert p.dag_version_id is not None
            if session.get(DagModel, p.dag_id) is None:
                reassert(session, [p])
            version = session.get(DagVersion, p.dag_version_id)
            if version is None:
                written[p.dag_id] = _add_version(session, p)
                sync_permissions(session, p)
                continue
            version.bundle_name = p.location.bundle_name
            version.bundle_version = p.location.bundle_version
            version.version_data = dict(p.version_data) if p.version_data else None
            session.flush()
            if p.written is not None and _stands(session, p.written):
                written[p.dag_id] = p.written
                continue
            for model in (SerializedDagModel, DagCode):
                session.execute(
                    delete(model)
                    .where(model.dag_version_id == version.id)
                    .execution_options(synchronize_session=False)
                )
            session.expire(version, ["serialized_dag", "dag_code"])
            made = _contents(version, p)
            session.add_all(made)
            session.flush()
            written[p.dag_id] = _written(p, version, *made)
            sync_permissions(session, p)
        return written


def _stands(session: Session, written: Projected) -> bool:
    """Whether serialized form and code of a version are as they were written."""
    serialized = session.scalar(
        select(SerializedDagModel.dag_hash).where(SerializedDagModel.dag_version_id == written.dag_version_id)
    )
    code = session.scalar(
        select(DagCode.source_code_hash).where(DagCode.dag_version_id == written.dag_version_id)
    )
    return (serialized, code) == (written.serialized_hash, written.code_hash)


def retire(session: Session, dag_ids: Collection[str]) -> None:
    """Mark Dags stale, as Airflow does when their file is gone."""
    session.execute(
        update(DagModel)
        .where(DagModel.dag_id.in_(list(dag_ids)))
        .values(is_stale=True)
        .execution_options(synchronize_session="fetch")
    )
    remove_references_to_deleted_dags(session=session)


def write_trial(session: Session, projection: Projection) -> UUID:
    """Add a version below all others: negative number, and older than any by time.

    Only that: the Dag's row and who may do what with it stay those of the active release. Airflow finds "the
    latest" by number in most places but by time in some (newest code, dependencies, `db clean`), so both must
    say that this one is not it.
    """
    with writing([projection]):
        projected = _add_version(session, projection)
        oldest = session.scalar(
            select(func.min(DagVersion.created_at)).where(DagVersion.dag_id == projection.dag_id)
        )
        moment = (oldest or datetime.now().astimezone()) - timedelta(days=1)
        session.flush()
        session.execute(
            update(DagVersion)
            .where(DagVersion.id == projected.dag_version_id)
            .values(created_at=moment, last_updated=moment)
            .execution_options(synchronize_session="fetch")
        )
        for model in (SerializedDagModel, DagCode):
            session.execute(
                update(model)
                .where(model.dag_version_id == projected.dag_version_id)
                .values(created_at=moment, last_updated=moment)
                .execution_options(synchronize_session="fetch")
            )
        return projected.dag_version_id


def move_version(session: Session, dag_version_id: UUID, location: Location) -> None:
    """Let a version that no run refers to name another location."""
    session.execute(
        update(DagVersion)
        .where(DagVersion.id == dag_version_id)
        .values(bundle_name=location.bundle_name, bundle_version=location.bundle_version)
        .execution_options(synchronize_session="fetch")
    )


def sync_permissions(session: Session, p: Projection) -> None:
    """Give the auth manager the Dag's access control, as a parse does."""
    access: Mapping[str, Any] | None = LazyDeserializedDAG(data=dict(p.serialized)).access_control
    compat.sync_dag_permissions(session, p.dag_id, access)


def delete_unused_versions(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Delete those of the versions that nothing refers to and return them."""
    found = unused(session, ids) if ids else set()
    delete_versions(session, found)
    return found


def delete_versions(session: Session, ids: Collection[UUID]) -> None:
    """Remove versions that nothing refers to, with their serialized form and code.

    Not as objects: with a serialized form deleted as one, SQLAlchemy would take the ``dag_id`` from all runs
    of the Dag (``SerializedDagModel.dag_runs``), and fail.
    """
    for chunk in chunks(sorted(ids, key=str)):
        for column in (SerializedDagModel.dag_version_id, DagCode.dag_version_id, DagVersion.id):
            session.execute(
                delete(column.class_).where(column.in_(chunk)).execution_options(synchronize_session="fetch")
            )
