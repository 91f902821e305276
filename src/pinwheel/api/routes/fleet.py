"""The fleet at a glance, for the page of all Dags."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from attrs import evolve
from fastapi import APIRouter, Query

from pinwheel.api.access import AccessDep, HostDep, Permission
from pinwheel.api.parameters import OffsetQuery, TextQuery, Words, sees_runs
from pinwheel.api.redaction import readable_broken
from pinwheel.api.routes.bundles import troubled
from pinwheel.api.schemas.fleet import Choices, Fleet
from pinwheel.services.show import fleet
from pinwheel.services.show.plain import plain

router = APIRouter(prefix="/fleet", tags=["Fleet"])

State = Annotated[bool | None, Query()]
Order = Literal["attention", "dag_id", "-last_change", "waits_since", "pinned_since", "failing_since"]


@router.get("", operation_id="get_fleet", response_model=Fleet, summary="Fleet")
def get_fleet(
    access: AccessDep,
    host: HostDep,
    held: State = None,
    pinned: State = None,
    broken: State = None,
    failing: Annotated[
        bool | None, Query(description="Whether a run on the active release has failed.")
    ] = None,
    behind: Annotated[
        bool | None, Query(description="Whether new runs do not take what the bundle shows.")
    ] = None,
    pinned_days: Annotated[
        int | None, Query(ge=1, le=36_500, description="Only Dags that have been pinned for so many days.")
    ] = None,
    tag: Words = [],  # noqa: B006 - FastAPI copies it
    tags_match_mode: Annotated[
        Literal["any", "all"], Query(description="Of several tags, as in Airflow's list of Dags.")
    ] = "any",
    bundle: TextQuery = None,
    owner: TextQuery = None,
    text: Annotated[TextQuery, Query(description="Part of the id or of the display name.")] = None,
    retired: Annotated[bool, Query(description="Whether to show retired Dags too.")] = False,
    order_by: Annotated[
        Order,
        Query(
            description="`attention`: failing, broken, held, and the others; of each what is new first. "
            "`waits_since`, `pinned_since` and `failing_since`: what is so for longest first."
        ),
    ] = "dag_id",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: OffsetQuery = 0,
) -> dict[str, Any]:
    """Dags that you may read: what is active, what waits and why, what is broken, runs since the release."""
    wish = fleet.Wish(
        held=held,
        pinned=pinned,
        broken=broken,
        failing=failing,
        behind=behind,
        pinned_days=pinned_days,
        tags=tuple(tag),
        all_tags=tags_match_mode == "all",
        bundle=bundle,
        owner=owner,
        text=text,
        retired=retired,
        order_by=order_by,
        limit=limit,
        offset=offset,
    )

    found = fleet.fleet(host, wish, access.readable, sees_runs(access))
    ids = [view.dag_id for view in found.dags]
    fixed, quiet = set(access.lacking(Permission.EDIT, ids)), set(access.lacking(Permission.READ_RUNS, ids))
    shown = [
        evolve(view, runs=None) if view.dag_id in quiet else view
        for view in readable_broken(access, host, found.dags)
    ]
    return {
        **plain(evolve(found, dags=())),
        "dags": [{**plain(view), "may_edit": view.dag_id not in fixed} for view in shown],
        "bundles": troubled(access, host, of=bundle),
    }


@router.get(
    "/filters",
    operation_id="get_fleet_filters",
    response_model=Choices,
    summary="Filters of the fleet",
)
def get_filters(access: AccessDep, host: HostDep) -> dict[str, Any]:
    """The bundles, owners and tags of the Dags that you may read."""
    return plain(fleet.choices(host, access.readable))
