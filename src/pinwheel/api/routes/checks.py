"""What checks found, said from outside."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, View, require, require_view
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import NO_CONTROLS, IdempotencyKey, sees
from pinwheel.api.schemas.rollouts import CheckBody, CheckSet
from pinwheel.core.rule_request import CheckRequest
from pinwheel.services.rollout import checks
from pinwheel.services.show.plain import plain

router = APIRouter(tags=["Rollouts"], route_class=JsonRoute)


@router.put(
    "/checks/{name:path}",
    operation_id="set_check",
    response_model=CheckSet,
    summary="Say what a check found",
)
def set_check(
    access: AccessDep,
    host: HostDep,
    name: Annotated[
        str,
        Path(min_length=1, max_length=250, pattern=NO_CONTROLS, description="As policies name the check."),
    ],
    body: CheckBody,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Of a bundle version, of a build of a Dag, or of a digest. The first and the last need not be known yet.

    Nothing changes a verdict: a newer one of the same check takes its place. You need the right Pinwheel
    Checks, or may edit the Dag; of what belongs to no Dag: Dags in general.
    """
    asked = body.request(name, key)
    _require(access, asked)
    return plain(checks.set_check(host, asked, actor=access.user_name, sees=sees(access)))


def _require(access: Access, asked: CheckRequest) -> None:
    if asked.dag_id is not None:
        require(access, asked.dag_id)
    if not access.may(Permission.EDIT, asked.dag_id):
        of = f"Dag {asked.dag_id}" if asked.dag_id is not None else "Dags in general"
        require_view(access, View.CHECKS, asked.failed, f"{of} may not be edited")
