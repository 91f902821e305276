"""Wire types of the history: the grid, what a run and a task instance ran on, what a clear would do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer, BaseRequest, Moment, Number, Short, TaskIds, Text

Key = Annotated[
    str,
    Field(
        description="A version of the Dag: `r5` is release 5, `t3` a trial of build 3, which was never "
        "released, `v2` Airflow's version 2 from before Pinwheel, `r5.2` what runs of some dates have of "
        "release 5: without the tasks that have no place then; `unknown` is one that nobody can name.",
        examples=["r5"],
    ),
]


class Version(BaseAnswer):
    """What there is to say of a version. Of one from before Pinwheel neither build nor commit is told."""

    key: Key
    kind: Literal["release", "trial", "before", "unknown"]
    release: int | None
    build: int | None
    digest: str | None = Field(
        description="Of its build: another one when an unstable Dag's build or release was written anew "
        "under the same number."
    )
    airflow_version: int | None = Field(description="Its number in Airflow, of one from before Pinwheel.")
    label: str | None
    bundle: str | None
    bundle_version: str | None
    author: str | None
    message: str | None
    committed_at: Moment | None
    path: str | None = Field(description="The Dag's file in the bundle.")
    released_at: Moment | None
    released_by: str | None
    release_kind: str | None
    reason: str | None
    adopted: bool
    url: str | None = Field(
        description="Where the commit can be looked at, when the bundle has a view URL; not in the grid."
    )
    absent: list[str] | None = Field(
        None, description="Tasks of its build that have no place at the dates of the runs on it."
    )


class GridRun(BaseAnswer):
    run_id: str
    state: str
    run_type: str
    logical_date: Moment | None
    run_after: Moment
    queued_at: Moment | None
    start_date: Moment | None
    end_date: Moment | None
    bundle_version: str | None = Field(description="As Airflow's row of the run says.")
    version: Key = Field(description="What its tasks run on from now on.")
    versions: list[Key] = Field(description="All that its tries ran on, oldest first.")
    mixed: bool = Field(description="There is more than one of them.")
    changed: bool = Field(description="Another version than the run before it.")
    previous_version: Key | None = Field(description="The version of the run before it.")
    bound_by: str | None = Field(
        description="`active` (nobody chose), `hand`, or `trial` (by hand, a build that was never released); "
        "null: Pinwheel did not see the run begin."
    )
    failed_on: list[Key] = Field(
        description="What it failed on before it was run again, oldest first, whatever it came to since."
    )


class GridPage(BaseAnswer):
    dag_id: str
    runs: list[GridRun] = Field(description="Newest first.")
    versions: dict[str, Version] = Field(description="By key.")
    active: Key | None = Field(description="That of the active release.")
    older: str | None = Field(description="Give it as `until` for the next page.")
    newer: str | None = Field(description="Give it as `until` for the page before.")
    may_clear: bool


class GridRow(BaseAnswer):
    id: str
    label: str
    parent: str | None = Field(description="The group that it lies in.")
    is_group: bool
    mapped: bool
    operator: str | None


class GridRows(BaseAnswer):
    rows: list[GridRow] = Field(description="Each row of any of the structures once.")
    structures: list[list[int]] = Field(
        description="Places in `rows`, in the order of the grid: a group comes right before what lies in it."
    )
    of: dict[str, int] = Field(description="Version key to place in `structures`.")


class CellsBody(BaseRequest):
    run_ids: list[Short] = Field(max_length=100)
    task_ids: TaskIds = Field(default_factory=list)
    groups: dict[Short, TaskIds] = Field(
        default_factory=dict,
        max_length=1000,
        description="Tasks that are shown as one cell, under a name of your own.",
    )


class Cell(BaseAnswer):
    state: str | None
    tries: int = Field(0, description="The number of its last try.")
    version: Key = Field(description="What its last try ran on, or will.")
    versions: list[Key] | None = Field(
        None,
        description="What its tries ran on, when that is more than one; of a group: what the last tries of "
        "its tasks ran on.",
    )
    states: dict[str, str | None] | None = Field(
        None, description="Then also the state of its last try on each of them."
    )
    instances: dict[str, int] | None = Field(
        None, description="Of a mapped task or a group: how many are in which state."
    )


class Cells(BaseAnswer):
    cells: list[list[Cell | None]] = Field(
        description="By run and task, as asked for. Null: the run has no such task."
    )
    groups: list[dict[str, Cell | None]] = Field(description="By run, as asked for.")


class Binding(BaseAnswer):
    number: int = Field(description="Rises each time the run is cleared.")
    version: Key
    bundle_version: str | None
    bound_by: str
    actor: str | None
    bound_at: Moment


class RunVersions(BaseAnswer):
    dag_id: str
    run_id: str
    state: str
    version: Key
    used: list[Key] = Field(description="All that its tries ran on, oldest first.")
    mixed: bool
    before_pinwheel: bool = Field(
        description="Pinwheel did not see the run begin: nothing says for certain what it ran."
    )
    bundle_version: str | None = Field(description="As Airflow's row of the run says.")
    bindings: list[Binding] = Field(description="Oldest first.")
    versions: dict[str, Version]
    active: Key | None


class InstanceTry(BaseAnswer):
    try_number: int
    state: str | None
    start_date: Moment | None
    end_date: Moment | None
    version: Key
    bundle_version: str | None
    bound_by: str | None = Field(
        description="`active` (nobody chose), `hand`, or `trial` (by hand, a build that was never released); "
        "null: Pinwheel did not see it begin."
    )
    actor: str | None
    bound_at: Moment | None


class Instance(BaseAnswer):
    map_index: int
    state: str | None


class TaskVersion(BaseAnswer):
    task_id: str
    version: Key


class TaskInstance(BaseAnswer):
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str | None
    run_state: str
    version: Key = Field(description="What its last try ran on, or will.")
    run_version: Key
    run_versions: list[Key]
    tries: list[InstanceTry] = Field(description="Oldest first.")
    instances: list[Instance] = Field(
        description="Of a mapped task, at most 500: what failed comes first, then by state and map index."
    )
    total_instances: int
    instance_states: dict[str, int] = Field(
        description="How many of all instances are in which state; `none` is no state."
    )
    upstream: list[TaskVersion] = Field(
        description="Tasks before it whose last try ran on another version; at most 50."
    )
    removed: bool = Field(description="The active release has no such task.")
    active: Key | None
    versions: dict[str, Version]
    may_clear: bool


class PreviewBody(BaseRequest):
    build: Number | None = Field(None, description="Run on it; without: on what the run is bound to.")
    by_date: bool = Field(False, strict=True, description="On the build of its date, whatever it had.")
    task_ids: TaskIds | None = Field(None, description="Only these tasks; without: all of the run.")
    downstream: bool = Field(False, strict=True, description="And all tasks after them.")
    upstream: bool = Field(False, strict=True, description="And all tasks before them.")
    only_failed: bool = Field(False, strict=True)
    reason: Text | None = Field(None, description="For `command` only.")


class PreviewedInstance(BaseAnswer):
    task_id: str
    map_index: int
    state: str | None
    from_version: Key | None


class RefusedTask(BaseAnswer):
    task_id: str
    why: str


class Preview(BaseAnswer):
    dag_id: str
    run_id: str
    build: int | None
    version: Key = Field(description="What the tasks would run on.")
    runs_on: str = Field(description="The same in words.")
    from_version: Key = Field(description="What the run is bound to now.")
    moves: bool = Field(description="The run would be bound to another version.")
    tasks: list[str] = Field(description="To be given as `task_ids` to the clear.")
    task_instances: list[PreviewedInstance] = Field(description="In the order of the Dag.")
    added: list[str] = Field(description="Tasks that are new in that version and would run too.")
    dropped: list[str] = Field(description="Tasks that it lacks; they would be marked as removed.")
    refused: list[RefusedTask] = Field(description="Tasks that were asked for and can not be cleared.")
    warnings: list[str]
    refusal: str | None = Field(description="Why nothing can be cleared.")
    command: str | None = Field(
        description="The command line that does the same; null: nothing can be cleared."
    )
