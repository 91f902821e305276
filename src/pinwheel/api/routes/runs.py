"""Runs: what each try really ran, and new or cleared runs on a chosen build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, require
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import (
    DEFAULT_LIMIT,
    DagIdPath,
    IdempotencyKey,
    RunIdPath,
    TextQuery,
    sees,
)
from pinwheel.api.schemas.runs import (
    Backfill,
    BackfillBody,
    ClearBody,
    ClearedRun,
    ClearedRuns,
    ClearRunsBody,
    Reprocess,
    TriggerBody,
    TriggeredRun,
    TryPage,
)
from pinwheel.core.request import HistoryRequest
from pinwheel.core.request_values import MOST_SHOWN
from pinwheel.services.history.tries import history
from pinwheel.services.ports.host import Host
from pinwheel.services.run import backfill, clear, trigger
from pinwheel.services.show.plain import plain, plain_all

router = APIRouter(prefix="/dags/{dag_id}", tags=["Runs"], route_class=JsonRoute)


@router.get("/runs", operation_id="list_tries", response_model=TryPage, summary="History of what ran")
def list_tries(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    run_id: TextQuery = None,
    task_id: TextQuery = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_SHOWN, description="So many of the newest runs.")
    ] = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Each try with the release, build and bundle version that it executed; newest run first."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    asked = HistoryRequest(dag_id=dag_id, run_id=run_id, task_id=task_id, limit=limit)
    found = history(host, asked)
    return {"tries": plain_all(found.tries), "total_entries": found.runs}


@router.post(
    "/runs",
    operation_id="trigger_run",
    response_model=TriggeredRun,
    response_model_exclude_unset=True,
    status_code=201,
    summary="Run on a build",
)
def trigger_run(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    body: Annotated[TriggerBody | None, Body()] = None,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Start one run on any good build, released or not. The active release stays what it is.

    To repeat it safely give an ``Idempotency-Key``, or a ``run_id``: when that run exists the answer is 409.
    """
    body = body or TriggerBody()
    require(access, dag_id, Permission.CREATE_RUN)
    asked = body.request(dag_id, key)
    bound = trigger.trigger(host, asked, actor=access.user_name, sees=sees(access))
    return plain(trigger.TriggerView.of(asked, bound))


@router.post(
    "/runs/{run_id}/clear",
    operation_id="clear_run",
    response_model=ClearedRun,
    summary="Clear on a build",
)
def clear_run(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    run_id: RunIdPath,
    body: Annotated[ClearBody | None, Body()] = None,
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Let a run run again: on the build that it is bound to, or on the given one."""
    (cleared,) = _clear(access, host, dag_id, [run_id], body or ClearBody(), key)
    return cleared


@router.post("/clear", operation_id="clear_runs", response_model=ClearedRuns, summary="Clear several runs")
def clear_runs(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    body: Annotated[ClearRunsBody, Body()],
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Let runs run again, all of them or none: on the builds that they are bound to, or on the given one."""
    return {"plan": body.plan, "runs": _clear(access, host, dag_id, body.run_ids, body, key)}


@router.post(
    "/backfills",
    operation_id="create_backfill",
    response_model=Backfill,
    status_code=201,
    summary="Backfill on a build",
)
def create_backfill(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    body: Annotated[BackfillBody, Body()],
    key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Run a Dag for the dates of a range, on any good build. The active release stays what it is.

    While a backfill of the Dag is active, another one answers 409.
    """
    require(access, dag_id, Permission.CREATE_RUN)
    if body.reprocess_behavior is not Reprocess.NONE:
        require(access, dag_id, Permission.EDIT_RUN)
    asked = body.request(dag_id, key)
    made = backfill.backfill(host, asked, actor=access.user_name, sees=sees(access))
    return plain(backfill.BackfillView.of(made))


def _clear(
    access: Access,
    host: Host,
    dag_id: str,
    run_ids: Sequence[str],
    body: ClearBody,
    key: str | None,
) -> list[dict[str, Any]]:
    require(access, dag_id, Permission.EDIT_RUN)
    asked = body.request(dag_id, run_ids, key)
    return plain_all(clear.clear(host, asked, actor=access.user_name, sees=sees(access)))
