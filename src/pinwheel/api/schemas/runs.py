"""Wire types of runs on a chosen build, and of the tries that there were."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from pinwheel.api.schemas.parts import (
    BaseAnswer,
    BaseRequest,
    Instant,
    Moment,
    NamedVersion,
    Number,
    Short,
    TaskIds,
    Text,
)
from pinwheel.core.request import BackfillRequest, ClearRequest, TriggerRequest
from pinwheel.core.request_values import LONGEST_NOTE, MOST_RUNS


class TriggerBody(BaseRequest):
    build: Number | None = Field(None, description="Released or not; without: the active build.")
    bundle_version: NamedVersion = None
    by_date: bool = Field(
        False,
        strict=True,
        description="On the build of its date; as without a build where that decides.",
    )
    run_id: Short | None = Field(
        None, description="Makes a repeated request harmless: the second one answers 409."
    )
    logical_date: Instant | None = None
    conf: dict[str, Any] | None = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say which run would be made.")

    def request(self, dag_id: str, request_id: str | None) -> TriggerRequest:
        return TriggerRequest(dag_id=dag_id, request_id=request_id, **dict(self))


class ClearBody(BaseRequest):
    build: Number | None = Field(
        None, description="Run again on this build; without: on the one it is bound to."
    )
    bundle_version: NamedVersion = None
    by_date: bool = Field(
        False, strict=True, description="On the build of the date of each, whatever it had."
    )
    only_failed: bool = Field(False, strict=True)
    task_ids: TaskIds | None = Field(None, description="Only these tasks; without: all of the run.")
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would run again.")

    def request(self, dag_id: str, run_ids: Sequence[str], request_id: str | None) -> ClearRequest:
        asked = dict(self) | {"run_ids": run_ids}
        return ClearRequest(dag_id=dag_id, request_id=request_id, **asked)


class ClearRunsBody(ClearBody):
    """One clear of several runs of a Dag, in one transaction: all of them or none."""

    run_ids: list[Short] = Field(min_length=1, max_length=MOST_RUNS)


class Reprocess(StrEnum):
    NONE = "none"
    FAILED = "failed"
    COMPLETED = "completed"


class BackfillBody(BaseRequest):
    """The fields of Airflow's own backfills, and the build."""

    from_date: Instant
    to_date: Instant
    build: Number | None = Field(
        None, description="All runs use this build, released or not; without: Airflow's own backfill."
    )
    bundle_version: NamedVersion = None
    by_date: bool = Field(
        False,
        strict=True,
        description="Each on the build of its date, whatever it had. Without a build that is so where the "
        "Dag is judged by dates, but for runs that exist where `rerun_with_latest_version` is off.",
    )
    max_active_runs: Number = 10
    run_backwards: bool = Field(False, strict=True)
    reprocess_behavior: Reprocess = Field(
        Reprocess.NONE, description="Dates that have a run: leave it, or run it again (when it failed)."
    )
    dag_run_conf: dict[str, Any] | None = None
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would run.")

    def request(self, dag_id: str, request_id: str | None) -> BackfillRequest:
        asked = dict(self) | {"reprocess_behavior": self.reprocess_behavior.value}
        return BackfillRequest(dag_id=dag_id, request_id=request_id, **asked)


class Try(BaseAnswer):
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    release: int | None
    build: int | None
    bundle_version: str | None
    bound_by: str | None = Field(
        description="`active` (nobody chose), `hand`, or `trial` (by hand, a build that was never released); "
        "null: Pinwheel did not see it begin."
    )
    start_date: Moment | None
    end_date: Moment | None
    label: str | None = Field(description="That of the build.")


class Run(BaseAnswer):
    """A run and the build that it is bound to; ``release`` is null for a build that was never released."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None


class TriggeredRun(Run):
    bundle_version: str | None = Field(description="Null: the run waits to be bound to the build.")
    plan: bool | None = Field(None, description="True: nothing was changed.")
    command: str | None = Field(None, description="In a plan: the command line that does the same.")


class ClearedRun(Run):
    cleared: int = Field(description="So many task instances run again.")
    changed: bool = Field(description="False: nothing in the run fits; it stays as it was, on its build.")


class ClearedRuns(BaseAnswer):
    plan: bool = Field(description="True: nothing was changed.")
    runs: list[ClearedRun]


class BackfilledRun(BaseAnswer):
    run_id: str | None
    logical_date: Moment | None
    partition_key: str | None
    outcome: str = Field(
        description="`new`, `cleared`, or why the date was left out: `already exists`, `in flight`."
    )


class Backfill(BaseAnswer):
    dag_id: str
    backfill: int | None = Field(description="Airflow's id of it; null in a plan.")
    build: int | None
    release: int | None
    bundle_version: str | None
    plan: bool = Field(description="True: nothing was changed.")
    new: int
    cleared: int
    skipped: int
    runs: list[BackfilledRun] = Field(description="The dates in the order in which they run.")


class TryPage(BaseAnswer):
    """Runs, each told by the tries of its tasks."""

    tries: list[Try] = Field(description="Those of the newest `limit` runs.")
    total_entries: int = Field(description="How many runs there are without `limit`; not how many tries.")
