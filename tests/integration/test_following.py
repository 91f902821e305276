"""New runs of a Dag that follows take the newest bundle version in which its active build stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve

from harness import asked, invariants
from harness.faults import airflow_engine
from harness.followers import Runs, changed, counts, rows
from harness.prebuilt import BROKEN, Prebuilt, Text
from harness.seed import Seeder
from pinwheel.core.errors import Refused
from pinwheel.core.event import EventKind
from pinwheel.core.release.behind import Behind, BehindKind
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.core.version_alias import split_version
from pinwheel.services import change
from pinwheel.services.ingest import take_version
from pinwheel.services.release import dated
from pinwheel.services.show import fleet
from pinwheel.services.show import status as dag_status
from pinwheel.services.upkeep import repair
from pinwheel.store import start_rules
from pinwheel.store import tables as t


@pytest.mark.acceptance("pushes", 1)
def test_a_push_that_changes_nothing_traced_makes_the_next_run_execute_the_new_commit(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    assert runs.version() == first
    before = counts()
    second = pusher.push({}), pusher.push({})
    assert runs.version() == second[1]
    assert counts() == before, "without build, parse, release or version row"
    triggered = asked.trigger(pusher.host, "a", actor="ada")
    assert triggered.bundle_version == second[1]
    events = rows("SELECT dag_id, bundle_name FROM pinwheel_event WHERE kind = :kind", kind=EventKind.FOLLOW)
    assert events == [(None, "prebuilt"), (None, "prebuilt")], "one for each version, however many Dags"


def test_a_run_by_hand_of_an_older_build_takes_its_newest_version_and_the_ledger_keeps_what_was_released(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({"b": Text(body=1)})
    pusher.push({"a": Text(body=1)})
    bound = asked.trigger(pusher.host, "a", actor="ada", build=1)
    assert bound.bundle_version == second, "the newest in which the build stood"
    row = "SELECT v.bundle_version FROM dag_version v JOIN pinwheel_release r ON r.dag_version_id = v.id"
    of_first = " WHERE r.dag_id = 'a' AND r.release = 1"
    assert rows(row + of_first) == [(second,)], "what Airflow starts by the row is there too"
    assert rows("SELECT bundle_version FROM pinwheel_release r" + of_first) == [(first,)]


@pytest.mark.acceptance("pushes", 3)
def test_a_pinned_dag_executes_its_commit_after_ten_pushes(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({"b": Text(body=1)})
    changed(pusher, Verb.PIN)
    for body in range(2, 12):
        last = pusher.push({"b": Text(body=body)})
    assert (runs.version("a"), runs.version("b")) == (second, last)
    (status,) = dag_status.status(pusher.host, dag_ids=["a"])
    assert status.behind == Behind(versions=10, kind=BehindKind.OTHER_FILES)
    assert (status.held, [hold.kind for hold in status.holds]) == (True, [HoldKind.PIN])
    assert status.bundle_version == second
    pusher.push({"a": Text(body=1)})
    (status,) = dag_status.status(pusher.host, dag_ids=["a"])
    assert status.behind == Behind(versions=11, kind=BehindKind.TRACED)
    assert runs.version("a") == second
    last = pusher.push({"b": Text(body=12)})
    (shown,) = fleet.fleet(pusher.host, fleet.Wish(text="a"), lambda: ["a"]).dags
    assert (shown.behind, shown.held) == (Behind(versions=12, kind=BehindKind.TRACED), True)
    changed(pusher, Verb.UNPIN)
    assert runs.version("a") == last
    (status,) = dag_status.status(pusher.host, dag_ids=["a"])
    assert (status.behind, status.held) == (None, False)


@pytest.mark.acceptance("pushes", 4, 5)
def test_heads_that_return_and_reverts_are_followed(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    first, _ = pusher.push({"b": Text(body=1)}), pusher.push({"b": Text(body=2)})
    # A force-push to the older commit: it is the head again, in a place of its own.
    pusher.pushes = 1
    assert pusher.push({"b": Text(body=1)}) == first
    assert (runs.version("a"), runs.version("b")) == (first, first)
    pusher.pushes = 10
    reverted = pusher.push({"b": Text(body=2)})
    assert (runs.version("a"), runs.version("b")) == (reverted, reverted)


@pytest.mark.acceptance("pushes", 7, 8)
def test_a_dag_whose_file_is_broken_stays_and_goes_on_when_the_old_text_is_back(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    good = pusher.push({})
    broken = pusher.push({"a": BROKEN})
    assert (runs.version("a"), runs.version("b")) == (good, broken)
    also = pusher.push({"b": Text(body=1)})
    assert (runs.version("a"), runs.version("b")) == (good, also)
    before = counts()["pinwheel_release"]
    mended = pusher.push({"a": Text()})
    assert (runs.version("a"), runs.version("b")) == (mended, mended)
    assert counts()["pinwheel_release"] == before, "the old build stands there, without a release"


def test_what_a_file_gives_is_waited_for_before_its_dag_follows(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    second, _ = pusher.advance(["a"])
    assert (runs.version("a"), runs.version("b")) == (first, second)
    # Passed by: nobody looked into it.
    third, seq = pusher.advance(["a"])
    pusher.register("a", version=third, seq=seq)
    assert runs.version("a") == third
    spans = rows("SELECT first_seq, last_seq, last_version FROM pinwheel_stand WHERE dag_id = 'a'")
    assert sorted(spans) == [(1, 1, first), (3, None, None)]


@pytest.mark.acceptance("pushes", 12)
def test_following_is_no_drift_and_a_foreign_change_is_put_back_to_the_followed_version(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({})
    assert repair.repair_drift(pusher.host) == []
    with airflow_engine().begin() as connection:
        connection.execute(sa.text("UPDATE dag SET bundle_version = 'foreign' WHERE dag_id = 'a'"))
    (drift,) = repair.repair_drift(pusher.host)
    assert drift.found == {"dag.bundle_version": "foreign"}
    assert runs.version() == second


@pytest.mark.acceptance("pushes", 13)
def test_a_follow_causes_no_assertion_write(pusher: Prebuilt, airflow_database: Any) -> None:
    pusher.push({"a": Text(), "b": Text()})
    seen: dict[str, str] = {}
    assert repair.keep_asserted(pusher.host, ["a", "b"], seen) == 2
    pusher.push({})
    assert repair.keep_asserted(pusher.host, ["a", "b"], seen) == 0
    repair.reassert(pusher.host, ["a", "b"])
    invariants.check(airflow_database.engine())


@pytest.mark.postgres
@pytest.mark.acceptance("pushes", 11)
def test_dags_whose_rows_a_scheduler_holds_follow_a_turn_later_and_the_others_at_once(
    pusher: Prebuilt, runs: Runs, airflow_database: Any
) -> None:
    if airflow_database.backend != "postgres":
        pytest.skip("SQLite has one lock for all rows")
    ids = [f"d{number:02}" for number in range(30)]
    first = pusher.push({dag_id: Text() for dag_id in ids})
    with airflow_database.engine().connect() as scheduler:
        held = scheduler.execute(
            sa.text("SELECT dag_id FROM dag WHERE dag_id < 'd10' ORDER BY dag_id FOR UPDATE")
        )
        assert len(held.all()) == 10
        second = pusher.push({})
        names = dict(rows("SELECT dag_id, bundle_version FROM dag"))
        assert {names[dag_id] for dag_id in ids[:10]} == {first}
        assert {names[dag_id] for dag_id in ids[10:]} == {second}
        scheduler.rollback()
    assert repair.follow_again(pusher.host) == 10
    assert set(dict(rows("SELECT dag_id, bundle_version FROM dag")).values()) == {second}
    details = pusher.host.unit.run(
        lambda s: s.scalars(sa.select(t.event.c.details).where(t.event.c.kind == EventKind.FOLLOW)).all()
    )
    assert [each["dags"] for each in details] == [30]


@pytest.mark.acceptance("pushes", 2)
def test_many_dags_follow_in_one_transaction_without_a_new_row_for_each(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    from harness import faults

    ids = [f"d{number:03}" for number in range(120)]
    pusher.push({dag_id: Text() for dag_id in ids[:20]})

    def statements() -> int:
        with faults.Points(airflow_engine()) as points:
            pusher.advance([])
        return len(points.seen)

    few = statements()
    pusher.push({dag_id: Text() for dag_id in ids[20:]})
    before = counts()
    assert statements() == few
    assert counts() == before
    versions = dict(rows("SELECT bundle_version, count(*) FROM dag GROUP BY bundle_version"))
    assert list(versions.values()) == [120]


def test_dated_dags_follow_in_the_same_statements_whatever_their_marks_say(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    from harness import faults

    ids = [f"d{number:03}" for number in range(60)]
    # Ten of them were released in versions of their own.
    for dag_id in ids[:10]:
        pusher.push({dag_id: Text()})
    pusher.push({dag_id: Text() for dag_id in ids[10:]})

    def statements() -> int:
        with faults.Points(airflow_engine()) as points:
            pusher.advance([])
        return len(points.seen)

    none_dated = statements()
    host, now = pusher.host, pusher.host.unit.now()
    marked = ids[:20]
    host.unit.run(lambda s: start_rules.add(s, marked, start_rules.RuleKind.DATED, now=now))
    host.unit.run(lambda s: dated.settle_mark(host, s, marked))
    before = dict(rows("SELECT dag_id, bundle_version FROM dag"))
    # One more: a change of the version that those follow to, beside that of what the others' rows name.
    assert statements() <= none_dated + 1
    after = dict(rows("SELECT dag_id, bundle_version FROM dag"))
    assert {dag_id: after[dag_id] for dag_id in marked} == {dag_id: before[dag_id] for dag_id in marked}
    assert all(after[dag_id].endswith("?unbound") for dag_id in marked)
    followed = rows("SELECT DISTINCT follow_version FROM pinwheel_dag")
    assert followed == [(after[ids[-1]],)], "all take the head"


def test_taking_the_same_version_in_again_changes_nothing(pusher: Prebuilt, airflow_database: Any) -> None:
    version = pusher.push({"a": Text()})
    before = invariants.dump(airflow_engine())
    incoming = take_version.Incoming(
        bundle_name="prebuilt", version=version, path="/", files=frozenset({"a.py"}), unchanged={}
    )
    taken = take_version.take_in(pusher.host, incoming, expected_seq=0)
    assert taken is not None and taken.seq == 1
    after = invariants.dump(airflow_engine())
    assert [
        line for line in invariants.differing(before, after) if "pinwheel_bundle_version" not in line
    ] == []
    assert take_version.take_in(pusher.host, evolve(incoming, version="other"), expected_seq=7) is None


def data_of_run(run_id: str) -> tuple[str, Any]:
    """A run's version, and the data that Airflow hands out with it: that of the version row."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        run = session.scalars(sa.select(DagRun).where(DagRun.run_id == run_id)).one()
        version = session.get(DagVersion, run.created_dag_version_id)
        assert version is not None
        return str(run.bundle_version), getattr(version, "version_data", {"is": run.bundle_version})


