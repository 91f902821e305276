"""Airflow behind the ports, real or in memory, and what it does by itself: one way to say it for both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from attrs import evolve

from pinwheel.services.ports.host import Host
from pinwheel.services.ports.memory import memory_host
from pinwheel.services.ports.memory.airflow import Airflow


class Side(Protocol):
    """A deployment that a test plays: the methods are what scheduler, workers and other writers do."""

    host: Host

    def tick(self) -> None:
        """Time goes on."""

    def add_bundle(self, name: str, *, url: str | None = None) -> None: ...
    def drop_bundle(self, name: str) -> None:
        """The configuration names it no more."""

    def make_run(self, dag_id: str, run_id: str) -> None:
        """A queued run, as Airflow itself makes it."""

    def start_run(self, dag_id: str, run_id: str) -> None: ...
    def execute(
        self, dag_id: str, run_id: str, task_id: str, try_number: int, state: str = "success"
    ) -> None: ...
    def end_run(self, dag_id: str, run_id: str, state: str = "success") -> None: ...
    def say(
        self, dag_id: str, run_id: str, event: str, task_id: str | None = None, *, on_host: bool = False
    ) -> None:
        """A line of Airflow's log about a run, or the present try of a task of it."""

    def miss_deadline(self, dag_id: str, run_id: str) -> None: ...
    def complete_backfills(self, dag_id: str) -> None: ...
    def change_dag(self, dag_id: str, bundle_version: str | None) -> None: ...
    def delete_dag(self, dag_id: str) -> None: ...
    def delete_run(self, dag_id: str, run_id: str) -> None: ...
    def foreign_version(self, dag_id: str) -> UUID: ...

    # What no port reads back: where people see it.

    def parsed_at(self, dag_id: str) -> datetime | None: ...
    def errors(self, bundle_name: str) -> dict[str, str]: ...
    def warnings(self) -> dict[tuple[str, str], str]: ...
    def audit(self, event: str) -> list[tuple[str | None, str, Mapping[str, Any]]]:
        """Dag, actor and details of the lines of one event."""


class MemorySide:
    def __init__(self) -> None:
        self.airflow = Airflow()
        self.host = memory_host(self.airflow)
        self.make_run = self.airflow.make_run
        self.start_run = self.airflow.start_run
        self.execute = self.airflow.execute
        self.end_run = self.airflow.end_run
        self.say = self.airflow.say
        self.miss_deadline = self.airflow.miss_deadline
        self.complete_backfills = self.airflow.complete_backfills
        self.change_dag = self.airflow.change_dag
        self.delete_dag = self.airflow.delete_dag
        self.delete_run = self.airflow.delete_run
        self.foreign_version = self.airflow.foreign_version

    def tick(self) -> None:
        self.airflow.tick()

    def add_bundle(self, name: str, *, url: str | None = None) -> None:
        # Airflow in the tests' process knows no class of these.
        self.airflow.tables.bundles[name] = evolve(self.airflow.bundle(name), url=url, ours=False)

    def drop_bundle(self, name: str) -> None:
        self.airflow.tables.bundles[name] = evolve(self.airflow.bundle(name), active=False)

    def parsed_at(self, dag_id: str) -> datetime | None:
        return self.airflow.tables.dags[dag_id].last_parsed_at

    def errors(self, bundle_name: str) -> dict[str, str]:
        return {
            path: text for (name, path), text in self.airflow.tables.errors.items() if name == bundle_name
        }

    def warnings(self) -> dict[tuple[str, str], str]:
        return dict(self.airflow.tables.warnings)

    def audit(self, event: str) -> list[tuple[str | None, str, Mapping[str, Any]]]:
        lines = [line for line in self.airflow.tables.audit if line.event == event]
        return [(line.dag_id, line.actor, line.details) for line in lines]


