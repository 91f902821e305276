"""Dags in each state that the fleet page tells apart, in a bundle of the shared Airflow."""

from __future__ import annotations

from typing import Any

from harness.dags import broken, dag, failing_dag
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

SPARES = 8
"""One more than tests take: some look at the first, whichever tests came before."""


class Fleet:
    """All ids begin with ``prefix``, so that ``text=<prefix>`` shows these Dags and no others;
    ``text=<prefix>_`` leaves the spares out, whatever tests did to them.

    ``quiet``: newest build active. ``held``: pinned by the admin on build 1 ("month-end closing"), build 2
    waits. ``broken``: the newest commit of its file is broken. ``failing``: a run on its release failed.
    ``rolled_back``: back on build 1. ``spares``: two builds, released, for tests that change something.
    """

    def __init__(self, airflow: SharedAirflow, base: str = "fleet") -> None:
        self.airflow = airflow
        self.releases = Releases(airflow)
        self.prefix = unique(base)
        self.bundle = airflow.take_git()
        names = ("quiet", "held", "broken", "failing", "rolled_back")
        self.quiet, self.held, self.broken, self.failing, self.rolled_back = (
            f"{self.prefix}_{name}" for name in names
        )
        self.spares = [f"{self.prefix}spare{number}" for number in range(SPARES)]
        repo = self.bundle.repo
        self.first = repo.commit(self._files("m1"), message="The first state")
        self._settle(self.first)
        self.releases.pin(self.held, reason="month-end closing")
        repo.commit(dag(self.broken, "m2", dag_args="tags=['plain']"))
        self._settle(repo.head())
        self.breaking = repo.commit(broken(f"{self.broken}.py"), message="Break it")
        self._settle(self.breaking)
        # The last: what no later commit was followed to goes back to the build before.
        self.second = repo.commit(
            self._files("m2", but_not=(self.quiet, self.broken)), message="The second state\n\nMore."
        )
        self._settle(self.second)
        self.releases.rollback(self.rolled_back, reason="wrong totals")
        self.failed_run = airflow.trigger(self.failing)
        airflow.wait_run(self.failing, self.failed_run, "failed", timeout=120)
        airflow.trigger_and_wait(self.quiet, timeout=120)

    def _files(self, mark: str, but_not: tuple[str, ...] = ()) -> dict[str, str]:
        owner = "default_args={'owner': 'grace'}, tags=['finance', 'version:2.4.1']"
        plain = "tags=['plain']"
        made: dict[str, str] = dag(self.quiet, mark, dag_args=owner)
        for dag_id in (self.held, self.broken, self.rolled_back, *self.spares):
            made |= dag(dag_id, mark, dag_args=plain)
        made |= failing_dag(self.failing, mark, dag_args=plain)
        return {path: text for path, text in made.items() if path.removesuffix(".py") not in but_not}

    def _settle(self, version: str) -> None:
        self.releases.wait_settled(self.bundle.name, version, timeout=120)

    def spare(self) -> str:
        """A Dag that nobody else uses: release 2 of build 2, and build 1 before it."""
        return self.spares.pop()

    def status(self, dag_id: str) -> dict[str, Any]:
        return self.releases.status(dag_id)
