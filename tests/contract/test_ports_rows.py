"""The port of Airflow's rows: the same sentences of the real one and of the one in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from harness.projections import projection, release, seen, trigger
from harness.pushing import File, Pusher
from harness.sides import Side
from pinwheel.core.release.follow import Step
from pinwheel.core.release.rows import Location
from pinwheel.core.run.mark import marked
from pinwheel.services.ports.runs import BackfillWish
from pinwheel.store import dags, start_rules
from pinwheel.store.start_rules import RuleKind


def numbers(side: Side, dag_id: str = "a") -> list[int]:
    """Those of the versions from 1 on, newest first."""
    before = side.host.unit.run(lambda s: side.host.reads.versions_before(s, dag_id, 100))
    return [version.version_number for version in before]


def managed(side: Side, dag_id: str = "a") -> Any:
    return side.host.unit.run(lambda s: dags.rows(s, [dag_id]))


def drift(side: Side) -> dict[str, str]:
    found = side.host.unit.run(lambda s: side.host.rows.drifted(s))
    return {each.dag_id: each.summary for each in found}


def test_a_release_is_the_newest_version_and_the_dag_row_names_its_place(side: Side) -> None:
    version = release(side, 1, File(body=7))
    found = seen(side)
    assert (found.bundle_name, found.bundle_version, found.relative_fileloc) == ("dags", "v1", "a.py")
    assert (found.version_number, found.dag_version_id, found.is_stale) == (1, version, False)
    assert found.source_code == File(body=7).source.decode()
    assert found.serialized is not None and found.serialized["dag"]["dag_id"] == "a"


def test_what_was_written_is_told_by_its_hashes(side: Side) -> None:
    made = projection(1)
    written = side.host.unit.run(lambda s: side.host.rows.project(s, [made]))["a"]
    found = seen(side)
    assert (written.serialized_hash, written.code_hash) == (found.serialized_hash, found.code_hash)
    assert written.dag_version_id == found.dag_version_id


def test_a_further_release_leaves_the_versions_before_as_they_are(side: Side) -> None:
    first = release(side, 1)
    release(side, 2, File(tasks=("x", "y")))
    assert numbers(side) == [2, 1]
    hashes = side.host.unit.run(lambda s: side.host.reads.serialized_hashes(s, [first]))
    assert hashes.keys() == {first} and hashes[first] != seen(side).serialized_hash


def test_many_dags_are_written_at_once(side: Side) -> None:
    made = [projection(1), projection(1, dag_id="b")]
    written = side.host.unit.run(lambda s: side.host.rows.project(s, made))
    assert written.keys() == {"a", "b"}
    assert [dag.dag_id for dag in side.host.unit.run(lambda s: side.host.reads.airflow_dags(s))] == ["a", "b"]


def test_a_dag_that_has_followed_keeps_the_version_that_its_row_names(side: Side) -> None:
    release(side, 1, row_version="v9")
    found = seen(side)
    assert (found.bundle_version, found.dag_version_bundle_version) == ("v9", "v1")


def test_asserting_writes_the_dag_row_and_no_version(side: Side) -> None:
    release(side, 1)
    side.change_dag("a", None)
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["a"]))
    side.host.unit.run(lambda s: side.host.rows.reassert(s, [projection(1, File(owner="grace"))]))
    found = seen(side)
    assert (found.bundle_version, found.is_stale, numbers(side)) == ("v1", False, [1])
    assert side.host.unit.run(lambda s: side.host.reads.cards(s, ["a"]))["a"].owners == ("grace",)


def test_the_standing_of_a_dag_row_changes_with_what_is_written_there_and_only_then(side: Side) -> None:
    def standing() -> dict[str, str]:
        return side.host.unit.run(lambda s: side.host.rows.standing(s, ["a", "unknown"]))

    release(side, 1, File(tags=("one",)))
    first = standing()
    side.tick()
    side.host.unit.run(lambda s: side.host.rows.touch(s, ["a"]))
    side.change_dag("a", "v2")
    assert standing() == first and first.keys() == {"a"}
    side.host.unit.run(lambda s: side.host.rows.reassert(s, [projection(1, File(tags=("two",)))]))
    assert standing() != first


def test_a_schedule_does_not_stand_while_a_run_is_due_that_nobody_made(side: Side) -> None:
    version, daily = release(side, 1, File(schedule="daily")), projection(1, File(schedule="daily"))
    now = side.host.unit.now()

    def stand() -> set[str]:
        return set(side.host.unit.run(lambda s: side.host.rows.standing(s, ["a"])))

    assert stand() == set()
    wish = BackfillWish(from_date=now - timedelta(days=2), to_date=now)
    side.host.unit.run(
        lambda s: side.host.runs.create_backfill(s, "a", version, wish, bundle_version="v1", actor="ada")
    )
    side.host.unit.run(lambda s: side.host.rows.reassert(s, [daily]))
    assert stand() == {"a"}


def test_touching_notes_that_a_dag_was_looked_at(side: Side) -> None:
    release(side, 1)
    before = side.parsed_at("a")
    side.tick()
    side.host.unit.run(lambda s: side.host.rows.touch(s, ["a"]))
    after = side.parsed_at("a")
    assert before is not None and after is not None and before < after


def test_a_dag_whose_row_names_another_version_is_due_to_follow_and_then_is_not(
    side: Side, pusher: Pusher
) -> None:
    def due(version: str, dag_ids: tuple[str, ...] | None = None) -> list[Any]:
        return side.host.unit.run(lambda s: side.host.rows.due_to_follow(s, "dags", version, dag_ids))

    head = pusher.push({"a": File(), "b": File()})
    assert due(head) == []
    side.change_dag("a", "elsewhere")
    (found,) = due(head)
    assert (found.dag_id, found.found, found.row_version, found.last_seq) == ("a", "elsewhere", head, None)
    assert due(head, ("b",)) == []
    step = Step(dag_id="a", follow_version=head, follow_before=None, row_version=head)
    side.host.unit.run(lambda s: side.host.rows.follow(s, [step]))
    assert due(head) == [] and seen(side).bundle_version == head


def test_dags_of_a_newer_head_are_due_and_following_says_what_they_had_before(
    side: Side, pusher: Pusher
) -> None:
    head = pusher.push({"a": File()})
    found = side.host.unit.run(lambda s: side.host.rows.due_to_follow(s, "dags", "newer", None))
    assert [(each.dag_id, each.follow_version) for each in found] == [("a", head)]
    step = Step(dag_id="a", follow_version="newer", follow_before=head, row_version="newer")
    side.host.unit.run(lambda s: side.host.rows.follow(s, [step]))
    row = managed(side)["a"]
    assert (row.follow_version, row.follow_before, row.row_version) == ("newer", head, "newer")
    assert seen(side).bundle_version == "newer"


def test_a_deleted_version_is_restored_under_its_id(side: Side) -> None:
    version = release(side, 1)
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [version]))
    again = projection(1, dag_version_id=version)
    written = side.host.unit.run(lambda s: side.host.rows.restore(s, [again]))
    assert written["a"].dag_version_id == version
    assert (seen(side).version_number, seen(side).serialized_hash) == (1, written["a"].serialized_hash)


def test_a_version_that_was_written_over_is_restored_to_what_was_released(side: Side) -> None:
    version = release(side, 1)
    other = projection(1, File(tasks=("other",), body=2), dag_version_id=version)
    written = side.host.unit.run(lambda s: side.host.rows.restore(s, [other]))["a"]
    assert seen(side).serialized_hash == written.serialized_hash
    assert seen(side).source_code == other.source_code
    kept = projection(1, dag_version_id=version, written=written)
    side.host.unit.run(lambda s: side.host.rows.restore(s, [kept]))
    assert seen(side).source_code == other.source_code, "what still stands is left alone"


def test_restoring_brings_back_the_row_of_a_deleted_dag(side: Side) -> None:
    version = release(side, 1)
    side.delete_dag("a")
    side.host.unit.run(lambda s: side.host.rows.restore(s, [projection(1, dag_version_id=version)]))
    assert (seen(side).bundle_version, seen(side).dag_version_id) == ("v1", version)


def test_a_retired_dag_is_stale_and_no_asset_schedules_it(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File(schedule="assets", outlets=True)})
    rows = managed(side)
    before = side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"].references
    assert before == {"dag_schedule_asset_reference", "task_outlet_asset_reference"}
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["a"]))
    after = side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"].references
    assert (seen(side).is_stale, after) == (True, frozenset())


def test_a_trial_is_never_the_newest_neither_by_number_nor_by_time(side: Side) -> None:
    release(side, 1)
    before = seen(side)
    trial = side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-2)))
    assert seen(side) == before and numbers(side) == [1]
    found = side.host.unit.run(lambda s: side.host.reads.airflow_versions(s, [trial]))[trial]
    assert found.version_number == -2 and found.created_at is not None
    assert before.created_at is not None and found.created_at < before.created_at


def test_a_moved_version_names_another_place(side: Side) -> None:
    version = release(side, 1)
    place = Location(bundle_name="dags", bundle_version="v5", relative_fileloc="a.py")
    side.host.unit.run(lambda s: side.host.rows.move_version(s, version, place))
    assert seen(side).dag_version_bundle_version == "v5"


def test_a_dag_as_it_was_released_is_observed_without_drift(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File()})
    pusher.push({"a": File(body=1)})
    rows = managed(side)
    observed = side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"]
    assert (observed.highest, observed.drift, observed.keeps_assets) == (2, None, False)


def test_a_dag_that_airflow_lost_is_observed_as_missing(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File()})
    rows = managed(side)
    side.delete_dag("a")
    observed = side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"]
    assert observed.drift is not None and observed.drift.dag_missing
    assert (observed.highest, observed.keeps_assets) == (0, None)


def test_assets_are_kept_from_the_first_run_on_another_build_on(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File(outlets=True)})
    first = managed(side)["a"]
    pusher.push({"a": File(outlets=True, body=1)})

    def keeps() -> bool | None:
        rows = managed(side)
        return side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"].keeps_assets

    active = managed(side)["a"].dag_version_id
    trigger(side, active, "on-the-active")
    assert keeps() is False
    trigger(side, first.dag_version_id, "on-another", bundle_version=first.released_version)
    assert keeps() is True


def test_drift_names_what_was_found_where_something_else_was_released(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File(), "b": File()})
    assert drift(side) == {}
    side.change_dag("a", None)
    assert drift(side) == {"a": "dag.bundle_version is None"}
    side.host.unit.run(lambda s: side.host.rows.retire(s, ["b"]))
    assert drift(side)["b"] == "dag.is_stale is True"


def test_a_version_of_another_writer_above_the_release_is_drift(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File()})
    foreign = side.foreign_version("a")
    (found,) = side.host.unit.run(lambda s: side.host.rows.drifted(s, ["a"]))
    assert found.foreign_versions == (foreign,) and not found.version_missing


def test_a_deleted_version_and_a_deleted_dag_are_drift(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File(), "b": File()})
    version = managed(side)["a"].dag_version_id
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [version]))
    side.delete_dag("b")
    found = {each.dag_id: each for each in side.host.unit.run(lambda s: side.host.rows.drifted(s))}
    assert (found["a"].version_missing, found["a"].dag_missing) == (True, False)
    assert (found["b"].version_missing, found["b"].dag_missing) == (False, True)


def test_what_is_retired_in_our_rows_is_no_drift(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File()})
    pusher.push(removed=["a"])
    assert seen(side).is_stale and managed(side)["a"].retired
    assert drift(side) == {}


def test_a_version_of_another_writer_in_place_of_the_released_one_is_drift(
    side: Side, pusher: Pusher
) -> None:
    pusher.push({"a": File()})
    side.delete_dag("a")
    other = release(side, 1)
    (found,) = side.host.unit.run(lambda s: side.host.rows.drifted(s))
    assert (found.version_missing, found.foreign_versions) == (True, (other,))


def test_where_only_a_trial_is_left_no_number_is_taken(side: Side, pusher: Pusher) -> None:
    pusher.push({"a": File()})
    rows = managed(side)
    side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-1)))
    side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [rows["a"].dag_version_id]))
    observed = side.host.unit.run(lambda s: side.host.rows.observe(s, rows))["a"]
    assert observed.highest == 0


def test_versions_that_runs_use_are_not_deleted(side: Side) -> None:
    used, unused = release(side, 1), release(side, 2)
    trigger(side, used, "r")
    deleted = side.host.unit.run(lambda s: side.host.rows.delete_unused_versions(s, [used, unused]))
    assert (deleted, numbers(side)) == ({unused}, [1])


def test_dags_with_runs_are_told_from_those_without(side: Side) -> None:
    version = release(side, 1)
    release(side, 1, dag_id="b")
    trigger(side, version, "r")
    assert side.host.unit.run(lambda s: side.host.rows.with_runs(s, ["a", "b", "unknown"])) == {"a"}


def test_a_line_of_the_audit_log_says_who_did_what_to_which_dag(side: Side) -> None:
    side.host.unit.run(
        lambda s: side.host.rows.audit(
            s, event="pinwheel_pin", dag_id="a", actor="ada", details={"reason": "late", "build": 1}
        )
    )
    assert side.audit("pinwheel_pin") == [("a", "ada", {"reason": "late", "build": 1})]


def test_import_errors_of_a_file_are_replaced_and_cleared_without_those_of_others(side: Side) -> None:
    def show(errors: dict[str, dict[str, str]], **more: Any) -> dict[str, str]:
        side.host.unit.run(lambda s: side.host.rows.show_errors(s, "dags", errors, **more))
        return side.errors("dags")

    assert show({"a.py": {"a.py": "one"}}) == {"a.py": "one"}
    assert show({"z.zip": {"z.zip/x.py": "x", "z.zip/y.py": "y"}}, tell=False) == {
        "a.py": "one",
        "z.zip/x.py": "x",
        "z.zip/y.py": "y",
    }
    assert show({"z.zip": {"z.zip/x.py": "again"}}) == {"a.py": "one", "z.zip/x.py": "again"}
    assert show({"z.zip": {}}) == {"a.py": "one"}
    assert side.errors("other") == {}


def test_warnings_are_those_of_the_last_parse_and_of_dags_that_airflow_has(side: Side) -> None:
    def show(*told: tuple[str, str]) -> dict[tuple[str, str], str]:
        made = [
            {"dag_id": dag_id, "warning_type": "runtime varying value", "message": message}
            for dag_id, message in told
        ]
        side.host.unit.run(lambda s: side.host.rows.show_warnings(s, ["a", "b"], made))
        return side.warnings()

    release(side, 1)
    assert show(("a", "one"), ("b", "waits")) == {("a", "runtime varying value"): "one"}
    assert show(("a", "two")) == {("a", "runtime varying value"): "two"}
    assert show() == {}


def test_the_mark_is_put_on_both_rows_of_a_dag_and_found_to_be_lost(side: Side, pusher: Pusher) -> None:
    head = pusher.push({"a": File(), "b": File()})

    def lost() -> list[str]:
        return side.host.unit.run(side.host.rows.lost_marks)

    now = side.host.unit.now()
    side.host.unit.run(lambda s: start_rules.add(s, ["a"], RuleKind.DATED, now=now))
    side.host.unit.run(lambda s: side.host.rows.mark_rows(s, {"a": marked(head)}))
    found = seen(side)
    assert (found.bundle_version, found.dag_version_bundle_version) == (marked(head), head)
    assert managed(side)["a"].row_version == marked(head)
    assert (managed(side)["a"].in_force, managed(side, "b")["b"].in_force) == (head, head)
    assert (drift(side), lost()) == ({}, [])
    side.change_dag("a", head)
    side.change_dag("b", "elsewhere")
    assert lost() == ["a"]
    side.change_dag("a", None)
    assert lost() == ["a"]
