"""What another writer of Airflow's rows leaves behind when Pinwheel releases before it looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, invariants
from harness.inprocess import bound_airflow
from harness.prebuilt import Prebuilt, Text
from pinwheel.services.upkeep import repair


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


def _versions(engine: sa.Engine) -> list[Any]:
    # The hash stands for the serialized form, whose keys SQLite keeps in the order of writing.
    return [
        (*row[:5], *row[6:])
        for row in invariants.history(engine, unused_too=True).values()
        if int(row[1]) > 0  # not those of trials
    ]


def test_a_superseded_version_says_what_was_released_though_another_writer_had_rewritten_it(
    database: Any, tmp_path: Path
) -> None:
    pusher = Prebuilt()
    first = pusher.push({"a": Text("daily", 1)})
    engine = database.engine()
    (released,) = _versions(engine)
    pusher.foreign_parse(tmp_path, "a", Text("plain", 2))
    assert _versions(engine) != [released], "Airflow rewrites a version that no run uses in place"

    pusher.push({"a": Text("daily", 3)})
    assert released in _versions(engine)
    assert asked.trigger(pusher.host, "a", actor="ada", build=1).bundle_version == first
    with engine.connect() as connection:
        bound = "SELECT bundle_version FROM dag_run WHERE dag_id = 'a'"
        assert connection.scalars(sa.text(bound)).all() == [first]
        kinds = connection.scalars(sa.text("SELECT kind FROM pinwheel_event WHERE dag_id = 'a'")).all()
    assert kinds.count("drift") == 1
    assert repair.repair_drift(pusher.host) == []


def test_a_version_in_the_place_of_a_deleted_one_gives_way(database: Any, tmp_path: Path) -> None:
    from airflow.api.common.delete_dag import delete_dag

    pusher = Prebuilt()
    pusher.push({"a": Text("daily", 1)})
    engine = database.engine()
    (released,) = _versions(engine)
    delete_dag("a")
    pusher.foreign_parse(tmp_path, "a", Text("plain", 2))
    assert [row[:2] for row in _versions(engine)] == [released[:2]], "Airflow numbers its versions anew"

    (found,) = repair.repair_drift(pusher.host)
    assert "newer dag_version written by somebody else" in found.summary
    assert _versions(engine) == [released]
    assert repair.repair_drift(pusher.host) == []


def test_an_unused_version_of_another_writer_is_removed_from_a_dag_that_has_runs(
    database: Any, tmp_path: Path
) -> None:
    pusher = Prebuilt()
    pusher.push({"a": Text("daily", 1)})
    engine = database.engine()
    released = _versions(engine)
    asked.trigger(pusher.host, "a", actor="ada", build=1)
    with engine.begin() as connection:  # Airflow leaves alone for 30 s what it wrote.
        connection.execute(sa.text("UPDATE serialized_dag SET last_updated = '2026-01-01 00:00:00+00:00'"))
    pusher.foreign_parse(tmp_path, "a", Text("plain", 2))
    assert len(_versions(engine)) > len(released), "Airflow adds a version when a run uses the newest"

    (found,) = repair.repair_drift(pusher.host)
    assert found.foreign_versions
    assert _versions(engine) == released
    with engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT dag_id FROM dag_run")).all() == ["a"]
    assert repair.repair_drift(pusher.host) == []


def test_a_dag_that_can_not_be_repaired_stops_the_repair_of_no_other(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher = Prebuilt()
    pusher.push({"a": Text("daily", 1), "b": Text("daily", 1)})
    for dag_id in ("a", "b"):
        pusher.foreign_parse(tmp_path, dag_id, Text("plain", 2))
    lock = repair.lock_dags

    def fails_for_a(session: Any, dag_ids: Any) -> Any:
        if "a" in dag_ids:
            raise RuntimeError("injected")
        return lock(session, dag_ids)

    monkeypatch.setattr(repair, "lock_dags", fails_for_a)
    with pytest.raises(RuntimeError, match="injected"):
        repair.repair_drift(pusher.host)
    monkeypatch.undo()
    assert [found.dag_id for found in repair.repair_drift(pusher.host)] == ["a"]
