"""Rows of the grid: the order of Airflow's own grid, and what lies before and after a task."""

from __future__ import annotations

from typing import Any

from pinwheel.core.structure.layout import layout


def serialized(edges: dict[str, list[str]], groups: dict[str, Any] | None = None) -> dict[str, Any]:
    """A serialized Dag of tasks with their downstream tasks, all in the root group unless told."""
    children = groups if groups is not None else {task: ["operator", task] for task in edges}
    return {
        "dag": {
            "tasks": [
                {
                    "__type": "operator",
                    "__var": {"task_id": task, "task_type": "X", "downstream_task_ids": below},
                }
                for task, below in edges.items()
            ],
            "task_group": {"_group_id": None, "children": children},
        }
    }


def group(name: str, *tasks: str, **more: Any) -> list[Any]:
    return [
        "taskgroup",
        {"_group_id": name, "children": {task: ["operator", task] for task in tasks}, **more},
    ]


def ids(data: dict[str, Any]) -> list[str]:
    return [row.id for row in layout(data).rows]


def test_a_task_comes_after_those_before_it_and_ties_go_by_id() -> None:
    assert ids(serialized({"z": ["a"], "a": ["m"], "m": [], "b": []})) == ["b", "z", "a", "m"]


def test_a_group_stands_right_before_its_tasks_and_after_what_leads_to_them() -> None:
    data = serialized(
        {"start": ["g.x"], "g.x": ["g.y"], "g.y": ["end"], "end": []},
        {"end": ["operator", "end"], "g": group("g", "g.y", "g.x"), "start": ["operator", "start"]},
    )
    rows = layout(data).rows
    assert [(row.id, row.parent, row.is_group, row.label) for row in rows] == [
        ("start", None, False, "start"),
        ("g", None, True, "g"),
        ("g.x", "g", False, "x"),
        ("g.y", "g", False, "y"),
        ("end", None, False, "end"),
    ]


def test_a_group_that_gives_no_prefix_leaves_the_names_of_its_tasks() -> None:
    data = serialized({"g.x": []}, {"g": group("g", "g.x", prefix_group_id=False)})
    assert [row.label for row in layout(data).rows] == ["g", "g.x"]


def test_a_circle_does_not_hang_and_loses_no_task() -> None:
    assert sorted(ids(serialized({"a": ["b"], "b": ["a"], "c": []}))) == ["a", "b", "c"]


def test_a_task_that_no_group_holds_is_shown_nevertheless() -> None:
    assert ids(serialized({"a": [], "lost": []}, {"a": ["operator", "a"]})) == ["a", "lost"]


def test_before_and_after_reach_through_the_whole_dag() -> None:
    found = layout(serialized({"a": ["b"], "b": ["c"], "c": [], "d": ["c"]}))
    assert found.below(["b"]) == {"b", "c"}
    assert found.above(["c"]) == {"a", "b", "c", "d"}
    assert found.below(["gone"]) == set()


def test_nothing_serialized_gives_no_rows() -> None:
    assert layout({}).rows == ()
