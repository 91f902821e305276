"""A clear on another build that finds nothing to run again leaves the run as it is, and says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from harness import asked
from harness.inprocess_api import API, Api
from harness.prebuilt import Prebuilt, Text, finish_run, start_run
from pinwheel.cli.main import main
from pinwheel.core import request
from pinwheel.core.event import EventKind
from pinwheel.services.run import clear, clear_preview
from pinwheel.store import bindings, builds, events
from pinwheel.store import tables as t

NOTHING_FITS: list[dict[str, Any]] = [
    {"only_failed": True},
    {"task_ids": ["no_such_task"]},
    {"task_ids": ["first"]},
    {"only_failed": True, "task_ids": ["only"]},
]
"""Of a run on builds with the one task ``only``, which succeeded; ``first`` is a task of build 3 only."""


@pytest.fixture
def world(airflow_database: Any) -> Prebuilt:
    """Builds 1 and 2 of the Dag ``d`` have the same task, build 3 has others. A run on build 2 went well."""
    made = Prebuilt()
    made.push({"d": Text()})
    made.push({"d": Text(body=1)})
    asked.trigger(made.host, "d", actor="ada", run_id="r")
    start_run("d", "r")
    finish_run("d", "r", "success")
    made.push({"d": Text("daily")})
    return made


def stands(world: Prebuilt) -> tuple[Any, ...]:
    """The run's row, its bindings, its tasks, and what was written down of clears."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    def work(session: Any) -> tuple[Any, ...]:
        run = session.execute(
            select(
                DagRun.state, DagRun.clear_number, DagRun.created_dag_version_id, DagRun.bundle_version
            ).where(DagRun.run_id == "r")
        ).one()
        tasks = session.execute(
            select(TaskInstance.task_id, TaskInstance.state, TaskInstance.dag_version_id).where(
                TaskInstance.run_id == "r"
            )
        ).all()
        return (
            tuple(run),
            list(bindings.of_runs(session, "d", ["r"])["r"]),
            [tuple(row) for row in tasks],
            session.scalar(select(func.count()).select_from(t.event).where(t.event.c.kind == "clear")),
            session.scalar(select(func.count()).select_from(DagVersion)),
        )

    return world.host.unit.run(work)


@pytest.mark.parametrize("build", [1, 3])
@pytest.mark.parametrize("wish", NOTHING_FITS, ids=str)
def test_nothing_to_clear_changes_nothing(world: Prebuilt, wish: dict[str, Any], build: int) -> None:
    before = stands(world)
    for plan in (True, False):
        (cleared,) = asked.clear(world.host, "d", ["r"], actor="ada", build=build, plan=plan, **wish)
        assert (cleared.changed, cleared.cleared, cleared.build, cleared.release) == (False, 0, 2, 2)
        assert stands(world) == before
    seen = clear_preview.preview(world.host, "d", "r", actor="ada", build=build, **wish)
    assert seen.refusal == clear_preview.NOTHING


