"""What there is to see of Dags: status, builds, releases, differences."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from attrs import evolve
from fastapi import APIRouter, Query, Response

from pinwheel.api.access import Access, AccessDep, HostDep, Permission, require, unreadable
from pinwheel.api.parameters import (
    DEFAULT_LIMIT,
    BuildPath,
    DagIdPath,
    FromQuery,
    LimitQuery,
    OffsetQuery,
    TextQuery,
    ToQuery,
    Words,
    sees_runs,
)
from pinwheel.api.redaction import readable_broken, readable_builds
from pinwheel.api.routes.bundles import troubled
from pinwheel.api.schemas.compare import Diff
from pinwheel.api.schemas.dags import BuildPage, DagPage, DagStatus, OneBuild, ReleasePage
from pinwheel.core.errors import unknown_dag
from pinwheel.core.request import ANY_STATE, Selection, States
from pinwheel.core.selector import Selector
from pinwheel.services.release import selecting
from pinwheel.services.show import status
from pinwheel.services.show.builds import build, builds, diff, releases
from pinwheel.services.show.plain import plain, plain_all

router = APIRouter(prefix="/dags", tags=["Dags"])


@router.get(
    "",
    operation_id="list_dags",
    response_model=DagPage,
    response_model_exclude_unset=True,
    summary="Status of Dags",
)
def list_dags(
    access: AccessDep,
    host: HostDep,
    ids: Words = [],  # noqa: B006 - FastAPI copies it
    glob: Words = [],  # noqa: B006
    tag: Words = [],  # noqa: B006
    bundle: TextQuery = None,
    held: Annotated[
        bool | None, Query(description="Only those of which a newer build waits, or does not.")
    ] = None,
    track: Annotated[Literal["auto", "pinned"] | None, Query()] = None,
    pinned: Annotated[bool | None, Query(description="Only those that are pinned, or are not.")] = None,
    broken: Annotated[
        bool | None, Query(description="Only those whose file can not be used in the newest version.")
    ] = None,
    failing: Annotated[
        bool | None, Query(description="Only those of which a run on the active release has failed.")
    ] = None,
    behind: Annotated[
        bool | None, Query(description="Only those whose new runs do not take what the bundle shows.")
    ] = None,
    runs: Annotated[bool, Query(description="Whether to count the runs on the active release.")] = False,
    retired: Annotated[bool, Query(description="Whether to list retired Dags too.")] = True,
    limit: LimitQuery = DEFAULT_LIMIT,
    offset: OffsetQuery = 0,
) -> dict[str, Any]:
    """Dags that you may read, by id. ``ids`` and ``glob`` add up; ``tag`` and ``bundle`` narrow."""
    selector = Selector.of(ids, globs=glob, tags=tag, bundle=bundle)
    found = readable_selection(access, host, Selection(selector=selector, retired=retired))
    states = States(held=held, pinned=pinned, broken=broken, failing=failing, behind=behind)

    total = len(found)
    if states == ANY_STATE and track is None:
        found = found[offset : offset + limit]
    else:
        every = status.status(host, dag_ids=found, states=states, sees_runs=sees_runs(access))
        named = [view.dag_id for view in every if track in (None, view.track)]
        total, found = len(named), named[offset : offset + limit]
    shown = status.status(host, dag_ids=found, runs=runs, sees_runs=sees_runs(access))
    readable = readable_broken(access, host, shown)
    return {"dags": plain_all(readable), "total_entries": total, "bundles": troubled(access, host, of=bundle)}


@router.get(
    "/{dag_id}",
    operation_id="get_dag",
    response_model=DagStatus,
    response_model_exclude_unset=True,
    summary="Status of one Dag",
)
def get_dag(access: AccessDep, host: HostDep, dag_id: DagIdPath, response: Response) -> dict[str, Any]:
    """The header ``ETag`` is the active release; send it back as ``If-Match`` with a change."""
    require(access, dag_id)
    (view,) = readable_broken(access, host, status.status(host, dag_ids=[dag_id]))
    if view.active_release is not None:
        response.headers["ETag"] = f'"{view.active_release}"'
    return plain(view)


@router.get("/{dag_id}/builds", operation_id="list_builds", response_model=BuildPage, summary="Builds")
def list_builds(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    limit: LimitQuery = DEFAULT_LIMIT,
    offset: OffsetQuery = 0,
) -> dict[str, Any]:
    """Good and broken builds, newest first."""
    require(access, dag_id, Permission.READ_VERSIONS)
    found = builds(host, dag_id)
    shown = readable_builds(access, host, found[offset : offset + limit])
    return {"builds": plain_all(shown), "total_entries": len(found)}


@router.get(
    "/{dag_id}/builds/{build}", operation_id="get_build", response_model=OneBuild, summary="One build"
)
def get_build(access: AccessDep, host: HostDep, dag_id: DagIdPath, number: BuildPath) -> dict[str, Any]:
    """A good build, with the names of all files that it used. ``compare/file`` gives their contents."""
    require(access, dag_id, Permission.READ_VERSIONS)
    (shown,) = readable_builds(access, host, [build(host, dag_id, number)])
    return plain(shown)


@router.get(
    "/{dag_id}/releases", operation_id="list_releases", response_model=ReleasePage, summary="Releases"
)
def list_releases(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    include_before: Annotated[
        bool, Query(description="Also Airflow's versions from before Pinwheel.")
    ] = False,
    limit: LimitQuery = DEFAULT_LIMIT,
    offset: OffsetQuery = 0,
) -> dict[str, Any]:
    """Newest first."""
    require(access, dag_id, Permission.READ_VERSIONS)
    found = releases(host, dag_id, include_before=include_before)
    return {"releases": plain_all(found[offset : offset + limit]), "total_entries": len(found)}


@router.get(
    "/{dag_id}/diff",
    operation_id="diff_builds",
    response_model=Diff,
    summary="Compare two builds",
)
def diff_builds(
    access: AccessDep,
    host: HostDep,
    dag_id: DagIdPath,
    from_build: FromQuery = None,
    to_build: ToQuery = None,
    files: Annotated[
        bool, Query(description="With the changed files, for which you must be allowed to see code.")
    ] = True,
) -> dict[str, Any]:
    """What differs in structure and in files."""
    require(access, dag_id, Permission.READ_VERSIONS)
    if files:
        require(access, dag_id, Permission.READ_CODE)
    found = diff(host, dag_id, from_build, to_build)
    return plain(found if files else evolve(found, files=()))


def readable_selection(access: Access, host: Any, selection: Selection) -> list[str]:
    """Ids of the Dags that *selection* means among those that the user may read, sorted.

    :raises NotFound: a Dag is named by its id that does not exist or may not be read.
    """
    selector = selection.selector
    if hidden := unreadable(access, selector.ids):
        raise unknown_dag(hidden[0])
    found = selecting.select(host, selection)
    if selector.names_only:
        return found
    readable = access.readable() | set(selector.ids)
    return [dag_id for dag_id in found if dag_id in readable]
