"""Coming to an Airflow with history: what it holds is taken over, and nothing that runs changes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, invariants
from harness.inprocess import bound_airflow
from harness.prebuilt import finish_run
from harness.seed import Seeder, serialized_dags
from harness.taking import take_in
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.ingest import adopt
from pinwheel.store.tables import VERSION_TABLE, metadata

OWN = {*metadata.tables, VERSION_TABLE}
OLD = "0" * 40
HEAD = """
    import datetime
    from airflow.sdk import DAG, Asset, AssetAlias, task, DeadlineAlert, DeadlineReference
    from airflow.sdk.definitions.callback import AsyncCallback
"""
DAGS = {
    "plain": """
    with DAG("plain", schedule="@daily", start_date=datetime.datetime(2024, 1, 1), catchup=False,
             tags=["version:1.0"]):
        @task
        def only(): ...
        only()
    """,
    "assets": """
    with DAG("assets", schedule=Asset("a://1") & Asset("a://2")):
        @task(outlets=[Asset("out://1"), AssetAlias("alias")])
        def only(): ...
        only()
    """,
    "deadline": """
    async def late(**_): ...
    with DAG(
        "deadline", schedule="@daily", start_date=datetime.datetime(2024, 1, 1), catchup=False,
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=datetime.timedelta(hours=1),
            callback=AsyncCallback("some.module.late"),
        ),
    ):
        @task
        def only(): ...
        only()
    """,
}


class Old:
    """An Airflow that ran for a while with its own Dag processor, and the files it parsed."""

    def __init__(self, database: Any, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.seeder = Seeder(folder, "old")

    @property
    def host(self) -> Any:
        return self.seeder.host

    def parse(self, version: str, files: dict[str, str]) -> None:
        """As Airflow's processor of a versioned bundle does."""
        from airflow.dag_processing.collection import update_dag_parsing_results_in_db
        from airflow.utils.session import create_session

        # Airflow leaves a version alone that it wrote less than 30 s ago.
        with self.database.engine().begin() as connection:
            for table in ("serialized_dag", "dag_code", "dag_version"):
                connection.execute(
                    sa.text(f"UPDATE {table} SET created_at = :then, last_updated = :then"),
                    {"then": datetime(2026, 1, 1, tzinfo=UTC)},
                )
        path = self.folder / "old" / version
        path.mkdir(parents=True)
        for name, source in files.items():
            (path / name).write_text(source)
            dags = serialized_dags(path, name)
            with create_session() as session:
                update_dag_parsing_results_in_db("old", version, dags, {}, 0.1, set(), session)

    def run(self, dag_id: str, run_id: str) -> None:
        from airflow.models.dagbag import DBDagBag
        from airflow.sdk import timezone
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        with create_session() as session:
            dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(dag_id, session=session)
            assert dag is not None
            dag.create_dagrun(
                run_id=run_id,
                run_after=timezone.utcnow(),
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.REST_API,
                triggering_user_name="ada",
                state=DagRunState.RUNNING,
                session=session,
            )
        finish_run(dag_id, run_id)

    def rows(self) -> dict[str, list[str]]:
        return invariants.dump(self.database.engine(), but=OWN)

    def ledger(self, dag_id: str) -> list[tuple[Any, ...]]:
        with self.database.engine().connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT r.release, r.kind, b.build FROM pinwheel_release r"
                    " JOIN pinwheel_build b ON b.id = r.build_id WHERE r.dag_id = :d ORDER BY r.release"
                ),
                {"d": dag_id},
            )
            return [tuple(row) for row in rows]


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path, backend: str) -> Iterator[Old]:
    database = request.getfixturevalue(backend).create()
    with bound_airflow(database):
        airflow = Old(database, tmp_path)
        airflow.parse("1" * 40, _files("# first\n"))
        for dag_id in DAGS:
            airflow.run(dag_id, "before-1")
        airflow.parse("2" * 40, _files("# second\n", "retries=2"))
        airflow.run("plain", "before-2")
        yield airflow
    database.drop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _files(comment: str, task_arguments: str = "") -> dict[str, str]:
    head = comment + textwrap.dedent(HEAD)
    return {
        f"{dag_id}.py": head
        + textwrap.dedent(source).replace(
            "@task\n", f"@task({task_arguments})\n" if task_arguments else "@task\n"
        )
        for dag_id, source in DAGS.items()
    }


