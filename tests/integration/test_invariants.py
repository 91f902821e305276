"""The invariants of the design, each against running processes of Airflow on PostgreSQL.

Tests are named after the invariant that they try to break.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from harness import dags
from harness.processes import wait_for
from harness.releases import Releases, unique
from harness.shared import GitSlot, SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


@pytest.fixture
def airflow(shared_airflow: SharedAirflow) -> SharedAirflow:
    return shared_airflow


@pytest.fixture
def pinwheel(shared_airflow: SharedAirflow) -> Releases:
    return Releases(shared_airflow)


@pytest.fixture(scope="module")
def slot(shared_airflow: SharedAirflow) -> GitSlot:
    """One repository for the module; each test has files and Dags of its own in it."""
    return shared_airflow.take_git()


Push = Callable[..., str]


@pytest.fixture
def push(slot: GitSlot, pinwheel: Releases) -> Push:
    """Commit, and wait until everything that follows from the commit is done."""

    def do(files: dict[str, Any], **kwargs: Any) -> str:
        sha = slot.repo.commit(files, **kwargs)
        pinwheel.wait_settled(slot.name, sha)
        return sha

    return do


def mark_of(airflow: SharedAirflow, dag_id: str, run_id: str, task_id: str = "t", try_number: int = 1) -> str:
    return airflow.marks(dag_id, run_id, task_id, try_number)["EXEC_MARK"]


def run_mark(airflow: SharedAirflow, dag_id: str) -> str:
    """Trigger over Airflow's own REST API; what the run printed."""
    run = airflow.trigger_and_wait(dag_id)
    return mark_of(airflow, dag_id, run["dag_run_id"])


# 1. Active is latest


def test_active_is_latest__after_every_kind_of_release(airflow, pinwheel, push):
    dag_id = unique("latest")
    one = dags.dag(
        dag_id, "m1", schedule="'0 4 1 1 *'", dag_args="tags=['one'], is_paused_upon_creation=True"
    )
    two = dags.dag(
        dag_id,
        "m2",
        tasks=("t", "u"),
        schedule="[Asset('latest://in')]",
        dag_args="tags=['two'], max_active_runs=3, description='second', is_paused_upon_creation=True",
    )
    three = {**two, f"{dag_id}.py": two[f"{dag_id}.py"].replace("m2", "m3")}

    def seen() -> tuple[Any, ...]:
        """What Airflow's own API says of the Dag."""
        dag = airflow.get(f"/api/v2/dags/{dag_id}/details")
        tasks = airflow.get(f"/api/v2/dags/{dag_id}/tasks")["tasks"]
        source = airflow.get(f"/api/v2/dagSources/{dag_id}")["content"]
        return (
            sorted(tag["name"] for tag in dag["tags"]),
            sorted(task["task_id"] for task in tasks),
            dag["timetable_summary"],
            dag["max_active_runs"],
            dag["description"],
            source.split("CODE_MARK: ")[1][:2],
            dag["bundle_version"],
            dag["is_stale"],
        )

    def expect(files: str, sha: str) -> tuple[Any, ...]:
        if files == "m1":
            return (["one"], ["t"], "0 4 1 1 *", 16, None, "m1", sha, False)
        return (["two"], ["t", "u"], "Asset", 3, "second", files, sha, False)

    first = push(one)
    steps = [("m1", first, "auto")]
    assert seen() == expect("m1", first)
    pinwheel.check_active_is_latest(dag_id)
    second = push(two)
    third = push(three)
    assert seen() == expect("m3", third)
    for change, mark, sha, kind in (
        (lambda: pinwheel.rollback(dag_id, to_blame=False), "m2", second, "rollback"),
        (lambda: pinwheel.rollback(dag_id, build=1, to_blame=False), "m1", first, "rollback"),
        (lambda: pinwheel.promote(dag_id, build=2), "m2", second, "promote"),
        (lambda: pinwheel.pin(dag_id, to_release=1), "m1", first, "pin"),
        (lambda: pinwheel.unpin(dag_id), "m3", third, "unpin"),
    ):
        outcome = change()
        steps.append((mark, sha, kind))
        # No waiting: the release is one transaction, and nothing has to be parsed for it.
        assert seen() == expect(mark, sha)
        release = pinwheel.check_active_is_latest(dag_id)
        assert (release["kind"], release["release"]) == (kind, outcome["release"])
    push({f"{dag_id}.py": None})
    assert airflow.get(f"/api/v2/dags/{dag_id}/details")["is_stale"]
    assert pinwheel.releases(dag_id)[0]["kind"] == "retire"
    back = push(one)
    assert seen() == expect("m1", back)
    pinwheel.check_active_is_latest(dag_id)


