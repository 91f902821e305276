"""Timelines: which builds a Dag's data of which dates is for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query

from pinwheel.api.access import AccessDep, HostDep, Permission, View, require, require_view
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import DagIdPath, IdempotencyKey, PlanQuery, sees
from pinwheel.api.redaction import reads
from pinwheel.api.schemas.timeline import (
    ClearByDateBody,
    ClearedByDate,
    Timeline,
    TimelineBody,
    TimelineChange,
    TimelineCheck,
    TimelineHistory,
)
from pinwheel.core.errors import InvalidInput
from pinwheel.core.request_values import LARGEST_NUMBER, LONGEST_DATE
from pinwheel.services.show.plain import plain, plain_all
from pinwheel.services.timeline import change, check, clear_runs, show

router = APIRouter(prefix="/dags/{dag_id}/timeline", tags=["Timelines"], route_class=JsonRoute)

DateQuery = Annotated[str | None, Query(min_length=1, max_length=LONGEST_DATE)]


@router.get("", operation_id="get_timeline", response_model=Timeline, summary="Timeline")
def get_timeline(
    access: AccessDep, host: HostDep, dag_id: DagIdPath, at: DateQuery = None, as_of: DateQuery = None
) -> dict[str, Any]:
    """All dates: eras, and gaps in which the active release runs; with `as_of` as was believed at that time.
    `at` asks for one date."""
    require(access, dag_id, Permission.READ)
    runs = access.may(Permission.READ_RUNS, dag_id)
    tasks = access.may(Permission.READ_VERSIONS, dag_id)
    return plain(show.show(host, dag_id, at=at, when=as_of, runs=runs, tasks=tasks))


@router.put("", operation_id="put_timeline", response_model=TimelineChange, summary="Change a timeline")
def put_timeline(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    body: TimelineBody,
    plan: PlanQuery = False,
    if_match: Annotated[
        str | None, Header(max_length=50, description='The revision that you saw, as `"3"`; 0: none.')
    ] = None,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Make a new revision. Where a build is new in it, a Dag processor looks first whether it can run. An era
    for data from now on asks windows, freezes and required gates, as a release does."""
    require(access, dag_id, Permission.EDIT)
    asked = body.request(
        dag_id,
        expected_revision=_expected(if_match, body.expected_revision),
        plan=plan or body.plan,
        request_id=key,
    )
    if asked.now:
        require_view(access, View.OVERRIDE, asked.failed, "it goes past rules")
    answer = change.change(
        host, asked, actor=access.user_name, names=access.names(), sees=sees(access), reads=reads(access)
    )
    return plain(answer if access.may(Permission.READ_RUNS, dag_id) else answer.without_runs())


@router.get(
    "/check", operation_id="check_timeline", response_model=TimelineCheck, summary="What does not match"
)
def check_timeline(access: AccessDep, host: HostDep, dag_id: DagIdPath) -> dict[str, Any]:
    """The runs that are on another build than that of their date; those that somebody chose apart. And the
    sensors of Dags that you may read which wait for what is not there at some dates."""
    require(access, dag_id, Permission.READ_RUNS)
    return plain(check.check(host, dag_id, sees=sees(access)))


@router.post(
    "/clear-runs",
    operation_id="clear_by_date",
    response_model=ClearedByDate,
    summary="Run again what does not match",
)
def clear_by_date(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    body: Annotated[ClearByDateBody | None, Body()] = None,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Oldest first, 20 in a transaction; with the same key one that was cut off goes on, each run once."""
    require(access, dag_id, Permission.EDIT)
    require(access, dag_id, Permission.EDIT_RUN)
    asked = (body or ClearByDateBody()).request(dag_id, key)
    return plain(clear_runs.clear(host, asked, actor=access.user_name, sees=sees(access)))


@router.get("/history", operation_id="list_timeline", response_model=TimelineHistory, summary="Revisions")
def list_timeline(access: AccessDep, host: HostDep, dag_id: DagIdPath) -> dict[str, Any]:
    """Every revision with all its eras, newest first."""
    require(access, dag_id, Permission.READ)
    return {"revisions": plain_all(show.revisions(host, dag_id))}


def _expected(if_match: str | None, in_body: int | None) -> int | None:
    """The revision that the caller saw, from the header or the body."""
    if if_match is None or if_match.strip() == "*":
        return in_body
    number = if_match.strip().removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and int(number) <= LARGEST_NUMBER):
        raise InvalidInput(
            "Cannot read the header If-Match",
            found="it is not the number of a revision",
            remedy='Give it as: If-Match: "3"',
        )
    if in_body is not None and in_body != int(number):
        raise InvalidInput(
            "Cannot read the request",
            found=f"If-Match says revision {number}, expected_revision says {in_body}",
            remedy="Give one of the two",
        )
    return int(number)
