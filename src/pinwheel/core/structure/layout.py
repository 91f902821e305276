"""A Dag's tasks and groups as rows, in the order in which Airflow's grid shows them.

Works on Airflow's serialized Dag (``{"__version": …, "dag": {…}}``, 3.3 and 3.4).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from pinwheel.core.structure.diff import tasks_of


@frozen(kw_only=True)
class Row:
    """A task or a group. What lies in the same group under the same id is the same row in every structure."""

    id: str
    label: str
    parent: str | None
    """The group that it lies in; None: in none."""
    is_group: bool
    mapped: bool = False
    operator: str | None = None

    @property
    def key(self) -> tuple[str | None, str, bool]:
        """What makes it the same row in another structure."""
        return (self.parent, self.id, self.is_group)


@frozen(kw_only=True)
class Layout:
    """One structure: a group comes right before what lies in it."""

    rows: tuple[Row, ...] = field(repr=False)
    downstream: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Tasks right below each task, sorted."""

    @property
    def task_ids(self) -> frozenset[str]:
        return frozenset(self.downstream)

    def below(self, task_ids: Collection[str]) -> set[str]:
        """These tasks, as far as they are here, and all that come after them."""
        return _reached(task_ids, self.downstream)

    def above(self, task_ids: Collection[str]) -> set[str]:
        """These tasks, as far as they are here, and all that come before them."""
        return _reached(task_ids, self._upstream())

    def _upstream(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {task_id: [] for task_id in self.downstream}
        for task_id, below in self.downstream.items():
            for other in below:
                found[other].append(task_id)
        return found


def layout(serialized: Mapping[str, Any]) -> Layout:
    """The rows of one serialized Dag.

    Siblings stand in topological order, with ties in order of id, as Airflow's own grid has them
    (``SerializedTaskGroup.topological_sort``). A Dag that cannot be put in order keeps the order of ids.
    """
    dag = serialized.get("dag", {})
    tasks = tasks_of(dag)
    downstream = {
        task_id: tuple(sorted(str(d) for d in task.get("downstream_task_ids") or () if d in tasks))
        for task_id, task in tasks.items()
    }
    places = _Places(dag.get("task_group"), tasks, downstream)
    rows = list(places.rows_in(None))
    seen = {row.id for row in rows if not row.is_group}
    # A task that no group holds would be lost; Airflow never writes one, but it must not be invisible.
    rows += [_task_row(task_id, tasks[task_id], None, places) for task_id in sorted(tasks.keys() - seen)]
    return Layout(rows=tuple(rows), downstream=downstream)


class _Places:
    def __init__(
        self,
        root: Any,
        tasks: Mapping[str, Mapping[str, Any]],
        downstream: Mapping[str, Sequence[str]],
    ) -> None:
        self.tasks = tasks
        self.groups: dict[str | None, Mapping[str, Any]] = {}
        self.children: dict[str | None, list[tuple[str, bool]]] = {}
        self.parent: dict[tuple[str, bool], str | None] = {}
        self._take(_plain_group(root), None)
        self.edges: dict[str | None, dict[tuple[str, bool], set[tuple[str, bool]]]] = {}
        for task_id, below in downstream.items():
            for other in below:
                self._relate((task_id, False), (other, False))
        for group_id, group in self.groups.items():
            if group_id is None:
                continue
            for key, is_group in (("upstream_group_ids", True), ("upstream_task_ids", False)):
                for other in _ids(group.get(key)):
                    if (other, is_group) in self.parent:
                        self._relate((other, is_group), (group_id, True))

    def rows_in(self, group_id: str | None) -> Iterator[Row]:
        for child, is_group in self._ordered(group_id):
            if not is_group:
                yield _task_row(child, self.tasks[child], group_id, self)
                continue
            group = self.groups[child]
            name = str(group.get("group_display_name") or group.get("_group_id") or child)
            yield Row(
                id=child,
                label=_without_prefix(name, group_id),
                parent=group_id,
                is_group=True,
                mapped=bool(group.get("is_mapped")),
            )
            yield from self.rows_in(child)

    def _take(self, group: Mapping[str, Any], group_id: str | None) -> None:
        self.groups[group_id] = group
        inside: list[tuple[str, bool]] = []
        for child_id, child in sorted((group.get("children") or {}).items()):
            if not isinstance(child, (list, tuple)) or len(child) != 2:
                continue
            if isinstance(child[1], Mapping):
                if child_id in self.groups:
                    continue
                inside.append((str(child_id), True))
                self.parent[(str(child_id), True)] = group_id
                self._take(_plain_group(child[1]), str(child_id))
            elif str(child[1]) in self.tasks:
                inside.append((str(child[1]), False))
                self.parent[(str(child[1]), False)] = group_id
        self.children[group_id] = inside

    def _relate(self, above: tuple[str, bool], below: tuple[str, bool]) -> None:
        """Note an edge between the two siblings that *above* and *below* lie in, if they have any."""
        one, other = self._way_up(above), self._way_up(below)
        depth = 0
        while depth < min(len(one), len(other)) and one[depth] == other[depth]:
            depth += 1
        if depth < min(len(one), len(other)):
            parent = one[depth - 1][0] if depth else None
            self.edges.setdefault(parent, {}).setdefault(other[depth], set()).add(one[depth])

    def _way_up(self, node: tuple[str, bool]) -> list[tuple[str, bool]]:
        way = [node]
        while (parent := self.parent.get(way[-1])) is not None:
            way.append((parent, True))
        return way[::-1]

    def _ordered(self, group_id: str | None) -> list[tuple[str, bool]]:
        children = self.children.get(group_id, [])
        above = self.edges.get(group_id, {})
        place = {child: index for index, child in enumerate(children)}
        # Airflow sweeps over the siblings until all are taken; this is the sweep in which each is taken.
        sweep: dict[tuple[str, bool], int] = {}
        for child in children:
            if not _number(child, above, place, sweep):
                return children
        return sorted(children, key=lambda child: (sweep[child], place[child]))


def _number(
    start: tuple[str, bool],
    above: Mapping[tuple[str, bool], Collection[tuple[str, bool]]],
    place: Mapping[tuple[str, bool], int],
    sweep: dict[tuple[str, bool], int],
) -> bool:
    """Fill in the sweep of *start* and of all above it; False when they go in a circle."""
    open_ones: list[tuple[str, bool]] = [start]
    entered: set[tuple[str, bool]] = set()
    while open_ones:
        node = open_ones[-1]
        if node in sweep:
            open_ones.pop()
            continue
        waiting = [other for other in above.get(node, ()) if other not in sweep]
        if waiting and node in entered:
            return False
        if waiting:
            entered.add(node)
            open_ones += waiting
            continue
        sweep[node] = max(
            (sweep[other] + (place[other] > place[node]) for other in above.get(node, ())), default=1
        )
        open_ones.pop()
    return True


def _reached(task_ids: Collection[str], steps: Mapping[str, Collection[str]]) -> set[str]:
    found, new = set[str](), [task_id for task_id in task_ids if task_id in steps]
    while new:
        task_id = new.pop()
        if task_id not in found:
            found.add(task_id)
            new += [other for other in steps[task_id] if other not in found]
    return found


def _task_row(task_id: str, task: Mapping[str, Any], parent: str | None, places: _Places) -> Row:
    operator = task.get("_operator_name") or task.get("task_type") or task.get("_task_type")
    prefixed = parent is not None and bool(places.groups[parent].get("prefix_group_id", True))
    name = task.get("_task_display_name")
    return Row(
        id=task_id,
        label=str(name) if name else _without_prefix(task_id, parent if prefixed else None),
        parent=parent,
        is_group=False,
        mapped=bool(task.get("_is_mapped")),
        operator=str(operator) if operator else None,
    )


def _without_prefix(name: str, group_id: str | None) -> str:
    return name.removeprefix(f"{group_id}.") if group_id else name


def _plain_group(group: Any) -> Mapping[str, Any]:
    inner = group.get("__var", group) if isinstance(group, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}


def _ids(value: Any) -> list[str]:
    inner = value.get("__var", ()) if isinstance(value, Mapping) else value
    return [str(item) for item in inner or ()]
