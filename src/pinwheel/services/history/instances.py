"""What one run and one task instance ran on: binding by binding, try by try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import frozen

from pinwheel.core.errors import NotFound, unknown_dag
from pinwheel.core.run.binding import FAILED, Binding, RunVersions, Used, used
from pinwheel.services.history.grid import priority, versions_of_tasks
from pinwheel.services.history.structures import layouts
from pinwheel.services.history.versions import Names, VersionView, run_versions
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import AirflowRun, AirflowTry
from pinwheel.services.show.words import plain_version
from pinwheel.store import dags as dag_store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_INSTANCES, MAX_UPSTREAM = 500, 50


@frozen(kw_only=True)
class BindingView:
    """What a run was bound to, from one clear to the next."""

    number: int
    version: str
    bundle_version: str | None
    bound_by: str
    actor: str | None
    bound_at: datetime


@frozen(kw_only=True)
class RunView:
    """What a run ran on. Versions are keys, described in ``versions``."""

    dag_id: str
    run_id: str
    state: str
    version: str
    used: tuple[str, ...]
    """All that its tries ran on, oldest first."""
    mixed: bool
    before_pinwheel: bool
    bundle_version: str | None
    """As Airflow's row of the run says."""
    bindings: tuple[BindingView, ...]
    versions: Mapping[str, VersionView]
    active: str | None


@frozen(kw_only=True)
class InstanceTry:
    """A try of a task instance, and how it came to its version."""

    try_number: int
    state: str | None
    start_date: datetime | None
    end_date: datetime | None
    version: str
    bundle_version: str | None
    bound_by: str | None
    actor: str | None
    bound_at: datetime | None


@frozen(kw_only=True)
class Instance:
    """One instance of a mapped task."""

    map_index: int
    state: str | None


@frozen(kw_only=True)
class TaskVersion:
    """A task, and what its last try ran on."""

    task_id: str
    version: str


