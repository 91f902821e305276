"""Wire types of what pages and probes ask again and again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer, Moment


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
    problems: list[str] = Field(
        description="What keeps runs that are judged by their dates from starting, in sentences."
    )


class Keeper(BaseAnswer):
    process: str = Field(description="Machine and process id.")
    last_turn: Moment = Field(description="When it was last heard of; a living one says so every 5 s.")
    alive: bool = Field(description="Heard of within the last minute.")


class WaitingRun(BaseAnswer):
    dag_id: str
    run_id: str
    since: Moment | None = Field(description="When it was queued, or cleared.")
    why: str
    until: Moment | None = Field(description="It starts then at the latest; null: when it can.")
    backfill: bool = Field(description="Of a backfill, in which it waits behind the others.")


class UnboundRun(BaseAnswer):
    dag_id: str
    run_id: str
    state: str
    ended_at: Moment | None


class KeeperStatus(BaseAnswer):
    problems: list[str] = Field(description="As in `GET /health`; empty when all is well.")
    dated_dags: int = Field(description="Dags whose runs are judged by their dates.")
    waiting_runs: int = Field(description="Of the oldest 200 queued runs without a binding, those that wait.")
    keepers: list[Keeper] = Field(description="Those that live, or died within the last hour.")
    waiting: list[WaitingRun] = Field(description="Those that wait, of Dags whose runs you may see.")
    unbound: list[UnboundRun] = Field(
        description="Runs that ended within a week without having been bound, of Dags whose runs you may see."
    )
