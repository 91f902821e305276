"""Two builds of a Dag as one graph, with what was added, removed and changed marked: for drawing them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen

from pinwheel.core.structure.diff import edges_of, tasks_of, walk_groups

ADDED, REMOVED, CHANGED, SAME = "added", "removed", "changed", "same"


@frozen(kw_only=True)
class Node:
    """A task, and what became of it."""

    id: str
    label: str
    operator: str | None
    mapped: bool
    group: str | None
    change: str


@frozen(kw_only=True)
class Edge:
    """From an upstream to a downstream task."""

    from_: str
    to: str
    change: str


@frozen(kw_only=True)
class Group:
    """A task group."""

    id: str
    label: str
    parent: str | None
    """None: it lies in no other."""
    change: str


@frozen(kw_only=True)
class Graph:
    """Groups come before those inside of them; the Dag's root group is left out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...]


def compared(before: Mapping[str, Any], after: Mapping[str, Any], *, changed: Collection[str] = ()) -> Graph:
    """Both serialized Dags together, each part with its ``change``.

    *changed* are the tasks whose attributes differ. What is in both builds lies where the newer one has it.
    An edge that only seems removed, since one of its tasks is, is marked as removed too.
    """
    old, new = before.get("dag", {}), after.get("dag", {})
    old_tasks, new_tasks = tasks_of(old), tasks_of(new)
    old_edges, new_edges = edges_of(old_tasks), edges_of(new_tasks)
    old_groups, new_groups = _Groups(old), _Groups(new)
    marked = set(changed)
    nodes = []
    for task_id in [*new_tasks, *(gone for gone in old_tasks if gone not in new_tasks)]:
        kept = task_id in new_tasks
        task = new_tasks[task_id] if kept else old_tasks[task_id]
        where = new_groups if kept else old_groups
        change = _change(task_id, old_tasks, new_tasks)
        nodes.append(
            Node(
                id=task_id,
                label=str(task.get("_task_display_name") or _short(task_id, where)),
                operator=_operator(task),
                mapped=bool(task.get("_is_mapped")),
                group=where.parent_of_task.get(task_id),
                change=CHANGED if change == SAME and task_id in marked else change,
            )
        )
    groups = []
    for group_id in [
        *new_groups.parent,
        *(gone for gone in old_groups.parent if gone not in new_groups.parent),
    ]:
        source = new_groups if group_id in new_groups.parent else old_groups
        groups.append(
            Group(
                id=group_id,
                label=source.label[group_id],
                parent=source.parent[group_id],
                change=_change(group_id, old_groups.parent, new_groups.parent),
            )
        )
    edges = [
        Edge(from_=edge[0], to=edge[1], change=_change(edge, old_edges, new_edges))
        for edge in sorted(old_edges | new_edges)
    ]
    return Graph(nodes=tuple(nodes), edges=tuple(edges), groups=tuple(groups))


class _Groups:
    """Where groups and tasks of one Dag lie."""

    def __init__(self, dag: Mapping[str, Any]) -> None:
        self.parent: dict[str, str | None] = {}
        self.label: dict[str, str] = {}
        self.parent_of_task: dict[str, str] = {}
        self.prefixes: set[str] = set()
        for name, group in walk_groups(dag.get("task_group")):
            if name is not None:
                self.parent.setdefault(name, None)
                prefixed = bool(group.get("prefix_group_id", True))
                self.label[name] = str(group.get("group_display_name") or group.get("_group_id") or name)
                if prefixed:
                    self.prefixes.add(name)
            for child_id, child in (group.get("children") or {}).items():
                if not isinstance(child, (list, tuple)) or len(child) != 2:
                    continue
                if isinstance(child[1], Mapping):
                    self.parent[str(child_id)] = name
                elif name is not None:
                    self.parent_of_task[str(child[1])] = name


def _change(key: Any, old: Collection[Any], new: Collection[Any]) -> str:
    if key in old:
        return SAME if key in new else REMOVED
    return ADDED


def _short(task_id: str, groups: _Groups) -> str:
    """A task's id without the prefix that its group gave it."""
    group = groups.parent_of_task.get(task_id)
    if group is not None and group in groups.prefixes and task_id.startswith(f"{group}."):
        return task_id[len(group) + 1 :]
    return task_id


def _operator(task: Mapping[str, Any]) -> str | None:
    name = task.get("_operator_name") or task.get("task_type") or task.get("_task_type")
    return str(name) if name else None
