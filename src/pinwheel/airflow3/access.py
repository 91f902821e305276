"""Who asks and what they may do: Airflow's auth manager, behind the API's ``Access``."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    DagAccessEntity,
    DagDetails,
    TeamDetails,
)
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel

from pinwheel.airflow3 import compat
from pinwheel.api.access import Access, Permission, View

log = structlog.get_logger(__name__)

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
_NO_TEAM = "none:of|these,"
"""The name of no team: the configuration of the simple auth manager can not write it."""


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

    def has(self, view: View) -> bool:
        try:
            return self._has(view)
        except Exception:
            log.warning(
                "The auth manager could not be asked, so it is not allowed", view=view.value, exc_info=True
            )
            return False

    def _has(self, view: View) -> bool:
        """The simple auth manager gives a viewer any custom view (3.3, 3.4): there a role stands for it."""
        if not isinstance(self._manager, SimpleAuthManager):
            return bool(
                self._manager.is_authorized_custom_view(
                    method="PUT", resource_name=view.value, user=self._user
                )
            )
        if view is View.POLICIES:
            # All teams are an admin's; nobody can be in this one
            team = TeamDetails(name=_NO_TEAM)
            return bool(self._manager.is_authorized_team(method="PUT", details=team, user=self._user))
        return bool(self._manager.is_authorized_pool(method="PUT", user=self._user))

    def names(self) -> frozenset[str]:
        """With the role of the simple auth manager's user, and the roles of FAB's."""
        try:
            roles = [getattr(self._user, "role", None)]
            roles += [getattr(role, "name", None) for role in getattr(self._user, "roles", None) or ()]
        except Exception:
            log.warning("The roles of a user could not be read", exc_info=True)
            roles = []
        return frozenset({self.user_name, *(role for role in roles if isinstance(role, str) and role)})

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
