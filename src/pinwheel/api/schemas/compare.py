"""Wire types of two builds compared, and of the graph of one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pinwheel.api.schemas.dags import Build
from pinwheel.api.schemas.parts import BaseAnswer, CommitUrl


class GraphNode(BaseAnswer):
    id: str
    label: str
    operator: str | None
    mapped: bool
    group: str | None
    change: Literal["added", "removed", "changed", "same"]


class GraphEdge(BaseAnswer):
    from_: str = Field(alias="from")
    to: str
    change: Literal["added", "removed", "same"]


class GraphGroup(BaseAnswer):
    id: str
    label: str
    parent: str | None
    change: Literal["added", "removed", "same"]


class Graph(BaseAnswer):
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    groups: list[GraphGroup]


class FromTo(BaseAnswer):
    """Any JSON values; secrets are `***`."""

    from_: JsonValue = Field(alias="from")
    to: JsonValue


class TaskChange(BaseAnswer):
    task_id: str
    attributes: dict[str, FromTo]


class Structure(BaseAnswer):
    tasks_added: list[str]
    tasks_removed: list[str]
    tasks_changed: list[TaskChange]
    edges_added: list[list[str]]
    edges_removed: list[list[str]]
    groups_added: list[str]
    groups_removed: list[str]
    schedule: FromTo | None
    attributes: dict[str, FromTo]


class FileChange(BaseAnswer):
    path: str
    change: Literal["added", "removed", "modified"]
    patch: str = Field(
        description="A unified diff, `Binary files differ`, or a sentence when a content was not kept."
    )
    read_at_parse: bool = Field(
        description="The parse read it, and it does not decide the content of the Dag."
    )


class Diff(BaseAnswer):
    dag_id: str
    from_: int = Field(alias="from", description="A build.")
    to: int = Field(description="A build.")
    structure: Structure
    files: list[FileChange] = Field(description="Those that changed; empty with `files=false`.")
    untraced: bool = Field(description="Of an adopted build only the Dag's own file is known.")
    warnings: list[str]


class ComparedFile(BaseAnswer):
    path: str
    change: Literal["added", "removed", "modified", "same"]
    from_size: int | None
    to_size: int | None = Field(description="Bytes; null: not used, or not kept.")
    read_at_parse: bool = Field(
        description="The parse read it, and it does not decide the content of the Dag."
    )


class ComparedBuild(Build):
    url: CommitUrl


class Comparison(BaseAnswer):
    dag_id: str
    from_: ComparedBuild = Field(alias="from")
    to: ComparedBuild
    structure: Structure
    graph: Graph = Field(description="Both builds as one graph.")
    files: list[ComparedFile] = Field(description="Every file that either build used.")
    untraced: bool = Field(description="Of an adopted build only the Dag's own file is known.")
    warnings: list[str]
    command: str = Field(description="The command line that shows the same.")


class FileSide(BaseAnswer):
    text: str | None
    why_not: Literal["binary", "too large", "not kept"] | None
    size: int | None


class FileComparison(BaseAnswer):
    path: str
    change: Literal["added", "removed", "modified", "same"]
    from_: FileSide | None = Field(alias="from", description="Null: this build did not use the file.")
    to: FileSide | None
