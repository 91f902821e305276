"""The line of a Dag's builds and releases, and two of its builds compared."""

from __future__ import annotations

from typing import Annotated, Any

from attrs import evolve
from fastapi import APIRouter, Query

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, View, require
from pinwheel.api.parameters import DagIdPath, FromQuery, TextQuery, ToQuery
from pinwheel.api.redaction import readable_builds
from pinwheel.api.schemas.compare import Comparison, FileComparison
from pinwheel.api.schemas.line import Line
from pinwheel.api.schemas.parts import Instant
from pinwheel.services.show import compare
from pinwheel.services.show.line import line
from pinwheel.services.show.plain import plain

router = APIRouter(prefix="/dags/{dag_id}", tags=["Dags"])

RunQuery = Annotated[
    TextQuery,
    Query(
        description="A run in place of a build: it stands for the one that it is on. Needs runs to be seen."
    ),
]


@router.get("/line", operation_id="get_line", response_model=Line, summary="Line of releases")
def get_line(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    before: Annotated[
        Instant | None, Query(description="Only what was before; the `since` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="So many builds and releases together.")] = 200,
) -> dict[str, Any]:
    """Builds and releases over time, newest first, with what the runs on them came to."""
    require(access, dag_id, Permission.READ_VERSIONS)
    may = _may(access, dag_id)
    found = line(host, dag_id, before=before, limit=limit, runs=may["read_runs"])
    shown = evolve(found, builds=tuple(readable_builds(access, host, found.builds)))
    return {**plain(shown), "may": may}


@router.get(
    "/compare",
    operation_id="compare_builds",
    response_model=Comparison,
    summary="Two builds side by side",
)
def compare_builds(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    from_build: FromQuery = None,
    to_build: ToQuery = None,
    from_run: RunQuery = None,
    to_run: RunQuery = None,
) -> dict[str, Any]:
    """Both as one graph with marks, what changed in structure, and the names of all files used."""
    require(access, dag_id, Permission.READ_VERSIONS)
    if from_run is not None or to_run is not None:
        require(access, dag_id, Permission.READ_TASK_INSTANCES)
    return plain(compare.compare(host, dag_id, from_build, to_build, from_run=from_run, to_run=to_run))


@router.get(
    "/compare/file",
    operation_id="compare_file",
    response_model=FileComparison,
    summary="One file in two builds",
)
def compare_file(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    path: Annotated[str, Query(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")],
    from_build: FromQuery = None,
    to_build: ToQuery = None,
) -> dict[str, Any]:
    """Both contents, as they were parsed. A path is one of those that `compare` names."""
    require(access, dag_id, Permission.READ_VERSIONS)
    require(access, dag_id, Permission.READ_CODE)
    return plain(compare.file(host, dag_id, path, from_build, to_build))


def _may(access: Access, dag_id: str) -> dict[str, bool]:
    return {
        "edit": access.may(Permission.EDIT, dag_id),
        "create_runs": access.may(Permission.CREATE_RUN, dag_id),
        "edit_runs": access.may(Permission.EDIT_RUN, dag_id),
        "read_code": access.may(Permission.READ_CODE, dag_id),
        "read_runs": access.may(Permission.READ_RUNS, dag_id),
        "override": access.has(View.OVERRIDE) and access.may(Permission.EDIT, dag_id),
    }
