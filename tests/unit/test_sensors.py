"""What sensors wait for, as Airflow writes them down."""

from __future__ import annotations

from typing import Any

import pytest

from pinwheel.core.structure.sensors import Awaited, awaited


def sensor(task_id: str = "s", **more: Any) -> dict[str, Any]:
    return {"__type": "operator", "__var": {"task_id": task_id, "_is_sensor": True, **more}}


def mapped(partial: dict[str, Any], over: Any, **more: Any) -> dict[str, Any]:
    return sensor(
        _is_mapped=True,
        _expand_input_attr="expand_input",
        partial_kwargs=partial,
        expand_input={"type": "dict-of-lists", "value": over},
        **more,
    )


def found(*tasks: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(one.sensor, one.name, one.group) for one in awaited({"dag": {"tasks": list(tasks)}}, "blog")]


@pytest.mark.parametrize(
    ("task", "what"),
    [
        (sensor(external_dag_id="blog", external_task_id="x", external_task_ids=["x"]), [("x", False)]),
        (sensor(external_dag_id="blog", external_task_ids=["y", "x"]), [("x", False), ("y", False)]),
        (sensor(external_dag_id="blog", external_task_group_id="g"), [("g", True)]),
        (sensor(external_dag_id="blog"), []),
        (sensor(external_dag_id="other", external_task_id="x"), []),
        (sensor(external_task_id="x"), []),
        (sensor(external_dag_id="{{ var.value.dag }}", external_task_id="x"), []),
        (sensor(external_dag_id="blog", external_task_id="{{ params.task }}"), []),
        # An ExternalTaskMarker waits for nothing.
        ({"__var": {"task_id": "s", "external_dag_id": "blog", "external_task_id": "x"}}, []),
        # Over lists of literals, which are wrapped or not; over what a task gives nobody can tell.
        (
            mapped(
                {"external_dag_id": "blog"}, {"__type": "dict", "__var": {"external_task_id": ["x", "y"]}}
            ),
            [("x", False), ("y", False)],
        ),
        (mapped({"external_task_id": "x"}, {"external_dag_id": ["blog", "z"]}), [("x", False)]),
        (
            mapped({}, [{"external_dag_id": "blog", "external_task_id": "x"}, {"__var": {"a": "b"}}]),
            [("x", False)],
        ),
        (
            mapped({"external_dag_id": "blog"}, {"external_task_id": {"__type": "xcomref", "__var": {}}}),
            [],
        ),
        (mapped({"external_dag_id": "blog"}, None), []),
    ],
)
def test_a_sensor_waits_for_what_its_arguments_name(
    task: dict[str, Any], what: list[tuple[str, bool]]
) -> None:
    assert found(task) == [("s", *one) for one in what]


def test_all_sensors_are_told_by_their_ids() -> None:
    two = (
        sensor("b", external_dag_id="blog", external_task_id="x"),
        sensor("a", external_dag_id="blog", external_task_group_id="g"),
    )
    assert found(*two) == [("a", "g", True), ("b", "x", False)]
    assert awaited({}, "blog") == ()
    assert Awaited("a", "g", True) < Awaited("b", "a", False)
