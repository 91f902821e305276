"""What nobody needs any more goes, and nothing that anybody needs."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve

from harness import asked
from harness.asked import clear, trigger
from harness.prebuilt import Prebuilt, Text
from integration.test_parsed_again import Clock, count, described, rows
from pinwheel.core.errors import Conflict
from pinwheel.core.release.decide import Verb
from pinwheel.core.retention import Keep
from pinwheel.services import change
from pinwheel.services.ingest import register
from pinwheel.services.upkeep import prune as upkeep_prune
from pinwheel.store import tables as t

KEEP = Keep(builds=3, events_days=40)
TABLES = (
    "pinwheel_binding", "pinwheel_broken_build", "pinwheel_build", "pinwheel_event", "pinwheel_outcome",
    "pinwheel_parse", "pinwheel_request", "pinwheel_source",
)  # fmt: skip


@pytest.fixture
def pusher(airflow_database: Any) -> Prebuilt:
    return Prebuilt()


@pytest.fixture
def clock(pusher: Prebuilt, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(pusher, monkeypatch)


def counts(database: Any) -> dict[str, int]:
    return {table: count(database, table) for table in TABLES}


def numbers(database: Any, dag_id: str) -> list[int]:
    query = "SELECT build FROM pinwheel_build WHERE dag_id = :dag_id ORDER BY build"
    return [row[0] for row in rows(database, query, dag_id=dag_id)]


def changed(pusher: Prebuilt, verb: Verb, dag_id: str = "a", **more: Any) -> Any:
    wanted = asked.change(verb=verb, dag_ids=[dag_id], actor="ada", **more)
    (outcome,) = change.apply(pusher.host, wanted)
    return outcome


def test_builds_behind_a_pin_go_and_their_numbers_are_not_given_again(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    changed(pusher, Verb.PIN)
    for body in range(1, 9):
        pusher.push({"a": Text(body=body)})
    trigger(pusher.host, "a", actor="ada", build=3)
    changed(pusher, Verb.REJECT, build=5)
    pusher.push({"a": None})
    planned = upkeep_prune.plan(pusher.host, KEEP)
    before = counts(airflow_database)
    went = upkeep_prune.prune(pusher.host, KEEP)
    # Released, rejected, tried, and the three newest
    assert numbers(airflow_database, "a") == [1, 3, 5, 7, 8, 9]
    assert went == planned
    assert {table: before[table] - n for table, n in counts(airflow_database).items()} == {
        table: went.get(table, 0) for table in TABLES
    }
    assert went["pinwheel_build"] == went["pinwheel_parse"] == went["pinwheel_source"] == 3
    assert sum(upkeep_prune.plan(pusher.host, KEEP).values()) == 0
    assert sum(upkeep_prune.prune(pusher.host, KEEP).values()) == 0
    # What was removed comes back as a build of its own; what stayed is known
    pusher.push({"a": Text(body=1)})
    pusher.push({"a": Text(body=8)})
    assert numbers(airflow_database, "a") == [1, 3, 5, 7, 8, 9, 10]
    assert changed(pusher, Verb.PROMOTE, build=10).changed
    assert changed(pusher, Verb.ROLLBACK, build=1).changed
    assert changed(pusher, Verb.ROLLBACK, build=3).changed


def test_a_file_whose_builds_were_removed_since_it_was_looked_up_is_parsed(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    changed(pusher, Verb.PIN)
    pusher.push({"a": Text(body=1)})
    ((removed,),) = rows(airflow_database, "SELECT max(id) FROM pinwheel_parse")
    for body in range(2, 8):
        pusher.push({"a": Text(body=body)})
    ((of_b,),) = rows(airflow_database, "SELECT parse_id FROM pinwheel_file WHERE relative_fileloc = 'b.py'")
    version, seq = pusher.advance()
    genuine = register._again
    pruned: list[dict[str, int]] = []

    def again(*arguments: Any) -> Any:
        found = genuine(*arguments)
        pruned.append(upkeep_prune.prune(pusher.host, KEEP))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(register, "_again", again)
        taken = register.reuse_all(
            pusher.host,
            bundle_name=pusher.bundle_name,
            bundle_version=version,
            seq=seq,
            files=[("a.py", removed), ("b.py", of_b)],
        )
    assert pruned[0]["pinwheel_build"] and taken == {"b.py"}
    assert "a.py" not in taken
    ((seq_of_a,),) = rows(airflow_database, "SELECT seq FROM pinwheel_file WHERE relative_fileloc = 'a.py'")
    assert seq_of_a == seq - 1


def test_a_source_that_is_about_to_be_used_stays(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    """Between the look at all builds and the removal somebody makes a build of the same content."""
    from pinwheel.store import prune as store

    pusher.push({"a": Text()})
    changed(pusher, Verb.PIN)
    for body in range(1, 8):
        pusher.push({"a": Text(body=body)})
    genuine, once = store.manifests, []

    def manifests(session: Any, **where: Any) -> Any:
        found = genuine(session, **where)
        if not found and not once:
            once.append(pusher.push({"a": Text(body=1)}))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "manifests", manifests)
        went = upkeep_prune.prune(pusher.host, KEEP)
    assert once and went["pinwheel_source"] == went["pinwheel_build"] - 1
    assert numbers(airflow_database, "a")[-1] == 9
    changed(pusher, Verb.UNPIN)
    assert changed(pusher, Verb.PIN).build == 9
    ((code,),) = rows(
        airflow_database,
        "SELECT c.source_code FROM dag_code c JOIN pinwheel_dag d ON d.dag_version_id = c.dag_version_id"
        " WHERE d.dag_id = 'a'",
    )
    assert code == Text(body=1).source.decode()


def test_events_go_but_for_the_last_of_each_kind_of_a_dag(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    from pinwheel.services.ingest import faults

    pusher.push({"a": Text(), "b": Text()})
    for n in range(3):
        clock.pass_by(days=1)
        changed(pusher, Verb.PIN, reason=f"pin {n}")
        changed(pusher, Verb.UNPIN)
        faults.record(pusher.host, bundle_name=pusher.bundle_name, place="x", error=f"fault {n}")
    clock.pass_by(days=KEEP.events_days)
    upkeep_prune.prune(pusher.host, KEEP)
    query = "SELECT dag_id, kind, reason FROM pinwheel_event ORDER BY id"
    left = rows(airflow_database, query)
    assert sorted({(dag_id, kind) for dag_id, kind, _ in left}, key=str) == sorted(
        [("a", "auto"), ("a", "build"), ("a", "pin"), ("a", "unpin"), ("b", "auto"), ("b", "build"),
         (None, "fault")], key=str,
    )  # fmt: skip
    assert ("a", "pin", "pin 2") in left and (None, "fault", "fault 2") in left
    assert len(left) == 7


def test_what_runs_were_bound_to_goes_when_airflow_has_not_had_them_for_long(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    runs = [trigger(pusher.host, "a", actor="ada", run_id=f"run-{n}").run_id for n in range(3)]
    clear(pusher.host, "a", [runs[0]], actor="ada")
    for run_id in runs:
        ended(pusher, run_id, clock.at)
    clean(airflow_database, runs[:2])
    clock.pass_by(days=29)
    went = upkeep_prune.prune(pusher.host, KEEP)
    # Each trigger and clear is a request that is known for a week
    assert went.pop("pinwheel_request") == 4 and sum(went.values()) == 0
    ended(pusher, runs[1], clock.at, seq=1)
    clock.pass_by(days=2)
    went = upkeep_prune.prune(pusher.host, KEEP)
    assert rows(airflow_database, "SELECT DISTINCT run_id FROM pinwheel_binding ORDER BY run_id") == [
        ("run-1",),
        ("run-2",),
    ]
    assert went["pinwheel_outcome"] == 1
    clock.pass_by(days=60)
    upkeep_prune.prune(pusher.host, KEEP)
    assert rows(airflow_database, "SELECT DISTINCT run_id FROM pinwheel_binding") == [("run-2",)]


def ended(pusher: Prebuilt, run_id: str, at: datetime, seq: int = 0) -> None:
    values = {"dag_id": "a", "run_id": run_id, "seq": seq, "state": "success", "ended_at": at}
    pusher.host.unit.run(lambda session: session.execute(sa.insert(t.outcome).values(**values)))


def clean(database: Any, run_ids: list[str]) -> None:
    """As `airflow db clean` does."""
    engine = database.engine()
    # From Airflow 3.4 on earlier tries are rows of task_instance.
    there = sa.inspect(engine).get_table_names()
    with engine.begin() as connection:
        for table in ("task_instance_history", "task_instance", "dag_run"):
            for run_id in run_ids if table in there else ():
                connection.execute(sa.text(f"DELETE FROM {table} WHERE run_id = :run_id"), {"run_id": run_id})


def test_who_loses_the_duty_meanwhile_removes_nothing_more(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    changed(pusher, Verb.PIN)
    for body in range(1, 8):
        pusher.push({"a": Text(body=body)})
    before = counts(airflow_database)

    def lost(session: Any) -> None:
        raise Conflict("Lost")

    with pytest.raises(Conflict):
        upkeep_prune.prune(pusher.host, KEEP, hold=lost)
    assert counts(airflow_database) == before


class Year:
    """Days of a deployment: what is parsed again and again, what varies, what is pushed, run and cleared."""

    def __init__(self, pusher: Prebuilt, clock: Clock, database: Any) -> None:
        self.pusher, self.clock, self.database = pusher, clock, database
        self.day = 0
        self.runs: list[str] = []
        pusher.push({name: Text() for name in ("impure", "toggles", "unstable", "pinned", "runs", "breaks")})
        changed(pusher, Verb.PIN, "pinned")

    def parse(self, dag_id: str, text: Text | None, *kinds: str, description: str = "") -> None:
        _, seq, version = self.head()
        impure = tuple({"kind": kind, "name": "x"} for kind in kinds)
        parsed = evolve(
            self.pusher.parsed(dag_id, version=version, seq=seq, text=text),
            impure=impure,
        )
        register.register(self.pusher.host, described(parsed, description) if description else parsed)

    def head(self) -> tuple[str, int, str]:
        from pinwheel.store import bundles

        version, seq, _ = self.pusher.host.unit.run(lambda s: bundles.head(s, self.pusher.bundle_name))
        return self.pusher.bundle_name, seq, version

    def pass_a_day(self) -> None:
        self.day += 1
        self.clock.pass_by(days=1)
        day = self.day
        for _ in range(2):
            self.parse("impure", Text(), "variable")
        self.parse("toggles", Text(body=day % 2), "variable")
        self.parse("unstable", Text(), "clock", description=f"parsed on day {day}")
        if day % 3 == 0:
            self.pusher.push({"pinned": Text(body=day), "breaks": None if day % 2 else Text(body=day % 2)})
        run = trigger(self.pusher.host, "runs", actor="ada", run_id=f"run-{day}").run_id
        self.runs.append(run)
        clear(self.pusher.host, "runs", [run], actor="ada")
        if len(self.runs) > 20:
            clean(self.database, [self.runs.pop(0)])
        if day % 2 == 0:
            upkeep_prune.prune(self.pusher.host, KEEP)


@pytest.mark.slow
def test_after_a_year_the_tables_are_flat_and_every_release_rolls_back(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    """A year of fifth parts: what keeps for at most 40 days here is kept for 400 by default."""
    year = Year(pusher, clock, airflow_database)
    for _ in range(60):
        year.pass_a_day()
    before = counts(airflow_database)
    for _ in range(18):
        year.pass_a_day()
    assert counts(airflow_database) == before
    ledger = rows(airflow_database, "SELECT dag_id, release FROM pinwheel_release ORDER BY dag_id, release")
    assert {dag_id for dag_id, _ in ledger} == set(year.pusher.files)
    for dag_id, release in ledger:
        wanted = asked.change(
            verb=Verb.ROLLBACK, dag_ids=[dag_id], actor="ada", to_release=release, to_blame=False
        )
        (outcome,) = change.apply(pusher.host, wanted)
        query = (
            "SELECT c.source_code FROM dag_code c JOIN pinwheel_dag d ON d.dag_version_id = c.dag_version_id"
            " WHERE d.dag_id = :dag_id"
        )
        assert outcome.build and rows(airflow_database, query, dag_id=dag_id)[0][0].startswith("# plain")


def test_the_command_shows_what_would_go_and_removes_it(
    pusher: Prebuilt, clock: Clock, airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.cli import main, prune

    monkeypatch.setattr(prune, "make_host", lambda quiet: pusher.host)
    monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_BUILDS", "2")
    pusher.push({"a": Text()})
    changed(pusher, Verb.PIN)
    for body in range(1, 8):
        pusher.push({"a": Text(body=body)})

    def said(*command: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out := io.StringIO())
            assert main.main(list(command)) == 0
        return out.getvalue()

    planned = json.loads(said("prune", "--plan", "-o", "json"))
    assert planned["planned"] and planned["rows"]["pinwheel_build"] == 5
    assert len(numbers(airflow_database, "a")) == 8
    assert "pinwheel_build" in said("prune", "--plan")
    assert json.loads(said("prune", "-o", "json"))["rows"] == planned["rows"]
    assert numbers(airflow_database, "a") == [1, 7, 8]
    assert said("prune") == "Nothing is there that nobody needs.\n"
    for malformed in ("0", "many"):
        monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_BUILDS", malformed)
        assert main.main(["prune", "--plan"]) == 2
