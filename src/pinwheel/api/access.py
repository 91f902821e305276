"""What the routes need to know of the user, and the checks that every route uses.

Rules, the same for every route:

* without a valid login the answer is 401;
* a Dag that the user may not read answers exactly as one that does not exist: 404, same words;
* a Dag that the user may read but not do this with answers 403;
* lists and selectors see only what the user may read;
* a batch is all or nothing: one Dag that may not be changed refuses all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from pinwheel.core.errors import Refused, unknown_dag
from pinwheel.services.ports.host import Host

NAMED = 5
"""So many Dags are named when a batch is refused."""


class Permission(Enum):
    """What a user may do with a Dag; each is one of Airflow's own Dag permissions."""

    READ = "see the Dag"
    READ_VERSIONS = "see its versions"
    READ_CODE = "see its code"
    READ_RUNS = "see its runs"
    READ_TASK_INSTANCES = "see its task instances"
    READ_AUDIT_LOG = "see its audit log"
    EDIT = "edit the Dag"
    CREATE_RUN = "create runs"
    EDIT_RUN = "edit runs"


class View(Enum):
    """What a user may do beyond Airflow's own permissions; the name that an auth manager is asked for."""

    APPROVALS = "Pinwheel Approvals"
    """Approve and reject at a gate of a Dag that the user may edit."""
    OVERRIDE = "Pinwheel Override"
    """Go past a gate, a window or a freeze of a Dag that the user may edit."""
    CHECKS = "Pinwheel Checks"
    """Say what a check found, and nothing else."""
    POLICIES = "Pinwheel Policies"
    """Change policies and rules, and lift another's freeze."""


class Access(Protocol):
    """One logged-in user, seen from the routes."""

    @property
    def user_name(self) -> str:
        """Written as the actor of every change."""
        ...

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        """Whether the user has it on this Dag; without a Dag: on Dags in general."""
        ...

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        """Those of the Dags, sorted, on which the user lacks it."""
        ...

    def has(self, view: View) -> bool:
        """Whether the user has this right of ours. False too where the auth manager can not be asked."""
        ...

    def names(self) -> frozenset[str]:
        """What the user goes by where a policy or rule names who may: user name, and roles if known."""
        ...

    def readable(self) -> set[str]:
        """Ids of all the Dags that Airflow has and the user may read."""
        ...

    def may_read_import_errors(self) -> bool:
        """Whether tracebacks of broken Dag files may be shown."""
        ...

    def may_read_unbound_events(self) -> bool:
        """Whether events that belong to no Dag may be shown."""
        ...


_token = HTTPBearer(
    auto_error=False,
    scheme_name="AirflowToken",
    bearerFormat="JWT",
    description="A token of Airflow's `POST /auth/token`; in a browser, Airflow's session cookie.",
)


async def current_access(_for_openapi: Annotated[object, Depends(_token)] = None) -> Access:
    """Replaced by the real one through ``dependency_overrides`` in ``create_app``."""
    raise NotImplementedError


def current_host(request: Request) -> Host:
    host: Host = request.app.state.host
    return host


AccessDep = Annotated[Access, Depends(current_access)]
HostDep = Annotated[Host, Depends(current_host)]


def require(access: Access, dag_id: str, permission: Permission = Permission.READ) -> None:
    """Let the request through or end it.

    :raises NotFound: the Dag may not be read; the same error as for one that does not exist.
    :raises Refused: it may be read, but not this.
    """
    if not access.may(Permission.READ, dag_id):
        raise unknown_dag(dag_id)
    if permission is not Permission.READ and not access.may(permission, dag_id):
        raise Refused(
            f"Cannot {permission.value}",
            found=f"user {access.user_name} lacks Airflow's permission for it on Dag {dag_id}",
            remedy="Ask whoever administers Airflow's roles",
            dag_id=dag_id,
        )


def require_all(access: Access, dag_ids: Sequence[str], permission: Permission) -> None:
    """As :func:`require` for a batch of Dags that are known to be readable.

    :raises Refused: names the first of the Dags that lack the permission.
    """
    lacking = access.lacking(permission, dag_ids)
    if lacking:
        more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        raise Refused(
            f"Cannot change these {len(dag_ids)} Dags: nothing was changed",
            found=f"user {access.user_name} may not {permission.value} on {', '.join(lacking[:NAMED])}{more}",
            remedy="Narrow the selection, or ask whoever administers Airflow's roles",
            dag_ids=lacking[:NAMED],
        )


def require_view(access: Access, view: View, failed: str, found: str | None = None) -> None:
    """Let through whoever has a right beyond Airflow's own.

    :raises Refused: *failed* is what cannot be done, *found* what of it needs that.
    """
    if not access.has(view):
        lacks = f"user {access.user_name} lacks the right {view.value}"
        raise Refused(
            failed,
            found=lacks if found is None else f"{found}, and {lacks}",
            remedy="Ask whoever administers Airflow's roles",
        )


def require_reading(access: Access) -> None:
    """Let somebody see what is about Dags in general.

    :raises Refused: the user may not read Dags.
    """
    if not access.may(Permission.READ, None):
        raise Refused(
            "Cannot show rules and policies",
            found=f"user {access.user_name} may not read Dags",
            remedy="Ask whoever administers Airflow's roles",
        )


def unreadable(access: Access, dag_ids: Collection[str]) -> list[str]:
    """Those of the Dags, sorted, that the user may not read."""
    return access.lacking(Permission.READ, dag_ids)