@frozen(kw_only=True)
class TaskInstanceView:
    """What a task instance ran on, try by try. Versions are keys, described in ``versions``."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str | None
    run_state: str
    version: str
    run_version: str
    run_versions: tuple[str, ...]
    tries: tuple[InstanceTry, ...]
    instances: tuple[Instance, ...]
    """What failed comes first, then by state and map index."""
    total_instances: int
    instance_states: Mapping[str, int]
    """How many of all instances are in which state, in the same order; ``none`` is no state."""
    upstream: tuple[TaskVersion, ...]
    """Tasks before it whose last try ran on another version."""
    removed: bool
    """The active release has no such task."""
    active: str | None
    versions: Mapping[str, VersionView]


def run(host: Host, dag_id: str, run_id: str) -> RunView:
    """Every binding of a run, and all versions that its tries ran on.

    :raises NotFound: the Dag or the run does not exist.
    """

    def work(session: Session) -> RunView:
        found, ran = _run(host, session, dag_id, run_id)
        active_id = active_version(session, dag_id)
        names = _names(host, session, dag_id, [*ran.used, *(r.dag_version_id for r in ran.bound), active_id])
        version = names.key(ran.current)
        return RunView(
            dag_id=dag_id,
            run_id=run_id,
            state=found.state,
            version=version,
            used=tuple(dict.fromkeys(names.key(version_id) for version_id in ran.used)),
            mixed=ran.mixed,
            before_pinwheel=not ran.bound,
            bundle_version=plain_version(found.bundle_version),
            bindings=tuple(_binding(row, names) for row in ran.bound),
            versions=names.by_key(),
            active=names.key(active_id) if active_id is not None else None,
        )

    return host.unit.run(work)


def task_instance(
    host: Host, dag_id: str, run_id: str, task_id: str, map_index: int = -1
) -> TaskInstanceView:
    """Every try of a task instance with the version that it ran on, and how it was bound to it.

    ``map_index`` below 0 of a mapped task is its first instance that failed; where none did, the first one.

    :raises NotFound: the Dag, the run or the task instance does not exist.
    """

    def work(session: Session) -> TaskInstanceView:
        found, ran = _run(host, session, dag_id, run_id)
        present = [row for row in host.reads.instance_rows(session, dag_id, run_id, task_id=task_id)]
        tries = host.reads.tries(session, dag_id, [run_id], task_id=task_id)
        # What Airflow wrote over the state of a task that a newer version lacks; the last try knows better.
        ended = {item.map_index: item.state for item in tries}
        states = {
            row.map_index: ended.get(row.map_index, row.state) if row.state == "removed" else row.state
            for row in present
        }
        indexes = sorted(states.keys() | ended.keys())
        if not indexes:
            raise NotFound(
                f"Cannot show task {task_id} of run {run_id} of {dag_id}",
                found="the run has no such task",
                remedy="Choose one that the run has",
                dag_id=dag_id,
                run_id=run_id,
                task_id=task_id,
            )
        ordered = sorted(states, key=lambda index: (priority(states[index]), index))
        failed = next((index for index in ordered if states[index] in FAILED), indexes[0])
        shown = map_index if map_index in indexes else failed
        if map_index >= 0 and shown != map_index:
            raise NotFound(
                f"Cannot show task {task_id} with map index {map_index} of run {run_id} of {dag_id}",
                found=f"its map indexes are {indexes[0]} to {indexes[-1]}",
                remedy="Choose one of these",
                dag_id=dag_id,
                run_id=run_id,
                task_id=task_id,
            )
        mine = [(item, used(ran.bound, item)) for item in tries if item.map_index == shown]
        active_id = active_version(session, dag_id)
        last = mine[-1][1].dag_version_id if mine else ran.current
        upstream = _upstream(host, session, dag_id, run_id, task_id, ran, last)
        names = _names(
            host,
            session,
            dag_id,
            [*ran.used, active_id, *(ran_on.dag_version_id for _, ran_on in mine), *upstream.values()],
        )
        active = names.key(active_id) if active_id is not None else None
        return TaskInstanceView(
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=shown,
            state=states.get(shown, ended.get(shown)),
            run_state=found.state,
            version=names.key(last),
            run_version=names.key(ran.current),
            run_versions=tuple(dict.fromkeys(names.key(version_id) for version_id in ran.used)),
            tries=tuple(_try(item, ran_on, names) for item, ran_on in mine),
            instances=tuple(
                Instance(map_index=index, state=states[index]) for index in ordered[:MAX_INSTANCES]
            ),
            total_instances=len(indexes),
            instance_states=_counted(states[index] for index in ordered),
            upstream=tuple(
                TaskVersion(task_id=other, version=names.key(version))
                for other, version in sorted(upstream.items())[:MAX_UPSTREAM]
            ),
            removed=_removed(host, session, dag_id, task_id, active),
            active=active,
            versions=names.by_key(),
        )

    return host.unit.run(work)


def _counted(states: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(state or "none" for state in states))


def active_version(session: Session, dag_id: str) -> UUID | None:
    """Airflow's version row of the Dag's active release; None when Pinwheel does not manage it."""
    row = dag_store.rows(session, [dag_id]).get(dag_id)
    return row.dag_version_id if row is not None else None


def _run(host: Host, session: Session, dag_id: str, run_id: str) -> tuple[AirflowRun, RunVersions]:
    found = host.reads.some_runs(session, dag_id, [run_id]).get(run_id)
    if found is None:
        if not host.reads.airflow_dags(session, [dag_id]):
            raise unknown_dag(dag_id)
        raise NotFound(
            f"Cannot show run {run_id} of {dag_id}",
            found="Airflow has no such run",
            remedy=f"List its runs: pinwheel history {dag_id}",
            dag_id=dag_id,
            run_id=run_id,
        )
    return found, run_versions(host, session, dag_id, [found])[run_id]


def _names(host: Host, session: Session, dag_id: str, ids: list[UUID | None]) -> Names:
    names = Names(host, session, dag_id, [version_id for version_id in ids if version_id is not None])
    names.link(host, session)
    return names


def _try(item: AirflowTry, ran_on: Used, names: Names) -> InstanceTry:
    binding = ran_on.binding
    return InstanceTry(
        try_number=item.try_number,
        state=item.state,
        start_date=item.start_date,
        end_date=item.end_date,
        version=names.key(ran_on.dag_version_id),
        bundle_version=plain_version(ran_on.bundle_version),
        bound_by=binding.bound_by if binding is not None else None,
        actor=binding.actor if binding is not None else None,
        bound_at=binding.bound_at if binding is not None else None,
    )


def _binding(row: Binding, names: Names) -> BindingView:
    return BindingView(
        number=row.seq,
        version=names.key(row.dag_version_id),
        bundle_version=plain_version(row.bundle_version),
        bound_by=row.bound_by,
        actor=row.actor,
        bound_at=row.bound_at,
    )


def _upstream(
    host: Host,
    session: Session,
    dag_id: str,
    run_id: str,
    task_id: str,
    ran: RunVersions,
    version: UUID | None,
) -> Mapping[str, UUID | None]:
    """Tasks before this one whose last try ran on another version."""
    if not ran.mixed:
        return {}
    key = Names(host, session, dag_id, [version]).key(version)
    structure = layouts(host, session, dag_id, [key]).get(key)
    if structure is None:
        return {}
    before = structure.above([task_id]) - {task_id}
    others = versions_of_tasks(host, session, dag_id, run_id, before)
    return {other: found for other, found in others.items() if found != version}


def _removed(host: Host, session: Session, dag_id: str, task_id: str, active: str | None) -> bool:
    structure = layouts(host, session, dag_id, [active]).get(active) if active else None
    return structure is not None and task_id not in structure.task_ids
