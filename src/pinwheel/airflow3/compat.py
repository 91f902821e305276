"""Where Airflow's versions differ, each with the version at which the branch may go.

What differs for a single file only stands there, and says so in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from attrs import frozen
from packaging.version import Version

from pinwheel import MINIMUM_AIRFLOW


@cache
def airflow_version() -> Version:
    from importlib.metadata import PackageNotFoundError, version

    for name in ("apache-airflow-core", "apache-airflow"):
        try:
            return Version(version(name))
        except PackageNotFoundError:
            continue
    return Version("0")


def airflow_is_supported() -> bool:
    """True on Airflow 3.3 and newer. On older ones Pinwheel installs, does nothing and says so."""
    return airflow_version().release[:2] >= MINIMUM_AIRFLOW


def airflow_34_plus() -> bool:
    return airflow_version().release[:2] >= (3, 4)


def overview_pages() -> bool:
    """Whether a plugin may add to a Dag's and a task's overview (`dag_overview`, `task_overview`).

    3.3 knows `dashboard` only; a destination that it does not know fails its list of all plugins. Remove when
    the minimum is 3.4.
    """
    return airflow_34_plus()


def unsupported_message() -> str:
    minimum = ".".join(map(str, MINIMUM_AIRFLOW))
    return (
        f"Pinwheel needs Airflow {minimum} or newer; this is {airflow_version()}. "
        f"It is installed but switched off. Upgrade Airflow, or uninstall airflow-pinwheel."
    )


def sync_dag_permissions(session: Any, dag_id: str, access_control: Mapping[str, Any] | None) -> None:
    """Hand a Dag's access control to the auth manager, as Airflow's own write of a parsed Dag does.

    3.3 knows only FAB and calls it by name; from 3.4 on each auth manager may offer ``sync_dag_perms``.
    Remove the first branch when the minimum is 3.4.
    """
    from airflow.configuration import conf

    if not airflow_34_plus():
        if "FabAuthManager" in conf.get("core", "auth_manager"):
            from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager

            ApplessAirflowSecurityManager(session=session).sync_perm_for_dag(dag_id, access_control)
        return
    from airflow.api_fastapi.app import get_auth_manager_cls

    sync = getattr(get_auth_manager_cls(), "sync_dag_perms", None)
    if sync is not None:
        sync(_Accessible(dag_id, access_control), session=session)


@frozen
class _Accessible:
    """The two attributes of a Dag that an auth manager reads to set its permissions."""

    dag_id: str
    access_control: Mapping[str, Any] | None


def versions_of_earlier_tries(session: Any, ids: Sequence[Any]) -> set[Any]:
    """Those of the version ids that an earlier try of a task instance refers to.

    3.3 keeps earlier tries in a table of their own; from 3.4 on they are rows of ``task_instance`` that
    ordinary queries leave out (``working_set`` is NULL). Remove the first branch when the minimum is 3.4.
    """
    from sqlalchemy import select

    if not airflow_34_plus():
        from airflow.models.taskinstancehistory import TaskInstanceHistory

        column = TaskInstanceHistory.dag_version_id
        return set(session.scalars(select(column).where(column.in_(ids))))
    from airflow.models.taskinstance import TaskInstance

    table = TaskInstance.__table__
    return set(session.scalars(select(table.c.dag_version_id).where(table.c.dag_version_id.in_(ids))))


def keep_result(session: Any, ti: Any) -> Any:
    """Keep what a finished task instance came to as an earlier try, and return the present one's row.

    That is about to be marked removed. Should it come back it runs under its id, which so must be a new one.
    Up to 3.3 it is the same row, which gets another id; from 3.4 on another row. Remove the second half when
    the minimum is 3.4.
    """
    present = ti.prepare_db_for_next_try(session)
    return present if airflow_34_plus() else ti


def aliases_keep_assets_active() -> bool:
    """Whether the scheduler leaves assets active that only an asset alias refers to.

    From 3.3.2 on (apache/airflow#71555); before, it has them inactive again once a minute. Remove when the
    minimum is 3.3.2.
    """
    return airflow_version() >= Version("3.3.2")


def create_dagrun(dag: Any, version: Any, **arguments: Any) -> Any:
    """Create a run of *dag*, as loaded from *version*.

    From 3.4 on Airflow binds it to the version itself, and takes no bundle version for a Dag that opts out of
    them; on 3.3 the run comes out bound to the newest version and the caller binds it anew. Remove the first
    branch when the minimum is 3.4.
    """
    if not airflow_34_plus():
        return dag.create_dagrun(**arguments)
    bundle_version = None if dag.disable_bundle_versioning else version.bundle_version
    return dag.create_dagrun(bundle_version=bundle_version, dag_version=version, **arguments)


def may_read_unbound_events(manager: Any, user: Any) -> bool:
    """Whether *user*, who may read the audit log, may read entries that belong to no Dag.

    3.3 shows them to all of these; 3.4 asks for a permission of its own. Remove the first branch when the
    minimum is 3.4.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView

    if not airflow_34_plus():
        return True
    return bool(manager.authorize_view(access_view=AccessView.AUDIT_LOGS_ALL, user=user))


def processor_job(bundle_names: Sequence[str] | None) -> Any:
    """The job row of a Dag processor.

    From 3.4 on it names the bundles and teams that the processor serves, as ``airflow dag-processor`` does.
    Remove the first branch when the minimum is 3.4.
    """
    from airflow.jobs.job import Job

    if not airflow_34_plus():
        return Job()
    from airflow.cli.commands import dag_processor_command

    names = list(bundle_names) if bundle_names else None
    # Not public, so it may go: without it the job is that of a deployment without teams.
    teams_of: Any = getattr(dag_processor_command, "_get_team_names", lambda _: [])
    return Job(bundle_names=names, team_names=teams_of(names))
