"""Freezes, and when places of a Dag may be released."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from pinwheel.api.access import AccessDep, HostDep, Permission, View, require, require_all, require_view
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import NO_CONTROLS, IdempotencyKey, PlanQuery, sees
from pinwheel.api.routes.dags import readable_selection
from pinwheel.api.schemas.freezes import FreezeBody, FreezeChange, Freezes, Windows
from pinwheel.api.schemas.parts import Instant
from pinwheel.core.request_values import LONGEST_SHOWN_REASON
from pinwheel.core.rule_request import LiftRequest
from pinwheel.services.rollout import freeze
from pinwheel.services.rollout.windows import windows
from pinwheel.services.show.plain import plain, plain_all

router = APIRouter(tags=["Freezes"], route_class=JsonRoute)


@router.get("/freezes", operation_id="list_freezes", response_model=Freezes, summary="Freezes")
def list_freezes(access: AccessDep, host: HostDep) -> dict[str, Any]:
    """Those that hold or will hold; none that names only Dags that you may not see."""
    return {"freezes": plain_all(freeze.listed(host, sees=sees(access)))}


@router.post("/freezes", operation_id="freeze_dags", response_model=FreezeChange, summary="Freeze Dags")
def freeze_dags(
    access: AccessDep, host: HostDep, body: FreezeBody, plan: PlanQuery = False, key: IdempotencyKey = None
) -> dict[str, Any]:
    """No place of them is released until it ends, but for a way back. You must be allowed to edit each; what
    selects Dags that come later too, or says who may override it, needs the right to change rules."""
    asked = body.request(plan=plan or body.plan, request_id=key)
    if not asked.selection.selector.names_only:
        require_view(access, View.POLICIES, asked.failed, "it selects Dags that come later too")
    if asked.override:
        require_view(access, View.POLICIES, asked.failed, "it says who may override it")
    require_all(access, readable_selection(access, host, asked.selection), Permission.EDIT)
    return plain(freeze.freeze(host, asked, actor=access.user_name, sees=sees(access)))


@router.delete(
    "/freezes/{name}", operation_id="lift_freeze", response_model=FreezeChange, summary="Lift a freeze"
)
def lift_freeze(
    access: AccessDep,
    host: HostDep,
    name: Annotated[str, Path(min_length=1, max_length=250, pattern=NO_CONTROLS)],
    reason: Annotated[str, Query(min_length=1, max_length=LONGEST_SHOWN_REASON, description="Why.")],
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Your own where you may edit all Dags that it selects; another's if you may change rules. A document's
    ends with a change of the document."""
    done = freeze.lift(
        host,
        LiftRequest(name=name, reason=reason, request_id=key),
        actor=access.user_name,
        may_lift_others=access.has(View.POLICIES),
        may_edit=lambda dag_ids: not access.lacking(Permission.EDIT, dag_ids),
        sees=sees(access),
    )
    return plain(done)


@router.get("/windows", operation_id="get_windows", response_model=Windows, summary="When a Dag is open")
def get_windows(
    access: AccessDep,
    host: HostDep,
    dag_id: Annotated[str, Query(min_length=1, max_length=250, pattern=NO_CONTROLS)],
    at: Annotated[Instant | None, Query(description="Without: now.")] = None,
) -> dict[str, Any]:
    """Whether a place of the Dag may be released at an instant, which rules close it, and what comes next."""
    require(access, dag_id, Permission.READ)
    return plain(windows(host, dag_id, at=at))
