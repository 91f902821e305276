"""What identifies the content of a Dag, and what varies in it from parse to parse."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pinwheel.core import text

PATH_PLACEHOLDER = "{bundle}"
"""Stands for the absolute path of the bundle version's directory in what is stored and compared."""


_MODULE_OF_A_DAG_FILE = re.compile(r"unusual_prefix_[0-9a-f]{40}_")

_LOCATION_KEYS = frozenset({"fileloc", "_processor_dags_folder", "bundle_name"})


_UNORDERED_KEYS = frozenset(
    {
        "tags",
        "downstream_task_ids",
        "upstream_task_ids",
        "downstream_group_ids",
        "upstream_group_ids",
        "allowed_run_types",
    }
)
"""Keys whose lists Airflow's serialization makes from sets."""


_TEMPLATE_FIELDS = "template_fields"
"""Some of Airflow's own operators make theirs from a set."""


def digest_of(value: Any) -> str:
    """SHA-256 hex of a JSON-able value, independent of key order."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def with_placeholder(value: Any, bundle_path: str, written: str = PATH_PLACEHOLDER) -> Any:
    """Return *value* with every occurrence of the bundle directory replaced by the placeholder."""
    return _map_strings(value, lambda found: found.replace(bundle_path, written))


def with_bundle_path(value: Any, bundle_path: str) -> Any:
    """Undo :func:`with_placeholder` for the directory in which the bundle version lies here."""
    return _map_strings(value, lambda found: found.replace(PATH_PLACEHOLDER, bundle_path))


def _map_strings(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_strings(k, change): _map_strings(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_strings(item, change) for item in value]
    return value


def normalized(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """The serialized Dag without what names a place on one machine, in a canonical order.

    Lists of tasks are ordered by task id, as Airflow's own hash does
    (``SerializedDagModel._sort_serialized_dag_dict``, 3.3), and lists that come from sets by their text;
    every other list keeps its order, which an author may mean.
    """
    return _without_location(serialized, _canonical)


def normalized_formerly(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """The same by the rule of a version of Pinwheel that did not look into Dag objects."""
    return _without_location(serialized, _canonical_formerly)


def _without_location(serialized: Mapping[str, Any], canonical: Callable[[Any], Any]) -> dict[str, Any]:
    data = dict(serialized)
    dag = {key: value for key, value in data.get("dag", {}).items() if key not in _LOCATION_KEYS}
    data["dag"] = canonical(dag)
    return data


def _canonical(value: Any) -> Any:
    return _map_strings(
        _canonical_formerly(value, unordered=_UNORDERED_KEYS | {_TEMPLATE_FIELDS}), without_place
    )


def _canonical_formerly(value: Any, key: str = "", unordered: frozenset[str] = _UNORDERED_KEYS) -> Any:
    if isinstance(value, Mapping):
        return {name: _canonical_formerly(value[name], name, unordered) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        items = [_canonical_formerly(item, "", unordered) for item in value]
        if key in unordered:
            return sorted(items, key=str)
        if items and all(_task_id(item) is not None for item in items):
            return sorted(items, key=lambda item: str(_task_id(item)))
        return items
    return value


def _task_id(item: Any) -> Any:
    inner = item.get("__var") if isinstance(item, Mapping) else None
    return inner.get("task_id") if isinstance(inner, Mapping) else None


def varying_attributes(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Dotted paths at which two serialized forms of a Dag differ, at most ten, in document order."""
    paths: list[str] = []
    for path in _differences(normalized(one).get("dag"), normalized(other).get("dag"), ""):
        paths.append(path)
        if len(paths) == 10:
            break
    return tuple(paths)


def unstorable_values(value: Any) -> Iterator[tuple[str, str]]:
    """Dotted paths of what some database or JSON does not take in a serialized Dag, with what it is.

    NUL characters, lone surrogates, and numbers that JSON does not know.
    """
    return _unstorable_values(value, "")


def _unstorable_values(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "\x00" in value:
            yield path, "a NUL character"
        elif text.storable(value) != value:
            yield path, "half of a surrogate pair"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"the number {value}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _unstorable_values(key, path)
            hidden = key in ("__var", "__type", "dag")
            yield from _unstorable_values(inner, path if hidden else f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _unstorable_values(inner, f"{path}[{_task_id(inner) or index}]")


def _differences(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            inner = path if key in ("__var", "__type") else f"{path}.{key}" if path else str(key)
            if key not in one or key not in other:
                yield inner
            else:
                yield from _differences(one[key], other[key], inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{path}[{_task_id(left) or index}]")
    elif one != other:
        yield path


def without_place(text: str, roots: Iterable[str] = ()) -> str:
    """A text without what names the place of a bundle version.

    That are the paths of its directory, and the hash of a path in the name that Airflow gives to the module
    of a Dag file.
    """
    for root in roots:
        text = text.replace(root, PATH_PLACEHOLDER)
    return _MODULE_OF_A_DAG_FILE.sub("unusual_prefix_", text) if "unusual_prefix_" in text else text
