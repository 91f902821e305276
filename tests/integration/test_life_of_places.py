"""What runs of Dags that follow execute, on a running Airflow: what their tasks print is the truth.

Each task prints the words of a file that it finds only when it runs, and the path of its own file, which
names the commit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import dags
from harness.airflow_env import TRIGGERER
from harness.processes import wait_for
from harness.releases import Releases, unique
from harness.shared import GitSlot, SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

WORDS = """
import pathlib
def _words():
    return pathlib.Path(__file__).with_name(".".join(["words", "txt"])).read_text()
"""
SAY = "print('EXEC_WORDS=' + _words())"
_COMMIT = re.compile(r"EXEC_FILE=\S*/([0-9a-f]{40})/")
_WORDS = re.compile(r"EXEC_WORDS=(\S+)")

Executed = tuple[str, str]
"""Words and commit."""


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
    """Commit new words and these files; what follows from it is done."""

    def do(words: str, files: dict[str, Any] | None = None) -> str:
        sha = slot.repo.commit({"words.txt": words, **(files or {})}, message=words)
        pinwheel.wait_settled(slot.name, sha)
        return sha

    return do


@pytest.fixture
def head(slot: GitSlot, pinwheel: Releases) -> Callable[[], str]:
    """The repository's branch was moved: its commit, once all that follows is done."""

    def do() -> str:
        pinwheel.wait_settled(slot.name, slot.repo.head())
        return slot.repo.head()

    return do


def dag(dag_id: str, mark: str = "m1", **more: Any) -> dict[str, Any]:
    return dict(dags.dag(dag_id, mark, top=WORDS, body=SAY, **more))


def executed(airflow: SharedAirflow, dag_id: str, run_id: str, task_id: str = "t") -> Executed:
    """What the only try of a run's task printed, once the run has ended well."""
    airflow.wait_run(dag_id, run_id)
    marks = airflow.marks(dag_id, run_id, task_id)
    found = _COMMIT.search(f"EXEC_FILE={marks['EXEC_FILE']}")
    assert found, marks
    return marks["EXEC_WORDS"], found.group(1)


def run(airflow: SharedAirflow, dag_id: str) -> Executed:
    """What a run made through Airflow's own API executes."""
    return executed(airflow, dag_id, airflow.trigger(dag_id))


def pause(airflow: SharedAirflow, dag_id: str, *, paused: bool = True) -> None:
    airflow.api().patch(f"/api/v2/dags/{dag_id}", json={"is_paused": paused}).raise_for_status()


def run_of_type(airflow: SharedAirflow, dag_id: str, run_type: str) -> str:
    """The id of the Dag's only run of this type, as soon as Airflow has made it."""
    (only,) = wait_for(
        lambda: [each["dag_run_id"] for each in airflow.runs(dag_id) if each["run_type"] == run_type],
        30,
        lambda: f"a {run_type} run of {dag_id}: {airflow.runs(dag_id)}",
    )
    return str(only)


def counts(airflow: SharedAirflow, slot: GitSlot, prefix: str) -> dict[str, Any]:
    found = {
        table: airflow.scalar(f"SELECT count(*) FROM {table} WHERE dag_id LIKE :ids", ids=f"{prefix}%")
        for table in ("pinwheel_build", "pinwheel_release", "pinwheel_stand", "dag_version")
    }
    parses = "SELECT count(*) FROM pinwheel_parse WHERE bundle_name = :name"
    return {**found, "pinwheel_parse": airflow.scalar(parses, name=slot.name)}


