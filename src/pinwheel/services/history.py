"""What really ran: each try of each task instance with the release, build and commit that it executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.services.ports import AirflowRun, AirflowTry, Host
from pinwheel.services.views import View, instant, plain_version
from pinwheel.store import bindings, builds, releases


def history(
    host: Host, dag_id: str, *, run_id: str | None = None, task_id: str | None = None, limit: int = 100
) -> list[View]:
    """Tries of the Dag's newest *limit* runs, newest run first, then by task, map index and try.

    The version of a try is that of the binding in force when it started: our own append-only record.
    Airflow's ``task_instance.dag_version_id`` is asked only where there is none, since Airflow points rows of
    finished tries at later versions (clear on the latest version, "queue up new tasks", a removed task). What
    neither knows has neither release nor build: it ran before Pinwheel.

    :raises NotFound: neither Pinwheel nor Airflow knows the Dag, or the run does not exist.
    """
    if limit < 1:
        raise InvalidInput(
            "Cannot show the history", found=f"limit {limit}", remedy="Give a limit of 1 or more"
        )

    def work(session: Any) -> list[View]:
        runs = host.runs(session, dag_id, run_id=run_id, limit=limit)
        if not runs:
            _require(host, session, dag_id, run_id)
            return []
        by_id = {run.run_id: run for run in runs}
        bound = bindings.of_runs(session, dag_id, by_id)
        tries = host.tries(session, dag_id, by_id, task_id=task_id)
        sources = [_source(item, by_id[item.run_id], bound.get(item.run_id, ())) for item in tries]
        known = releases.by_dag_version(
            session, {s["version_id"] for s in sources if s["version_id"] is not None}
        )
        found = builds.by_ids(session, {row.build_id for row in known.values()})
        order = {run.run_id: place for place, run in enumerate(runs)}
        shown = [
            _view(dag_id, item, source, known, found) for item, source in zip(tries, sources, strict=True)
        ]
        return sorted(
            shown, key=lambda v: (order[v["run_id"]], v["task_id"], v["map_index"], v["try_number"])
        )

    return host.run(work)


def binding_at(bound: Sequence[Any], started_at: datetime | None) -> Any:
    """The binding in force at an instant, of a run's bindings in order of seq; None when none was yet.

    The first binding of a run that was never cleared counts from the run's beginning, however late it was
    written. A try that never started (None) has the newest binding.
    """
    if not bound:
        return None
    if started_at is None:
        return bound[-1]
    current = None
    for row in bound:
        if row.bound_at <= started_at or (current is None and row.seq == 0):
            current = row
    return current


def _source(item: AirflowTry, run: AirflowRun, bound: Sequence[Any]) -> View:
    binding = binding_at(bound, item.start_date or item.end_date)
    if binding is not None:
        return {
            "version_id": binding.dag_version_id,
            "bundle_version": binding.bundle_version,
            "bound_by": binding.bound_by,
        }
    version_id = item.dag_version_id or run.dag_version_id
    return {"version_id": version_id, "bundle_version": run.bundle_version, "bound_by": None}


def _view(
    dag_id: str, item: AirflowTry, source: View, known: Mapping[Any, Any], found: Mapping[int, Any]
) -> View:
    row = known.get(source["version_id"])
    recorded = source["bundle_version"] if source["bound_by"] else None
    build = found.get(row.build_id) if row is not None else None
    return {
        "dag_id": dag_id,
        "run_id": item.run_id,
        "task_id": item.task_id,
        "map_index": item.map_index,
        "try_number": item.try_number,
        "state": item.state,
        "release": row.release if row is not None else None,
        "build": row.build if row is not None else None,
        "bundle_version": plain_version(
            recorded or (row.bundle_version if row is not None else source["bundle_version"])
        ),
        "bound_by": source["bound_by"],
        "start_date": instant(item.start_date),
        "end_date": instant(item.end_date),
        "label": build.label if build is not None else None,
    }


def _require(host: Host, session: Any, dag_id: str, run_id: str | None) -> None:
    if not host.airflow_dags(session, [dag_id]):
        raise NotFound(
            f"Cannot show the history of {dag_id}",
            found="Airflow has no such Dag",
            remedy="List what there is with: pinwheel status",
            dag_id=dag_id,
        )
    if run_id is not None:
        raise NotFound(
            f"Cannot show run {run_id} of {dag_id}",
            found="Airflow has no such run",
            remedy=f"List its runs: pinwheel history {dag_id}",
            dag_id=dag_id,
            run_id=run_id,
        )
