"""Who asks and what they may do: Airflow's auth manager, behind the API's ``Access``."""

from __future__ import annotations

from collections.abc import Collection

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import (
    SimpleAuthManager,
    SimpleAuthManagerRole,
)
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel

from pinwheel.airflow3 import compat
from pinwheel.api.access import Access, Permission

_AIRFLOW: dict[Permission, tuple[str, DagAccessEntity | None]] = {
    Permission.READ: ("GET", None),
    Permission.READ_VERSIONS: ("GET", DagAccessEntity.VERSION),
    Permission.READ_CODE: ("GET", DagAccessEntity.CODE),
    Permission.READ_RUNS: ("GET", DagAccessEntity.RUN),
    Permission.READ_TASK_INSTANCES: ("GET", DagAccessEntity.TASK_INSTANCE),
    Permission.READ_AUDIT_LOG: ("GET", DagAccessEntity.AUDIT_LOG),
    Permission.EDIT: ("PUT", None),
    Permission.CREATE_RUN: ("POST", DagAccessEntity.RUN),
    Permission.EDIT_RUN: ("PUT", DagAccessEntity.RUN),
}
"""Each permission as Airflow's own routes ask for it (3.3: core_api/routes/public)."""


class AirflowAccess:
    """Implements :class:`pinwheel.api.access.Access` for one user."""

    def __init__(self, user: GetUserDep) -> None:
        self._user = user
        self._manager = get_auth_manager()

    @property
    def user_name(self) -> str:
        return str(self._user.get_name())[:250]

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        team = DagModel.get_team_name(dag_id) if dag_id else None
        return self._may(permission, dag_id, team)

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        method, entity = _AIRFLOW[permission]
        ids = sorted(set(dag_ids))
        if not ids:
            return []
        teams = DagModel.get_dag_id_to_team_name_mapping(ids)
        requests = [
            {"method": method, "access_entity": entity, "details": DagDetails(id=i, team_name=teams.get(i))}
            for i in ids
        ]
        # One question for all of them first: some auth managers ask a server for each.
        if self._manager.batch_is_authorized_dag(requests, user=self._user):
            return []
        return [i for i in ids if not self._may(permission, i, teams.get(i))]

    def readable(self) -> set[str]:
        return set(self._manager.get_authorized_dag_ids(user=self._user, method="GET"))

    def may_read_import_errors(self) -> bool:
        allowed: bool = self._manager.is_authorized_view(
            access_view=AccessView.IMPORT_ERRORS, user=self._user
        )
        return allowed

    def may_read_unbound_events(self) -> bool:
        if not self.may(Permission.READ_AUDIT_LOG, None):
            return False
        return compat.may_read_unbound_events(self._manager, self._user)

    def may_change_policies(self) -> bool:
        if isinstance(self._manager, SimpleAuthManager):
            # To that every custom view is open for whoever may log in.
            return bool(str(self._user.role).upper() == SimpleAuthManagerRole.ADMIN.name)
        allowed: bool = self._manager.is_authorized_custom_view(
            method="PUT", resource_name="Pinwheel Policies", user=self._user
        )
        return allowed

    def _may(self, permission: Permission, dag_id: str | None, team: str | None) -> bool:
        method, entity = _AIRFLOW[permission]
        allowed: bool = self._manager.is_authorized_dag(
            method=method,
            access_entity=entity,
            details=DagDetails(id=dag_id, team_name=team) if dag_id else None,
            user=self._user,
        )
        return allowed


async def authenticated(user: GetUserDep) -> Access:
    """FastAPI dependency: the user of the bearer token or, in a browser, of Airflow's cookie; else 401."""
    return AirflowAccess(user)
