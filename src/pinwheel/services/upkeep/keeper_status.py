"""How the keepers do, which runs wait and why, and which ran without being bound."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.ports.host import Host
from pinwheel.services.run.waiting import WaitingRun, waiting_runs
from pinwheel.services.show.status import everybodys
from pinwheel.services.upkeep import health
from pinwheel.services.upkeep.beat import KeeperView, keepers
from pinwheel.store import start_rules

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class UnboundView:
    """A run that ended without ever having been bound to what its date asks for."""

    dag_id: str
    run_id: str
    state: str
    ended_at: datetime | None


@frozen(kw_only=True)
class KeeperStatus:
    """Which keepers live, and what they wait for."""

    problems: tuple[str, ...]
    """Sentences for whoever operates Airflow; empty when all is well."""
    dated_dags: int
    """Dags whose runs are judged by their dates."""
    waiting_runs: int
    """Of the oldest queued runs that are not bound, so many can not be."""
    keepers: tuple[KeeperView, ...]
    waiting: tuple[WaitingRun, ...]
    """Those that whoever asks may see."""
    unbound: tuple[UnboundView, ...]


def keeper_status(
    host: Host, *, sees_runs: Callable[[Collection[str]], set[str]] = everybodys
) -> KeeperStatus:
    """``sees_runs`` tells of which Dags whoever asks may see runs."""

    def work(session: Session) -> KeeperStatus:
        waiting, ended = waiting_runs(host, session), health.ended_unbound(host, session)
        dag_ids = {run.dag_id for run in waiting} | {run.dag_id for run in ended}
        seen = sees_runs(dag_ids) if dag_ids else set()
        return KeeperStatus(
            problems=tuple(health.problems(host, session)),
            dated_dags=len(start_rules.dated(session)),
            waiting_runs=len(waiting),
            keepers=tuple(keepers(session)),
            waiting=tuple(run for run in waiting if run.dag_id in seen),
            unbound=tuple(
                UnboundView(dag_id=run.dag_id, run_id=run.run_id, state=run.state, ended_at=run.ended_at)
                for run in ended
                if run.dag_id in seen
            ),
        )

    return host.unit.run(work)
