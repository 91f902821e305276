"""The history as a grid: runs are columns, tasks are rows, and every cell knows what it ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import define, field, frozen

from pinwheel.core.errors import InvalidInput, NotFound, unknown_dag
from pinwheel.core.run.binding import RunVersions, used
from pinwheel.core.structure import graph
from pinwheel.core.structure.layout import Row
from pinwheel.services.history.structures import layouts, no_version, serialized
from pinwheel.services.history.versions import Names, VersionView, parse_key, run_versions
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import GridRun
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.services.show.words import plain_version
from pinwheel.store import dags as dag_store
from pinwheel.store import outcomes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

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


@frozen(kw_only=True)
class GridRunView:
    """A run, which is a column."""

    run_id: str
    state: str
    run_type: str
    logical_date: datetime | None
    run_after: datetime
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    bundle_version: str | None
    """As Airflow's row of the run says."""
    version: str
    """The key of what its tasks run on from now on."""
    versions: tuple[str, ...]
    """Keys of all that its tries ran on, oldest first."""
    mixed: bool
    changed: bool
    """Another version than the run before it."""
    previous_version: str | None
    bound_by: str | None
    failed_on: tuple[str, ...]
    """Keys of what it failed on before it was run again, oldest first; whatever it came to since."""


@frozen(kw_only=True)
class GridPage:
    """A page of runs, newest first, and what there is to say of their versions, by key."""

    dag_id: str
    runs: tuple[GridRunView, ...]
    versions: Mapping[str, VersionView]
    active: str | None
    """The key of the active release."""
    older: str | None
    newer: str | None
    """What to give as ``until`` for the pages beside this one."""


@frozen(kw_only=True)
class GridRows:
    """The rows of the structures of some versions."""

    rows: tuple[Row, ...]
    """Each distinct row once."""
    structures: tuple[tuple[int, ...], ...]
    """Places in ``rows``, each in the order of the grid, older versions first."""
    of: Mapping[str, int]
    """Which structure a version has. One that nobody knows any more is left out."""


@frozen(kw_only=True)
class CellView:
    """The states of a task in a run, or of some tasks together."""

    state: str | None
    version: str
    """The key of what its last try ran on, or will."""
    tries: Sometimes[int] = ABSENT
    versions: Sometimes[tuple[str, ...]] = ABSENT
    """What its tries ran on, when that is more than one; of tasks together: what their last tries did."""
    states: Sometimes[Mapping[str, str | None]] = ABSENT
    """Then also the state of its last try on each of them."""
    instances: Sometimes[Mapping[str, int]] = ABSENT
    """Of a mapped task or of tasks together: how many are in which state."""


@frozen(kw_only=True)
class Cells:
    """By run, in the order asked for: cells of tasks, and those of groups by name. None: there is nothing."""

    cells: tuple[tuple[CellView | None, ...], ...]
    groups: tuple[Mapping[str, CellView | None], ...]


def page(host: Host, dag_id: str, *, until: str | None = None, limit: int = 25) -> GridPage:
    """A page of runs, each with the versions that its tries ran on. ``until`` is the newest run of the page.

    :raises NotFound: neither Pinwheel nor Airflow knows the Dag, or the run.
    """

    def work(session: Session) -> GridPage:
        runs, newer = host.reads.run_page(session, dag_id, until=until, limit=limit)
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
        failed = outcomes.failed_before(
            session, dag_id, {run.run_id: run.clear_number for run in runs[:limit]}
        )
        told = [version for versions in failed.values() for version in versions]
        names = Names(host, session, dag_id, [active_id, *told, *(v for r in ran.values() for v in r.used)])
        shown = [
            _run_view(run, ran[run.run_id], names, runs[place + 1 :][:1], ran, failed.get(run.run_id, ()))
            for place, run in enumerate(runs[:limit])
        ]
        keys = {key for run in shown for key in (*run.versions, *run.failed_on)}
        active = names.key(active_id) if active_id is not None else None
        return GridPage(
            dag_id=dag_id,
            runs=tuple(shown),
            versions=names.shown(keys | ({active} if active else set())),
            active=active,
            older=runs[limit].run_id if len(runs) > limit else None,
            newer=newer,
        )

    return host.unit.run(work)


def _run_view(
    run: GridRun,
    ran: RunVersions,
    names: Names,
    older: Sequence[GridRun],
    every: Mapping[str, RunVersions],
    failed_on: Sequence[UUID | None],
) -> GridRunView:
    before = every[older[0].run_id].current if older else None
    version = names.key(ran.current)
    return GridRunView(
        run_id=run.run_id,
        state=run.state,
        run_type=run.run_type,
        logical_date=run.logical_date,
        run_after=run.run_after,
        queued_at=run.queued_at,
        start_date=run.start_date,
        end_date=run.end_date,
        bundle_version=plain_version(run.bundle_version),
        version=version,
        versions=tuple(dict.fromkeys(names.key(version_id) for version_id in ran.used)),
        mixed=ran.mixed,
        changed=bool(older) and names.key(before) != version,
        previous_version=names.key(before) if older else None,
        bound_by=ran.bound[-1].bound_by if ran.bound else None,
        failed_on=tuple(names.key(version_id) for version_id in failed_on),
    )


