"""Airflow's versions of Dags: which there are, what they hold, and where they can be looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.airflow3.reads.grid import _ANY_VERSION
from pinwheel.services.ports.reads import AirflowVersion

_OF_VERSION: tuple[Any, ...] = (
    DagVersion.id,
    DagVersion.version_number,
    DagVersion.bundle_name,
    DagVersion.bundle_version,
    DagVersion.created_at,
)
"""What an :class:`AirflowVersion` says."""


def existing_version_ids(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that (still) exist."""
    return set(session.scalars(select(DagVersion.id).where(DagVersion.id.in_(list(ids)))))


def unused(session: Session, dag_version_ids: Collection[UUID]) -> set[UUID]:
    """Those that no run and no task instance refers to."""
    ids = list(dag_version_ids)
    used = set(
        session.scalars(select(DagRun.created_dag_version_id).where(DagRun.created_dag_version_id.in_(ids)))
    )
    used |= set(
        session.scalars(select(TaskInstance.dag_version_id).where(TaskInstance.dag_version_id.in_(ids)))
    )
    return set(ids) - used - compat.versions_of_earlier_tries(session, ids)


def airflow_versions(session: Session, ids: Collection[UUID]) -> dict[UUID, AirflowVersion]:
    """Airflow's versions by id; those that are gone are left out."""
    rows = session.execute(select(*_OF_VERSION).where(DagVersion.id.in_(list(ids))))
    return {row.id: AirflowVersion(**row._mapping) for row in rows}


def version_id_of(session: Session, dag_id: str, number: int) -> UUID | None:
    """The id of Airflow's version of this number."""
    return session.scalar(
        select(DagVersion.id).where(DagVersion.dag_id == dag_id, DagVersion.version_number == number)
    )


def serialized_hashes(session: Session, version_ids: Collection[UUID]) -> dict[UUID, str]:
    """Airflow's hash of the serialized Dag of each version."""
    rows = session.execute(
        select(SerializedDagModel.dag_version_id, SerializedDagModel.dag_hash).where(
            SerializedDagModel.dag_version_id.in_(list(version_ids))
        )
    )
    return {row[0]: row[1] for row in rows}


def serialized(session: Session, version_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """The serialized Dag that Airflow holds of each version."""
    rows = session.scalars(
        select(SerializedDagModel).where(SerializedDagModel.dag_version_id.in_(list(version_ids)))
    )
    return {row.dag_version_id: row.data or {} for row in rows}


def view_urls(
    session: Session, places: Collection[tuple[str, str | None]]
) -> dict[tuple[str, str | None], str]:
    """Where each ``(bundle, version)`` can be looked at, by the bundle's own template; others left out."""
    names = {name for name, _ in places}
    models = session.scalars(select(DagBundleModel).where(DagBundleModel.name.in_(names)))
    # Once a bundle, not once a version: for each URL Airflow looks up its Fernet key, maybe by a command.
    patterns = {model.name: (model, _rendered(model, _ANY_VERSION)) for model in models}
    found: dict[tuple[str, str | None], str] = {}
    for name, version in places:
        model, pattern = patterns.get(name, (None, None))
        if model is None or pattern is None or version is None:
            continue
        url: str | None = pattern.replace(_ANY_VERSION, version)
        if _ANY_VERSION[0] in pattern.replace(_ANY_VERSION, ""):  # The template cuts the version short.
            url = _rendered(model, version)
        if url is not None:
            found[name, version] = url
    return found


def _rendered(model: DagBundleModel, version: str) -> str | None:
    """The URL by the bundle's template."""
    try:
        url = model.render_url(version)
    except (AttributeError, IndexError, TypeError):  # Of a wrong template; Airflow handles the others.
        return None
    # It becomes a link: nothing but the web, whatever a template says.
    return url if url and url.startswith(("https://", "http://")) else None


def versions_before(session: Session, dag_id: str, number: int) -> list[AirflowVersion]:
    """Airflow's versions of a Dag below a number, newest first."""
    rows = session.execute(
        select(*_OF_VERSION)
        .where(DagVersion.dag_id == dag_id, DagVersion.version_number < number, DagVersion.version_number > 0)
        .order_by(DagVersion.version_number.desc())
    )
    return [AirflowVersion(**row._mapping) for row in rows]
