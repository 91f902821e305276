"""A serialized Dag without the tasks that have no place at a date: a variant.

What stays, stays as the author wrote it. What was ordered only through an absent task stays ordered, by an
edge of our own (a bridge), where that means the same to Airflow; where it can not, there is no variant.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pinwheel.core.errors import Refused
from pinwheel.core.structure.diff import tasks_of, walk_groups
from pinwheel.core.structure.encoded import argument, unwrapped, wrapped
from pinwheel.core.structure.windows import OPEN, Window, windows
from pinwheel.core.structure.xcoms import pulled, references

ANY_OF_SEVERAL = frozenset({"one_success", "one_failed", "one_done", "all_failed", "all_skipped", "always"})
"""Trigger rules to which one more upstream task means something else: no bridge to a task that has others."""

_Edges = Mapping[str, Collection[str]]


def without(serialized: Mapping[str, Any], absent: Collection[str]) -> dict[str, Any]:
    """The Dag as it is at dates at which *absent* have no place; *serialized* is left as it is.

    Its bounds are spent: neither the Dag nor a task has dates by which Airflow would leave out more, or
    nothing at all where *absent* is empty. A task that depends on its past keeps its window's start, by which
    Airflow knows the first run that has no past.

    :raises Refused: what stays could not be executed as it is meant; the tasks are named.
    """
    gone = frozenset(absent)
    dag = dict(serialized.get("dag", {}))
    tasks = tasks_of(dag)
    _refuse_mapped_over(dag, tasks, gone)
    edges = bridged(tasks, gone)
    spans = windows(serialized)
    dag["tasks"] = [
        _spent(item, edges[task_id], spans.get(task_id, OPEN))
        for item in dag.get("tasks") or ()
        if (task_id := _id_of(item)) not in gone
    ]
    for bound in ("start_date", "end_date"):
        # A task without dates takes the Dag's when it is read back (``serialized_objects.py``).
        dag.pop(bound, None)
    if "task_group" in dag:
        dag["task_group"] = _pruned(dag["task_group"], gone)
    if dag.get("edge_info"):
        dag["edge_info"] = _edge_info(dag["edge_info"], gone)
    if dag.get("dag_dependencies"):
        dag["dag_dependencies"] = [
            one for one in dag["dag_dependencies"] if unwrapped(one).get("dependency_id") not in gone
        ]
    return {**serialized, "dag": dag}


def warnings(serialized: Mapping[str, Any], absent: Collection[str]) -> tuple[str, ...]:
    """What an author may not expect of the Dag without these tasks, a sentence each."""
    tasks = tasks_of(serialized.get("dag", {}))
    gone = frozenset(absent) & tasks.keys()
    found = []
    for task_id in sorted(gone):
        for above in sorted(tasks):
            if above not in gone and task_id in _below(tasks[above]) and _may_skip(tasks[above]):
                found.append(
                    f"{above} may choose {task_id}, which has no place at that date: what else follows on "
                    f"{above} is skipped then"
                )
    for task_id, task in sorted(tasks.items()):
        setups = [up for up, one in tasks.items() if one.get("is_setup") and task_id in _below(one)]
        if task_id not in gone and task.get("is_teardown") and setups and gone.issuperset(setups):
            found.append(
                f"{task_id} tears down what {', '.join(sorted(setups))} would set up, and runs all the same"
            )
    dag_id = str(serialized.get("dag", {}).get("dag_id"))
    for task_id, task in sorted(tasks.items()) if gone else ():
        for above in sorted(pulled(task, dag_id) & gone) if task_id not in gone else ():
            found.append(f"{task_id} takes what {above} gives, which has no place at that date: None there")
    return tuple(found)


def bridged(tasks: Mapping[str, Mapping[str, Any]], absent: Collection[str]) -> dict[str, set[str]]:
    """What follows directly on each task that stays: what did, and what was ordered over absent ones alone.

    A bridge is made only where nothing else orders the two tasks.

    :raises Refused: a bridge would begin at a task that decides by its own children what is skipped.
    """
    gone = frozenset(absent)
    kept = [task_id for task_id in tasks if task_id not in gone]
    direct = {task_id: {below for below in _below(tasks[task_id]) if below not in gone} for task_id in kept}
    followed = {below for follow in direct.values() for below in follow}
    bridges: list[tuple[str, str]] = []
    for task_id in kept:
        reached = _reached(direct, task_id)
        for below in sorted(_through(tasks, task_id, gone) - reached - {task_id}):
            if _rule(tasks[below]) in ANY_OF_SEVERAL and below in followed:
                continue
            if tasks[task_id].get("is_teardown"):
                continue
            if _may_skip(tasks[task_id]):
                _refuse_gate(tasks, task_id, below, gone)
            bridges.append((task_id, below))
    for task_id, below in bridges:
        direct[task_id].add(below)
    for task_id, below in bridges:
        # One bridge may be what another one says already
        direct[task_id].discard(below)
        if below not in _reached(direct, task_id):
            direct[task_id].add(below)
    return direct


def _refuse_gate(tasks: Mapping[str, Mapping[str, Any]], gate: str, below: str, gone: frozenset[str]) -> None:
    """Airflow compares what a gate chose with its children in the worker's Dag, where a bridge is none."""
    between = sorted(set(_below(tasks[gate])) & gone)
    raise Refused(
        "Cannot make a build of this Dag",
        found=f"where {', '.join(between)} has no place, {below} would follow on {gate} alone, "
        f"and {gate} decides by its own children what is skipped",
        remedy=f"Give {below} the window of {between[0]}, or let it follow on {gate} itself",
        problem="gate-over-absent",
        tasks=[gate, *between, below],
    )