# 2. History never changes


def test_history_never_changes__whatever_is_pushed_after_a_run(airflow, pinwheel, push):
    dag_id = unique("history")
    files = dags.dag_with_helper(dag_id, "m1", "h1")
    first = push(files)
    run = airflow.trigger_and_wait(dag_id)["dag_run_id"]
    assert airflow.marks(dag_id, run, "t")["EXEC_HELPER"] == "h1"
    version = pinwheel.newest_version(dag_id)
    before = pinwheel.rows_of_version(version["id"])

    helper = f"{dag_id}_helper.py"
    push({helper: files[helper].replace("h1", "h2")})
    push(dags.dag_with_helper(dag_id, "m2", "h2"))
    push(dags.dag_with_helper(dag_id, "m2", "h2", tasks=("t", "u")))
    push({f"{dag_id}.py": "# only a comment\n" + dags.dag_with_helper(dag_id, "m2", "h2")[f"{dag_id}.py"]})
    push({helper: None})
    pinwheel.rollback(dag_id, build=1)
    pinwheel.promote(dag_id, build=3)

    assert pinwheel.rows_of_version(version["id"]) == before
    assert [v["bundle_version"] for v in airflow.run(dag_id, run)["dag_versions"]] == [first]
    source = airflow.get(f"/api/v2/dagSources/{dag_id}", version_number=version["version_number"])
    assert "CODE_MARK: m1" in source["content"]
    (tried,) = pinwheel.tries(dag_id, run)
    assert (tried["build"], tried["release"], tried["bundle_version"]) == (1, 1, first)
    # Each commit that changed what the Dag uses is a build of its own; the broken one is none.
    assert [row["build"] for row in pinwheel.builds(dag_id)] == [None, 5, 4, 3, 2, 1]


# 3. Only a release changes which build runs


def test_only_a_release_changes_what_runs__nothing_gets_behind_a_pin(airflow, pinwheel, push):
    dag_id, other = unique("behind"), unique("behind_other")
    path = f"{dag_id}.py"
    push({**dags.dag_with_helper(dag_id, "m1"), **dags.dag(other)})
    pinwheel.pin(dag_id, reason="frozen")
    before = pinwheel.what_runs(dag_id)
    kept = dags.dag_with_helper(dag_id, "m1")
    for what, files in {
        "another body": dags.dag_with_helper(dag_id, "m2"),
        "another structure": dags.dag_with_helper(dag_id, "m3", tasks=("x", "y"), schedule="'@hourly'"),
        "another helper": {f"{dag_id}_helper.py": kept[f"{dag_id}_helper.py"].replace("h1", "h9")},
        "a broken helper": {f"{dag_id}_helper.py": "def ("},
        "a broken file": dags.broken(path),
        "an empty file": {path: ""},
        "a file without this Dag": {path: dags.dag(other + "_too")[f"{other}_too.py"]},
        "a deleted file": {path: None},
    }.items():
        push(files)
        assert pinwheel.what_runs(dag_id) == before, what
    status = pinwheel.status(dag_id)
    assert (status["track"], status["active_build"], status["retired"]) == ("pinned", 1, False)
    assert [row["release"] for row in pinwheel.releases(dag_id)] == [1]
    # The processor writes the rows of a held Dag anew as if it had parsed it: still the same.
    assert run_mark(airflow, dag_id) == "m1"
    pinwheel.check_active_is_latest(dag_id)


