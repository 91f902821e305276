"""The audit trail, and whether Pinwheel is well."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from pinwheel import __version__
from pinwheel.api.access import AccessDep, HostDep, Permission, require
from pinwheel.api.parameters import DEFAULT_LIMIT, LimitQuery, TextQuery, Words, sees_runs
from pinwheel.api.redaction import readable_events
from pinwheel.api.routes.dags import readable_selection
from pinwheel.api.schemas.events import EventPage
from pinwheel.api.schemas.live import Health, KeeperStatus
from pinwheel.api.schemas.parts import Instant
from pinwheel.core.errors import Refused
from pinwheel.core.request import Selection
from pinwheel.core.selector import Selector
from pinwheel.services.show.events import events
from pinwheel.services.show.plain import plain, plain_all
from pinwheel.services.upkeep.health import health
from pinwheel.services.upkeep.keeper_status import keeper_status

router = APIRouter()


@router.get(
    "/events",
    operation_id="list_events",
    response_model=EventPage,
    response_model_exclude_unset=True,
    summary="Events",
    tags=["Events"],
)
def list_events(
    access: AccessDep,
    host: HostDep,
    ids: Words = [],  # noqa: B006 - FastAPI copies it
    glob: Words = [],  # noqa: B006
    tag: Words = [],  # noqa: B006
    bundle: TextQuery = None,
    kind: Words = [],  # noqa: B006
    actor: Annotated[TextQuery, Query(description="Only what this user did.")] = None,
    search: Annotated[
        TextQuery, Query(description="Only those whose reason has this in it, in letters of either case.")
    ] = None,
    batch: Annotated[TextQuery, Query(description="Only those of this `batch`.")] = None,
    fold: Annotated[
        bool,
        Query(
            description="Tell events of one `batch` and `kind` in one, the newest of them, with `alike`. "
            "`limit` counts these. To see them all, ask with that `batch` and `kind`, and without `fold`."
        ),
    ] = False,
    before_id: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only events older than this one.")
    ] = None,
    since: Annotated[Instant | None, Query(description="Only what happened at or after it.")] = None,
    until: Annotated[Instant | None, Query(description="Only what happened before it.")] = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Newest first, of Dags that you may read. To go on, ask with ``before_id`` set to ``next_before_id``."""
    selection = Selection.to_show(Selector.of(ids, globs=glob, tags=tag, bundle=bundle))
    if not access.may(Permission.READ_AUDIT_LOG, None):
        for dag_id in ids:
            require(access, dag_id, Permission.READ_AUDIT_LOG)
        if not selection.selector.names_only:
            raise Refused(
                "Cannot list events of all Dags",
                found=f"user {access.user_name} may not see Airflow's audit log",
                remedy="Name the Dags, or ask whoever administers Airflow's roles",
            )
    wanted = access.readable() if selection.whole else set(readable_selection(access, host, selection))
    found = events(
        host,
        dag_ids=wanted,
        kinds=kind or None,
        actor=actor,
        search=search,
        batch=batch,
        before_id=before_id,
        since=since,
        until=until,
        limit=limit,
        fold=fold,
    )
    unbound = access.may_read_unbound_events()
    shown = [event for event in found if event.dag_id is not None or unbound]
    return {
        "events": plain_all(readable_events(access, host, shown)),
        "next_before_id": found[-1].id if len(found) == limit else None,
    }


@router.get("/health", operation_id="get_health", response_model=Health, summary="Health", tags=["Service"])
def get_health(access: AccessDep, host: HostDep) -> dict[str, Any]:
    """Whether Pinwheel's tables are there, and runs are looked after. Says nothing of any Dag."""
    found = health(host)
    return {
        "status": "unhealthy" if found.missing_tables or found.problems else "healthy",
        "version": __version__,
        "missing_tables": list(found.missing_tables),
        "problems": list(found.problems),
    }


@router.get(
    "/keeper", operation_id="get_keeper", response_model=KeeperStatus, summary="Keepers", tags=["Service"]
)
def get_keeper(access: AccessDep, host: HostDep) -> dict[str, Any]:
    """Which keepers live, which runs wait and why, and which ran without being bound.

    Counts are of all Dags, runs are listed of those whose runs you may see.
    """
    return plain(keeper_status(host, sees_runs=sees_runs(access)))


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, access: AccessDep) -> JSONResponse:
    return JSONResponse({**request.app.openapi(), "servers": [{"url": request.scope.get("root_path", "")}]})
