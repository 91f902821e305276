"""Taking Pinwheel's tables out of Airflow's database."""

from __future__ import annotations

from collections.abc import Collection

from airflow.jobs.job import Job
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import and_, func, inspect, select, true, update
from sqlalchemy.orm import Session

from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.db_manager import PinwheelDBManager
from pinwheel.airflow3.rows import kept_assets
from pinwheel.core.release.rows import APART
from pinwheel.core.run.mark import MARK, without_mark
from pinwheel.services.ports.deployment import Leftovers
from pinwheel.store.tables import VERSION_TABLE, metadata

OWN_BUNDLES = "pinwheel."


def own_tables(session: Session) -> list[str]:
    """Pinwheel's tables that exist, sorted; its version table included."""
    existing = set(inspect(session.connection()).get_table_names())
    return sorted(existing & {*metadata.tables, VERSION_TABLE})


def drop_own_tables(session: Session) -> None:
    """Drop them in the session's transaction (MySQL commits each statement by itself).

    With them goes what keeps assets active for runs on other builds.
    """
    kept_assets.forget(session)
    PinwheelDBManager(session).drop_tables(session.connection())


def strip_marks(session: Session, but: Collection[str] = (), *, ended: bool = True) -> int:
    """Take the mark from Airflow's rows of Dags and runs, but for these Dags'; how many rows had it.

    What stays of a version is the commit that it was put on. ``ended``: of runs that have ended too, for
    which all runs are looked through: Airflow has an index on the state of a run, and none on its version.
    """
    changed, kept = 0, set(but)
    of_runs = true() if ended else DagRun.state.in_([DagRunState.QUEUED, DagRunState.RUNNING])
    for model, where in ((DagModel, true()), (DagRun, of_runs)):
        marked = and_(model.bundle_version.endswith(MARK, autoescape=True), where)
        for dag_id, version in session.execute(
            select(model.dag_id, model.bundle_version).where(marked).distinct()
        ).all():
            if dag_id in kept:
                continue
            stripped = session.execute(
                update(model)
                .where(model.dag_id == dag_id, model.bundle_version == version)
                .values(bundle_version=without_mark(version))
                .execution_options(synchronize_session=False)
            )
            changed += stripped.rowcount  # type: ignore[attr-defined]
    session.expire_all()
    return changed


def live_processors(session: Session) -> list[str]:
    """Hosts on which a Dag processor, ours or Airflow's, is alive."""
    jobs = session.scalars(select(Job).where(Job.job_type == "DagProcessorJob", Job.end_date.is_(None)))
    return sorted({job.hostname or "?" for job in jobs if job.is_alive()})


def leftovers(session: Session) -> Leftovers:
    """What is still ours in Airflow's rows and configuration once the tables are gone."""
    bundles = [
        name
        for name in configured.names()
        if (found := configured.class_of(name)) and found.__module__.startswith(OWN_BUNDLES)
    ]
    aliased = session.scalars(
        select(DagModel.dag_id).where(DagModel.bundle_version.contains("+")).order_by(DagModel.dag_id)
    )
    number = DagVersion.version_number
    trials, for_dates = (
        session.scalar(select(func.count()).select_from(DagVersion).where(these)) or 0
        for these in (number.between(1 - APART, -1), number <= -APART)
    )
    return Leftovers(
        bundles=tuple(sorted(bundles)),
        aliased_dags=tuple(aliased),
        trial_versions=trials,
        rows_for_dates=for_dates,
    )
