"""Is there news? Asked by open pages every two seconds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pinwheel.api.access import AccessDep, HostDep, Permission, require
from pinwheel.api.parameters import TextQuery
from pinwheel.api.schemas.live import News
from pinwheel.services.show import news
from pinwheel.services.show.plain import plain

router = APIRouter(tags=["Events"])


@router.get("/changes", operation_id="get_news", response_model=News, summary="What changed since")
def get_news(
    access: AccessDep,
    host: HostDep,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="The `last_event_id` of the last answer.")
    ] = None,
    dag_id: TextQuery = None,
) -> dict[str, Any]:
    """Cheap, made to be asked again and again. Which change it was is told by the events."""
    if dag_id is not None:
        require(access, dag_id)

    def readable(dag_ids: list[str]) -> set[str]:
        return set(dag_ids) - set(access.lacking(Permission.READ, dag_ids))

    return plain(news.news(host, after=after, dag_id=dag_id, readable=readable))
