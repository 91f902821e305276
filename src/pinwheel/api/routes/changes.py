"""Promote, roll back, pin, unpin and reject: one Dag, or all Dags of a selector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import attrs
from fastapi import APIRouter, Body, Depends

from pinwheel.api.access import (
    Access,
    AccessDep,
    HostDep,
    Permission,
    View,
    require,
    require_all,
    require_view,
)
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.errors import declared
from pinwheel.api.parameters import DagIdPath, IdempotencyKey, IfMatch, PlanQuery, expected, sees, sees_runs
from pinwheel.api.routes.dags import readable_selection
from pinwheel.api.schemas.changes import (
    BatchBody,
    ChangeBody,
    Changes,
    OneOutcome,
    PinBody,
    PromoteBody,
    RejectBody,
    RollbackBody,
    UnpinBody,
)
from pinwheel.core import command_line
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest
from pinwheel.services import change
from pinwheel.services.ports.host import Host
from pinwheel.services.show.plain import plain_all

router = APIRouter(tags=["Changes"], route_class=JsonRoute)


@attrs.frozen
class _Request:
    """What the single changes have in common."""

    access: AccessDep
    host: HostDep
    dag_id: DagIdPath
    plan: PlanQuery = False
    if_match: IfMatch = None
    key: IdempotencyKey = None

    def carry_out(self, verb: Verb, body: ChangeBody) -> dict[str, Any]:
        require(self.access, self.dag_id, Permission.EDIT)
        asked = body.request(
            verb,
            self.dag_id,
            expected_release=expected(self.if_match, body.expected_release),
            plan=self.plan or body.plan,
            request_id=self.key,
        )
        if asked.reruns:
            require(self.access, self.dag_id, Permission.EDIT_RUN)
        if asked.now:
            _require_override(self.access, asked)
        (outcome,) = _apply(self.access, self.host, asked, [self.dag_id])
        return {**outcome, "plan": asked.plan, "command": command_line.change(asked)}


def _request(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    plan: PlanQuery = False,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> _Request:
    return _Request(access, host, dag_id, plan, if_match, key)


RequestDep = Annotated[_Request, Depends(_request)]


@router.post(
    "/dags/{dag_id}/promote", operation_id="promote_dag", response_model=OneOutcome, summary="Promote"
)
def promote_dag(request: RequestDep, body: Annotated[PromoteBody | None, Body()] = None) -> dict[str, Any]:
    """Release a newer build: the given one, else the newest. A rejected one needs a reason.

    Where a policy or a rule asks for something first, it sets out, and is released when that has passed.
    """
    return request.carry_out(Verb.PROMOTE, body or PromoteBody())


@router.post(
    "/dags/{dag_id}/rollback",
    operation_id="rollback_dag",
    response_model=OneOutcome,
    summary="Roll back",
)
def rollback_dag(request: RequestDep, body: Annotated[RollbackBody | None, Body()] = None) -> dict[str, Any]:
    """Release the build of an earlier release again, as a new release, and pin the Dag on it.

    What is rolled back is rejected, unless it is not to blame.
    """
    return request.carry_out(Verb.ROLLBACK, body or RollbackBody())


@router.post("/dags/{dag_id}/pin", operation_id="pin_dag", response_model=OneOutcome, summary="Pin")
def pin_dag(request: RequestDep, body: Annotated[PinBody | None, Body()] = None) -> dict[str, Any]:
    """Hold the Dag on a build until it is unpinned. A rejected one needs a reason."""
    return request.carry_out(Verb.PIN, body or PinBody())


@router.post("/dags/{dag_id}/unpin", operation_id="unpin_dag", response_model=OneOutcome, summary="Unpin")
def unpin_dag(request: RequestDep, body: Annotated[UnpinBody | None, Body()] = None) -> dict[str, Any]:
    """Return the Dag to its policy; a newer build that waits is released at once, unless it is rejected."""
    return request.carry_out(Verb.UNPIN, body or UnpinBody())


@router.post(
    "/dags/{dag_id}/reject", operation_id="reject_build", response_model=OneOutcome, summary="Reject"
)
def reject_build(request: RequestDep, body: RejectBody) -> dict[str, Any]:
    """Never release a build by itself again, in no later commit either; or take that back.

    A person may still release it, with a reason, which lifts the rejection.
    """
    verb = Verb.LIFT if body.lift else Verb.REJECT
    return request.carry_out(verb, body)


@router.post(
    "/changes",
    operation_id="change_dags",
    response_model=Changes,
    # Of the facts of a refusal only those that fit it.
    response_model_exclude_unset=True,
    summary="Change many Dags",
)
def change_dags(
    access: AccessDep,
    host: HostDep,
    body: BatchBody,
    plan: PlanQuery = False,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """One transaction: all Dags of the selector change, or none. You must be allowed to edit each of them.

    A plan names every Dag that can not take the change; `skip_refused` leaves these out.
    """
    asked = body.request(
        expected_release=expected(if_match, body.expected_release),
        plan=plan or body.plan,
        request_id=key,
    )
    dag_ids = readable_selection(access, host, asked.selection)
    require_all(access, dag_ids, Permission.EDIT)
    if asked.reruns:
        require_all(access, dag_ids, Permission.EDIT_RUN)
    if asked.now:
        _require_override(access, asked)
    left_out = change.left_out(asked, dag_ids)
    if not asked.plan:
        outcomes = _apply(access, host, asked, dag_ids)
        return {"plan": False, "outcomes": outcomes, "refused": [], "left_out": left_out}
    planned = change.plan(host, _change(access, asked, dag_ids))
    refused = [{"dag_id": each.dag_id, **declared(each.error)} for each in planned.refused]
    return {
        "plan": True,
        "outcomes": plain_all(planned.outcomes),
        "refused": refused,
        "left_out": left_out,
    }


def _require_override(access: Access, asked: ChangeRequest) -> None:
    require_view(access, View.OVERRIDE, asked.failed, "it goes past gates and rules")


def _apply(access: Access, host: Host, asked: ChangeRequest, dag_ids: Sequence[str]) -> list[dict[str, Any]]:
    return plain_all(change.apply(host, _change(access, asked, dag_ids)))


def _change(access: Access, asked: ChangeRequest, dag_ids: Sequence[str]) -> change.Change:
    return change.Change(
        request=asked,
        dag_ids=dag_ids,
        actor=access.user_name,
        sees=sees(access),
        sees_runs=sees_runs(access),
        names=access.names(),
        decides=access.has(View.APPROVALS),
    )
