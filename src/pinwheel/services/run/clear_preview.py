"""What a clear would do, task by task, before anybody decides."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core import command_line
from pinwheel.core.errors import NotFound, PinwheelError, unknown_dag
from pinwheel.core.request import ClearRequest
from pinwheel.core.run.binding import FAILED
from pinwheel.core.structure.layout import Layout
from pinwheel.core.structure.windows import segment_at
from pinwheel.services.history.grid import versions_of_tasks
from pinwheel.services.history.structures import layouts
from pinwheel.services.history.versions import BEFORE, RELEASE, TRIAL, Names, VersionView, run_versions
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import InstanceRow
from pinwheel.services.run import clear
from pinwheel.services.run.by_date import dates_of
from pinwheel.store import builds, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_NAMED = 20
NOTHING = "Nothing to clear: no task of the run fits, or none of them is in what it would run on."


@frozen(kw_only=True)
class PreviewedInstance:
    """A task instance that would run again."""

    task_id: str
    map_index: int
    state: str | None
    from_version: str | None
    """What its last try ran on."""


@frozen(kw_only=True)
class RefusedTask:
    """A task that was asked for and can not be cleared."""

    task_id: str
    why: str


@frozen(kw_only=True)
class Preview:
    """Which tasks of a run would run again and on which build."""

    dag_id: str
    run_id: str
    build: int | None
    version: str
    """The key of what the tasks would run on."""
    runs_on: str
    """The same in words."""
    from_version: str
    """What the run is bound to now."""
    moves: bool
    tasks: tuple[str, ...]
    """To be given to :func:`pinwheel.services.run.clear.clear`."""
    task_instances: tuple[PreviewedInstance, ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    refused: tuple[RefusedTask, ...]
    warnings: tuple[str, ...]
    refusal: str | None
    """Why nothing at all can be cleared."""
    command: str | None
    """The command line that does the same; None: nothing can be cleared."""


def preview(
    host: Host,
    dag_id: str,
    run_id: str,
    *,
    actor: str,
    build: int | None = None,
    task_ids: Collection[str] | None = None,
    downstream: bool = False,
    upstream: bool = False,
    only_failed: bool = False,
    reason: str | None = None,
    by_date: bool = False,
) -> Preview:
    """Which tasks of a run would run again and on which build; nothing is changed.

    ``reason`` is for the command line only.

    :raises NotFound: the Dag, the run or the build does not exist.
    """
    on, refusal = build, None
    if by_date:
        on, refusal = _build_of_date(host, dag_id, run_id, actor)
    view = host.unit.run(
        lambda session: _preview(
            host,
            session,
            dag_id,
            run_id,
            build=on,
            task_ids=task_ids,
            downstream=downstream,
            upstream=upstream,
            only_failed=only_failed,
        )
    )
    if refusal is not None:
        return evolve(view, refusal=refusal)
    if view.refusal is None:
        try:
            planned_clear = ClearRequest(
                dag_id=dag_id,
                run_ids=[run_id],
                build=build,
                by_date=by_date,
                only_failed=only_failed,
                task_ids=view.tasks if task_ids is not None else None,
                reason=reason,
                plan=True,
            )
            (planned,) = clear.clear(host, planned_clear, actor=actor)
        except NotFound:
            raise
        except PinwheelError as error:
            return evolve(view, refusal=error.message)
        if not planned.changed:
            return evolve(view, refusal=NOTHING)
        # Without a task to name it would be the command that clears them all.
        if planned_clear.task_ids != ():
            return evolve(view, command=command_line.clear(planned_clear))
    return view


def _build_of_date(host: Host, dag_id: str, run_id: str, actor: str) -> tuple[int | None, str | None]:
    """The build that the run's date asks for, by what a clear would do; or why nothing can be cleared.

    :raises NotFound: the Dag or the run does not exist.
    """
    asked = ClearRequest(dag_id=dag_id, run_ids=[run_id], by_date=True, plan=True)
    try:
        (planned,) = clear.clear(host, asked, actor=actor)
    except NotFound:
        raise
    except PinwheelError as error:
        return None, error.message
    # Of a run from before Pinwheel nobody knows the build.
    return planned.build or None, None


def _preview(
    host: Host,
    session: Session,
    dag_id: str,
    run_id: str,
    *,
    build: int | None,
    task_ids: Collection[str] | None,
    downstream: bool,
    upstream: bool,
    only_failed: bool,
) -> Preview:
    run = host.reads.some_runs(session, dag_id, [run_id]).get(run_id)
    if run is None:
        if not host.reads.airflow_dags(session, [dag_id]):
            raise unknown_dag(dag_id)
        raise NotFound(
            f"Cannot clear run {run_id} of {dag_id}",
            found="Airflow has no such run",
            remedy="Check the run id",
            dag_id=dag_id,
            run_id=run_id,
        )
    ran = run_versions(host, session, dag_id, [run])[run_id]
    names = Names(host, session, dag_id, ran.used)
    current = names.key(ran.current)
    target, label = (
        (current, _named(names.by_key()[current])) if build is None else _of_build(session, dag_id, build)
    )
    if build is not None:
        target += _segment_of_date(host, session, dag_id, run_id, build)
    structures = layouts(host, session, dag_id, {current, target})
    structure = structures.get(target)
    instances = host.reads.instance_rows(session, dag_id, run_id)
    have = {row.task_id for row in instances}
    wanted = set(task_ids) if task_ids is not None else have
    if structure is not None:
        if downstream:
            wanted |= structure.below(wanted)
        if upstream:
            wanted |= structure.above(wanted)
    order = _order(structure)
    chosen = [
        row
        for row in sorted(instances, key=lambda row: (order(row.task_id), row.map_index))
        if row.task_id in wanted
        and (not only_failed or row.state in FAILED)
        and (structure is None or row.task_id in structure.task_ids)
    ]
    cleared = {row.task_id for row in chosen}
    moved = build is not None and target != current
    last = versions_of_tasks(host, session, dag_id, run_id, have)
    names = Names(host, session, dag_id, {*ran.used, *last.values()})
    keys = {task_id: names.key(version_id) for task_id, version_id in last.items()}
    added = sorted(structure.task_ids - have, key=order) if structure is not None and moved else []
    dropped = sorted(have - structure.task_ids) if structure is not None and moved else []
    return Preview(
        dag_id=dag_id,
        run_id=run_id,
        build=build,
        version=target,
        runs_on=label,
        from_version=current,
        moves=moved,
        tasks=tuple(sorted(cleared, key=order)),
        task_instances=tuple(
            PreviewedInstance(
                task_id=row.task_id,
                map_index=row.map_index,
                state=row.state,
                from_version=keys.get(row.task_id),
            )
            for row in chosen
        ),
        added=tuple(added),
        dropped=tuple(dropped),
        refused=_refused(wanted, task_ids, have, structure, label),
        warnings=_warnings(
            instances, cleared, keys, structure, target, label, moved=moved, added=added, dropped=dropped
        ),
        refusal=None if chosen or (moved and added) else NOTHING,
        command=None,
    )


def _order(structure: Layout | None) -> Callable[[str], tuple[int, str]]:
    """Where a task stands in the Dag, as in its grid; what is not there any more comes last, by its id."""
    rows = structure.rows if structure is not None else ()
    places = {row.id: place for place, row in enumerate(rows) if not row.is_group}
    return lambda task_id: (places.get(task_id, len(places)), task_id)


def _of_build(session: Session, dag_id: str, number: int) -> tuple[str, str]:
    """Version key and name of what a build would run as."""
    build = builds.by_number(session, dag_id, number)
    if build is None:
        raise NotFound(
            f"Cannot clear on build {number} of {dag_id}",
            found="it has no good build of that number",
            remedy=f"See its builds: pinwheel builds {dag_id}",
            dag_id=dag_id,
            build=number,
        )
    released = releases.of_build(session, build.id)
    if released is None:
        return f"t{number}", f"build {number}"
    return f"r{released.release}", f"release {released.release} (build {number})"


def _segment_of_date(host: Host, session: Session, dag_id: str, run_id: str, number: int) -> str:
    """What the version key ends with where the run gets a row of the build that was made for dates."""
    build = builds.by_number(session, dag_id, number)
    rows = segments.of_builds(session, [build.id]).get(build.id, ()) if build is not None else ()
    stretches = [row for row in rows if row.stretch]
    whole = next((f".{row.position}" for row in rows if not row.stretch), "")
    if not stretches:
        return whole
    date = dates_of(host, session, dag_id, [run_id])[run_id]
    found = stretches[segment_at([row.segment for row in stretches], date.at)]
    return f".{found.position}" if found.absent else whole


def _named(version: VersionView) -> str:
    if version.kind == RELEASE:
        return f"release {version.release} (build {version.build})"
    if version.kind == TRIAL:
        return f"build {version.build}"
    if version.kind == BEFORE:
        return f"Airflow's version {version.airflow_version}, from before Pinwheel"
    return "a version that is not known any more"


def _refused(
    wanted: Collection[str],
    asked: Collection[str] | None,
    have: Collection[str],
    structure: Layout | None,
    label: str,
) -> tuple[RefusedTask, ...]:
    found = []
    for task_id in sorted(set(wanted) & set(asked or ())):
        if structure is not None and task_id not in structure.task_ids:
            why = f"{task_id} is not in {label}: it would only fail."
        elif task_id not in have:
            why = f"The run has no task {task_id}."
        else:
            continue
        found.append(RefusedTask(task_id=task_id, why=why))
    return tuple(found)


def _warnings(
    instances: Collection[InstanceRow],
    cleared: Collection[str],
    keys: dict[str, str],
    structure: Layout | None,
    target: str,
    label: str,
    *,
    moved: bool,
    added: list[str],
    dropped: list[str],
) -> tuple[str, ...]:
    found = []
    kept = {row.task_id for row in instances if row.state is not None} - set(cleared) - set(dropped)
    if structure is not None and cleared:
        below = structure.below(cleared) - set(cleared)
        behind = sorted(below & kept)
        if behind:
            found.append(
                "Downstream tasks are not cleared and keep what they made of the earlier results: "
                f"{_some(behind)}."
            )
    differ = sorted(task_id for task_id in kept if keys.get(task_id) not in (None, target))
    if differ and cleared:
        found.append(
            f"Versions will mix in this run: {_some(differ)} stay as they ran, the others run on {label}."
        )
    if added:
        found.append(f"New in {label}, these tasks will run too: {_some(added)}.")
    if dropped:
        found.append(
            f"Not in {label}, these tasks will be marked as removed; their logs and history stay: "
            f"{_some(dropped)}."
        )
    return tuple(found)


def _some(task_ids: list[str]) -> str:
    more = f" and {len(task_ids) - _NAMED} more" if len(task_ids) > _NAMED else ""
    return ", ".join(task_ids[:_NAMED]) + more