def test_adoption_changes_no_row_of_airflows(old: Old) -> None:
    before = old.rows()
    assert adopt.adopt(old.host) == sorted(DAGS)
    assert adopt.adopt(old.host) == []
    assert invariants.differing(before, old.rows()) == []
    assert old.ledger("plain") == [(2, "adopt", 1)]
    assert old.host.unit.run(old.host.rows.drifted) == []


def test_the_first_parse_of_what_was_adopted_makes_no_release(old: Old) -> None:
    adopt.adopt(old.host)
    before = old.rows()
    _push(old, "2" * 40, _files("# second\n", "retries=2"))
    assert {dag_id: old.ledger(dag_id)[-1][1] for dag_id in DAGS} == dict.fromkeys(DAGS, "adopt")
    assert invariants.differing(before, old.rows()) == []


def test_a_push_after_the_adoption_is_a_release_and_can_be_rolled_back(old: Old) -> None:
    adopt.adopt(old.host)
    history = invariants.history(old.database.engine())
    _push(old, "3" * 40, _files("# third\n", "retries=3"))
    numbers = {}
    for dag_id in DAGS:
        adopted, arrived = old.ledger(dag_id)
        assert (arrived[0], arrived[1:]) == (adopted[0] + 1, ("auto", 2))
        numbers[dag_id] = arrived[0]
    done = change.apply(old.host, asked.change(verb=Verb.ROLLBACK, dag_ids=sorted(DAGS), actor="ada"))
    assert {each.dag_id: (each.release, each.build) for each in done} == {
        dag_id: (number + 1, 1) for dag_id, number in numbers.items()
    }
    invariants.check_history(history, old.database.engine())
    with old.database.engine().connect() as connection:
        alerts = connection.execute(
            sa.text(
                "SELECT v.version_number, a.interval, a.reference, a.callback_def FROM deadline_alert a"
                " JOIN serialized_dag s ON s.id = a.serialized_dag_id"
                " JOIN dag_version v ON v.id = s.dag_version_id ORDER BY v.version_number"
            )
        ).all()
        row = connection.execute(sa.text("SELECT deadline FROM dag WHERE dag_id = 'deadline'")).one()
    assert row.deadline
    assert {_said(alert) for alert in alerts} == {_said(alerts[0])}
    assert alerts[-1][0] == numbers["deadline"] + 1


def _said(alert: Any) -> str:
    """What an alert says, whatever the order of keys."""
    read = [json.loads(value) if isinstance(value, str) else value for value in alert[1:]]
    return json.dumps(read, sort_keys=True)


def test_old_runs_can_be_cleared_after_the_adoption(old: Old) -> None:

    adopt.adopt(old.host)
    _push(old, "3" * 40, _files("# third\n", "retries=3"))
    (bound,) = asked.clear(old.host, "plain", ["before-2"], actor="ada")
    assert (bound.release, bound.build) == (2, 1)
    (bound,) = asked.clear(old.host, "plain", ["before-1"], actor="ada", build=2)
    assert (bound.release, bound.build) == (3, 2)


def _push(old: Old, version: str, files: dict[str, str]) -> None:
    """As our processor does, under this bundle version."""
    from pinwheel.services.ingest import register, settle

    host, name = old.host, "old"
    path = old.folder / name / version
    path.mkdir(parents=True, exist_ok=True)
    for file, source in files.items():
        (path / file).write_text(source)
    seq = take_in(host, name, version, files=files, changed=files, path=str(path))
    for file in files:
        register.register(host, old.seeder._parsed(path, version, seq, file, {}, (), {}))
    settle.settle(host, bundle_name=name, seq=seq, paths=set(files), grace_seconds=0)