@pytest.mark.acceptance("pushes", 1, 3)
def test_each_way_to_make_a_run_executes_a_commit_that_nothing_was_parsed_for(
    airflow: SharedAirflow, pinwheel: Releases, slot: GitSlot, push: Push
) -> None:
    prefix = unique("life")
    daily, other, asset, pinned = (f"{prefix}_{name}" for name in ("daily", "other", "asset", "pinned"))
    paused = {"schedule": "'@daily'", "dag_args": "is_paused_upon_creation=True"}
    files = {
        **dag(daily, **paused),
        **dag(other, **paused),
        **dag(asset, schedule=f"[Asset({'x://' + prefix!r})]"),
        **dag(pinned),
    }
    first = push("one", files)
    pinwheel.pin(pinned)
    before = counts(airflow, slot, prefix)
    push("two")
    newest = push("three")
    pause(airflow, daily, paused=False)
    pause(airflow, other, paused=False)
    ours = airflow.api().post(
        f"/pinwheel/api/v1/dags/{other}/backfills",
        json={"from_date": "2024-02-01T00:00:00Z", "to_date": "2024-02-01T00:00:00Z"},
    )
    ours.raise_for_status()
    airflow.api().post(
        "/api/v2/backfills",
        json={
            "dag_id": daily,
            "from_date": "2024-02-01T00:00:00Z",
            "to_date": "2024-02-01T00:00:00Z",
        },
    ).raise_for_status()
    (known,) = airflow.get("/api/v2/assets", uri_pattern=f"x://{prefix}")["assets"]
    airflow.api().post("/api/v2/assets/events", json={"asset_id": known["id"]}).raise_for_status()
    by_hand = {dag_id: airflow.trigger(dag_id) for dag_id in (daily, pinned)}
    through_ours = pinwheel.trigger(other)["run_id"]
    runs = {
        "manual": (daily, by_hand[daily]),
        "ours": (other, through_ours),
        "scheduled": (daily, run_of_type(airflow, daily, "scheduled")),
        "backfill": (daily, run_of_type(airflow, daily, "backfill")),
        "our backfill": (other, run_of_type(airflow, other, "backfill")),
        "asset": (asset, run_of_type(airflow, asset, "asset_triggered")),
    }
    assert {how: executed(airflow, *which) for how, which in runs.items()} == dict.fromkeys(
        runs, ("three", newest)
    )
    assert executed(airflow, pinned, by_hand[pinned]) == ("one", first)
    assert counts(airflow, slot, prefix) == before, "no build, parse, release or version row"
    for dag_id in (daily, other):
        pause(airflow, dag_id)


@pytest.mark.acceptance("pushes", 4, 5, 6, 7, 8)
def test_runs_execute_the_head_however_the_branch_came_to_it(
    airflow: SharedAirflow, pinwheel: Releases, slot: GitSlot, push: Push, head: Callable[[], str]
) -> None:
    prefix = unique("life")
    dag_id, shaky = f"{prefix}_free", f"{prefix}_shaky"
    files = {**dag(dag_id), **dag(shaky)}
    first = push("a", files)
    second = push("b")
    slot.repo.reset_to(first)
    assert (head(), run(airflow, dag_id)) == (first, ("a", first)), "A, B, A"
    slot.repo.reset_to(second)
    head()
    slot.repo.revert()
    reverting = head()
    assert run(airflow, dag_id) == ("a", reverting)

    # An older branch, merged: its commit is older than what the merge replaces.
    slot.repo.git("switch", "--quiet", "--create", "side", first)
    slot.repo.commit({"aside.txt": "x"}, push=False)
    slot.repo.switch("main")
    slot.repo.commit({"words.txt": "c"})
    slot.repo.git("merge", "--quiet", "--no-ff", "--message", "Merge", "side")
    slot.repo.push()
    merged = head()
    assert run(airflow, dag_id) == ("c", merged)
    slot.repo.make_shallow()
    alone = push("alone")
    assert run(airflow, dag_id) == ("alone", alone), "of a server that knows no commit before"

    # Another history, which has no commit in common.
    slot.repo.git("switch", "--quiet", "--orphan", "elsewhere")
    slot.repo.commit({**files, "words.txt": "d", ".airflowignore": ""}, push=False)
    slot.repo.git("branch", "--force", "main", "elsewhere")
    slot.repo.switch("main")
    slot.repo.push(force=True)
    unrelated = head()
    assert run(airflow, dag_id) == ("d", unrelated)
    assert [row["release"] for row in pinwheel.releases(dag_id)] == [1]

    # One file broken: its Dag stays, the other follows. Mended with its old text it goes on.
    broken = push("e", dags.broken(f"{shaky}.py"))
    runs = {each: airflow.trigger(each) for each in (dag_id, shaky)}
    assert executed(airflow, shaky, runs[shaky]) == ("d", unrelated)
    assert executed(airflow, dag_id, runs[dag_id]) == ("e", broken)
    mended = push("f", files)
    assert run(airflow, shaky) == ("f", mended)
    assert [(row["release"], row["build"]) for row in pinwheel.releases(shaky)] == [(1, 1)]


