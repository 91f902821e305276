"""Whose XComs a task's arguments take, as Airflow and authors write them."""

from __future__ import annotations

from typing import Any

import pytest

from pinwheel.core.structure.xcoms import pulled

REFERENCE = {"__type": "xcomref", "__var": {"task_id": "old", "key": "u"}}


@pytest.mark.parametrize(
    ("template", "tasks"),
    [
        ("{{ task_instance.xcom_pull(task_ids='old', dag_id='d', key='return_value') }}", {"old"}),
        ("{{ task_instance.xcom_pull(task_ids='g.old', dag_id='d', key='u') }}", {"g.old"}),
        ("echo {{ ti.xcom_pull('old') }} {{ ti.xcom_pull(key='u', task_ids=\"new\") }}", {"old", "new"}),
        ("{{ ti.xcom_pull(task_ids=['old', 'new'])[0] }}", {"old", "new"}),
        ("{{ ti.xcom_pull(('old', 'new')) | tojson }}", set()),
        ("{{ ti.xcom_pull('old', dag_id=None) }}", {"old"}),
        ("{{ ti.xcom_pull('old', dag_id='elsewhere') }}", set()),
        ("{{ ti.xcom_pull('old', 'elsewhere') }}", set()),
        ("{{ ti.xcom_pull(task_ids='old', dag_id=params.dag) }}", set()),
        ("{{ ti.xcom_pull(params.task) }}", set()),
        ("{{ ti.xcom_pull(key='u') }}", set()),
        ("{{ ti.xcom_pull( }}", set()),
        ("{{ ti.xcom_pull('old' if) }}", set()),
        ("old", set()),
    ],
)
def test_a_template_takes_what_the_tasks_give_that_it_names(template: str, tasks: set[str]) -> None:
    assert pulled({"template_fields": ["bash_command"], "bash_command": template}, "d") == tasks
    assert pulled({"template_fields": [], "bash_command": template}, "d") == set(), "it is no template"
    in_parts = {"template_fields": ["env"], "env": {"__type": "dict", "__var": {"a": [template]}}}
    assert pulled(in_parts, "d") == tasks
    assert pulled({"partial_kwargs": {"bash_command": template}}, "d") == tasks


@pytest.mark.parametrize(
    "task",
    [
        {"partial_kwargs": {"op_kwargs": {"__type": "dict", "__var": {"b": REFERENCE}}}},
        {"expand_input": {"type": "dict-of-lists", "value": {"env": [{"a": REFERENCE}]}}},
        {"op_kwargs_expand_input": {"type": "list-of-dicts", "value": REFERENCE}},
    ],
)
def test_a_mapped_task_refers_to_what_it_takes(task: dict[str, Any]) -> None:
    assert pulled(task, "d") == {"old"}


def test_a_task_without_arguments_takes_nothing() -> None:
    assert pulled({}, "d") == set()