def test_the_command_and_the_rest_api_say_that_nothing_was_cleared(
    world: Prebuilt, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stands(world)
    arguments = ["clear", "d", "r", "--build", "1", "--only-failed"]
    for more in ([], ["--plan"]):
        capsys.readouterr()
        assert main([*arguments, *more]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "Nothing to clear in d run r: no task instance fits. The run stays as it is." in said
    capsys.readouterr()
    assert main([*arguments, "-o", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    answer = (
        Api(world.host).as_("d").post(f"{API}/dags/d/runs/r/clear", json={"build": 1, "only_failed": True})
    )
    assert answer.status_code == 200
    assert told == answer.json()
    assert (told["changed"], told["cleared"], told["build"], told["release"]) == (False, 0, 2, 2)
    assert stands(world) == before


def test_a_clear_without_a_build_that_finds_nothing_leaves_no_event(world: Prebuilt) -> None:
    before = stands(world)
    (cleared,) = asked.clear(world.host, "d", ["r"], actor="ada", only_failed=True)
    assert (cleared.changed, cleared.build) == (False, 2)
    assert stands(world) == before


def test_of_several_runs_those_with_failures_are_cleared(world: Prebuilt) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="bad", build=2)
    start_run("d", "bad")
    finish_run("d", "bad", "failed")
    cleared = asked.clear(world.host, "d", ["r", "bad"], actor="ada", build=1, only_failed=True)
    assert [(one.run_id, one.changed, one.cleared, one.build) for one in cleared] == [
        ("r", False, 0, 2),
        ("bad", True, 1, 1),
    ]
    (event,) = world.host.unit.run(lambda s: events.of_kind(s, "d", EventKind.CLEAR))
    assert event.details["run_id"] == "bad"


def test_a_whole_run_is_cleared_on_a_build_that_has_none_of_its_tasks(world: Prebuilt) -> None:
    (cleared,) = asked.clear(world.host, "d", ["r"], actor="ada", build=3)
    assert (cleared.changed, cleared.build) == (True, 3)
    (row, bound, tasks, *_) = stands(world)
    assert row[:2] == ("queued", 1)
    assert [one.seq for one in bound] == [0, 1]
    assert {(task, state) for task, state, _ in tasks} == {
        ("only", "removed"),
        ("first", None),
        ("second", None),
    }


@pytest.mark.parametrize("plan", [True, False])
def test_nobody_is_warned_of_tasks_that_the_other_build_does_not_have(
    world: Prebuilt, capfd: pytest.CaptureFixture[str], plan: bool
) -> None:
    """Airflow warns where it finds such a task itself, in a plan too."""
    capfd.readouterr()
    (told,) = asked.clear(world.host, "d", ["r"], actor="ada", build=3, plan=plan)
    assert told.changed
    assert "Failed to get task" not in "".join(capfd.readouterr())
    assert ("removed" in str(stands(world))) == (not plan)


def test_a_repeat_of_a_clear_that_found_nothing_gets_the_same_answer(world: Prebuilt) -> None:
    wish: dict[str, Any] = {"actor": "ada", "build": 1, "only_failed": True, "request_id": "again"}
    first = asked.clear(world.host, "d", ["r"], **wish)
    assert asked.clear(world.host, "d", ["r"], **wish) == first
    assert not first[0].changed


def test_the_tasks_of_the_build_are_read_once_however_many_runs_are_cleared(
    world: Prebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.trigger(world.host, "d", actor="ada", run_id="s")
    start_run("d", "s")
    finish_run("d", "s", "failed")
    read, looked_up = builds.serialized, []
    monkeypatch.setattr(clear.builds, "serialized", lambda s, ids: looked_up.append(ids) or read(s, ids))
    cleared = asked.clear(world.host, "d", ["r", "s"], actor="ada", build=1, only_failed=True)
    assert [run.changed for run in cleared] == [False, True]
    assert len(looked_up) == 1


def test_a_clear_takes_all_tasks_that_its_preview_names(
    world: Prebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = Api(world.host).as_("d")
    many = [f"task_{number}" for number in range(1100)]
    url = f"{API}/dags/d/runs/r/clear"
    previewed = http.post(f"{url}/preview", json={"task_ids": ["only", *many]})
    assert (previewed.status_code, previewed.json()["tasks"]) == (200, ["only"])
    assert http.post(url, json={"task_ids": ["only", *many], "plan": True}).json()["cleared"] == 1
    # With the tasks after them there may be more than can be given to the clear: the preview says so.
    monkeypatch.setattr(request, "MOST_TASKS", 0)
    seen = clear_preview.preview(world.host, "d", "r", actor="ada", task_ids=["only"])
    assert seen.refusal is not None and "1 tasks are named" in seen.refusal
    assert clear_preview.preview(world.host, "d", "r", actor="ada").refusal is None