def test_only_a_release_changes_what_runs__an_emptied_repository_and_a_deleted_branch(airflow, pinwheel):
    slot = airflow.take_git()
    pinned, free = unique("emptied_pinned"), unique("emptied_free")
    first = slot.repo.commit({**dags.dag(pinned, "m1"), **dags.dag(free, "m1")})
    pinwheel.wait_settled(slot.name, first)
    pinwheel.pin(pinned)
    before = {dag_id: pinwheel.what_runs(dag_id) for dag_id in (pinned, free)}

    # The branch is gone: nothing new is known of any Dag, so all stay.
    slot.repo.delete_branch("main")
    faults = "SELECT error FROM pinwheel_fault WHERE bundle_name = :b"
    wait_for(lambda: airflow.rows(faults, b=slot.name), 60, "a look that found no branch")
    assert {dag_id: pinwheel.what_runs(dag_id) for dag_id in (pinned, free)} == before
    assert run_mark(airflow, free) == "m1"

    # All files are gone from a good commit: Dags that follow the branch are retired, held ones stay.
    slot.repo.push()
    emptied = slot.repo.commit({f"{pinned}.py": None, f"{free}.py": None})
    pinwheel.wait_settled(slot.name, emptied)
    assert pinwheel.what_runs(pinned) == before[pinned]
    assert run_mark(airflow, pinned) == "m1"
    assert pinwheel.status(free)["retired"]
    assert airflow.get(f"/api/v2/dags/{free}")["is_stale"]
    pinwheel.unpin(pinned)
    pinwheel.wait_status(pinned, lambda status: status["retired"])

    back = slot.repo.commit(dags.dag(free, "m1"))
    pinwheel.wait_settled(slot.name, back)
    assert run_mark(airflow, free) == "m1"


def test_only_a_release_changes_what_runs__an_unpinned_dag_stays_on_its_release_through_a_broken_commit(
    airflow, pinwheel, push, slot
):
    dag_id = unique("unbroken")
    path = f"{dag_id}.py"
    push(dags.dag(dag_id, "m1"))
    before = pinwheel.what_runs(dag_id)
    bad = push(dags.broken(path))
    assert pinwheel.what_runs(dag_id) == before
    status = pinwheel.status(dag_id)
    assert (status["active_build"], status["held"], status["broken"]["bundle_version"]) == (1, False, bad)
    errors = airflow.get("/api/v2/importErrors", limit=1000)["import_errors"]
    assert [e["bundle_name"] for e in errors if e["filename"] == path] == [slot.name]
    assert run_mark(airflow, dag_id) == "m1"
    fixed = push(dags.dag(dag_id, "m2"))
    assert pinwheel.status(dag_id)["broken"] is None
    errors = airflow.get("/api/v2/importErrors", limit=1000)["import_errors"]
    assert [e for e in errors if e["filename"] == path] == []
    assert airflow.get(f"/api/v2/dags/{dag_id}/details")["bundle_version"] == fixed
    assert run_mark(airflow, dag_id) == "m2"


def test_only_a_release_changes_what_runs__reparsing_by_hand_parses_and_releases_nothing_behind_a_pin(
    airflow, pinwheel, push, slot
):
    dag_id = unique("reparse")
    push(dags.dag(dag_id, "m1"))
    pinwheel.pin(dag_id)
    push(dags.dag(dag_id, "m2"))
    before = pinwheel.what_runs(dag_id)
    parses = "SELECT count(*) FROM pinwheel_parse WHERE bundle_name = :b AND relative_fileloc = :p"
    count = airflow.scalar(parses, b=slot.name, p=f"{dag_id}.py")
    assert count == 2
    token = airflow.get(f"/api/v2/dags/{dag_id}")["file_token"]
    reply = airflow.api().put(f"/api/v2/parseDagFile/{token}")
    assert reply.status_code == 201, reply.text
    wait_for(
        lambda: airflow.scalar(parses, b=slot.name, p=f"{dag_id}.py") > count, 30, "the file to be parsed"
    )
    assert pinwheel.what_runs(dag_id) == before
    assert [row["build"] for row in pinwheel.builds(dag_id)] == [2, 1]
    # A pure file is not parsed for any other reason.
    time.sleep(5)
    assert airflow.scalar(parses, b=slot.name, p=f"{dag_id}.py") == count + 1


