"""Files that move between releases, and every other kind of place in which Airflow finds Dags.

Airflow takes a run's file and bundle from the active Dag row but the version from the run, so a move is where
running, cleared and rolled-back runs would break.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import dags
from harness.processes import wait_for
from harness.releases import Releases
from harness.shared import SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]


@pytest.fixture(scope="module")
def place(shared_airflow: SharedAirflow) -> Any:
    """A deployment with two repositories, a third behind Airflow's own git bundle, and a plain folder."""
    env = shared_airflow
    slots = {"one": env.take_git(), "two": env.take_git(), "stock": env.stock}
    return SimpleNamespace(env=env, pinwheel=Releases(env), slots=slots, plain=env.plain)


def push(place: Any, files: dict[str, Any], bundle: str = "one") -> str:
    slot = place.slots[bundle]
    sha = slot.repo.commit(files)
    place.pinwheel.wait_settled(slot.name, sha)
    return str(sha)


def mark(place: Any, dag_id: str, run_id: str, task_id: str = "t", try_number: int = 1) -> str:
    return place.env.marks(dag_id, run_id, task_id, try_number)["EXEC_MARK"]


def run_mark(place: Any, dag_id: str, task_id: str = "t") -> str:
    run = place.env.trigger_and_wait(dag_id)["dag_run_id"]
    return mark(place, dag_id, run, task_id)


def moved(place: Any, dag_id: str, how: str, gate: Path) -> tuple[str, str]:
    """Release build 1, start a gated run on it, move the file, and run build 2; both run ids."""
    old = f"{dag_id}.py"
    first = dags.gated_dag(dag_id, gate, "m1", path=old)[old]
    second = dags.gated_dag(dag_id, gate, "m2", path=old)[old]
    other = f"{dag_id}_other"
    push(place, {old: first, f"{other}.py": dags.dag(other, "o1")[f"{other}.py"]})
    running = place.env.trigger(dag_id)
    wait_for(lambda: dags.gate_reached(gate, "a"), 60, "task a of the run before the move")
    if how == "renamed":
        push(place, {old: None, f"moved/{dag_id}_new.py": second})
    elif how == "into_another_file":
        push(place, {old: None, f"{other}.py": dags.dag(other, "o2")[f"{other}.py"] + second})
    else:
        push(place, {f"from_{old}": second}, bundle="two")
        push(place, {old: None})
    place.pinwheel.wait_active(dag_id, 2)
    dags.open_gate(gate, "a", "b")
    return running, place.env.trigger_and_wait(dag_id)["dag_run_id"]


@pytest.mark.parametrize("how", ["renamed", "into_another_file", "to_another_bundle"])
def test_what_is_released_can_be_fetched__runs_outlive_the_move_of_their_file(
    place: Any, tmp_path: Path, how: str
) -> None:
    dag_id = f"moving_{how}"
    gate = tmp_path / "gate"
    gate.mkdir()
    before, after = moved(place, dag_id, how, gate)
    env = place.env
    # A run that was under way while the file moved ends on its own code: task b started after the move.
    env.wait_run(dag_id, before)
    assert [mark(place, dag_id, before, task) for task in "ab"] == ["m1", "m1"]
    assert [mark(place, dag_id, after, task) for task in "ab"] == ["m2", "m2"]
    place.pinwheel.check_active_is_latest(dag_id)
    # Cleared runs of both sides run again on what they ran, whichever is active.
    for active, change in ((2, None), (1, place.pinwheel.rollback)):
        if change is not None:
            assert change(dag_id)["build"] == active
            place.pinwheel.check_active_is_latest(dag_id)
            assert run_mark(place, dag_id, "a") == "m1"
        for run in (before, after):
            env.clear(dag_id, run)
        for run, expected in ((before, "m1"), (after, "m2")):
            env.wait_run(dag_id, run)
            number = max(task["try_number"] for task in env.tasks(dag_id, run))
            assert [mark(place, dag_id, run, task, number) for task in "ab"] == [expected, expected]
    assert {t["build"] for t in place.pinwheel.tries(dag_id, before)} == {1}
    assert {t["build"] for t in place.pinwheel.tries(dag_id, after)} == {2}