def _refuse_mapped_over(
    dag: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]], gone: frozenset[str]
) -> None:
    for task_id, task in tasks.items():
        if task_id in gone or not task.get("_is_mapped"):
            continue
        for over in references(task.get(task.get("_expand_input_attr") or "expand_input")):
            if over in gone:
                _refuse_over(task_id, over)
    for group_id, group in walk_groups(dag.get("task_group")):
        if group.get("is_mapped"):
            for over in references(group.get("expand_input")):
                if over in gone and any(inside not in gone for inside in _tasks_in(group)):
                    _refuse_over(f"group {group_id}", over)


def _refuse_over(what: str, over: str) -> None:
    raise Refused(
        "Cannot make a build of this Dag",
        found=f"{what} is mapped over what {over} gives, and has a place at dates at which {over} has none",
        remedy=f"Give it the window of {over}",
        problem="mapped-over-absent",
        tasks=[what, over],
    )


def _below(task: Mapping[str, Any]) -> Sequence[str]:
    return [str(task_id) for task_id in task.get("downstream_task_ids") or ()]


def _may_skip(task: Mapping[str, Any]) -> bool:
    return bool(task.get("_can_skip_downstream"))


def _rule(task: Mapping[str, Any]) -> str:
    return str(argument(task, "trigger_rule") or "all_success")


def _through(tasks: Mapping[str, Mapping[str, Any]], task_id: str, gone: frozenset[str]) -> set[str]:
    """The tasks that stay which a task reaches over absent ones alone."""
    seen: set[str] = set()
    found: set[str] = set()
    ahead = deque(below for below in _below(tasks[task_id]) if below in gone)
    while ahead:
        over = ahead.popleft()
        if over in seen or over not in tasks:
            continue
        seen.add(over)
        for below in _below(tasks[over]):
            if below in gone:
                ahead.append(below)
            elif below in tasks:
                found.add(below)
    return found


def _reached(edges: _Edges, task_id: str) -> set[str]:
    """All that follows on a task, directly or not."""
    seen: set[str] = set()
    ahead = list(edges.get(task_id, ()))
    while ahead:
        below = ahead.pop()
        if below not in seen:
            seen.add(below)
            ahead.extend(edges.get(below, ()))
    return seen


def _spent(item: Any, below: Iterable[str], span: Window) -> Any:
    """A serialized task with these tasks after it, and without the dates that left it in."""
    task = dict(unwrapped(item))
    if task.get("downstream_task_ids") or below:
        task["downstream_task_ids"] = sorted(below)
    partial = task.get("partial_kwargs")
    inner: dict[str, Any] | None = dict(unwrapped(partial)) if isinstance(partial, Mapping) else None
    asks_for_its_start = span.start is not None and (
        task.get("depends_on_past") or (inner or {}).get("depends_on_past")
    )
    for values in (task, inner):
        if values is not None:
            values.pop("end_date", None)
            if not asks_for_its_start:
                values.pop("start_date", None)
    if inner is not None:
        task["partial_kwargs"] = wrapped(partial, inner)
    return wrapped(item, task)


def _pruned(group: Any, gone: frozenset[str]) -> Any:
    """A serialized group without the tasks, and without the groups that are empty then."""
    tasks = {task_id for _, one in walk_groups(group) for task_id in _own_tasks(one)} - gone
    pruned = _without_children(group, gone)
    groups = {group_id for group_id, _ in walk_groups(pruned)}
    return _with_edges_between(pruned, tasks, groups)


def _without_children(group: Any, gone: frozenset[str]) -> Any:
    value = dict(unwrapped(group))
    children = {}
    for label, child in (value.get("children") or {}).items():
        kind, inside = child
        if isinstance(inside, Mapping):
            left = _without_children(inside, gone)
            if unwrapped(left).get("children"):
                children[label] = [kind, left]
        elif inside not in gone:
            children[label] = child
    value["children"] = children
    return wrapped(group, value)


def _with_edges_between(group: Any, tasks: Collection[str], groups: Collection[str | None]) -> Any:
    value = dict(unwrapped(group))
    for names, there in (
        (("upstream_task_ids", "downstream_task_ids"), tasks),
        (("upstream_group_ids", "downstream_group_ids"), groups),
    ):
        for name in names:
            if name in value:
                value[name] = wrapped(value[name], [one for one in unwrapped(value[name]) if one in there])
    value["children"] = {
        label: [child[0], _with_edges_between(child[1], tasks, groups)]
        if isinstance(child[1], Mapping)
        else child
        for label, child in value["children"].items()
    }
    return wrapped(group, value)


def _edge_info(info: Any, gone: frozenset[str]) -> Any:
    left = {}
    for above, labels in unwrapped(info).items():
        inside = {below: one for below, one in unwrapped(labels).items() if below not in gone}
        if above not in gone and inside:
            left[above] = wrapped(labels, inside)
    return wrapped(info, left)


def _tasks_in(group: Mapping[str, Any]) -> Iterator[str]:
    for _, one in walk_groups(group):
        yield from _own_tasks(one)


def _own_tasks(group: Mapping[str, Any]) -> Iterator[str]:
    for _, inside in (group.get("children") or {}).values():
        if not isinstance(inside, Mapping):
            yield str(inside)


def _id_of(item: Any) -> str:
    return str(unwrapped(item).get("task_id"))
