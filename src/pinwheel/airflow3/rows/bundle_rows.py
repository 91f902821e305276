"""Airflow's rows of bundles: active is what the configuration names, whether it can be made or not.

``sync_bundles_to_db`` (``dag_processing/bundles/manager.py``, 3.3.2 and 3.4.0b2) marks a bundle inactive that
can not be made just then, and forgets to mark a removed one when the view URL of another looks up a
Connection: that commits and closes the session it works with. Airflow's Dag processor takes the Dags of
inactive bundles off the air (``deactivate_stale_dags``).
"""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.errors import ParseImportError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.store import tables as t


def keep_active(session: Session, configured: Collection[str]) -> None:
    """Mark these bundles active where another writer marked them otherwise."""
    for bundle in session.scalars(select(DagBundleModel).where(DagBundleModel.active.is_not(True))):
        if bundle.name in configured:
            bundle.active = True


def mark_removed(session: Session, configured: Collection[str]) -> None:
    """Mark all other bundles inactive, without teams and import errors, as Airflow's own function does."""
    for bundle in session.scalars(select(DagBundleModel).where(DagBundleModel.active.is_(True))).all():
        if bundle.name not in configured:
            bundle.active = False
            bundle.teams = []
            session.execute(delete(ParseImportError).where(ParseImportError.bundle_name == bundle.name))


def removed(session: Session, configured: Collection[str]) -> list[str]:
    """Names of the bundles that managed Dags come from and that are not among these."""
    names = session.scalars(select(t.dag.c.bundle_name).distinct().where(t.dag.c.retired.is_(False)))
    return sorted(set(names) - set(configured))


def stale_releases(session: Session) -> set[str]:
    """Dags that have a release and are stale in Airflow's rows."""
    return set(
        session.scalars(
            select(DagModel.dag_id)
            .join(t.dag, t.dag.c.dag_id == DagModel.dag_id)
            .where(
                DagModel.is_stale.is_(True), t.dag.c.retired.is_(False), t.dag.c.active_release.is_not(None)
            )
        )
    )


def wake(session: Session, dag_ids: Collection[str]) -> None:
    """Take back that these Dags are stale."""
    for chunk in chunks(sorted(dag_ids)):
        session.execute(
            update(DagModel)
            .where(DagModel.dag_id.in_(chunk))
            .values(is_stale=False)
            .execution_options(synchronize_session=False)
        )