class RealSide:
    """In the database that Airflow in this process is bound to."""

    def __init__(self) -> None:
        from pinwheel.airflow3.host import airflow_host

        self.host = airflow_host()

    def tick(self) -> None:
        return

    def add_bundle(self, name: str, *, url: str | None = None) -> None:
        from airflow.configuration import conf
        from airflow.models.dagbundle import DagBundleModel
        from itsdangerous import URLSafeSerializer

        bundle = DagBundleModel(name=name)
        if url is not None:
            key = conf.get_mandatory_value("core", "fernet_key")
            bundle.signed_url_template = URLSafeSerializer(key).dumps({"url": url, "bundle_name": name})
        self.host.unit.run(lambda s: s.merge(bundle))
        versioned: dict[str, bool] = self.host.deployment.versioned  # type: ignore[attr-defined]
        versioned[name] = True

    def drop_bundle(self, name: str) -> None:
        from airflow.models.dagbundle import DagBundleModel

        self._write(DagBundleModel.__table__, {"name": name}, active=False)

    def make_run(self, dag_id: str, run_id: str) -> None:
        from harness.inprocess import stock_run

        stock_run(dag_id, run_id)

    def start_run(self, dag_id: str, run_id: str) -> None:
        self._set_state(dag_id, run_id, "running")

    def end_run(self, dag_id: str, run_id: str, state: str = "success") -> None:
        self._set_state(dag_id, run_id, state)

    def execute(
        self, dag_id: str, run_id: str, task_id: str, try_number: int, state: str = "success"
    ) -> None:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import update

        from pinwheel.airflow3.reads.tries import of_present

        table, now = TaskInstance.__table__, self.host.unit.now()
        ended = None if state in ("running", "queued", "scheduled") else now + timedelta(milliseconds=1)
        row = (
            table.c.dag_id == dag_id,
            table.c.run_id == run_id,
            table.c.task_id == task_id,
            *of_present(table),
        )
        values = {"try_number": try_number, "state": state, "start_date": now, "end_date": ended}
        done: Any = self.host.unit.run(lambda s: s.execute(update(table).where(*row).values(**values)))
        assert done.rowcount == 1

    def say(
        self, dag_id: str, run_id: str, event: str, task_id: str | None = None, *, on_host: bool = False
    ) -> None:
        from airflow.models.log import Log
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        from pinwheel.airflow3.reads.tries import of_present

        table = TaskInstance.__table__

        def work(session: Any) -> None:
            c = table.c
            own = select(c.try_number).where(
                c.dag_id == dag_id, c.run_id == run_id, c.task_id == task_id, *of_present(table)
            )
            line = {"dag_id": dag_id, "run_id": run_id, "extra": '{"host_name": "w1"}' if on_host else None}
            if task_id is not None:
                line |= {"task_id": task_id, "map_index": -1, "try_number": session.scalar(own)}
            session.add(Log(event, **line))

        self.host.unit.run(work)

    def miss_deadline(self, dag_id: str, run_id: str) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.models.deadline import Deadline
        from airflow.sdk.definitions.callback import AsyncCallback
        from sqlalchemy import select

        def work(session: Any) -> None:
            own = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
            deadline = Deadline(
                deadline_time=self.host.unit.now(),
                callback=AsyncCallback("harness.nowhere.nothing"),
                dagrun_id=session.scalar(own),
                deadline_alert_id=None,
            )
            deadline.missed = True
            session.add(deadline)

        self.host.unit.run(work)

    def complete_backfills(self, dag_id: str) -> None:
        from airflow.models.backfill import Backfill

        self._write(Backfill.__table__, {"dag_id": dag_id}, completed_at=self.host.unit.now())

    def change_dag(self, dag_id: str, bundle_version: str | None) -> None:
        from airflow.models.dag import DagModel

        self._write(DagModel.__table__, {"dag_id": dag_id}, bundle_version=bundle_version)

    def delete_dag(self, dag_id: str) -> None:
        from airflow.api.common.delete_dag import delete_dag

        delete_dag(dag_id)

    def delete_run(self, dag_id: str, run_id: str) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import delete

        def work(session: Any) -> None:
            for table in (TaskInstance.__table__, DagRun.__table__):
                session.execute(delete(table).where(table.c.dag_id == dag_id, table.c.run_id == run_id))

        self.host.unit.run(work)

    def foreign_version(self, dag_id: str) -> UUID:
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagcode import DagCode
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.serialized_objects import LazyDeserializedDAG

        def work(session: Any) -> UUID:
            newest = DagVersion.get_latest_version(dag_id, session=session)
            assert newest is not None
            made = DagVersion(
                id=uuid4(),
                dag_id=dag_id,
                version_number=newest.version_number + 1,
                bundle_name=newest.bundle_name,
            )
            serialized = SerializedDagModel(LazyDeserializedDAG(data=newest.serialized_dag.data))
            serialized.dag_version = made
            session.add_all(
                [made, serialized, DagCode(made, newest.dag_code.fileloc, newest.dag_code.source_code)]
            )
            return made.id

        return self.host.unit.run(work)

    def parsed_at(self, dag_id: str) -> datetime | None:
        from airflow.models.dag import DagModel

        return self.host.unit.run(lambda s: s.get(DagModel, dag_id).last_parsed_time)  # type: ignore[union-attr]

    def errors(self, bundle_name: str) -> dict[str, str]:
        from airflow.models.errors import ParseImportError

        def work(session: Any) -> dict[str, str]:
            rows = session.query(ParseImportError).filter_by(bundle_name=bundle_name)
            return {row.filename: row.stacktrace for row in rows}

        return self.host.unit.run(work)

    def warnings(self) -> dict[tuple[str, str], str]:
        from airflow.models.dagwarning import DagWarning

        def work(session: Any) -> dict[tuple[str, str], str]:
            return {(w.dag_id, str(w.warning_type)): w.message for w in session.query(DagWarning)}

        return self.host.unit.run(work)

    def audit(self, event: str) -> list[tuple[str | None, str, Mapping[str, Any]]]:
        import json

        from airflow.models.log import Log

        def work(session: Any) -> list[tuple[str | None, str, Mapping[str, Any]]]:
            rows = session.query(Log).filter_by(event=event).order_by(Log.id)
            return [(row.dag_id, row.owner, json.loads(row.extra)) for row in rows]

        return self.host.unit.run(work)

    def _set_state(self, dag_id: str, run_id: str, state: str) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.utils.state import DagRunState

        def work(session: Any) -> None:
            run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one()
            run.set_state(DagRunState(state))

        self.host.unit.run(work)

    def _write(self, table: Any, where: Mapping[str, Any], **values: Any) -> None:
        from sqlalchemy import update

        conditions = [table.c[name] == value for name, value in where.items()]
        done: Any = self.host.unit.run(lambda s: s.execute(update(table).where(*conditions).values(**values)))
        assert done.rowcount >= 1