@pytest.mark.acceptance("pushes", 19)
def test_each_push_to_a_bundle_that_gives_data_with_its_versions_is_a_release_of_the_same_build(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.gives_data = True
    pusher.push({"a": Text(), "b": Text(), "c": Text(), "broken": Text()})
    changed(pusher, Verb.PIN, "c")
    pinned = runs.version("c")
    before = counts()
    second = pusher.push({"broken": BROKEN})
    assert repair.follow_again(pusher.host) == 2
    assert repair.follow_again(pusher.host) == 0
    made = {table: count - before[table] for table, count in counts().items()}
    assert (made["pinwheel_release"], made["dag_version"], made["pinwheel_build"]) == (2, 2, 0)
    releases = rows("SELECT release, build_id, kind, bundle_version FROM pinwheel_release WHERE dag_id = 'a'")
    (first, _), (number, build, kind, version) = releases[0][:2], sorted(releases)[-1]
    assert (first, number, build, kind, version) == (1, 2, releases[0][1], "auto", second)
    assert runs.version("a") == second
    assert data_of_run(f"run-{runs.made}") == (second, {"is": second})
    assert (runs.version("broken"), runs.version("c")) == (pinned, pinned), "they stand"
    assert repair.repair_drift(pusher.host) == []

    back = changed(pusher, Verb.ROLLBACK, reason="the data")
    assert (back.build, back.release, runs.version()) == (1, 3, pinned), "the version before"
    assert data_of_run(f"run-{runs.made}") == (pinned, {"is": pinned})
    changed(pusher, Verb.UNPIN)
    assert (repair.follow_again(pusher.host), runs.version()) == (0, pinned), "the later one is rejected"
    third = pusher.push({})
    assert (repair.follow_again(pusher.host), runs.version()) == (2, third)

    # Runs by number or by name have the data of a release in which the build was in their version.
    for named, ran in ((None, third), (second, second), (pinned, pinned)):
        bound = asked.trigger(pusher.host, "a", actor="ada", build=1, bundle_version=named)
        assert data_of_run(bound.run_id) == (ran, {"is": ran})
    bound = asked.trigger(pusher.host, "c", actor="ada", build=1)
    assert data_of_run(bound.run_id) == (pinned, {"is": pinned})
    with pytest.raises(Refused, match="gives data with each version"):
        asked.trigger(pusher.host, "c", actor="ada", build=1, bundle_version=third)

    # What comes after, from a class that gives none, has none; then Dags follow.
    pusher.gives_data = False
    fourth = pusher.push({})
    assert (repair.follow_again(pusher.host), runs.version()) == (2, fourth)
    assert data_of_run(f"run-{runs.made}")[1] in (None, {"is": fourth})
    before = counts()
    fifth = pusher.push({})
    assert (runs.version("a"), runs.version("b"), counts()) == (fifth, fifth, before)


@pytest.mark.acceptance("pushes", 19)
def test_of_many_dags_that_a_push_releases_again_some_at_once(
    pusher: Prebuilt, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.services.release import same_build

    monkeypatch.setattr(same_build, "AT_ONCE", 2)
    pusher.gives_data = True
    first = pusher.push({dag_id: Text() for dag_id in "abc"})
    second = pusher.push({})
    assert [repair.follow_again(pusher.host) for _ in range(3)] == [2, 1, 0]
    assert (first != second, {runs.version(dag_id) for dag_id in "abc"}) == (True, {second})


@pytest.mark.acceptance("pushes", 18)
def test_a_dag_whose_file_moved_and_that_has_runs_follows_by_the_name_of_its_former_file(
    airflow_database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kwargs = {"path": str(tmp_path / "folder")}
    bundle = {"name": "seed", "classpath": "pinwheel.bundles.FolderBundle", "kwargs": kwargs}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    seeder, runs = Seeder(tmp_path), Runs()
    text = (
        "from airflow.sdk import DAG, task\n"
        'with DAG("a", schedule=None):\n'
        '    task(task_id="t")(lambda: None)()\n'
    )
    seeder.push({"a.py": text})
    runs.version()
    moved = seeder.push({"moved/b.py": text})
    released = runs.version()
    assert split_version(released) == (moved, {"a.py": "moved/b.py"})
    head = seeder.push({"moved/b.py": text, "other.py": text.replace('"a"', '"other"')})
    assert split_version(runs.version()) == (head, {"a.py": "moved/b.py"})
    assert rows("SELECT count(*) FROM pinwheel_release WHERE dag_id = 'a'") == [(2,)]
    assert repair.repair_drift(seeder.host) == []
    # What was rolled back stands; unpinned it goes on by the same name.
    changed_by(seeder, Verb.ROLLBACK)
    seeder.push({"moved/b.py": text})
    assert split_version(runs.version())[0] == moved
    changed_by(seeder, Verb.UNPIN)
    last = seeder.push({"moved/b.py": text, "other.py": text.replace('"a"', '"third"')})
    assert split_version(runs.version()) == (last, {"a.py": "moved/b.py"})


def changed_by(seeder: Seeder, verb: Verb) -> Any:
    (outcome,) = change.apply(seeder.host, asked.change(verb=verb, dag_ids=["a"], actor="ada"))
    return outcome


@pytest.mark.acceptance("pushes", 18)
def test_a_retired_dag_stands_and_one_that_comes_back_follows_again(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    last = pusher.push({})
    pusher.push({}, removed=("a",))
    pusher.push({"b": Text(body=1)})
    repair.follow_again(pusher.host)
    assert rows("SELECT bundle_version FROM dag WHERE dag_id = 'a'") == [(last,)]
    pusher.push({"a": Text()})
    head = pusher.push({})
    assert (runs.version("a"), runs.version("b")) == (head, head)


@pytest.mark.acceptance("pushes", 18)
def test_a_pin_on_the_active_build_keeps_the_version_that_is_in_force(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    in_force = pusher.push({})
    before = counts()
    assert changed(pusher, Verb.PIN).kind is None
    pusher.push({})
    repair.follow_again(pusher.host)
    assert (runs.version("a"), counts()) == (in_force, before)
