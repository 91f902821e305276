"""Pinwheel over ports in memory, with pushes, verbs and runs as tests of services say them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from harness import asked
from harness.pushing import File, Pusher
from harness.sides import MemorySide
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.release.outcome import Outcome
from pinwheel.services.run import bindings
from pinwheel.services.run.bound import Bound
from pinwheel.services.show import builds, events, status
from pinwheel.services.show.status import StatusView
from pinwheel.store import dags
from pinwheel.store import tables as t


class InMemory:
    """One bundle, ``dags``, whose file ``x.py`` holds the Dag ``x``."""

    def __init__(self) -> None:
        self.side = MemorySide()
        self.airflow = self.side.airflow
        self.host = self.side.host
        self.side.add_bundle("dags", url="https://git/{version}")
        self.pusher = Pusher(self.host)

    def clone(self) -> InMemory:
        """Another deployment in which all of this has happened."""
        made = InMemory()
        _database(self).backup(_database(made))
        made.airflow.tables, made.airflow.now = self.airflow.tables.copy(), self.airflow.now
        made.pusher.files, made.pusher.pushes = dict(self.pusher.files), self.pusher.pushes
        return made

    # What happens

    def push(self, **files: File | None) -> str:
        """A commit that sets the files of these Dags, a minute after what was before."""
        self.airflow.tick(60)
        return self.pusher.push(files)

    def remove(self, *dag_ids: str) -> str:
        self.airflow.tick(60)
        return self.pusher.push(removed=dag_ids)

    def do(self, verb: Verb, *dag_ids: str, **more: Any) -> Outcome:
        """What became of the first of these Dags, or of ``a``."""
        return self.do_all(verb, *(dag_ids or ("a",)), **more)[0]

    def do_all(self, verb: Verb, *dag_ids: str, **more: Any) -> list[Outcome]:
        self.airflow.tick(60)
        wanted = {"actor": "ada", **more}
        return change.apply(self.host, asked.change(verb=verb, dag_ids=list(dag_ids), **wanted))

    def plan(self, verb: Verb, *dag_ids: str, **more: Any) -> list[Outcome]:
        wanted = asked.change(verb=verb, dag_ids=list(dag_ids or ("a",)), actor="ada", plan=True, **more)
        return change.apply(self.host, wanted)

    def trigger(self, run_id: str, *, build: int | None = None, dag_id: str = "a", **more: Any) -> Bound:
        self.airflow.tick(60)
        return asked.trigger(self.host, dag_id, actor="ada", run_id=run_id, build=build, **more)

    def run(
        self, run_id: str, state: str | None = "success", *, build: int | None = None, dag_id: str = "a"
    ) -> None:
        """A run whose tasks all came to this, with what is recorded of it; None: it goes on."""
        self.trigger(run_id, build=build, dag_id=dag_id)
        self.finish(run_id, state, dag_id=dag_id)

    def finish(
        self, run_id: str, state: str | None = "success", *, number: int = 1, dag_id: str = "a"
    ) -> None:
        """A queued run starts, each of its waiting tasks has this try, and it ends."""
        self.airflow.tick(60)
        self.airflow.start_run(dag_id, run_id)
        for (of, run, task_id, _), row in list(self.airflow.tables.tasks.items()):
            if (of, run) == (dag_id, run_id) and row.state is None:
                self.airflow.execute(dag_id, run_id, task_id, number, state or "running")
        if state is not None:
            self.airflow.tick(60)
            self.airflow.end_run(dag_id, run_id, state)
            bindings.record_outcomes(self.host)

    # What is seen

    def status(self, dag_id: str = "a") -> StatusView:
        (found,) = status.status(self.host, dag_ids=[dag_id])
        return found

    def active(self, dag_id: str = "a") -> tuple[int | None, int | None]:
        """Release and build of new runs."""
        found = self.status(dag_id)
        return found.active_release, found.active_build

    def airflow_has(self, dag_id: str = "a") -> tuple[int | None, str | None, bool]:
        """Number of the newest version, bundle version of new runs, and whether it is stale."""
        (found,) = self.host.unit.run(lambda s: self.host.reads.airflow_dags(s, [dag_id]))
        return found.version_number, found.bundle_version, found.is_stale

    def ledger(self, dag_id: str = "a") -> list[tuple[int, int | None, str]]:
        """Release, build and kind, oldest first."""
        found = builds.releases(self.host, dag_id)
        return [(each.release, each.build, each.kind) for each in reversed(found)]

    def versions(self, dag_id: str = "a") -> list[str | None]:
        """The bundle versions of the releases, oldest first."""
        return [each.bundle_version for each in reversed(builds.releases(self.host, dag_id))]

    def rejected(self, dag_id: str = "a") -> dict[int | None, str | None]:
        """By number of the build, why."""
        found = builds.builds(self.host, dag_id)
        return {build.build: build.rejected.reason for build in found if build.rejected is not None}

    def events(self, *kinds: str, dag_id: str = "a") -> list[Any]:
        """Oldest first."""
        return events.events(self.host, dag_ids=[dag_id], kinds=kinds or None)[::-1]

    def row(self, dag_id: str = "a") -> Any:
        """Pinwheel's own row."""
        return self.host.unit.run(lambda s: dags.rows(s, [dag_id]))[dag_id]

    def rows(self, table: Table) -> list[Any]:
        """Those of one of Pinwheel's tables."""
        return self.host.unit.run(lambda s: list(s.execute(table.select())))

    def everything(self) -> tuple[Any, Any]:
        """All that both sides hold, to tell whether anything changed."""
        ours = {name: self.rows(table) for name, table in sorted(t.metadata.tables.items())}
        return ours, self.airflow.tables.copy()


def _database(world: InMemory) -> Any:
    return world.host.unit.connection.connection.driver_connection  # type: ignore[attr-defined]
