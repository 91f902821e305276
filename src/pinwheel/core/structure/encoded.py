"""Values of a serialized Dag, which Airflow wraps: ``{"__type": …, "__var": value}``, or the value itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unwrapped(value: Any) -> Any:
    """The value without its wrapping; what is inside of it stays as it is."""
    return value["__var"] if isinstance(value, Mapping) and "__var" in value else value


def wrapped(like: Any, value: Any) -> Any:
    """*value* wrapped as *like* is."""
    return {**like, "__var": value} if isinstance(like, Mapping) and "__var" in like else value


def argument(task: Mapping[str, Any], name: str) -> Any:
    """An attribute of a serialized task; of a mapped one also what all its instances share."""
    value = task.get(name)
    partial = unwrapped(task.get("partial_kwargs")) if task.get("_is_mapped") else None
    return partial.get(name) if value is None and isinstance(partial, Mapping) else value
