"""The history: the grid of runs and tasks, what each run and try ran on, what a clear would do."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response

from pinwheel.api.access import AccessDep, HostDep, Permission, require
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import NO_CONTROLS, DagIdPath, RunIdPath, TextQuery, Words
from pinwheel.api.schemas.compare import Graph
from pinwheel.api.schemas.history import (
    Cells,
    CellsBody,
    GridPage,
    GridRows,
    Preview,
    PreviewBody,
    RunVersions,
    TaskInstance,
)
from pinwheel.services.history import grid, instances
from pinwheel.services.run import clear_preview
from pinwheel.services.show.plain import plain

router = APIRouter(prefix="/dags/{dag_id}", tags=["History"], route_class=JsonRoute)

TaskIdPath = Annotated[str, Path(alias="task_id", min_length=1, max_length=250, pattern=NO_CONTROLS)]
_KEY = r"^([rt][1-9][0-9]*(\.[1-9][0-9]*)?|v[1-9][0-9]*)$"
KeyPath = Annotated[str, Path(alias="version", max_length=17, pattern=_KEY)]


@router.get("/history", operation_id="get_history", response_model=GridPage, summary="Runs of the grid")
def get_history(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    until: Annotated[TextQuery, Query(description="The newest run of the page.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
) -> dict[str, Any]:
    """A page of runs, newest first, with all versions that the tries of each ran on."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    found = grid.page(host, dag_id, until=until, limit=limit)
    return {**plain(found), "may_clear": access.may(Permission.EDIT_RUN, dag_id)}


@router.get(
    "/history/rows", operation_id="get_history_rows", response_model=GridRows, summary="Rows of the grid"
)
def get_history_rows(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    version: Words = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Tasks and groups of some versions, in the order of the grid."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    return _json(grid.rows(host, dag_id, version))


@router.post(
    "/history/cells",
    operation_id="get_history_cells",
    response_model=Cells,
    summary="Cells of the grid",
)
def get_history_cells(
    access: AccessDep, host: HostDep, dag_id: DagIdPath, body: Annotated[CellsBody, Body()]
) -> Response:
    """States of some tasks in some runs. Changes nothing; a POST since what is asked for may be long."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    return _json(grid.cells(host, dag_id, body.run_ids, body.task_ids, body.groups))


@router.get(
    "/versions/{version}/graph",
    operation_id="get_version_graph",
    response_model=Graph,
    summary="Graph of a version",
)
def get_version_graph(
    access: AccessDep, host: HostDep, dag_id: DagIdPath, version: KeyPath
) -> dict[str, Any]:
    """Tasks, groups and edges as they were."""
    require(access, dag_id, Permission.READ_VERSIONS)
    return plain(grid.graph_of(host, dag_id, version))


@router.get(
    "/runs/{run_id}/versions",
    operation_id="get_run_versions",
    response_model=RunVersions,
    summary="What a run ran on",
)
def get_run_versions(
    access: AccessDep, host: HostDep, dag_id: DagIdPath, run_id: RunIdPath
) -> dict[str, Any]:
    """Every binding of a run, and all versions that its tries ran on."""
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    return plain(instances.run(host, dag_id, run_id))


@router.get(
    "/runs/{run_id}/tasks/{task_id}",
    operation_id="get_task_versions",
    response_model=TaskInstance,
    summary="What a task instance ran on",
)
def get_task_versions(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    run_id: RunIdPath,
    task_id: TaskIdPath,
    map_index: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
) -> dict[str, Any]:
    """Every try with the version that it ran on; of a mapped task without an index, of its first
    instance that failed, else of its first one.
    """
    require(access, dag_id, Permission.READ_TASK_INSTANCES)
    found = instances.task_instance(host, dag_id, run_id, task_id, map_index)
    return {**plain(found), "may_clear": access.may(Permission.EDIT_RUN, dag_id)}


@router.post(
    "/runs/{run_id}/clear/preview",
    operation_id="preview_clear",
    response_model=Preview,
    summary="What a clear would do",
)
def preview_clear(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    run_id: RunIdPath,
    body: Annotated[PreviewBody | None, Body()] = None,
) -> dict[str, Any]:
    """Which tasks would run again and on which build, task by task. Changes nothing."""
    require(access, dag_id, Permission.EDIT_RUN)
    body = body or PreviewBody()
    return plain(clear_preview.preview(host, dag_id, run_id, actor=access.user_name, **dict(body)))


def _json(found: grid.GridRows | grid.Cells) -> Response:
    """The answer as it is: tens of thousands of cells are not checked one by one."""
    return Response(json.dumps(plain(found), separators=(",", ":")), media_type="application/json")
