"""Two builds as one graph."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from pinwheel.core.structure.diff import structure
from pinwheel.core.structure.graph import Edge, Graph, Group, Node, compared


def task(task_id: str, *below: str, **values: Any) -> dict[str, Any]:
    inner = {"task_id": task_id, "task_type": "BashOperator", "downstream_task_ids": list(below), **values}
    return {"__var": inner, "__type": "operator"}


def group(name: str | None, **children: Any) -> dict[str, Any]:
    return {"_group_id": name, "prefix_group_id": True, "children": children}


def dag(*tasks: dict[str, Any], root: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"dag": {"tasks": list(tasks), "task_group": root or group(None)}}


def shown(parts: Sequence[Node | Edge | Group], *names: str) -> dict[Any, str]:
    return {attrgetter(*names)(part): part.change for part in parts}


def test_tasks_and_edges_of_both_builds_are_marked() -> None:
    before = dag(task("a", "b"), task("b", "c"), task("c"))
    after = dag(task("a", "c"), task("c", "d"), task("d"))
    found = compared(before, after, changed=["c"])
    assert shown(found.nodes, "id") == {"a": "same", "b": "removed", "c": "changed", "d": "added"}
    assert shown(found.edges, "from_", "to") == {
        ("a", "b"): "removed",
        ("b", "c"): "removed",
        ("a", "c"): "added",
        ("c", "d"): "added",
    }


def test_a_build_compared_with_itself_has_no_marks() -> None:
    one = dag(task("a", "b"), task("b"), root=group(None, g=["taskgroup", group("g", a=["operator", "a"])]))
    found = compared(one, one)
    assert {part.change for part in (*found.nodes, *found.edges, *found.groups)} == {"same"}


def test_a_moved_task_lies_where_the_newer_build_has_it() -> None:
    def placed(where: str) -> dict[str, Any]:
        inside = {where: ["taskgroup", group(where, a=["operator", "a"])]}
        return dag(task("a"), root=group(None, **inside))

    before, after = placed("old"), placed("new")
    changed = [item.task_id for item in structure(before, after).tasks_changed]
    found = compared(before, after, changed=changed)
    assert [(node.id, node.group, node.change) for node in found.nodes] == [("a", "new", "changed")]
    assert shown(found.groups, "id") == {"new": "added", "old": "removed"}


def test_groups_of_the_same_name_in_two_groups_are_two() -> None:
    def outer(name: str) -> list[Any]:
        task_id = f"{name}.inner.a"
        inner = group("inner", **{task_id: ["operator", task_id]})
        return ["taskgroup", group(name, **{f"{name}.inner": ["taskgroup", inner]})]

    one = dag(task("x.inner.a"), task("y.inner.a"), root=group(None, x=outer("x"), y=outer("y")))
    found = compared(one, one)
    assert {item.id: (item.parent, item.label) for item in found.groups} == {
        "x": (None, "x"),
        "y": (None, "y"),
        "x.inner": ("x", "inner"),
        "y.inner": ("y", "inner"),
    }
    assert {node.id: (node.group, node.label) for node in found.nodes} == {
        "x.inner.a": ("x.inner", "a"),
        "y.inner.a": ("y.inner", "a"),
    }
    gone = dag(task("x.inner.a"), root=group(None, x=outer("x")))
    assert structure(one, gone).groups_removed == ("y", "y.inner")


def test_operators_mapped_tasks_and_display_names_are_told() -> None:
    decorated = task("a", _operator_name="@task", _is_mapped=True, _task_display_name="Fetch all")
    (node,) = compared(dag(), dag(decorated)).nodes
    assert (node.operator, node.mapped, node.label, node.change) == (
        "@task",
        True,
        "Fetch all",
        "added",
    )


def test_strange_rows_give_an_empty_graph() -> None:
    for strange in ({}, {"dag": {}}, {"dag": {"tasks": [None, 1, {}], "task_group": [1]}}):
        assert compared(strange, strange) == Graph(nodes=(), edges=(), groups=())
