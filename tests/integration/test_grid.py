"""The history's grid and tabs: each cell, run and try says what it ran on, whatever Airflow's rows say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, update

from harness import asked
from harness.asked import clear, trigger
from harness.inprocess import bound_airflow
from harness.life import Life, dag
from harness.seed import Seeder
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.services.history import grid, instances, structures
from pinwheel.services.run import clear_preview
from pinwheel.services.show.builds import build
from pinwheel.services.show.plain import ABSENT
from pinwheel.store import tables as t

GROUPED = """
    from airflow.sdk import DAG, TaskGroup, task

    with DAG("d", schedule=None):
        with TaskGroup("{group}"):
            @task
            def x(): print("{mark}")
            x()
        @task
        def y(): ...
        y()
"""

MAPPED = """
    from airflow.sdk import DAG, task

    with DAG("d", schedule=None):
        @task
        def m(n): ...
        m.expand(n=[1, 2, 3])
"""


@pytest.fixture
def seeder(database_source: Any, tmp_path: Path) -> Iterator[Seeder]:
    database = database_source.create()
    with bound_airflow(database):
        yield Seeder(tmp_path)
    database.drop()


def ran(seeder: Seeder, run_id: str, *task_ids: str, state: str = "success", **arguments: Any) -> Life:
    """A finished run of the active release in which these tasks were executed."""
    trigger(seeder.host, "d", actor="ada", run_id=run_id, **arguments)
    life = Life(seeder, run_id)
    for task_id in task_ids:
        life.execute(task_id, 1, state)
    life.set_run(state)
    return life


def runs(seeder: Seeder, **arguments: Any) -> list[tuple[Any, ...]]:
    page = grid.page(seeder.host, "d", **arguments)
    return [(run.run_id, list(run.versions), run.changed, run.mixed) for run in page.runs]


def _used(cell: grid.CellView) -> Any:
    return cell.version if cell.versions is ABSENT else list(cell.versions)


def cells(seeder: Seeder, run_ids: list[str], task_ids: list[str]) -> list[list[Any]]:
    found = grid.cells(seeder.host, "d", run_ids, task_ids).cells
    return [
        [
            cell
            and (cell.state, cell.tries, cell.version if cell.versions is ABSENT else list(cell.versions))
            for cell in row
        ]
        for row in found
    ]


def test_runs_say_what_they_ran_on_and_where_it_changed(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    ran(seeder, "one", "a", "b")
    ran(seeder, "two", "a", "b")
    seeder.push({"d.py": dag("a", "b", mark="only the body")})
    ran(seeder, "three", "a", "b")
    assert runs(seeder) == [
        ("three", ["r2"], True, False),
        ("two", ["r1"], False, False),
        ("one", ["r1"], False, False),
    ]
    page = grid.page(seeder.host, "d")
    assert page.active == "r2" and page.older is None and page.newer is None
    assert page.versions["r1"].build == 1 and page.versions["r2"].message == "push 2"


def test_pages_lead_to_each_other_and_a_mark_looks_beyond_its_page(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a")})
    for name in ("r-a", "r-b", "r-c"):
        ran(seeder, name, "a")
    seeder.push({"d.py": dag("a", mark="m2")})
    for name in ("r-d", "r-e"):
        ran(seeder, name, "a")
    first = grid.page(seeder.host, "d", limit=2)
    assert [run.run_id for run in first.runs] == ["r-e", "r-d"]
    assert [run.changed for run in first.runs] == [False, True]
    assert (first.older, first.newer) == ("r-c", None)
    second = grid.page(seeder.host, "d", limit=2, until="r-c")
    assert [run.run_id for run in second.runs] == ["r-c", "r-b"]
    assert (second.older, second.newer) == ("r-a", "r-e")
    last = grid.page(seeder.host, "d", limit=2, until="r-a")
    assert (last.older, last.newer) == (None, "r-c")
    with pytest.raises(NotFound, match="Cannot show run nope of d"):
        grid.page(seeder.host, "d", until="nope")
    with pytest.raises(NotFound):
        grid.page(seeder.host, "no_such_dag")


def test_the_cell_of_a_task_that_did_not_exist_is_empty(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "c", mark="m2")})
    ran(seeder, "two", "a", "c")
    assert cells(seeder, ["two", "one", "none"], ["a", "b", "c"]) == [
        [("success", 1, "r2"), None, ("success", 1, "r2")],
        [("success", 1, "r1"), ("success", 1, "r1"), None],
        [None, None, None],
    ]


def test_a_run_that_was_cleared_in_part_is_mixed_down_to_the_cell(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    life = ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    clear(seeder.host, "d", ["one"], actor="ada", build=2, task_ids=["a"])
    assert runs(seeder) == [("one", ["r1", "r2"], False, True)]
    life.execute("a", 2)
    life.set_run("success")
    assert cells(seeder, ["one"], ["a", "b"]) == [[("success", 2, ["r1", "r2"]), ("success", 1, "r1")]]
    found = grid.cells(seeder.host, "d", ["one"], ["a"]).cells[0][0]
    assert found.states == {"r1": "success", "r2": "success"}

    seen = instances.task_instance(seeder.host, "d", "one", "a")
    assert [(t.try_number, t.version, t.bound_by) for t in seen.tries] == [
        (1, "r1", "active"),
        (2, "r2", "hand"),
    ]
    run = instances.run(seeder.host, "d", "one")
    assert [(b.version, b.bound_by, b.actor) for b in run.bindings] == [
        ("r1", "active", "ada"),
        ("r2", "hand", "ada"),
    ]
    assert run.used == ("r1", "r2") and run.mixed and not run.before_pinwheel


def test_a_run_cleared_as_a_whole_before_anything_ran_is_not_mixed(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a")})
    trigger(seeder.host, "d", actor="ada", run_id="one")
    Life(seeder, "one").set_run("failed")
    seeder.push({"d.py": dag("a", mark="m2")})
    clear(seeder.host, "d", ["one"], actor="ada", build=2)
    assert runs(seeder) == [("one", ["r2"], False, False)]


def test_a_task_names_the_tasks_before_it_that_ran_on_another_version(seeder: Seeder) -> None:
    source = dag("a", "b").replace("a()\n", "first = a()\n").replace("b()\n", "first >> b()\n")
    seeder.push({"d.py": source})
    life = ran(seeder, "one", "a", "b")
    seeder.push({"d.py": source.replace("'m'", "'m2'")})
    clear(seeder.host, "d", ["one"], actor="ada", build=2, task_ids=["b"])
    life.execute("b", 2)
    seen = instances.task_instance(seeder.host, "d", "one", "b")
    assert [(other.task_id, other.version) for other in seen.upstream] == [("a", "r1")]
    assert instances.task_instance(seeder.host, "d", "one", "a").upstream == ()


def test_the_result_of_a_removed_task_is_kept(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    life = ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "c", mark="m2")})
    life.stock_clear(latest=True)
    life.execute("a", 2)
    life.execute("c", 1)
    assert cells(seeder, ["one"], ["a", "b", "c"]) == [
        [("success", 2, ["r1", "r2"]), ("success", 1, "r1"), ("success", 1, "r2")]
    ]
    gone = instances.task_instance(seeder.host, "d", "one", "b")
    assert gone.removed and gone.state == "success" and gone.version == "r1"


def test_the_result_of_a_task_that_the_chosen_build_lacks_is_kept(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    life = ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "c", mark="m2")})
    for turn in (2, 3):
        clear(seeder.host, "d", ["one"], actor="ada", build=2, task_ids=["a"])
        life.execute("a", turn)
        life.set_run("success")
    assert cells(seeder, ["one"], ["b"]) == [[("success", 1, "r1")]]
    seen = instances.task_instance(seeder.host, "d", "one", "b")
    assert [(t.try_number, t.state, t.version) for t in seen.tries] == [(1, "success", "r1")]


def test_rows_stand_in_the_order_of_each_version(seeder: Seeder) -> None:
    seeder.push({"d.py": GROUPED.format(group="g1", mark=1)})
    ran(seeder, "one", "g1.x", "y")
    seeder.push({"d.py": GROUPED.format(group="g2", mark=1)})
    ran(seeder, "two", "g2.x", "y")
    seeder.push({"d.py": GROUPED.format(group="g2", mark=2)})
    ran(seeder, "three", "g2.x", "y")
    found = grid.rows(seeder.host, "d", ["r1", "r2", "r3", "r99", "nonsense"])
    assert found.of["r2"] == found.of["r3"] and found.of.keys() == {"r1", "r2", "r3"}
    named = {
        key: [found.rows[place].id for place in found.structures[structure]]
        for key, structure in found.of.items()
    }
    assert named["r1"] == ["g1", "g1.x", "y"] and named["r2"] == ["g2", "g2.x", "y"]


def test_a_digest_tells_that_a_release_was_written_anew_under_the_same_number(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a")})
    ran(seeder, "one", "a")
    unstable: Any = {"inputs": {"d.py": "same"}, "impure": ({"kind": "clock", "detail": "now"},)}
    seeder.push({"d.py": dag("a", "b")}, **unstable)
    before = grid.page(seeder.host, "d")
    assert [row.id for row in grid.rows(seeder.host, "d", ["r2"]).rows] == ["a", "b"]

    seeder.push({"d.py": dag("a", "c")}, **unstable)
    after = grid.page(seeder.host, "d")
    assert (before.active, after.active) == ("r2", "r2")
    assert (before.versions["r2"].build, after.versions["r2"].build) == (2, 2)
    assert [row.id for row in grid.rows(seeder.host, "d", ["r2"]).rows] == ["a", "c"]
    assert after.versions["r2"].digest == build(seeder.host, "d", 2).digest != before.versions["r2"].digest
    assert after.versions["r1"].digest == before.versions["r1"].digest is not None


def test_instances_of_a_mapped_task_and_tasks_of_a_group_are_counted(seeder: Seeder) -> None:
    from airflow.models.taskinstance import TaskInstance

    from pinwheel.airflow3.reads.tries import map_index_of

    seeder.push({"d.py": MAPPED})
    ran(seeder, "one")
    table: Any = TaskInstance.__table__
    for index, state in enumerate(("success", "failed", "success")):
        done = seeder.host.unit.run(
            lambda s, i=index, state=state: (
                s.execute(
                    update(table).where(map_index_of(table) == i).values(state=state, try_number=1)
                ).rowcount
            )
        )
        assert done == 1
    found = grid.cells(seeder.host, "d", ["one"], ["m"], {"all": ["m"], "empty": ["gone"]})
    assert found.cells[0][0].state == "failed"
    assert found.cells[0][0].instances == {"failed": 1, "success": 2}
    assert found.groups[0]["all"].instances == {"failed": 1, "success": 2}
    assert found.groups[0]["empty"] is None
    panel = instances.task_instance(seeder.host, "d", "one", "m")
    assert (panel.map_index, panel.state, panel.total_instances) == (1, "failed", 3), "what failed is opened"
    assert panel.instance_states == {"failed": 1, "success": 2}
    assert [(one.map_index, one.state) for one in panel.instances] == [
        (1, "failed"),
        (0, "success"),
        (2, "success"),
    ]
    assert instances.task_instance(seeder.host, "d", "one", "m", 2).state == "success"
    with pytest.raises(NotFound, match="map index 7"):
        instances.task_instance(seeder.host, "d", "one", "m", 7)


def test_a_group_is_on_several_versions_where_its_tasks_ran_last_on_several(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    life = ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "b", mark="m2")})

    def together() -> Any:
        return grid.cells(seeder.host, "d", ["one"], ["a"], {"all": ["a", "b"], "one": ["a"]}).groups[0]

    clear(seeder.host, "d", ["one"], actor="ada", build=2, task_ids=["a"])
    life.execute("a", 2)
    life.set_run("success")
    assert set(together()["all"].versions) == {"r1", "r2"}
    assert (together()["one"].versions, together()["one"].version) == (ABSENT, "r2"), "its only task has two"
    clear(seeder.host, "d", ["one"], actor="ada", task_ids=["b"])
    life.execute("b", 2)
    assert (together()["all"].versions, together()["all"].version) == (ABSENT, "r2")


def test_a_preview_of_a_clear_has_the_tasks_in_the_order_of_the_dag(seeder: Seeder) -> None:
    chained = """
        from airflow.sdk import DAG, task

        with DAG("d", schedule=None):
            @task
            def z(): ...
            @task
            def b(): ...
            @task
            def a(): ...
            z() >> b() >> a()
    """
    seeder.push({"d.py": chained})
    ran(seeder, "one", "z", "b", "a")
    seen = clear_preview.preview(seeder.host, "d", "one", actor="ada", task_ids=["b"], downstream=True)
    assert seen.tasks == ("b", "a")
    assert [row.task_id for row in seen.task_instances] == ["b", "a"]
    assert seen.command == "pinwheel clear --task-id=b --task-id=a d one"


def test_what_ran_before_pinwheel_is_said_to_be_so_and_never_guessed(seeder: Seeder) -> None:
    from airflow.models.dag_version import DagVersion

    seeder.push({"d.py": dag("a", "b")})
    ran(seeder, "one", "a")
    seeder.push({"d.py": dag("a", mark="m2")})

    def forget(session: Any) -> None:
        session.execute(delete(t.binding))
        session.execute(delete(t.release).where(t.release.c.release == 1))
        session.execute(update(DagVersion).values(bundle_version="f" * 40))

    seeder.host.unit.run(forget)
    page = grid.page(seeder.host, "d")
    assert page.runs[0].versions == ("v1",) and page.runs[0].bound_by is None
    version = page.versions["v1"]
    assert version.kind == "before" and version.airflow_version == 1
    assert (version.build, version.digest, version.bundle_version) == (None, None, None)
    assert instances.run(seeder.host, "d", "one").before_pinwheel
    # Its structure is known all the same, so its cells have rows to stand in.
    assert [row.id for row in grid.rows(seeder.host, "d", ["v1"]).rows] == ["a", "b"]
    assert cells(seeder, ["one"], ["a"]) == [[("success", 1, "v1")]]


def test_a_run_whose_version_is_gone_is_unknown(seeder: Seeder) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    seeder.push({"d.py": dag("a")})
    ran(seeder, "one", "a")
    table: Any = TaskInstance.__table__

    def forget(session: Any) -> None:
        session.execute(delete(t.binding))
        session.execute(update(DagRun).values(created_dag_version_id=None))
        session.execute(update(table).values(dag_version_id=None))

    try:
        seeder.host.unit.run(forget)
    except Exception:
        pytest.skip("this Airflow does not let a task instance be without its version")
    page = grid.page(seeder.host, "d")
    assert page.runs[0].versions == ("unknown",)
    assert page.versions["unknown"].kind == "unknown"


def test_a_trial_run_is_named_after_its_build(seeder: Seeder) -> None:
    from pinwheel.core.release.decide import Verb
    from pinwheel.services import change

    seeder.push({"d.py": dag("a")})
    change.apply(seeder.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
    seeder.push({"d.py": dag("a", "b", mark="m2")})
    ran(seeder, "trial", "a", build=2)
    assert runs(seeder) == [("trial", ["t2"], False, False)]
    assert [row.id for row in grid.rows(seeder.host, "d", ["t2"]).rows] == ["a", "b"]
    assert (
        "task_group"
        in seeder.host.unit.run(lambda s: structures.serialized(seeder.host, s, "d", "t2"))["dag"]
    )


def test_a_preview_says_what_will_run_on_what_and_changes_nothing(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", "c", mark="m2")})
    same = clear_preview.preview(seeder.host, "d", "one", actor="ada")
    assert same.tasks == ("a", "b") and not same.moves and same.warnings == ()
    assert same.runs_on == "release 1 (build 1)"
    whole = clear_preview.preview(seeder.host, "d", "one", actor="ada", build=2)
    assert (whole.tasks, whole.added, whole.dropped) == (("a",), ("c",), ("b",))
    (again,) = whole.task_instances
    assert (again.task_id, again.map_index, again.state, again.from_version) == ("a", -1, "success", "r1")
    assert whole.runs_on == "release 2 (build 2)" and whole.refusal is None
    assert any("New in release 2" in text for text in whole.warnings)
    assert runs(seeder) == [("one", ["r1"], False, False)]


def test_a_preview_refuses_a_removed_task_and_says_why(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a", "b")})
    ran(seeder, "one", "a", "b")
    seeder.push({"d.py": dag("a", mark="m2")})
    seen = clear_preview.preview(seeder.host, "d", "one", actor="ada", build=2, task_ids=["b"])
    (refused,) = seen.refused
    assert (refused.task_id, refused.why) == ("b", "b is not in release 2 (build 2): it would only fail.")
    assert seen.tasks == () and "Nothing to clear" in seen.refusal
    assert clear_preview.preview(seeder.host, "d", "one", actor="ada", task_ids=["b"]).refusal is None


def test_a_preview_warns_when_versions_will_mix(seeder: Seeder) -> None:
    source = dag("a", "b").replace("a()\n", "first = a()\n").replace("b()\n", "first >> b()\n")
    seeder.push({"d.py": source})
    ran(seeder, "one", "a", "b")
    seeder.push({"d.py": source.replace("'m'", "'m2'")})
    alone = clear_preview.preview(seeder.host, "d", "one", actor="ada", build=2, task_ids=["a"])
    assert any("Downstream tasks are not cleared" in text and text.endswith("b.") for text in alone.warnings)
    assert any("Versions will mix" in text for text in alone.warnings)
    both = clear_preview.preview(
        seeder.host, "d", "one", actor="ada", build=2, task_ids=["a"], downstream=True
    )
    assert both.tasks == ("a", "b") and both.warnings == ()


def test_a_preview_of_a_running_run_tells_of_the_refusal(seeder: Seeder) -> None:
    seeder.push({"d.py": dag("a")})
    ran(seeder, "one", "a").set_run("running")
    seeder.push({"d.py": dag("a", mark="m2")})
    assert "it is running" in clear_preview.preview(seeder.host, "d", "one", actor="ada", build=2).refusal
    with pytest.raises(NotFound):
        clear_preview.preview(seeder.host, "d", "nope", actor="ada")
    with pytest.raises(NotFound):
        clear_preview.preview(seeder.host, "d", "one", actor="ada", build=9)


def test_a_page_takes_the_same_number_of_statements_however_many_runs_it_has(seeder: Seeder) -> None:
    from airflow import settings

    seeder.push({"d.py": dag("a", "b")})
    for index in range(12):
        ran(seeder, f"run{index}", "a", "b")

    def statements(limit: int) -> int:
        seen = []
        listener = lambda *_: seen.append(1)  # noqa: E731
        event.listen(settings.engine, "before_cursor_execute", listener)
        try:
            page = grid.page(seeder.host, "d", limit=limit)
            names = [run.run_id for run in page.runs]
            grid.cells(seeder.host, "d", names, ["a", "b"])
        finally:
            event.remove(settings.engine, "before_cursor_execute", listener)
        return len(seen)

    few, many = statements(2), statements(12)
    assert few == many and many < 25


def test_more_than_one_answer_holds_is_refused(seeder: Seeder) -> None:
    with pytest.raises(InvalidInput, match="5001 tasks"):
        grid.cells(seeder.host, "d", ["one"], [f"t{n}" for n in range(5001)])
