"""What a serialized Dag says to Airflow's rows and runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from pinwheel.core.json import Json

DEFAULT_OWNER = "airflow"
_REFERENCES_OF_TASKS = {"inlets": "task_inlet_asset_reference", "outlets": "task_outlet_asset_reference"}
_REFERENCES_OF_SCHEDULE = {
    "asset": "dag_schedule_asset_reference",
    "asset_alias": "dag_schedule_asset_alias_reference",
}
_NOT_PERIODIC = ("NullTimetable", "OnceTimetable", "ContinuousTimetable", "AssetTriggeredTimetable")


def inner(serialized: Mapping[str, Json] | None) -> Mapping[str, Json]:
    """The Dag itself."""
    return _object((serialized or {}).get("dag"))


def tasks(serialized: Mapping[str, Json] | None) -> dict[str, Mapping[str, Json]]:
    """Its tasks by id."""
    found = [_object(_object(task).get("__var")) for task in _list(inner(serialized).get("tasks"))]
    return {str(task["task_id"]): task for task in found}


def owners(serialized: Mapping[str, Json]) -> str:
    """As Airflow's row of the Dag names them: with commas between."""
    names = {str(owner) for task in tasks(serialized).values() if (owner := task.get("owner"))}
    return ", ".join(sorted(names)) or DEFAULT_OWNER


def tags(serialized: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(sorted({str(tag) for tag in _list(inner(serialized).get("tags"))}))


def display_name(serialized: Mapping[str, Json], dag_id: str) -> str:
    return str(inner(serialized).get("dag_display_name") or dag_id)


def is_unversioned(serialized: Mapping[str, Json] | None) -> bool:
    """Its runs execute whatever is newest."""
    return bool(inner(serialized).get("disable_bundle_versioning"))


def allows(serialized: Mapping[str, Json] | None, run_type: str) -> bool:
    allowed = _list(inner(serialized).get("allowed_run_types"))
    return not allowed or run_type in allowed


def depends_on_past(serialized: Mapping[str, Json]) -> bool:
    return any(task.get("depends_on_past") for task in tasks(serialized).values())


def references(serialized: Mapping[str, Json]) -> frozenset[str]:
    """Tables that have asset references of the Dag."""
    of_tasks = {
        table
        for task in tasks(serialized).values()
        for port, table in _REFERENCES_OF_TASKS.items()
        if _list(task.get(port))
    }
    condition = _object(_timetable(serialized).get("__var")).get("asset_condition")
    return frozenset(of_tasks | {_REFERENCES_OF_SCHEDULE[kind] for kind in _kinds(condition)})


def is_periodic(serialized: Mapping[str, Json]) -> bool:
    return not str(_timetable(serialized).get("__type", "")).endswith(_NOT_PERIODIC)


def dates(serialized: Mapping[str, Json], first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """Logical dates of the schedule from the first to the last instant, each with its interval's end.

    :raises NotImplementedError: the schedule is none of ``minute hour * * *``, UTC.
    """
    timetable = _timetable(serialized)
    values = _object(timetable.get("__var"))
    minute, hour, *rest = str(values.get("expression", "")).split() or ("", "")
    if rest != ["*", "*", "*"] or values.get("timezone") != "UTC":
        raise NotImplementedError(f"Only daily schedules in UTC are known here, not {timetable}")
    length = timedelta(0 if str(timetable["__type"]).endswith("CronTriggerTimetable") else 1)
    day = datetime.combine(first.astimezone(UTC).date(), time(int(hour), int(minute)), UTC)
    found = []
    while day <= last:
        if day >= first:
            found.append((day, day + length))
        day += timedelta(days=1)
    return found


def due_at(serialized: Mapping[str, Json], now: datetime, last: datetime | None) -> datetime | None:
    """When the run after the *last* date that has one is due, of a Dag without catch-up; None: never."""
    if not is_periodic(serialized):
        return None
    around = dates(serialized, now - timedelta(days=3), now + timedelta(days=3))
    date, end = [one for one in around if one[1] <= now][-1]
    if last is None or last < date:
        return end
    return next((end for date, end in around if date > last), None)


def _timetable(serialized: Mapping[str, Json]) -> Mapping[str, Json]:
    return _object(inner(serialized).get("timetable"))


def _kinds(condition: Json) -> Iterator[str]:
    said = _object(condition)
    if said.get("__type") in _REFERENCES_OF_SCHEDULE:
        yield str(said["__type"])
    for one in _list(said.get("objects")):
        yield from _kinds(one)


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
