"""What differs between two builds: the structure of the Dag, and the text of its files.

Structures are Airflow's serialized Dags (``{"__version": …, "dag": {…}}``, 3.3 and 3.4). Values under keys
that look like secrets are shown as ``***``; file patches are source code and shown as it is.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

from pinwheel.core.digest import without_place
from pinwheel.core.json import Json
from pinwheel.core.text import visible

MASK = "***"

# Airflow's own list (DEFAULT_SENSITIVE_FIELDS, 3.3). A key that contains one is secret.
SECRET_WORDS = (
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "credential",
    "dsn",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "proxies",
    "proxy",
    "secret",
    "service_account",
    "service_key",
    "token",
)

_NOT_COMPARED = frozenset(
    {
        # Shown in their own way.
        "tasks",
        "task_group",
        "timetable",
        # Where the Dag lies on one machine; the files say more.
        "fileloc",
        "_processor_dags_folder",
        "bundle_name",
        # Follows from the tasks.
        "dag_dependencies",
        "edge_info",
    }
)
_TASK_NOT_COMPARED = frozenset({"downstream_task_ids", "upstream_task_ids", "task_id", "label"})
_UNORDERED = frozenset({"tags", "allowed_run_types"})
_PARTIAL = ("partial_kwargs",)


@frozen(kw_only=True)
class Changed:
    """A value before and after; secrets are ``MASK``."""

    from_: Json
    to: Json


@frozen(kw_only=True)
class TaskChange:
    """A task that both structures have, with those of its attributes that differ, by name."""

    task_id: str
    attributes: Mapping[str, Changed]


@frozen(kw_only=True)
class Structure:
    """How one serialized Dag became another. All of it is sorted; for an unchanged Dag it is empty."""

    tasks_added: tuple[str, ...]
    tasks_removed: tuple[str, ...]
    tasks_changed: tuple[TaskChange, ...]
    edges_added: tuple[tuple[str, str], ...]
    edges_removed: tuple[tuple[str, str], ...]
    groups_added: tuple[str, ...]
    groups_removed: tuple[str, ...]
    schedule: Changed | None
    attributes: Mapping[str, Changed]
    """Those of the Dag that differ, by name."""


@frozen(kw_only=True)
class FileChange:
    """How a used file changed."""

    path: str
    change: str
    """``added``, ``removed`` or ``modified``."""
    patch: str
    """A unified diff, ``Binary files differ``, or a sentence when a content was not kept."""
    read_at_parse: bool = False
    """The parse read it, and it does not decide the content of the Dag."""


def structure(before: Mapping[str, Any], after: Mapping[str, Any]) -> Structure:
    """How one serialized Dag became another."""
    old, new = before.get("dag", {}), after.get("dag", {})
    old_tasks, new_tasks = tasks_of(old), tasks_of(new)
    old_groups, new_groups = _groups(old), _groups(new)
    old_edges, new_edges = edges_of(old_tasks), edges_of(new_tasks)
    old_schedule, new_schedule = schedule_of(old), schedule_of(new)
    changed = []
    for task_id in sorted(old_tasks.keys() & new_tasks.keys()):
        attributes = _changes(_task_values(old_tasks[task_id]), _task_values(new_tasks[task_id]))
        groups = (_group_of(old_groups, task_id), _group_of(new_groups, task_id))
        if groups[0] != groups[1]:
            attributes["task_group"] = Changed(from_=groups[0], to=groups[1])
        if attributes:
            changed.append(TaskChange(task_id=task_id, attributes=attributes))
    return Structure(
        tasks_added=tuple(sorted(new_tasks.keys() - old_tasks.keys())),
        tasks_removed=tuple(sorted(old_tasks.keys() - new_tasks.keys())),
        tasks_changed=tuple(changed),
        edges_added=tuple(sorted(new_edges - old_edges)),
        edges_removed=tuple(sorted(old_edges - new_edges)),
        groups_added=tuple(sorted(new_groups.keys() - old_groups.keys())),
        groups_removed=tuple(sorted(old_groups.keys() - new_groups.keys())),
        schedule=None if old_schedule == new_schedule else Changed(from_=old_schedule, to=new_schedule),
        attributes=_changes(_dag_values(old), _dag_values(new)),
    )


def files(
    before: Mapping[str, bytes | None],
    after: Mapping[str, bytes | None],
    read_at_parse: Collection[str] = (),
) -> tuple[FileChange, ...]:
    """How the used files changed, by path.

    A value of None is a file whose content was not kept (too large): it counts as changed, without a patch.
    Files that are the same are left out.
    """
    found = []
    for path in sorted({*before, *after}):
        if path in before and path in after and before[path] == after[path] and before[path] is not None:
            continue
        change = "modified" if path in before and path in after else "added" if path in after else "removed"
        found.append(
            FileChange(
                path=path,
                change=change,
                patch=patch(path, before, after),
                read_at_parse=path in read_at_parse,
            )
        )
    return tuple(found)


def patch(path: str, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> str:
    """A unified diff of one file, ``Binary files differ``, or a sentence when a content was not kept."""
    old, new = before.get(path, b""), after.get(path, b"")
    if old is None or new is None:
        return "The content of this file was not kept.\n"
    try:
        old_lines, new_lines = _lines(old.decode()), _lines(new.decode())
    except UnicodeDecodeError:
        return _binary(old, new)
    if b"\0" in old or b"\0" in new:
        return _binary(old, new)
    lines = []
    for line in difflib.unified_diff(
        old_lines,
        new_lines,
        fromfile=f"a/{visible(path)}" if path in before else "/dev/null",
        tofile=f"b/{visible(path)}" if path in after else "/dev/null",
    ):
        lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """Split where git splits: at ``\n`` alone, not at what else Python takes for the end of a line."""
    return list(io.StringIO(text, newline="\n"))


def _binary(old: bytes, new: bytes) -> str:
    return f"Binary files differ ({len(old)} and {len(new)} bytes)\n"


def is_secret(key: str) -> bool:
    """Whether a value under this key is not to be shown."""
    lowered = key.strip().lower()
    return any(word in lowered for word in SECRET_WORDS)


def masked(value: Any, key: str = "") -> Any:
    """*value* in plain form (Airflow's type marks removed) with secrets replaced."""
    if key and is_secret(key) and value not in (None, "", [], {}):
        return MASK
    value = _plain(value)
    if isinstance(value, Mapping):
        return {str(name): masked(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def schedule_of(dag: Mapping[str, Any]) -> str | None:
    """A Dag's schedule as one readable text; None for a Dag without one. *dag* is the inner mapping."""
    timetable = dag.get("timetable")
    if not isinstance(timetable, Mapping):
        return None if timetable is None else str(timetable)
    name = str(timetable.get("__type", "")).rsplit(".", 1)[-1]
    if name == "NullTimetable":
        return None
    values = _plain(timetable.get("__var")) or {}
    if not isinstance(values, Mapping) or not values:
        return name
    if name in _CRON and "expression" in values:
        extra = {
            key: value
            for key, value in values.items()
            if key not in ("expression", "timezone") and value not in (None, False, 0, 0.0)
        }
        text = f"{values['expression']} ({values.get('timezone', 'UTC')})"
        return f"{text}{_arguments(extra)}" if extra else text
    return f"{name}{_arguments(values)}"


_CRON = frozenset({"CronTriggerTimetable", "CronDataIntervalTimetable"})


def _arguments(values: Mapping[str, Any]) -> str:
    return "(" + ", ".join(f"{key}={masked(values[key], key)!r}" for key in sorted(values)) + ")"


def tasks_of(dag: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Serialized tasks by id, without Airflow's wrapping. *dag* is the inner mapping."""
    found = {}
    for item in dag.get("tasks") or ():
        task = item.get("__var", item) if isinstance(item, Mapping) else None
        if isinstance(task, Mapping) and task.get("task_id"):
            found[str(task["task_id"])] = task
    return found


def _task_values(task: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in task.items() if key not in _TASK_NOT_COMPARED}
    for key in _PARTIAL:
        inner = _plain(values.pop(key, None))
        if isinstance(inner, Mapping):
            # A mapped task's fixed arguments are its attributes, to a reader.
            values = {**inner, **values}
    if isinstance(fields := values.get("template_fields"), list):
        values["template_fields"] = sorted(fields, key=str)
    return values


def _dag_values(dag: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: sorted(value, key=str) if key in _UNORDERED and isinstance(value, list) else value
        for key, value in dag.items()
        if key not in _NOT_COMPARED
    }


def edges_of(tasks: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Pairs of upstream and downstream task."""
    return {
        (task_id, str(below))
        for task_id, task in tasks.items()
        for below in task.get("downstream_task_ids") or ()
    }


def _groups(dag: Mapping[str, Any]) -> dict[str, set[str]]:
    """Task groups by id, each with the tasks that lie in it directly. The Dag's root group is left out."""
    found: dict[str, set[str]] = {}
    for group_id, group in walk_groups(dag.get("task_group")):
        if group_id is not None:
            found[group_id] = {
                str(child[1])
                for child in (group.get("children") or {}).values()
                if isinstance(child, (list, tuple)) and len(child) == 2 and not isinstance(child[1], Mapping)
            }
    return found


def walk_groups(group: Any, group_id: str | None = None) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """A serialized task group and all groups below it, each before those that it holds, with their ids.

    The id is that under which the parent holds it; ``_group_id`` inside lacks the parents' names.
    The Dag's root group has None.
    """
    if not isinstance(group, Mapping):
        return
    group = group.get("__var", group)
    yield group_id, group
    for child_id, child in (group.get("children") or {}).items():
        if isinstance(child, (list, tuple)) and len(child) == 2 and isinstance(child[1], Mapping):
            yield from walk_groups(child[1], str(child_id))


def _group_of(groups: Mapping[str, set[str]], task_id: str) -> str | None:
    return next((group_id for group_id, inside in groups.items() if task_id in inside), None)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Changed]:
    """Names whose values differ, with both values; compared unmasked, shown masked."""
    found = {}
    for key in sorted({*old, *new}):
        one, other = _plain(old.get(key)), _plain(new.get(key))
        if one != other:
            found[key.lstrip("_")] = Changed(from_=masked(one, key), to=masked(other, key))
    return found


def _plain(value: Any) -> Any:
    """Airflow's encoded values without their ``__var``/``__type`` wrapping; pairs of params as a mapping."""
    if isinstance(value, Mapping):
        if value.keys() == {"__var", "__type"}:
            inner = _plain(value["__var"])
            return sorted(inner, key=str) if value["__type"] == "set" and isinstance(inner, list) else inner
        if "__class" in value and "default" in value and "schema" in value:
            return _plain({key: inner for key, inner in value.items() if key not in ("__class", "source")})
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        if items and all(_is_param(item) for item in value):
            return {item[0]: item[1] for item in items}
        return items
    return without_place(value) if isinstance(value, str) else value


def _is_param(item: Any) -> bool:
    return (
        isinstance(item, (list, tuple))
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], Mapping)
        and "__class" in item[1]
    )
