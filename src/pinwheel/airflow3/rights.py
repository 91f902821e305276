"""The rights that are Pinwheel's own, made known to an auth manager that gives roles only what it knows."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager_cls
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.utils.session import create_session
from sqlalchemy import select

from pinwheel.airflow3.people import is_fab
from pinwheel.api.access import View
from pinwheel.core.errors import HostError
from pinwheel.core.rights import Rights

ACTION = "can_edit"
"""FAB's word for PUT, which is how these rights are asked for."""
_OF_SIMPLE = (
    "Airflow's simple auth manager has nothing to create: the roles op and admin have all of these but "
    f"{View.POLICIES.value}, which needs admin"
)
_OF_FAB = (
    f"Give a role {ACTION} on them: in Security > Roles, or with "
    f'"airflow roles add-perms ROLE --resource NAME --action {ACTION}". '
    'The role Admin has them after the next "airflow sync-perm"'
)
_OF_OTHERS = "This auth manager keeps no list of rights: allow PUT on the custom views with these names in it"


def create() -> Rights:
    """Make FAB's permissions, and say how users come to the rights. Safe to repeat.

    :raises HostError: FAB did not make one.
    """
    names = tuple(view.value for view in View)
    manager = get_auth_manager_cls()
    if issubclass(manager, SimpleAuthManager):
        return Rights(names=names, created=(), said=_OF_SIMPLE)
    if not is_fab(manager):
        return Rights(names=names, created=(), said=_OF_OTHERS)
    return Rights(names=names, created=_create_in_fab(names), said=_OF_FAB)


def _create_in_fab(names: tuple[str, ...]) -> tuple[str, ...]:
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager

    with create_session() as session:
        query = (
            select(Resource.name)
            .join(Permission, Permission.resource_id == Resource.id)
            .join(Action, Permission.action_id == Action.id)
            .where(Action.name == ACTION, Resource.name.in_(names))
        )
        before = set(session.scalars(query))
        security = ApplessAirflowSecurityManager(session=session)
        for name in names:
            if name not in before and security.create_permission(ACTION, name) is None:
                raise HostError(
                    f"Cannot create the permission {ACTION} on {name!r}",
                    found="FAB refused it, and logged why",
                    remedy="Look into that, then repeat this",
                )
    return tuple(name for name in names if name not in before)