# 4. One binding per run


def test_one_binding_per_run__runs_in_flight_keep_their_release(airflow, pinwheel, push, tmp_path):
    dag_id = unique("inflight")
    gate = tmp_path / "gate"
    gate.mkdir()
    push(dags.gated_dag(dag_id, gate, "m1", tasks=("a", "b")))
    old = airflow.trigger(dag_id)
    wait_for(lambda: dags.gate_reached(gate, "a"), 60, "task a of the first run")
    push(dags.gated_dag(dag_id, gate, "m2", tasks=("c", "d")))
    new = airflow.trigger(dag_id)
    wait_for(lambda: dags.gate_reached(gate, "c"), 60, "task c of the second run")
    pinwheel.rollback(dag_id)
    dags.open_gate(gate, "a", "b", "c", "d")
    for run, tasks, mark, release in ((old, "ab", "m1", 1), (new, "cd", "m2", 2)):
        airflow.wait_run(dag_id, run)
        found = airflow.tasks(dag_id, run)
        assert sorted(task["task_id"] for task in found) == list(tasks)
        assert {mark_of(airflow, dag_id, run, task) for task in tasks} == {mark}
        assert {task["dag_version"]["version_number"] for task in found} == {release}
        bindings = airflow.rows(
            "SELECT seq, dag_version_id, bound_by FROM pinwheel_binding WHERE dag_id = :d AND run_id = :r",
            d=dag_id,
            r=run,
        )
        (version,) = airflow.rows(
            "SELECT id FROM dag_version WHERE dag_id = :d AND version_number = :n", d=dag_id, n=release
        )
        assert [(b["seq"], str(b["dag_version_id"]), b["bound_by"]) for b in bindings] == [
            (0, str(version["id"]), "active")
        ]
        assert {(t["release"], t["build"]) for t in pinwheel.tries(dag_id, run)} == {(release, release)}
    # Until somebody asks for another one: cleared as it is the run stays, cleared on a build it moves.
    airflow.clear(dag_id, old)
    airflow.wait_run(dag_id, old)
    assert mark_of(airflow, dag_id, old, "b", 2) == "m1"
    pinwheel.clear(dag_id, old, build=2)
    airflow.wait_run(dag_id, old)
    assert mark_of(airflow, dag_id, old, "c") == "m2"
    bindings = airflow.rows(
        "SELECT seq, bound_by FROM pinwheel_binding WHERE dag_id = :d AND run_id = :r ORDER BY seq",
        d=dag_id,
        r=old,
    )
    assert [(b["seq"], b["bound_by"]) for b in bindings] == [(0, "active"), (1, "active"), (2, "hand")]


# 5. All or nothing


def test_all_or_nothing__a_batch_with_one_refused_dag_changes_none(airflow, pinwheel, push):
    good, unversioned, young = unique("batch_a"), unique("batch_b"), unique("batch_c")
    push(
        {
            **dags.dag(good, "m1"),
            **dags.dag(unversioned, "m1", dag_args="disable_bundle_versioning=True"),
        }
    )
    # The third has nothing to go back to, neither a build nor a version.
    push({**dags.dag(good, "m2"), **dags.dag(young, "m1")})
    before = {dag_id: pinwheel.what_runs(dag_id) for dag_id in (good, unversioned, young)}
    statuses = [pinwheel.status(dag_id) for dag_id in (good, unversioned, young)]
    event = pinwheel.last_event_id()

    refused = pinwheel.batch("pin", [good, unversioned], code=403)
    assert "disable_bundle_versioning" in str(refused)
    missing = pinwheel.batch("rollback", [good, young], code=404)
    assert young in str(missing)
    pinwheel.batch("pin", [good, "nobody_has_this_dag"], code=404)

    assert {dag_id: pinwheel.what_runs(dag_id) for dag_id in before} == before
    assert [pinwheel.status(dag_id) for dag_id in before] == statuses
    assert [e for dag_id in before for e in pinwheel.events(dag_id) if e["id"] > event] == []

    both = pinwheel.batch("pin", [good, young])
    assert [(o["dag_id"], o["changed"]) for o in both["outcomes"]] == [(good, True), (young, True)]


