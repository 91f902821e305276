"""Which tasks of another Dag the sensors of a Dag wait for, as far as its serialized form tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.encoded import argument, unwrapped

_TEMPLATE = "{{"
"""What begins a text that is known only once a run is there."""


@frozen(order=True)
class Awaited:
    """A task or a task group of another Dag that a sensor waits for."""

    sensor: str
    name: str
    group: bool


def awaited(serialized: Mapping[str, Any], dag_id: str) -> tuple[Awaited, ...]:
    """What the sensors of a serialized Dag wait for in the Dag *dag_id*; runs as a whole are not told.

    ``ExternalTaskSensor`` and what is made of it, by the names of its arguments. One of several tasks is
    enough to be waited for; of a group all tasks that are there.
    """
    found = set()
    for task_id, task in tasks_of(serialized.get("dag", {})).items():
        if not task.get("_is_sensor") or dag_id not in _texts(task, "external_dag_id"):
            continue
        groups = set(_texts(task, "external_task_group_id"))
        tasks = {*_texts(task, "external_task_id"), *_texts(task, "external_task_ids")}
        found |= {Awaited(task_id, name, group=True) for name in groups}
        found |= {Awaited(task_id, name, group=False) for name in tasks}
    return tuple(sorted(found))


def _texts(task: Mapping[str, Any], name: str) -> Iterator[str]:
    """The values that an argument of a task has, one for each instance where it is mapped over them."""
    yield from _plain(argument(task, name))
    if task.get("_is_mapped"):
        # Over a list of literals; what another task gives is not known before.
        inputs = unwrapped((task.get(task.get("_expand_input_attr") or "expand_input") or {}).get("value"))
        for one in inputs if isinstance(inputs, list) else [inputs]:
            if isinstance(values := unwrapped(one), Mapping):
                yield from _plain(values.get(name))


def _plain(value: Any) -> Iterator[str]:
    """Texts, in lists or not."""
    value = unwrapped(value)
    if isinstance(value, str):
        if value and _TEMPLATE not in value:
            yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _plain(one)