def test_many_dags_of_one_file_are_released_one_by_one(place: Any) -> None:
    ids = [f"many_{n}" for n in range(4)]

    def text(marks: dict[str, str]) -> dict[str, str]:
        lines = [
            "from airflow.sdk import DAG, task",
            "def make(name, mark):",
            "    with DAG(name, schedule=None, tags=[mark]):",
            "        @task",
            "        def t():",
            "            print(f'EXEC_MARK={mark}')",
            "        t()",
            f"for name, mark in {marks!r}.items():",
            "    make(name, mark)",
        ]
        return {"many.py": "\n".join(lines) + "\n"}

    push(place, text({d: "m1" for d in ids}))
    place.pinwheel.pin(ids[0])
    push(place, text({d: "m2" for d in ids}))
    assert [place.pinwheel.status(d)["active_build"] for d in ids] == [1, 2, 2, 2]
    assert [run_mark(place, d) for d in ids[:2]] == ["m1", "m2"]
    place.pinwheel.rollback(ids[1])
    assert run_mark(place, ids[1]) == "m1"
    # Some leave the file: the held ones stay.
    push(place, text({ids[3]: "m3"}))
    assert [place.pinwheel.status(d)["retired"] for d in ids] == [False, False, True, False]
    assert [run_mark(place, d) for d in (ids[0], ids[1], ids[3])] == ["m1", "m1", "m3"]


def test_dags_that_appear_and_vanish_dynamically(place: Any) -> None:
    def names(value: str) -> None:
        body = {"key": "dynamic_names", "value": value}
        api = place.env.api()
        if api.patch("/api/v2/variables/dynamic_names", json=body).status_code == 404:
            api.post("/api/v2/variables", json=body).raise_for_status()

    names("a b")
    lines = [
        "from airflow.sdk import DAG, Variable, task",
        "for name in Variable.get('dynamic_names').split():",
        "    with DAG(f'dynamic_{name}', schedule=None):",
        "        @task",
        "        def t():",
        "            print('EXEC_MARK=m1')",
        "        t()",
    ]
    push(place, {"dynamic.py": "\n".join(lines) + "\n"})
    place.pinwheel.pin("dynamic_a")
    names("b c")
    # No commit: the file reads from outside the bundle, so it is parsed at Airflow's interval.
    place.pinwheel.wait_active("dynamic_c", 1)
    names("c")
    place.pinwheel.wait_status("dynamic_b", lambda status: status["retired"])
    assert place.env.get("/api/v2/dags/dynamic_b")["is_stale"]
    assert not place.pinwheel.status("dynamic_a")["retired"]
    assert run_mark(place, "dynamic_c") == "m1"
    names("b c")
    place.pinwheel.wait_status("dynamic_b", lambda status: not status["retired"])
    assert [row["build"] for row in place.pinwheel.builds("dynamic_c")] == [1]
    place.env.api().delete("/api/v2/variables/dynamic_names")
    push(place, {"dynamic.py": None})


def test_a_zip_file_is_rolled_back_as_any_other(place: Any) -> None:
    dag_id = "zipped"

    def archive(text: str) -> dict[str, bytes]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr(f"{dag_id}.py", dags.dag(dag_id, text)[f"{dag_id}.py"])
        return {"packed.zip": buffer.getvalue()}

    push(place, archive("m1"))
    assert run_mark(place, dag_id) == "m1"
    push(place, archive("m2"))
    assert run_mark(place, dag_id) == "m2"
    place.pinwheel.rollback(dag_id)
    assert run_mark(place, dag_id) == "m1"
    assert "CODE_MARK: m1" in place.env.get(f"/api/v2/dagSources/{dag_id}")["content"]
    place.pinwheel.check_active_is_latest(dag_id)


def test_airflowignore_takes_dags_away_and_gives_them_back(place: Any) -> None:
    kept, free = "ignored_kept", "ignored_free"
    push(place, {**dags.dag(kept), **dags.dag(free)})
    place.pinwheel.pin(kept)
    push(place, {".airflowignore": "ignored_*\n"})
    assert [place.pinwheel.status(d)["retired"] for d in (kept, free)] == [False, True]
    assert run_mark(place, kept) == "m1"
    push(place, {".airflowignore": ""})
    assert [place.pinwheel.status(d)["retired"] for d in (kept, free)] == [False, False]
    assert run_mark(place, free) == "m1"


