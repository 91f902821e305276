"""What really ran: each try of each task instance with the release, build and commit that it executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import NotFound, unknown_dag
from pinwheel.core.records import KnownVersion
from pinwheel.core.request import HistoryRequest
from pinwheel.core.run.binding import Used, used
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import AirflowTry
from pinwheel.services.show.words import plain_version
from pinwheel.store import bindings, builds, dags, releases

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class TryView:
    """One try of a task instance, and what it ran on; neither release nor build: it is not known."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    release: int | None
    build: int | None
    bundle_version: str | None
    bound_by: str | None
    """None: Pinwheel did not see it begin."""
    start_date: datetime | None
    end_date: datetime | None
    label: str | None


@frozen(kw_only=True)
class History:
    """Tries of some of a Dag's runs, and how many runs there are of which these could be."""

    tries: tuple[TryView, ...]
    runs: int


def history(host: Host, request: HistoryRequest) -> History:
    """Tries of the Dag's newest runs, newest run first; in it the task that began first, then by map index
    and try.

    What a try ran on follows from our own append-only bindings (``core.run.binding``). Airflow's
    ``task_instance.dag_version_id`` is asked only of what ran before the first of them, and gives no commit,
    since Airflow points rows of finished tries at later versions (clear on the latest version, "queue up new
    tasks", a removed task). What neither knows has neither release nor build.

    :raises NotFound: neither Pinwheel nor Airflow knows the Dag, or the run does not exist.
    """
    dag_id = request.dag_id

    def work(session: Session) -> History:
        runs = host.reads.runs(session, dag_id, run_id=request.run_id, limit=request.limit)
        if not runs:
            _require(host, session, dag_id, request.run_id)
            return History(tries=(), runs=0)
        by_id = {run.run_id: run for run in runs}
        bound = bindings.of_runs(session, dag_id, by_id)
        tries = host.reads.tries(session, dag_id, by_id, task_id=request.task_id)
        ran_on = [used(bound.get(item.run_id, ()), item) for item in tries]
        known = releases.by_dag_version(
            session, {one.dag_version_id for one in ran_on if one.dag_version_id is not None}
        )
        found = builds.by_ids(session, {row.build_id for row in known.values()})
        order = {run.run_id: place for place, run in enumerate(runs)}
        began = _began(tries)
        shown = [_view(dag_id, item, one, known, found) for item, one in zip(tries, ran_on, strict=True)]
        shown.sort(
            key=lambda v: (
                order[v.run_id],
                began.get((v.run_id, v.task_id), _NEVER),
                v.task_id,
                v.map_index,
                v.try_number,
            )
        )
        whole = len(runs) < request.limit or request.run_id is not None
        count = len(runs) if whole else host.reads.count_runs(session, dag_id)
        return History(tries=tuple(shown), runs=count)

    return host.unit.run(work)


_NEVER = datetime.max.replace(tzinfo=UTC)


def _began(tries: Iterable[AirflowTry]) -> dict[tuple[str, str], datetime]:
    """When each task of a run first began, of those that did."""
    found: dict[tuple[str, str], datetime] = {}
    for item in tries:
        if item.start_date is not None:
            key = (item.run_id, item.task_id)
            found[key] = min(item.start_date, found.get(key, _NEVER))
    return found


def _view(
    dag_id: str,
    item: AirflowTry,
    ran_on: Used,
    known: Mapping[UUID, KnownVersion],
    found: Mapping[int, Build],
) -> TryView:
    row = known.get(ran_on.dag_version_id) if ran_on.dag_version_id is not None else None
    build = found.get(row.build_id) if row is not None else None
    return TryView(
        dag_id=dag_id,
        run_id=item.run_id,
        task_id=item.task_id,
        map_index=item.map_index,
        try_number=item.try_number,
        state=item.state,
        release=row.release if row is not None else None,
        build=row.build if row is not None else None,
        bundle_version=plain_version(ran_on.bundle_version),
        bound_by=ran_on.binding.bound_by if ran_on.binding is not None else None,
        start_date=item.start_date,
        end_date=item.end_date,
        label=build.label if build is not None else None,
    )


def _require(host: Host, session: Session, dag_id: str, run_id: str | None) -> None:
    if not host.reads.airflow_dags(session, [dag_id]):
        if not dags.rows(session, [dag_id]):
            raise unknown_dag(dag_id)
        raise NotFound(
            f"Cannot show the history of {dag_id}",
            found="Airflow has no such Dag",
            remedy="Try again in a few seconds",
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
