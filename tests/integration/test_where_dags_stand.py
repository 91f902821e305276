"""Which place new runs take when Dags leave a file, a version or a bundle and come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from attrs import evolve

from harness import asked
from harness.faults import airflow_engine
from harness.followers import Runs, changed, rows
from harness.prebuilt import BROKEN, Prebuilt, Text
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.ingest import register
from pinwheel.services.upkeep import repair


def test_a_dag_that_moves_to_another_bundle_with_equal_content_is_released_from_there(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    other = Prebuilt("other")
    other.host.deployment.versioned |= {"prebuilt": True, "other": True}
    pusher.host.deployment.versioned |= {"prebuilt": True, "other": True}
    other.push({"x": Text(), "a": Text()})
    pusher.push({}, removed=("a",))
    v2 = other.push({})
    assert rows("SELECT bundle_name, bundle_version FROM dag WHERE dag_id='a'") == [("other", v2)]
    assert runs.version() == v2
    bound = asked.trigger(pusher.host, "a", actor="ada", build=2)
    assert bound.bundle_version == v2


def test_a_file_that_is_gone_and_back_before_all_of_a_version_is_known_lets_its_dag_follow(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    text = pusher.files.pop("a")
    pusher.advance(["b"])  # not settled: b is not known
    pusher.files["a"] = text
    version, seq = pusher.advance(["b"])
    pusher.register("b", version=version, seq=seq)
    pusher.settle(seq)
    repair.follow_again(pusher.host)
    assert runs.version() == version
    last = pusher.push({})
    assert runs.version() == last


def without_its_dag(pusher: Prebuilt, dag_id: str, version: str, seq: int) -> None:
    parsed = pusher.parsed(dag_id, version=version, seq=seq)
    register.register(pusher.host, evolve(parsed, contents=[], file_digest="0" * 64, inputs_digest="1" * 64))


def test_a_dag_that_its_file_holds_no_longer_stays_where_it_stood(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    version, seq = pusher.advance(["a", "b"])
    without_its_dag(pusher, "a", version, seq)
    repair.follow_again(pusher.host)
    assert runs.version() == first, "b is not known yet, so not retired; the Dag is not in the head"


def test_a_file_that_was_good_in_the_head_and_fails_at_its_next_parse_takes_no_run_back_in_time(
    pusher: Prebuilt, runs: Runs
) -> None:
    pusher.push({"a": Text(), "b": Text()})
    version = pusher.push({"b": Text(body=1)})
    _, seq = pusher.advance(["a"])
    assert runs.version() == version, "it is not known yet"
    head = pusher.version()
    pusher.register("a", version=head, seq=seq)
    assert runs.version() == head
    pusher.register("a", version=head, seq=seq, text=None)
    repair.follow_again(pusher.host)
    assert runs.version() == head
    last = pusher.push({"a": BROKEN})
    pusher.register("a", version=last, seq=seq + 1, text=None)
    repair.follow_again(pusher.host)
    assert runs.version() == head, "broken in the next one, it stays on the last that was good"


def test_a_pin_brings_a_dag_back_from_the_last_version_that_held_it(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    version, seq = pusher.advance(["a"])
    without_its_dag(pusher, "a", version, seq)
    pusher.settle(seq)
    pusher.advance([])
    changed(pusher, Verb.PIN, build=1)
    assert runs.version() == first


def test_a_pinned_dag_that_its_file_holds_no_longer_stands_when_unpinned(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    changed(pusher, Verb.PIN)
    version, seq = pusher.advance(["a"])
    without_its_dag(pusher, "a", version, seq)
    pusher.settle(seq)
    pusher.advance([])
    changed(pusher, Verb.UNPIN)
    repair.follow_again(pusher.host)
    assert runs.version() == first


def test_a_rejected_version_is_named_with_a_reason_only(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    pusher.push({})
    third = pusher.push({})
    changed(pusher, Verb.ROLLBACK)
    with pytest.raises(Refused, match="with a reason"):
        changed(pusher, Verb.PIN, bundle_version=third)
    assert changed(pusher, Verb.PIN, bundle_version=third, reason="it was the data").lifted
    assert runs.version() == third


def test_the_way_back_is_no_older_version_of_a_rejected_build(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    pusher.push({"a": Text(body=1)})
    pusher.push({})
    changed(pusher, Verb.REJECT, build=2)
    assert changed(pusher, Verb.ROLLBACK).build == 1


def test_the_way_back_is_no_rejected_version(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({})
    pusher.push({})
    changed(pusher, Verb.ROLLBACK)
    changed(pusher, Verb.UNPIN)
    assert runs.version() == second
    pusher.push({"a": Text(body=1)})
    with pytest.raises(Refused):
        changed(pusher, Verb.ROLLBACK)


def test_what_is_rolled_back_after_a_reset_is_rejected(pusher: Prebuilt, runs: Runs) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    second = pusher.push({})
    changed(pusher, Verb.PIN)
    pusher.push({}, version=first)
    changed(pusher, Verb.ROLLBACK)
    pusher.push({}, version=second)
    changed(pusher, Verb.UNPIN)
    repair.follow_again(pusher.host)
    assert runs.version() == first


def test_a_dag_that_moves_between_bundles_there_and_back_makes_one_build_in_each(
    pusher: Prebuilt, runs: Runs
) -> None:
    first = pusher.push({"a": Text(), "b": Text()})
    other = Prebuilt("other")
    other.host.deployment.versioned |= {"prebuilt": True, "other": True}
    pusher.host.deployment.versioned |= {"prebuilt": True, "other": True}
    other.push({"x": Text(), "a": Text()})
    pusher.push({}, removed=("a",))
    v2 = other.push({})
    assert runs.version() == v2
    bound = asked.trigger(pusher.host, "a", actor="ada", build=1)
    assert bound.bundle_version == f"{first}+a.py=@prebuilt!a.py"
    pusher.push({"a": Text()})
    other.push({}, removed=("a",))
    last = pusher.push({})
    assert rows("SELECT bundle_name, bundle_version FROM dag WHERE dag_id='a'") == [
        ("other", f"{last}+a.py=@prebuilt!a.py")
    ], "where its runs know it"
    assert rows("SELECT max(build) FROM pinwheel_build WHERE dag_id='a'") == [(2,)]
    v3 = other.push({"a": Text()})
    pusher.push({}, removed=("a",))
    assert rows("SELECT bundle_name, bundle_version FROM dag WHERE dag_id='a'") == [("other", v3)]
    assert rows("SELECT max(build) FROM pinwheel_build WHERE dag_id='a'") == [(2,)]


def test_a_release_made_anew_above_a_foreign_version_keeps_the_place_of_a_pinned_dag(
    pusher: Prebuilt, runs: Runs, tmp_path: Path
) -> None:
    pusher.push({"a": Text("daily"), "b": Text()})
    second = pusher.push({})
    changed(pusher, Verb.PIN)
    pusher.push({})
    asked.trigger(pusher.host, "a", actor="ada", build=1)
    with airflow_engine().begin() as connection:  # Airflow leaves alone for 30 s what it wrote.
        connection.execute(sa.text("UPDATE serialized_dag SET last_updated = '2026-01-01 00:00:00+00:00'"))
    pusher.foreign_parse(tmp_path, "a", Text("plain", 2))
    runs.version()  # on the foreign version, which so stays
    repair.repair_drift(pusher.host)
    assert rows("SELECT kind FROM pinwheel_release WHERE dag_id = 'a' ORDER BY release") == [
        ("auto",),
        ("pin",),
    ]
    assert runs.version() == second


def test_dags_that_never_followed_are_due_once(pusher: Prebuilt, runs: Runs) -> None:
    pusher.push({"a": Text(), "b": Text()})
    with airflow_engine().begin() as connection:  # As an adoption or the migration leaves them.
        connection.execute(sa.text("UPDATE pinwheel_dag SET follow_version = NULL"))

    def due() -> int:
        version = pusher.version()
        return len(
            pusher.host.unit.run(lambda s: pusher.host.rows.due_to_follow(s, "prebuilt", version, None))
        )

    assert due() == 2
    assert repair.follow_again(pusher.host) == 0
    assert due() == 0