def test_a_callback_runs_the_code_of_its_run(place: Any, tmp_path: Path) -> None:
    dag_id = "calling_back"
    gate, said = tmp_path / "gate", tmp_path / "said"
    gate.mkdir()

    def files(text: str) -> dict[str, str]:
        return dags.gated_dag(
            dag_id,
            gate,
            text,
            tasks=("a",),
            top=f"def called_back(context): open({str(said)!r}, 'a').write({text!r} + ' ')",
            dag_args="on_success_callback=called_back",
        )

    push(place, files("m1"))
    run = place.env.trigger(dag_id)
    wait_for(lambda: dags.gate_reached(gate, "a"), 60, "the task")
    push(place, files("m2"))
    dags.open_gate(gate, "a")
    place.env.wait_run(dag_id, run)
    wait_for(lambda: said.exists() and said.read_text(), 60, "the callback")
    assert said.read_text().split() == ["m1"]


def test_a_dag_without_bundle_versioning_is_refused_a_pin_with_the_reason(place: Any) -> None:
    dag_id = "unversioned_dag"
    push(place, dags.dag(dag_id, "m1", dag_args="disable_bundle_versioning=True"))
    push(place, dags.dag(dag_id, "m2", dag_args="disable_bundle_versioning=True"))
    for change in (place.pinwheel.pin, place.pinwheel.rollback, place.pinwheel.trigger):
        problem = change(dag_id, code=403)
        assert "disable_bundle_versioning" in problem["detail"] + str(problem), problem
    assert run_mark(place, dag_id) == "m2"


def test_an_unversioned_bundle_is_processed_as_stock_and_refused_a_pin_with_the_remedy(place: Any) -> None:
    env = place.env
    dags.write(place.plain, dags.dag("plain_dag", "m1"))
    env.wait_dag("plain_dag", timeout=60)
    assert run_mark(place, "plain_dag") == "m1"
    dags.write(place.plain, dags.dag("plain_dag", "m2", tasks=("t", "u")))
    env.wait_dag("plain_dag", lambda dag: len(env.get("/api/v2/dags/plain_dag/tasks")["tasks"]) == 2, 60)
    assert run_mark(place, "plain_dag") == "m2"
    assert env.get("/api/v2/dags/plain_dag")["bundle_version"] is None
    for change in (place.pinwheel.pin, place.pinwheel.rollback, place.pinwheel.trigger):
        problem = change("plain_dag", code=403)
        assert "keeps no versions" in str(problem) and "pinwheel.bundles.FolderBundle" in str(problem)
    dags.write(place.plain, dags.broken("plain_dag.py"))
    wait_for(lambda: env.get("/api/v2/dags/plain_dag")["is_stale"], 60, "stock behaviour on a broken file")
    dags.write(place.plain, dags.dag("plain_dag", "m1"))
    env.wait_dag("plain_dag", timeout=60)


def test_airflows_own_git_bundle_is_pinned_and_rolled_back(place: Any) -> None:
    dag_id = "stock_git"
    push(place, dags.dag_with_helper(dag_id, "m1", "h1"), bundle="stock")
    first = place.env.trigger_and_wait(dag_id)["dag_run_id"]
    push(place, dags.dag_with_helper(dag_id, "m1", "h2"), bundle="stock")
    second = place.env.trigger_and_wait(dag_id)["dag_run_id"]
    push(place, dags.broken(f"{dag_id}.py"), bundle="stock")
    outcome = place.pinwheel.rollback(dag_id)
    assert (outcome["release"], outcome["build"]) == (3, 1)
    third = place.env.trigger_and_wait(dag_id)["dag_run_id"]
    place.env.clear(dag_id, second)
    place.env.wait_run(dag_id, second)
    helpers = [
        place.env.marks(dag_id, run, "t", number)["EXEC_HELPER"]
        for run, number in ((first, 1), (second, 1), (second, 2), (third, 1))
    ]
    assert helpers == ["h1", "h2", "h2", "h1"]
    push(place, dags.dag_with_helper(dag_id, "m3", "h3"), bundle="stock")
    assert place.pinwheel.status(dag_id)["held"]
    held = place.pinwheel.trigger(dag_id, build=3)["run_id"]
    place.env.wait_run(dag_id, held)
    assert mark(place, dag_id, held) == "m3"
    place.pinwheel.unpin(dag_id)
    assert run_mark(place, dag_id) == "m3"
    place.pinwheel.check_active_is_latest(dag_id)
