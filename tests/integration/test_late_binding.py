"""A run that Airflow moves to another version by itself: nobody binds it at that moment."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from harness.seed import Seeder
from integration.test_history import Life, dag, shown
from integration.test_history import life as life
from integration.test_history import seeder as seeder
from pinwheel.services.run import bindings


def test_of_a_run_whose_binding_was_recorded_late_only_what_began_after_that_is_told(
    seeder: Seeder, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler ran without the listener, and the Dag processor came a while later."""
    seeder.push({"d.py": dag("a", "b", mark="m2")})

    def start_unheard(dag_id: str, run_id: str) -> None:
        life.set_run("running")

    monkeypatch.setattr("harness.life.start_run", start_unheard)
    life.stock_clear(latest=True)
    life.execute("a", 2)
    assert bindings.record_bindings(seeder.host) == 1
    life.execute("a", 3)
    assert shown(seeder) == [
        ("a", 1, "success", None, None),
        ("a", 3, "success", 2, 2),
        ("b", 1, "success", None, None),
    ]


def test_what_a_clear_archives_of_a_task_that_never_began_is_not_a_try(seeder: Seeder, life: Life) -> None:
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun

    seeder.push({"d.py": dag("a", "b", "c", mark="m2")})

    def queue_new_tasks(session: Any) -> None:
        run = session.scalars(select(DagRun).where(DagRun.run_id == life.run_id)).one()
        newest = DBDagBag(load_op_links=False).get_latest_version_of_dag("d", session=session)
        newest.clear(run_id=run.run_id, only_new=True, session=session)

    seeder.host.unit.run(queue_new_tasks)
    assert shown(seeder) == [("a", 1, "success", 1, 1), ("b", 1, "success", 1, 1)]
