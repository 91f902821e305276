"""Builds: one Dag as parsed from one bundle version, and the digest that identifies its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from attrs import field, frozen

from pinwheel.core import text
from pinwheel.core.parse.reach import PATH_PLACEHOLDER, without_place

LABEL_TAG_PREFIX = "version:"
"""A Dag tag ``version:2.4.1`` is the author's version label ``2.4.1``."""

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


def _fitted_label(label: str | None) -> str | None:
    return text.fit(label, text.LABEL) if label is not None else None


@frozen(kw_only=True)
class BuildContent:
    """What one parse says about one Dag; the part of a build that does not depend on who registers it.

    ``serialized`` is Airflow's serialized Dag (``{"__version": …, "dag": {…}}``) in which every absolute
    path below the bundle version's directory is written with :data:`PATH_PLACEHOLDER`.
    ``files`` maps each used bundle file to the content id of its source.
    """

    dag_id: str
    bundle_name: str
    bundle_version: str
    relative_fileloc: str
    serialized: Mapping[str, Any] = field(repr=False)
    inputs_digest: str
    """Of all that the parse used and of all answers that it got."""
    content_digest: str = ""
    """Of the files that decide the content of this Dag; empty: those are all that it asked for."""
    used_digest: str = ""
    """Of all content that the parse used; empty: that is what decides."""
    objects_digest: str = ""
    """Of what the live Dag object holds, where it was walked (:class:`~pinwheel.core.parse.reach.Reach`)."""
    unread: tuple[str, ...] = ()
    """What could not be read of the object: then all that the parse used decides the content."""
    read_at_parse: tuple[str, ...] = ()
    """Those of ``files`` that the parse read and that do not decide the content of this Dag. Sorted."""
    files: Mapping[str, str] = field(factory=dict, repr=False)
    label: str | None = field(default=None, converter=_fitted_label)
    runtime: str = ""
    parse_seconds: float | None = None
    pure: bool = False
    version_data: Mapping[str, Any] | None = None
    told_apart: bool = False
    """The same content is a build of another bundle already."""

    @cached_property
    def serialized_digest(self) -> str:
        """Identity of the serialized Dag alone."""
        return digest_of(normalized(self.serialized))

    @cached_property
    def digest(self) -> str:
        """Identity of the build: serialized Dag, what its object reaches, label. Same digest, same build."""
        content = self.content_digest or self.inputs_digest
        parts: list[Any] = [self.serialized_digest, content, self.label]
        if self.objects_digest:
            parts.append({"objects": self.objects_digest})
        return self._whole(parts)

    @cached_property
    def former_digest(self) -> str:
        """The digest that a version of Pinwheel gave which did not look into Dag objects.

        A build that has it is this one: after an upgrade no Dag gets a new build for the rule's sake.
        """
        used = self.used_digest or self.content_digest or self.inputs_digest
        return self._whole([self.former_serialized_digest, used, self.label])

    @property
    def digests(self) -> frozenset[str]:
        """Those by which a build is known to be of this content."""
        return frozenset((self.digest, self.former_digest))

    @cached_property
    def former_serialized_digest(self) -> str:
        """The identity of the serialized Dag by the rule of that version."""
        return digest_of(_without_location(self.serialized, _canonical_formerly))

    def _whole(self, parts: list[Any]) -> str:
        return digest_of([*parts, self.bundle_name] if self.told_apart else parts)


@frozen(kw_only=True)
class Build:
    """A stored build. Immutable; ``build`` counts 1, 2, 3 … per Dag."""

    id: int
    dag_id: str
    build: int
    digest: str
    serialized_digest: str
    inputs_digest: str
    bundle_name: str
    bundle_version: str
    relative_fileloc: str
    created_at: datetime
    label: str | None = None
    author: str | None = None
    message: str | None = None
    committed_at: datetime | None = None
    runtime: str = ""
    parse_seconds: float | None = None
    pure: bool = False
    versioned: bool = True
    """False when the Dag opts out of bundle versioning (``disable_bundle_versioning``)."""
    unstable: tuple[str, ...] = ()
    """Attributes that differ at each parse of the same inputs; empty for a stable Dag."""
    adopted: bool = False
    """True for what Airflow already held before Pinwheel came: its inputs were never traced."""


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


def label_of(tags: Any) -> str | None:
    """The author's version label from a Dag's tags, or None. The first in alphabetical order wins."""
    found = sorted(t for t in tags or () if isinstance(t, str) and t.startswith(LABEL_TAG_PREFIX))
    return found[0].removeprefix(LABEL_TAG_PREFIX).strip() or None if found else None


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


def runtime_warnings(now_active: Build | None, target: Build | None) -> tuple[str, ...]:
    """Say when a build was parsed under other Python packages than the active one."""
    if now_active is None or target is None or not target.runtime or not now_active.runtime:
        return ()
    if target.runtime == now_active.runtime:
        return ()
    return (
        f"build {target.build} was parsed in another runtime (Python, Airflow or installed packages) "
        f"than build {now_active.build}; packages are not part of a bundle version",
    )
