"""Runs: what each try really ran, and new or cleared runs on a chosen build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Query

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, require
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import (
    DEFAULT_LIMIT,
    DagIdPath,
    IdempotencyKey,
    RunIdPath,
    TextQuery,
    repeatable,
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
from pinwheel.core import command_line
from pinwheel.core.errors import NotFound, unknown_dag
from pinwheel.services.history.tries import history
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.runs import BackfillWish
from pinwheel.services.run import backfill, clear, trigger
from pinwheel.services.show.plain import plain, plain_all

router = APIRouter(prefix="/dags/{dag_id}", tags=["Runs"], route_class=JsonRoute)
T = TypeVar("T")


@router.get("/runs", operation_id="list_tries", response_model=TryPage, summary="History of what ran")
def list_tries(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    run_id: TextQuery = None,
    task_id: TextQuery = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="So many of the newest runs.")] = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Each try with the release, build and bundle version that it executed; newest run first."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    tries = _known(host, dag_id, lambda: history(host, dag_id, run_id=run_id, task_id=task_id, limit=limit))
    return {"tries": plain_all(tries), "total_entries": len(tries)}


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
    user = access.user_name
    bound = _known(
        host,
        dag_id,
        lambda: trigger.trigger(host, dag_id, actor=user, **repeatable(access, key), **dict(body)),
    )
    if not body.plan:
        return plain(bound)
    command = command_line.trigger(dag_id, **body.model_dump(exclude={"plan"}))
    return {**plain(bound), "plan": True, "command": command}


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
    wish = BackfillWish(
        from_date=body.from_date,
        to_date=body.to_date,
        max_active_runs=body.max_active_runs,
        run_backwards=body.run_backwards,
        reprocess=body.reprocess_behavior.value,
        conf=body.dag_run_conf,
    )
    made = _known(
        host,
        dag_id,
        lambda: backfill.backfill(
            host,
            dag_id,
            wish,
            actor=access.user_name,
            build=body.build,
            bundle_version=body.bundle_version,
            reason=body.reason,
            plan=body.plan,
            **repeatable(access, key),
        ),
    )
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
    cleared = _known(
        host,
        dag_id,
        lambda: clear.clear(
            host,
            dag_id,
            run_ids,
            actor=access.user_name,
            build=body.build,
            bundle_version=body.bundle_version,
            only_failed=body.only_failed,
            task_ids=body.task_ids,
            reason=body.reason,
            plan=body.plan,
            **repeatable(access, key),
        ),
    )
    return plain_all(cleared)


def _known(host: Host, dag_id: str, work: Callable[[], T]) -> T:
    """Do *work*; of a Dag that nobody knows say so in the words used for an unreadable one."""
    try:
        return work()
    except NotFound:
        if not host.unit.run(lambda session: host.reads.airflow_dags(session, [dag_id])):
            raise unknown_dag(dag_id) from None
        raise