def test_all_or_nothing__a_change_made_from_a_stale_view_is_a_conflict(airflow, pinwheel, push):
    dag_id = unique("stale")
    push(dags.dag(dag_id, "m1"))
    push(dags.dag(dag_id, "m2"))
    before = pinwheel.what_runs(dag_id)
    conflict = pinwheel.rollback(dag_id, expected_release=1, code=409)
    assert "active release is 2" in str(conflict)
    assert pinwheel.what_runs(dag_id) == before

    # Eight at once from the same view: one is carried out, seven are conflicts.
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(
                lambda n: airflow.api().post(
                    f"/pinwheel/api/v1/dags/{dag_id}/rollback", json={"expected_release": 2, "reason": str(n)}
                ),
                range(8),
            )
        )
    assert sorted(reply.status_code for reply in replies) == [200, *[409] * 7]
    assert [(r["release"], r["build"]) for r in pinwheel.releases(dag_id)] == [(3, 1), (2, 2), (1, 1)]
    pinwheel.check_active_is_latest(dag_id)


# 7. What is released can be fetched


def test_what_is_released_can_be_fetched__after_a_force_push_and_without_local_copies(airflow, pinwheel):
    slot = airflow.take_git()
    dag_id = unique("fetched")
    slot.repo.commit({"README": "base"})
    first = slot.repo.commit(dags.dag_with_helper(dag_id, "m1", "h1"))
    pinwheel.wait_settled(slot.name, first)
    run = airflow.trigger_and_wait(dag_id)["dag_run_id"]
    pinwheel.pin(dag_id)
    replaced = slot.repo.force_push({"README": "another history"})
    slot.repo.prune()
    pinwheel.wait_settled(slot.name, replaced)
    gone = [path for path in (airflow.root / "bundles" / slot.name).rglob(first) if path.is_dir()]
    assert gone
    for path in gone:
        shutil.rmtree(path)

    assert run_mark(airflow, dag_id) == "m1"
    airflow.clear(dag_id, run)
    airflow.wait_run(dag_id, run)
    marks = airflow.marks(dag_id, run, "t", 2)
    assert (marks["EXEC_MARK"], marks["EXEC_HELPER"]) == ("m1", "h1")


# Runs on chosen builds


def test_held_builds_can_be_tried_several_at_once_without_a_release(airflow, pinwheel, push, tmp_path):
    dag_id = unique("tried")
    gate = tmp_path / "gate"
    gate.mkdir()
    push(dags.gated_dag(dag_id, gate, "m1", tasks=("a",)))
    pinwheel.pin(dag_id)
    push(dags.gated_dag(dag_id, gate, "m2", tasks=("a", "b")))
    push(dags.gated_dag(dag_id, gate, "m3", tasks=("a", "c")))
    before = pinwheel.what_runs(dag_id)
    runs = {
        build: pinwheel.trigger(dag_id, **({"build": build} if build != 1 else {}))["run_id"]
        for build in (3, 2, 1)
    }
    runs[0] = pinwheel.trigger(dag_id, build=3)["run_id"]
    wait_for(
        lambda: {airflow.run(dag_id, run)["state"] for run in runs.values()} == {"running"},
        90,
        "four runs on three builds at once",
    )
    dags.open_gate(gate, "a", "b", "c")
    for build, run in runs.items():
        airflow.wait_run(dag_id, run)
        tasks = {1: "a", 2: "ab", 3: "ac"}[build or 3]
        assert "".join(sorted(t["task_id"] for t in airflow.tasks(dag_id, run))) == tasks
        assert {mark_of(airflow, dag_id, run, task) for task in tasks} == {f"m{build or 3}"}
        released = 1 if build == 1 else None
        assert {(t["build"], t["release"]) for t in pinwheel.tries(dag_id, run)} == {(build or 3, released)}
    assert pinwheel.what_runs(dag_id) == before
    assert [row["release"] for row in pinwheel.releases(dag_id)] == [1]
    assert {tuple(row["releases"]) for row in pinwheel.builds(dag_id) if row["build"] != 1} == {()}
    pinwheel.check_active_is_latest(dag_id)
    assert run_mark_of_a(airflow, dag_id) == "m1"
    # Promoting what was tried is a release like any other; what was tried stays what it was.
    assert pinwheel.promote(dag_id, build=3)["release"] == 2
    assert run_mark_of_a(airflow, dag_id) == "m3"
    assert {t["build"] for t in pinwheel.tries(dag_id, runs[2])} == {2}
    pinwheel.check_active_is_latest(dag_id)


