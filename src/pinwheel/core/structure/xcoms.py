"""Whose XComs the arguments of a serialized task take, as far as they are written down.

Airflow writes the output of a task in another one's arguments as a template, ``{{ task_instance.xcom_pull(
task_ids='old', dag_id='d', key='return_value') }}``, of a mapped task as a reference. Authors write such
templates themselves. What a function pulls by itself is its code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinwheel.core.structure.encoded import unwrapped

_CALL = re.compile(r"xcom_pull(\([^()]{0,1000}\))")


def pulled(task: Mapping[str, Any], dag_id: str) -> set[str]:
    """The tasks of its own Dag, *dag_id*, whose XComs a task takes in its templates and arguments."""
    found: set[str] = set()
    partial = unwrapped(task.get("partial_kwargs"))
    arguments = [partial, *(task.get(name) for name in ("expand_input", "op_kwargs_expand_input"))]
    names = task.get("template_fields")
    for value in [*arguments, *(task.get(str(name)) for name in names or ())]:
        found.update(references(value))
        for text in _texts(value):
            found.update(_of_text(text, dag_id))
    return found


def references(value: Any) -> Iterator[str]:
    """The tasks whose output a serialized argument takes by reference."""
    if isinstance(value, Mapping):
        inner = value.get("__var")
        if value.get("__type") == "xcomref" and isinstance(inner, Mapping) and "task_id" in inner:
            yield str(inner["task_id"])
        for one in value.values():
            yield from references(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from references(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def _of_text(text: str, dag_id: str) -> Iterator[str]:
    """The tasks that a template names in its calls; what it computes is not known before a run is there."""
    for call in _CALL.findall(text):
        try:
            parsed = ast.parse(f"f{call}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        assert isinstance(parsed, ast.Call)
        named = {keyword.arg: keyword.value for keyword in parsed.keywords}
        elsewhere = named.get("dag_id", parsed.args[1] if parsed.args[1:] else None)
        if elsewhere is not None and set(_constants(elsewhere)) not in ({dag_id}, {None}):
            continue
        tasks = named.get("task_ids", parsed.args[0] if parsed.args else None)
        yield from (str(one) for one in _constants(tasks) if isinstance(one, str))


def _constants(node: ast.expr | None) -> Iterator[object]:
    if isinstance(node, ast.Constant):
        yield node.value
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for one in node.elts:
            yield from _constants(one)
