"""Wire types of what pages and probes ask again and again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer


class News(BaseAnswer):
    last_event_id: int = Field(description="Give it as `after` next time. 0 before the first event.")
    dag_ids: list[str] = Field(
        description="Dags that you may read of which something changed, at most 1,000."
    )
    runs: str | None = Field(
        description="Another text whenever a run of any Dag began or ended, which is no event; null with "
        "`dag_id`."
    )


class Health(BaseAnswer):
    status: Literal["healthy", "unhealthy"]
    version: str
    missing_tables: list[str] = Field(description="Empty when `airflow db migrate` has made all of them.")
