"""Rollouts: what is on its way, what it waits for, and what somebody does about it."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
from fastapi import APIRouter, Body, Depends, Path, Query

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, View, require, require_view
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import (
    DEFAULT_LIMIT,
    DagIdPath,
    IdempotencyKey,
    IfMatchGeneration,
    LimitQuery,
    PlanQuery,
    TextQuery,
    Words,
    expected,
    sees,
)
from pinwheel.api.schemas.rollouts import (
    ActBody,
    DagActBody,
    Rollout,
    RolloutActed,
    RolloutPage,
    RolloutVerb,
)
from pinwheel.core import command_line
from pinwheel.core.rollout.table import Verb
from pinwheel.services.ports.host import Host
from pinwheel.services.rollout import acts, show
from pinwheel.services.rules.overriding import Who
from pinwheel.services.show.plain import plain

router = APIRouter(tags=["Rollouts"], route_class=JsonRoute)

_RIGHTS = {Verb.APPROVE: View.APPROVALS, Verb.REJECT: View.APPROVALS, Verb.SKIP: View.OVERRIDE}
"""What an act needs besides the permission to edit the Dag."""

RolloutPath = Annotated[int, Path(alias="rollout", ge=1, le=2**53)]


@router.get(
    "/rollouts", operation_id="list_rollouts", response_model=RolloutPage, summary="What is on its way"
)
def list_rollouts(
    access: AccessDep,
    host: HostDep,
    state: Annotated[
        Words, Query(description="Only in one of these states; `live`: all that have not ended.")
    ] = [],  # noqa: B006 - FastAPI copies it
    dag_id: Annotated[Words, Query(description="Only of these Dags.")] = [],  # noqa: B006
    commit: Annotated[TextQuery, Query(description="Only of this bundle version.")] = None,
    waiting_for: Annotated[
        TextQuery,
        Query(
            description="Only those that wait for a `person`, a `check`, a `time`, `runs` or `nobody`; "
            "`check:NAME`: for this check."
        ),
    ] = None,
    limit: LimitQuery = DEFAULT_LIMIT,
    before_id: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only rollouts that began before this one.")
    ] = None,
) -> dict[str, Any]:
    """Of Dags that you may read; those that wait for a person first, else the newest first."""
    readable = access.readable()
    for each in dag_id:
        require(access, each)
    asked = show.Asked(
        dag_ids=frozenset(readable.intersection(dag_id) if dag_id else readable),
        states=frozenset(state),
        version=commit,
        waiting_for=waiting_for,
    )
    page = show.listed(host, asked, limit=limit, before_id=before_id)
    return {**plain(page), "rollouts": _shown(access, *page.rollouts)}


@router.get("/rollouts/{rollout}", operation_id="get_rollout", response_model=Rollout, summary="One rollout")
def get_rollout(access: AccessDep, host: HostDep, rollout: RolloutPath) -> dict[str, Any]:
    """A rollout, whether it is on its way or has ended."""
    return _shown(access, _readable(access, host, rollout))[0]


@router.get(
    "/dags/{dag_id}/rollout",
    operation_id="get_dag_rollout",
    response_model=Rollout,
    summary="The rollout of a Dag",
)
def get_dag_rollout(access: AccessDep, host: HostDep, dag_id: DagIdPath) -> dict[str, Any]:
    """The one ahead, else the one that is watched, else the last. 404 where nothing ever was on its way."""
    require(access, dag_id)
    return _shown(access, show.of_dag(host, dag_id))[0]


def _shown(access: Access, *views: show.RolloutView) -> list[dict[str, Any]]:
    """Each, with what the user may do about it."""
    fixed = set(access.lacking(Permission.EDIT, {view.dag_id for view in views}))
    has = {"approve": access.has(View.APPROVALS), "override": access.has(View.OVERRIDE)}
    may = {"edit": True, **has}
    none = dict.fromkeys(may, False)
    return [{**plain(view), "may": none if view.dag_id in fixed else may} for view in views]


def _readable(access: Access, host: Host, rollout_id: int) -> show.RolloutView:
    """:raises NotFound: there is none of this id, or its Dag may not be read."""
    found = show.one(host, rollout_id)
    if not access.may(Permission.READ, found.dag_id):
        raise show.unknown_rollout(rollout_id)
    return found


@attrs.frozen
class _Request:
    """What all acts have in common."""

    access: AccessDep
    host: HostDep
    plan: PlanQuery = False
    if_match: IfMatchGeneration = None
    key: IdempotencyKey = None

    def carry_out(self, dag_id: str, verb: RolloutVerb, body: ActBody, **more: Any) -> dict[str, Any]:
        require(self.access, dag_id, Permission.EDIT)
        asked = body.request(
            dag_id,
            verb,
            expected_generation=expected(self.if_match, body.expected_generation, "generation"),
            plan=self.plan or body.plan,
            request_id=self.key,
            **more,
        )
        if right := _RIGHTS.get(asked.verb):
            require_view(self.access, right, asked.failed, "it decides on a gate")
        who = Who(actor=self.access.user_name, names=self.access.names())
        done = acts.act(self.host, asked, who, sees=sees(self.access))
        rollout = _shown(self.access, done.rollout)[0] if done.rollout is not None else None
        return {**plain(done), "rollout": rollout, "command": command_line.rollout(asked)}


def _request(
    access: AccessDep,
    host: HostDep,
    plan: PlanQuery = False,
    if_match: IfMatchGeneration = None,
    key: IdempotencyKey = None,
) -> _Request:
    return _Request(access, host, plan, if_match, key)


RequestDep = Annotated[_Request, Depends(_request)]


@router.post(
    "/rollouts/{rollout}/{verb}",
    operation_id="act_on_rollout",
    response_model=RolloutActed,
    summary="Approve, reject, pause, resume, retry, skip, restart or abort",
)
def act_on_rollout(
    request: RequestDep,
    rollout: RolloutPath,
    verb: RolloutVerb,
    body: Annotated[ActBody | None, Body()] = None,
) -> dict[str, Any]:
    """On this rollout; when it has ended by now, the answer is 409.

    To approve and to reject you need the right Pinwheel Approvals, to skip a gate Pinwheel Override.
    """
    found = _readable(request.access, request.host, rollout)
    return request.carry_out(found.dag_id, verb, body or ActBody(), rollout=rollout)


@router.post(
    "/dags/{dag_id}/rollout/{verb}",
    operation_id="act_on_dag_rollout",
    response_model=RolloutActed,
    summary="The same on the rollout of a Dag",
)
def act_on_dag_rollout(
    request: RequestDep,
    dag_id: DagIdPath,
    verb: RolloutVerb,
    body: Annotated[DagActBody | None, Body()] = None,
) -> dict[str, Any]:
    """On the one ahead, else on the one that is watched. With nothing on its way `restart` lets the newest
    place set out."""
    return request.carry_out(dag_id, verb, body or DagActBody())