LONG = """\
import pathlib
import time
from datetime import timedelta
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import DAG, BaseOperator, PokeReturnValue, get_current_context, task
{words}
GATE = pathlib.Path({gate!r})

def show():
    print(f"EXEC_FILE={{__file__}}")
    {say}

class Deferring(BaseOperator):
    def execute(self, context):
        show()
        self.defer(trigger=FileTrigger(filepath=str(GATE), poke_interval=0.5), method_name="resume")

    def resume(self, context, event=None):
        show()

with DAG({dag_id!r}, schedule=None):
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def retrying():
        show()
        if get_current_context()["ti"].try_number == 1:
            GATE.with_suffix(".reached").touch()
            while not GATE.exists():
                time.sleep(0.1)
            raise RuntimeError("meant to fail once")

    @task.sensor(mode="reschedule", poke_interval=2, timeout=300)
    def poking():
        show()
        return PokeReturnValue(is_done=GATE.exists())

    retrying()
    poking()
    Deferring(task_id="deferring")
"""


@pytest.fixture
def triggerer(airflow: SharedAirflow) -> Iterator[None]:
    airflow.start(TRIGGERER)
    yield
    airflow.stop(TRIGGERER)


@pytest.mark.acceptance("pushes", 17)
def test_what_goes_on_after_a_push_keeps_its_commit_and_each_try_is_recorded_as_what_it_printed(
    airflow: SharedAirflow, pinwheel: Releases, push: Push, triggerer: None, tmp_path: Path
) -> None:
    dag_id, gate = unique("life_long"), tmp_path / "go"
    text = LONG.format(dag_id=dag_id, gate=str(gate), words=WORDS, say=SAY)
    first = push("one", {f"{dag_id}.py": text})
    run_id = airflow.trigger(dag_id)
    waits = {"poking": "up_for_reschedule", "deferring": "deferred"}
    seen: set[str] = set()

    def waiting() -> bool:
        seen.update(
            each["task_id"]
            for each in airflow.tasks(dag_id, run_id)
            if each["task_id"] in waits and each["state"] == waits[each["task_id"]]
        )
        return seen == set(waits) and gate.with_suffix(".reached").exists()

    wait_for(waiting, 60, lambda: airflow.describe(dag_id, run_id))
    second = push("two")
    gate.touch()
    airflow.wait_run(dag_id, run_id)

    def printed(task_id: str, try_number: int = 1) -> list[Executed]:
        log = airflow.task_log(dag_id, run_id, task_id, try_number)
        return list(zip(_WORDS.findall(log), _COMMIT.findall(log), strict=True))

    def check(expected: dict[tuple[str, int], Executed]) -> None:
        recorded = {
            (row["task_id"], row["try_number"]): row["bundle_version"]
            for row in pinwheel.tries(dag_id, run_id)
        }
        assert recorded == {which: commit for which, (_, commit) in expected.items()}
        for (task_id, number), what in expected.items():
            assert set(printed(task_id, number)) == {what}, (task_id, number)

    old = ("one", first)
    tries = {("retrying", 1): old, ("retrying", 2): old, ("poking", 1): old, ("deferring", 1): old}
    check(tries)
    assert len(printed("deferring")) == 2
    assert len(printed("poking")) >= 2
    # A clear keeps the commit of the run; one on the latest takes the one that the Dag follows to.
    for latest, what in ((False, old), (True, ("two", second))):
        airflow.clear(dag_id, run_id, task_ids=["retrying"], run_on_latest_version=latest)
        airflow.wait_run(dag_id, run_id)
        tries["retrying", 4 if latest else 3] = what
        check(tries)


