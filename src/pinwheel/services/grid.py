"""The history as a grid: runs are columns, tasks are rows, and every cell knows what it ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import asdict, define, field

from pinwheel.core import graph
from pinwheel.core.errors import InvalidInput, NotFound, unknown_dag
from pinwheel.core.run.binding import RunVersions, used
from pinwheel.services.layouts import layouts, no_version, serialized
from pinwheel.services.ports import GridRun, Host
from pinwheel.services.ran import Names, run_versions
from pinwheel.services.views import View, instant, plain_version
from pinwheel.store import dags as dag_store

MAX_RUNS, MAX_TASKS = 100, 5000

# The first that any instance is in is that of them all, as in Airflow's grid.
_PRIORITY = (
    "failed",
    "upstream_failed",
    "up_for_retry",
    "up_for_reschedule",
    "queued",
    "scheduled",
    "deferred",
    "awaiting_input",
    "running",
    "restarting",
    None,
    "success",
    "skipped",
    "removed",
)


def page(host: Host, dag_id: str, *, until: str | None = None, limit: int = 25) -> View:
    """A page of runs, newest first, each with the versions that its tries ran on.

    ``until`` is the newest run of the page. ``older`` and ``newer`` are what to give as ``until`` for the
    pages beside this one.

    :raises NotFound: neither Pinwheel nor Airflow knows the Dag, or the run.
    """

    def work(session: Any) -> View:
        runs, newer = host.run_page(session, dag_id, until=until, limit=limit)
        rows = dag_store.rows(session, [dag_id])
        if not runs:
            require_known(host, session, dag_id)
            if until is not None:
                raise NotFound(
                    f"Cannot show run {until} of {dag_id}",
                    found="Airflow has no such run",
                    remedy="Start from the newest run",
                    dag_id=dag_id,
                    run_id=until,
                )
        ran = run_versions(host, session, dag_id, runs)
        active_id = rows[dag_id].dag_version_id if rows else None
        names = Names(host, session, dag_id, [active_id, *(v for r in ran.values() for v in r.used)])
        shown = [
            _run_view(run, ran[run.run_id], names, runs[place + 1 :][:1], ran)
            for place, run in enumerate(runs[:limit])
        ]
        keys = {key for run in shown for key in run["versions"]}
        active = names.key(active_id) if active_id is not None else None
        return {
            "dag_id": dag_id,
            "runs": shown,
            "versions": names.shown(keys | ({active} if active else set())),
            "active": active,
            "older": runs[limit].run_id if len(runs) > limit else None,
            "newer": newer,
        }

    return host.run(work)


def _run_view(
    run: GridRun,
    ran: RunVersions,
    names: Names,
    older: Sequence[GridRun],
    every: Mapping[str, RunVersions],
) -> View:
    before = every[older[0].run_id].current if older else None
    version = names.key(ran.current)
    return {
        "run_id": run.run_id,
        "state": run.state,
        "run_type": run.run_type,
        "logical_date": instant(run.logical_date),
        "run_after": instant(run.run_after),
        "queued_at": instant(run.queued_at),
        "start_date": instant(run.start_date),
        "end_date": instant(run.end_date),
        "bundle_version": plain_version(run.bundle_version),
        "version": version,
        "versions": list(dict.fromkeys(names.key(version_id) for version_id in ran.used)),
        "mixed": ran.mixed,
        "changed": bool(older) and names.key(before) != version,
        "previous_version": names.key(before) if older else None,
        "bound_by": ran.bound[-1].bound_by if ran.bound else None,
    }


def rows(host: Host, dag_id: str, keys: Collection[str]) -> View:
    """The rows of the structures of some versions.

    ``rows`` holds each distinct row once; ``structures`` are lists of places in it, each in the order of the
    grid, older versions first; ``of`` says which structure a version has. A version whose structure nobody
    knows any more is left out of ``of``.
    """

    def work(session: Any) -> View:
        found = layouts(host, session, dag_id, keys)
        if not found:
            require_known(host, session, dag_id)
        if keys and not found:
            raise no_version(dag_id, sorted(keys)[0])
        pool: dict[tuple[Any, ...], int] = {}
        listed: list[View] = []
        structures: dict[tuple[int, ...], int] = {}
        of: dict[str, int] = {}
        for key in sorted(found, key=lambda key: (key[0] != "v", int(key[1:]))):
            places = []
            for row in found[key].rows:
                view = asdict(row)
                # Of a row that changed its operator or name there are two.
                place = pool.setdefault(tuple(view.values()), len(listed))
                if place == len(listed):
                    listed.append(view)
                places.append(place)
            of[key] = structures.setdefault(tuple(places), len(structures))
        return {"rows": listed, "structures": [list(places) for places in structures], "of": of}

    return host.run(work)


@define
class _Cell:
    states: Counter[str | None] = field(factory=Counter)
    tries: int = 0
    mapped: bool = False
    versions: dict[UUID | None, None] = field(factory=dict)
    """What its tries ran on, oldest first."""
    by_version: dict[UUID | None, dict[int, str | None]] = field(factory=dict)
    """State of the last try on each of them, by map index; only known of runs that are mixed."""

    @property
    def state(self) -> str | None:
        return _worst(self.states)


def graph_of(host: Host, dag_id: str, key: str) -> graph.Graph:
    """Tasks, groups and edges of one version.

    :raises NotFound: the Dag or the version does not exist.
    """

    def work(session: Any) -> graph.Graph:
        require_known(host, session, dag_id)
        found = serialized(host, session, dag_id, key)
        return graph.compared(found, found)

    return host.run(work)


def _worst(states: Iterable[str | None]) -> str | None:
    return min(states, key=lambda state: _PRIORITY.index(state) if state in _PRIORITY else 0, default=None)


def cells(
    host: Host,
    dag_id: str,
    run_ids: Sequence[str],
    task_ids: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> View:
    """States of tasks in runs: ``cells[run][task]``, in the order asked for, None where there is nothing.

    ``groups`` are names, each for some tasks that are shown as one cell: ``groups[run][name]``. Runs that do
    not exist have no cells.

    :raises InvalidInput: more was asked for than one answer holds.
    """
    groups = groups or {}
    every = {*task_ids, *(task_id for inside in groups.values() for task_id in inside)}
    if len(every) > MAX_TASKS or len(run_ids) > MAX_RUNS:
        raise InvalidInput(
            "Cannot show so much of the history at once",
            found=f"{len(run_ids)} runs and {len(every)} tasks",
            remedy=f"Ask for at most {MAX_RUNS} runs and {MAX_TASKS} tasks",
        )

    def work(session: Any) -> View:
        ran, found = _cells(host, session, dag_id, run_ids, every)
        if not ran:
            require_known(host, session, dag_id)
        names = Names(
            host,
            session,
            dag_id,
            {v for r in ran.values() for v in r.used} | {v for cell in found.values() for v in cell.versions},
        )
        return {
            "cells": [[_cell_view(found.get((run, task)), names) for task in task_ids] for run in run_ids],
            "groups": [
                {
                    name: _group_view([found[run, task] for task in inside if (run, task) in found], names)
                    for name, inside in groups.items()
                }
                for run in run_ids
            ],
        }

    return host.run(work)


def _cells(
    host: Host, session: Any, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
) -> tuple[dict[str, RunVersions], dict[tuple[str, str], _Cell]]:
    runs = host.some_runs(session, dag_id, run_ids)
    ran = run_versions(host, session, dag_id, list(runs.values()))
    found: dict[tuple[str, str], _Cell] = {}
    hidden_runs, hidden_tasks = set(), set()
    for item in host.instance_groups(session, dag_id, runs, task_ids):
        cell = found.setdefault((item.run_id, item.task_id), _Cell())
        cell.states[item.state] += item.count
        cell.tries = max(cell.tries, item.try_number)
        cell.mapped = cell.mapped or item.map_index >= 0 or item.count > 1
        if item.state == "removed":
            hidden_runs.add(item.run_id)
            hidden_tasks.add(item.task_id)
    several = {run_id for run_id, versions in ran.items() if versions.mixed}
    for (run_id, _), cell in found.items():
        versions = ran[run_id]
        if run_id not in several:
            cell.versions = dict.fromkeys([versions.current])
    close = [
        *(host.tries(session, dag_id, several, task_ids=task_ids) if several and task_ids else ()),
        *(
            host.tries(session, dag_id, hidden_runs - several, task_ids=hidden_tasks)
            if hidden_runs - several
            else ()
        ),
    ]
    ended: dict[tuple[str, str], dict[int, Any]] = {}
    began: dict[tuple[str, str], int] = {}
    for item in sorted(close, key=lambda t: (t.run_id, t.task_id, t.try_number)):
        cell = found.setdefault((item.run_id, item.task_id), _Cell(mapped=item.map_index >= 0))
        version_id = used(ran[item.run_id].bound, item).dag_version_id
        cell.versions.pop(version_id, None)
        cell.versions[version_id] = None
        cell.by_version.setdefault(version_id, {})[item.map_index] = item.state
        began[item.run_id, item.task_id] = max(began.get((item.run_id, item.task_id), 0), item.try_number)
        ended.setdefault((item.run_id, item.task_id), {})[item.map_index] = item.state
    for place, states in ended.items():
        cell = found[place]
        # What Airflow wrote over the state of a task that a newer version lacks; the try knows better.
        if cell.states.get("removed") or not cell.states:
            cell.states, cell.tries = Counter(states.values()), began[place]
    for (run_id, _), cell in found.items():
        if not cell.versions:
            cell.versions = dict.fromkeys([ran[run_id].current])
    return ran, found


def versions_of_tasks(
    host: Host, session: Any, dag_id: str, run_id: str, task_ids: Collection[str]
) -> dict[str, UUID | None]:
    """What the last try of each of these tasks in a run ran on."""
    _, found = _cells(host, session, dag_id, [run_id], task_ids)
    return {task_id: list(cell.versions)[-1] for (_, task_id), cell in found.items()}


def _cell_view(cell: _Cell | None, names: Names) -> View | None:
    if cell is None:
        return None
    keys = list(dict.fromkeys(names.key(version_id) for version_id in cell.versions))
    view: View = {"state": cell.state, "tries": cell.tries, "version": keys[-1]}
    if len(keys) > 1:
        view["versions"] = keys
        view["states"] = {
            names.key(version_id): _worst(states.values()) for version_id, states in cell.by_version.items()
        }
    if cell.mapped:
        view["instances"] = _counts(cell.states)
    return view


def _group_view(inside: Sequence[_Cell], names: Names) -> View | None:
    if not inside:
        return None
    together = _Cell()
    for cell in inside:
        together.states.update(cell.states)
        together.versions.update(cell.versions)
    keys = list(dict.fromkeys(names.key(version_id) for version_id in together.versions))
    view: View = {"state": together.state, "instances": _counts(together.states), "version": keys[-1]}
    if len(keys) > 1:
        view["versions"] = keys
    return view


def _counts(states: Mapping[str | None, int]) -> dict[str, int]:
    return {state or "none": count for state, count in sorted(states.items(), key=str)}


def require_known(host: Host, session: Any, dag_id: str) -> None:
    """:raises NotFound: neither Pinwheel nor Airflow has the Dag."""
    if not dag_store.rows(session, [dag_id]) and not host.airflow_dags(session, [dag_id]):
        raise unknown_dag(dag_id)