def test_a_trial_with_new_assets_runs_and_leaves_those_of_the_active_build_alone(airflow, pinwheel, push):
    dag_id = unique("tried_assets")
    old, new, read = (f"test://{dag_id}/{name}" for name in ("old", "new", "read"))
    push(dags.dag(dag_id, "m1", schedule=f"[Asset({read!r})]", task_args=f"outlets=[Asset({old!r})]"))
    run = airflow.trigger_and_wait(dag_id)["dag_run_id"]
    pinwheel.pin(dag_id)
    push(dags.dag(dag_id, "m2", task_args=f"outlets=[Asset({new!r})], inlets=[Asset('{new}/in')]"))
    before = pinwheel.what_runs(dag_id)
    tried = pinwheel.trigger(dag_id, build=2)["run_id"]
    airflow.wait_run(dag_id, tried)
    assert mark_of(airflow, dag_id, tried, "t") == "m2"
    assert written_by(airflow, dag_id, tried) == [new]
    assert pinwheel.what_runs(dag_id) == before
    pinwheel.check_active_is_latest(dag_id)
    # The other way round: what the first build writes is in no active build any more.
    assert pinwheel.promote(dag_id)["release"] == 2
    airflow.pinwheel("clear", dag_id, run)
    airflow.wait_run(dag_id, run)
    assert [mark_of(airflow, dag_id, run, "t", n) for n in (1, 2)] == ["m1", "m1"]
    assert written_by(airflow, dag_id, run) == [old, old]
    kept = (
        "SELECT count(*) FROM asset_alias_asset k JOIN asset_alias a ON a.id = k.alias_id"
        " JOIN asset s ON s.id = k.asset_id WHERE a.name LIKE 'pinwheel%' AND s.uri LIKE :uri"
    )
    wait_for(
        lambda: airflow.scalar(kept, uri=f"test://{dag_id}/%") == 0,
        30,
        "no asset is kept for a run that ended",
    )


def written_by(airflow: SharedAirflow, dag_id: str, run_id: str) -> list[str]:
    found = airflow.get("/api/v2/assets/events", source_dag_id=dag_id, source_run_id=run_id)["asset_events"]
    return [event["uri"] for event in found]


def run_mark_of_a(airflow: SharedAirflow, dag_id: str) -> str:
    run = airflow.trigger_and_wait(dag_id)
    return mark_of(airflow, dag_id, run["dag_run_id"], "a")


def test_rollback_rerun_failed_runs_the_failures_again_on_the_build_rolled_back_to(airflow, pinwheel, push):
    dag_id = unique("rerun")
    push(dags.dag(dag_id, "m1"))
    good = airflow.trigger_and_wait(dag_id)["dag_run_id"]
    push(dags.failing_dag(dag_id, "m2"))
    failed = [airflow.trigger(dag_id) for _ in range(2)]
    for run in failed:
        airflow.wait_run(dag_id, run, "failed")
    (outcome,) = airflow.pinwheel("rollback", dag_id, "--rerun-failed", "--reason", "m2 fails")
    assert sorted(outcome["rerun"]) == sorted(failed)
    for run in failed:
        airflow.wait_run(dag_id, run)
        assert [mark_of(airflow, dag_id, run, "t", n) for n in (1, 2)] == ["m2", "m1"]
        tried = [(t["try_number"], t["build"], t["state"]) for t in pinwheel.tries(dag_id, run)]
        assert tried == [(1, 2, "failed"), (2, 1, "success")]
    assert [t["try_number"] for t in pinwheel.tries(dag_id, good)] == [1]