def rows(host: Host, dag_id: str, keys: Collection[str]) -> GridRows:
    """The rows of the structures of some versions.

    :raises NotFound: the Dag does not exist, or none of the versions.
    """

    def work(session: Session) -> GridRows:
        found = layouts(host, session, dag_id, keys)
        if not found:
            require_known(host, session, dag_id)
        if keys and not found:
            raise no_version(dag_id, sorted(keys)[0])
        # Of a row that changed its operator or name there are two.
        pool: dict[Row, int] = {}
        structures: dict[tuple[int, ...], int] = {}
        of: dict[str, int] = {}
        for key in sorted(found, key=_order):
            places = tuple(pool.setdefault(row, len(pool)) for row in found[key].rows)
            of[key] = structures.setdefault(places, len(structures))
        return GridRows(rows=tuple(pool), structures=tuple(structures), of=of)

    return host.unit.run(work)


def _order(key: str) -> tuple[bool, int, int]:
    """Versions from before Pinwheel first; what is without some tasks comes right after the whole."""
    kind, number, position = parse_key(key) or ("", 0, None)
    return kind != "v", number, position or 0


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

    def work(session: Session) -> graph.Graph:
        require_known(host, session, dag_id)
        found = serialized(host, session, dag_id, key)
        return graph.compared(found, found)

    return host.unit.run(work)


def priority(state: str | None) -> int:
    """The place of a state among those that stand for several: the lowest is that of them all."""
    return _PRIORITY.index(state) if state in _PRIORITY else 0


def _worst(states: Iterable[str | None]) -> str | None:
    return min(states, key=priority, default=None)


def cells(
    host: Host,
    dag_id: str,
    run_ids: Sequence[str],
    task_ids: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Cells:
    """States of tasks in runs. ``groups`` are names, each for some tasks that are shown as one cell.

    Runs that do not exist have no cells.

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

    def work(session: Session) -> Cells:
        ran, found = _cells(host, session, dag_id, run_ids, every)
        if not ran:
            require_known(host, session, dag_id)
        names = Names(
            host,
            session,
            dag_id,
            {v for r in ran.values() for v in r.used} | {v for cell in found.values() for v in cell.versions},
        )
        return Cells(
            cells=tuple(
                tuple(_cell_view(found.get((run, task)), names) for task in task_ids) for run in run_ids
            ),
            groups=tuple(
                {
                    name: _group_view([found[run, task] for task in inside if (run, task) in found], names)
                    for name, inside in groups.items()
                }
                for run in run_ids
            ),
        )

    return host.unit.run(work)


def _cells(
    host: Host, session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
) -> tuple[dict[str, RunVersions], dict[tuple[str, str], _Cell]]:
    runs = host.reads.some_runs(session, dag_id, run_ids)
    ran = run_versions(host, session, dag_id, list(runs.values()))
    found: dict[tuple[str, str], _Cell] = {}
    hidden_runs, hidden_tasks = set(), set()
    for item in host.reads.instance_groups(session, dag_id, runs, task_ids):
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
        *(host.reads.tries(session, dag_id, several, task_ids=task_ids) if several and task_ids else ()),
        *(
            host.reads.tries(session, dag_id, hidden_runs - several, task_ids=hidden_tasks)
            if hidden_runs - several
            else ()
        ),
    ]
    ended: dict[tuple[str, str], dict[int, str | None]] = {}
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
    host: Host, session: Session, dag_id: str, run_id: str, task_ids: Collection[str]
) -> dict[str, UUID | None]:
    """What the last try of each of these tasks in a run ran on."""
    _, found = _cells(host, session, dag_id, [run_id], task_ids)
    return {task_id: list(cell.versions)[-1] for (_, task_id), cell in found.items()}


def _cell_view(cell: _Cell | None, names: Names) -> CellView | None:
    if cell is None:
        return None
    keys = tuple(dict.fromkeys(names.key(version_id) for version_id in cell.versions))
    several = len(keys) > 1
    states = {names.key(each): _worst(ended.values()) for each, ended in cell.by_version.items()}
    return CellView(
        state=cell.state,
        version=keys[-1],
        tries=cell.tries,
        versions=keys if several else ABSENT,
        states=states if several else ABSENT,
        instances=_counts(cell.states) if cell.mapped else ABSENT,
    )


def _group_view(inside: Sequence[_Cell], names: Names) -> CellView | None:
    if not inside:
        return None
    together = _Cell()
    for cell in inside:
        together.states.update(cell.states)
        together.versions[list(cell.versions)[-1]] = None
    keys = tuple(dict.fromkeys(names.key(version_id) for version_id in together.versions))
    return CellView(
        state=together.state,
        version=keys[-1],
        versions=keys if len(keys) > 1 else ABSENT,
        instances=_counts(together.states),
    )


def _counts(states: Mapping[str | None, int]) -> dict[str, int]:
    return {state or "none": count for state, count in sorted(states.items(), key=str)}


def require_known(host: Host, session: Session, dag_id: str) -> None:
    """:raises NotFound: neither Pinwheel nor Airflow has the Dag."""
    if not dag_store.rows(session, [dag_id]) and not host.reads.airflow_dags(session, [dag_id]):
        raise unknown_dag(dag_id)