@pytest.mark.acceptance("pushes", 9, 15)
def test_runs_on_a_build_execute_the_last_version_before_the_next_or_the_one_that_is_named(
    airflow: SharedAirflow, pinwheel: Releases, push: Push
) -> None:
    dag_id = unique("life_build")
    daily = {"schedule": "'@daily'", "dag_args": "end_date=datetime(2024, 3, 1, tzinfo=timezone.utc)"}
    first = push("one", dag(dag_id, "m1", **daily))
    kept = airflow.trigger(dag_id)
    assert executed(airflow, dag_id, kept) == ("one", first)
    last = push("two")
    third = push("three", dag(dag_id, "m2", tasks=("t", "more"), **daily))
    newest = push("four")

    by_number = pinwheel.trigger(dag_id, build=1)["run_id"]
    by_name = pinwheel.trigger(dag_id, build=1, bundle_version=first)["run_id"]
    day = {"from_date": "2024-02-01T00:00:00Z", "to_date": "2024-02-01T00:00:00Z", "build": 1}
    backfill = airflow.api().post(f"/pinwheel/api/v1/dags/{dag_id}/backfills", json=day)
    backfill.raise_for_status()
    (made,) = backfill.json()["runs"]
    refused = pinwheel.trigger(dag_id, build=1, bundle_version=third, code=403)
    assert "build 2 stood there" in str(refused)
    assert executed(airflow, dag_id, by_number) == ("two", last)
    assert executed(airflow, dag_id, by_name) == ("one", first)
    assert executed(airflow, dag_id, made["run_id"]) == ("two", last)

    def again(try_number: int) -> Executed:
        airflow.wait_run(dag_id, by_name)
        marks = airflow.marks(dag_id, by_name, "t", try_number)
        return marks["EXEC_WORDS"], _COMMIT.findall(f"EXEC_FILE={marks['EXEC_FILE']}")[0]

    pinwheel.clear(dag_id, by_name, build=1)
    assert again(2) == ("two", last)
    pinwheel.clear(dag_id, by_name, build=2, bundle_version=third)
    assert again(3) == ("three", third)

    # Airflow's own "only new tasks" puts the run on the version row's commit: the Dag's is executed.
    cleared = airflow.api().post(
        f"/api/v2/dags/{dag_id}/dagRuns/{kept}/clear",
        json={"dry_run": False, "only_new": True, "only_failed": False},
    )
    cleared.raise_for_status()
    assert executed(airflow, dag_id, kept, "more") == ("four", newest)
    assert airflow.run(dag_id, kept)["bundle_version"] == newest


@pytest.mark.acceptance("pushes", 19)
def test_each_push_to_a_bundle_that_gives_data_with_its_versions_executes_its_own_data(
    airflow: SharedAirflow, pinwheel: Releases
) -> None:
    slot = airflow.manifests
    if slot is None:
        pytest.skip("this Airflow keeps no data of bundle versions")
    dag_id = unique("life_data")
    first = slot.push({**dag(dag_id), "words.txt": "one"})
    pinwheel.wait_settled(slot.name, first)
    old = airflow.trigger(dag_id)
    assert executed(airflow, dag_id, old) == ("one", first)
    second = slot.push({"words.txt": "two"})
    pinwheel.wait_status(dag_id, lambda status: status["active_release"] == 2)
    assert run(airflow, dag_id) == ("two", second)
    assert [(row["release"], row["build"], row["kind"]) for row in pinwheel.releases(dag_id)] == [
        (2, 1, "auto"),
        (1, 1, "auto"),
    ]
    third = slot.push({"words.txt": "three"})
    airflow.clear(dag_id, old)
    airflow.wait_run(dag_id, old)
    marks = airflow.marks(dag_id, old, "t", 2)
    assert (marks["EXEC_WORDS"], first in marks["EXEC_FILE"]) == ("one", True)
    pinwheel.wait_status(dag_id, lambda status: status["active_release"] == 3)
    assert run(airflow, dag_id) == ("three", third)
    pinwheel.rollback(dag_id)
    assert run(airflow, dag_id) == ("two", second)