# A released Dag is as healthy as a parsed one


def test_a_dag_keeps_its_schedule_after_a_rollback(airflow, pinwheel, push):
    dag_id = unique("scheduled")
    often = "timedelta(seconds=4)"
    push(dags.dag(dag_id, "m1", schedule=often))
    wait_for(lambda: len(scheduled(airflow, dag_id)) >= 2, 60, "two scheduled runs")
    push(dags.dag(dag_id, "m2", schedule="timedelta(days=3650)"))
    known = len(scheduled(airflow, dag_id))
    next_run = airflow.get(f"/api/v2/dags/{dag_id}")["next_dagrun_run_after"]
    assert datetime.fromisoformat(next_run).year > datetime.now().year + 1
    rolled_back = time.time()
    pinwheel.rollback(dag_id)
    wait_for(lambda: len(scheduled(airflow, dag_id)) >= known + 2, 60, "two more scheduled runs")
    runs = [run for run in scheduled(airflow, dag_id) if instant(run["run_after"]) > rolled_back]
    starts = [instant(run["logical_date"]) for run in runs]
    assert all(later - earlier == 4 for earlier, later in itertools.pairwise(starts))
    airflow.wait_run(dag_id, runs[0]["dag_run_id"])
    assert mark_of(airflow, dag_id, runs[0]["dag_run_id"]) == "m1"
    airflow.api().patch(f"/api/v2/dags/{dag_id}", json={"is_paused": True}).raise_for_status()
    # Paused is the operator's: no release touches it.
    pinwheel.promote(dag_id, reason="the new schedule was right")
    assert airflow.get(f"/api/v2/dags/{dag_id}")["is_paused"]


def scheduled(airflow: SharedAirflow, dag_id: str) -> list[dict[str, Any]]:
    return [run for run in airflow.runs(dag_id) if run["run_type"] == "scheduled"]


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_an_asset_still_triggers_its_dags_after_a_pin_and_a_rollback(airflow, pinwheel, push):
    dag_id, producer = unique("consumer"), unique("producer")
    first, second = f"test://{dag_id}/1", f"test://{dag_id}/2"
    push(
        {
            **dags.dag(dag_id, "m1", schedule=f"[Asset({first!r})]"),
            **dags.dag(producer, task_args=f"outlets=[Asset({first!r}), Asset({second!r})]"),
        }
    )
    known: list[str] = []

    def emit(uri: str) -> None:
        (asset,) = airflow.get("/api/v2/assets", uri_pattern=uri)["assets"]
        reply = airflow.api().post("/api/v2/assets/events", json={"asset_id": asset["id"]})
        assert reply.status_code == 200, reply.text

    def next_mark() -> str:
        runs = wait_for(
            lambda: [r["dag_run_id"] for r in airflow.runs(dag_id) if r["dag_run_id"] not in known],
            60,
            "a run triggered by the asset",
        )
        known.extend(runs)
        assert len(runs) == 1
        run = airflow.wait_run(dag_id, runs[0])
        assert run["run_type"] == "asset_triggered"
        return mark_of(airflow, dag_id, runs[0])

    pinwheel.pin(dag_id)
    push(dags.dag(dag_id, "m2", schedule=f"[Asset({second!r})]"))
    emit(second)
    emit(first)
    assert next_mark() == "m1"
    pinwheel.promote(dag_id)
    emit(first)
    emit(second)
    assert next_mark() == "m2"
    pinwheel.rollback(dag_id)
    emit(second)
    emit(first)
    assert next_mark() == "m1"
    assert len(airflow.runs(dag_id)) == 3


@pytest.fixture(autouse=True, scope="module")
def _nothing_failed(shared_airflow: SharedAirflow) -> Any:
    """No invariant was kept by luck: the processor's own checks ran without an error."""
    since = len(shared_airflow.log("dag-processor"))
    yield
    written = shared_airflow.log("dag-processor")[since:]
    failures = [line for line in written.splitlines() if "A check of Pinwheel failed" in line]
    failures += [line for line in written.splitlines() if "Failed to register the parse" in line]
    assert not failures, failures
