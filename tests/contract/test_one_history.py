"""One history, shown by every surface: all of them say the same of each try and of each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from harness import asked
from harness.asked import clear, history, trigger
from harness.inprocess import bound_airflow
from harness.life import Life, dag
from harness.prebuilt import end_run, start_run
from harness.seed import Seeder
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.history import grid, instances
from pinwheel.services.show import fleet
from pinwheel.services.show.line import line
from pinwheel.services.show.plain import ABSENT
from pinwheel.store import tables as t

pytestmark = pytest.mark.postgres

NOTHING = (None, None, None)
"""Neither release nor build nor commit: not known, or before Pinwheel."""


class Story:
    """A Dag with releases 1 and 2 (active), a held build 3, and runs of every kind."""

    def __init__(self, seeder: Seeder) -> None:
        self.seeder = seeder
        self.host = seeder.host
        self.commit: dict[int, str] = {}
        self.truth: dict[tuple[str, str, int], tuple[int | None, int | None, str | None]] = {}
        self.came_to: dict[int, dict[str, str]] = {1: {}, 2: {}, 3: {}}
        """By build and run: how it went there last, or that it runs there."""
        self.push(1, dag("a", "b"))
        self.plain = self.run("plain")
        for name in ("cleared", "twice", "slow_clock", "stock", "old", "unnoted", "whole", "marked"):
            setattr(self, name, self.run(name))
        self.failed_on_1 = self.run("failed_on_1", ended="failed")
        self.failed_on_both = self.run("failed_on_both", ended="failed")
        self.push(2, dag("a", "b", mark="m2"))
        change.apply(self.host, asked.change(verb=Verb.PIN, dag_ids=["d"], actor="ada"))
        self.push(3, dag("a", "b", mark="m3"))
        self.on_2 = self.run("on_2")
        self.failed_on_2 = self.run("failed_on_2", ended="failed")
        self.mended = self.run("mended", ended="failed")
        self.taken_back = self.run("taken_back", ended="failed")
        self.tried = self.run("tried", build=3)
        self._clear()

    def push(self, build: int, source: str) -> None:
        self.commit[build] = self.seeder.push({"d.py": source})

    def run(self, name: str, build: int | None = None, ended: str = "success") -> Life:
        trigger(self.host, "d", actor="ada", run_id=name, build=build)
        start_run("d", name)
        life = Life(self.seeder, name)
        on = build or len(self.commit) - (3 in self.commit)
        self.execute(life, "a", 1, on)
        self.execute(life, "b", 1, on, ended)
        self.end(life, on, ended)
        return life

    def end(self, life: Life, build: int, state: str) -> None:
        end_run("d", life.run_id, state)
        self.came_to[build][life.run_id] = state

    def execute(self, life: Life, task: str, number: int, build: int | None, state: str = "success") -> None:
        life.execute(task, number, state)
        known = NOTHING if build is None else (build if build < 3 else None, build, self.commit[build])
        self.truth[life.run_id, task, number] = known

    def again(self, life: Life, build: int, *task_ids: str) -> None:
        clear(self.host, "d", [life.run_id], actor="ada", build=build, task_ids=task_ids or None)
        start_run("d", life.run_id)
        self.came_to[build][life.run_id] = "running"

    def _clear(self) -> None:
        self.again(self.cleared, 2, "b")
        self.execute(self.cleared, "b", 2, 2)
        self.again(self.twice, 3, "a")
        self.execute(self.twice, "a", 2, 3, "failed")
        self.end(self.twice, 3, "failed")
        self.again(self.twice, 1)
        self.execute(self.twice, "a", 3, 1)
        self.execute(self.twice, "b", 2, 1)
        self.again(self.slow_clock, 2, "a")
        self.execute(self.slow_clock, "a", 2, 2)
        self._behind(self.slow_clock, "a")
        self.stock.stock_clear(latest=True)
        self.execute(self.stock, "a", 2, 2)
        self.execute(self.stock, "b", 2, 2)
        self.came_to[2]["stock"] = "running"
        # Before Pinwheel: no binding, and Airflow moved the run's row on since.
        for table in (t.binding, t.outcome):
            self.host.unit.run(
                lambda s, c=table.c: s.execute(delete(c.run_id.table).where(c.run_id == "old"))
            )
        del self.came_to[1]["old"]
        self.again(self.old, 2, "a")
        self.execute(self.old, "a", 2, 2)
        self.truth["old", "a", 1] = self.truth["old", "b", 1] = (1, 1, None)
        # As versions before this one stored it: without how far the tasks had come.
        self.again(self.unnoted, 2, "a")
        self.execute(self.unnoted, "a", 2, 2)
        self.host.unit.run(
            lambda s: s.execute(update(t.binding).where(t.binding.c.run_id == "unnoted").values(tries=None))
        )
        for key in [key for key in self.truth if key[0] == "unnoted"]:
            self.truth[key] = NOTHING
        self.again(self.whole, 2)
        self.execute(self.whole, "a", 2, 2)
        self.execute(self.whole, "b", 2, 2)
        self.again(self.failed_on_both, 2)
        self.execute(self.failed_on_both, "a", 2, 2)
        self.execute(self.failed_on_both, "b", 2, 2, "failed")
        self.end(self.failed_on_both, 2, "failed")
        self.again(self.mended, 2, "b")
        self.execute(self.mended, "b", 2, 2)
        self.end(self.mended, 2, "success")
        self.again(self.taken_back, 1, "b")
        self.execute(self.taken_back, "b", 2, 1)
        # Airflow points the rows of finished tries elsewhere.
        ids = {r.dag_version_id: r.release for r in self.host.unit.run(self._releases)}
        self.marked.relabel(next(i for i, release in ids.items() if release == 2))

    def _behind(self, life: Life, task: str) -> None:
        """The worker's clock is an hour behind."""
        early = self.host.unit.now() - timedelta(hours=1)
        life.write(task, start_date=early, end_date=early + timedelta(seconds=1))

    @staticmethod
    def _releases(session: Any) -> list[Any]:
        return list(session.execute(t.release.select().order_by(t.release.c.release)))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    database = request.getfixturevalue(request.param).create()
    with bound_airflow(database):
        root: Path = tmp_path_factory.mktemp("one-history")
        yield Story(Seeder(root))
    database.drop()


def described(versions: Any, key: str) -> tuple[int | None, int | None]:
    version = versions[key]
    return version.release, version.build


def test_the_history_says_what_each_try_used(story: Story) -> None:
    shown = {
        (row.run_id, row.task_id, row.try_number): (
            row.release,
            row.build,
            row.bundle_version,
        )
        for row in history(story.host, "d")
    }
    assert shown == story.truth


def test_the_panel_of_a_task_says_the_same_of_each_try(story: Story) -> None:
    for run_id, task_id in sorted({key[:2] for key in story.truth}):
        panel = instances.task_instance(story.host, "d", run_id, task_id)
        shown = {
            (run_id, task_id, one.try_number): (
                *described(panel.versions, one.version),
                one.bundle_version,
            )
            for one in panel.tries
        }
        assert shown == {key: value for key, value in story.truth.items() if key[:2] == (run_id, task_id)}


def test_the_grid_says_the_same_of_each_cell_and_run(story: Story) -> None:
    page = grid.page(story.host, "d")
    run_ids = [run.run_id for run in page.runs]
    found = grid.cells(story.host, "d", run_ids, ["a", "b"])
    for run, cells in zip(page.runs, found.cells, strict=True):
        of_run = {key: value[:2] for key, value in story.truth.items() if key[0] == run.run_id}
        for task_id, cell in zip(("a", "b"), cells, strict=True):
            tries = [of_run[key] for key in sorted(of_run) if key[1] == task_id]
            keys = [cell.version] if cell.versions is ABSENT else cell.versions
            last_use_last = list(dict.fromkeys(reversed(tries)))[::-1]
            assert [described(page.versions, key) for key in keys] == last_use_last, run
        shown = {described(page.versions, key) for key in run.versions}
        assert shown == set(of_run.values()) | {described(page.versions, run.version)}


def test_a_run_is_on_the_same_version_on_every_surface(story: Story) -> None:
    page = grid.page(story.host, "d")
    of_grid = {run.run_id: described(page.versions, run.version) for run in page.runs}
    of_line = {run.run_id: (run.release, run.build) for run in line(story.host, "d").runs if not run.earlier}
    of_panel = {}
    for run_id in of_grid:
        panel = instances.run(story.host, "d", run_id)
        of_panel[run_id] = described(panel.versions, panel.version)
        assert [described(panel.versions, key) for key in panel.used][-1] == of_panel[run_id]
    assert of_grid == of_line == of_panel
    assert of_grid["twice"] == (1, 1) and of_grid["tried"] == (None, 3) and of_grid["stock"] == (2, 2)


def test_what_runs_came_to_is_counted_on_each_version_that_they_used(story: Story) -> None:
    """A run that failed on one version and was run again on another counts on both."""
    shown = line(story.host, "d")
    wanted = {build: Counter(runs.values()) for build, runs in story.came_to.items()}
    assert {release.build: Counter(release.runs) for release in shown.releases} == {
        1: wanted[1],
        2: wanted[2],
    }
    assert {build.build: Counter(build.runs) for build in shown.builds} == wanted


def test_what_a_rollback_would_run_again_is_what_the_line_shows_as_failed_there(story: Story) -> None:
    versions = {row.release: row.dag_version_id for row in story.host.unit.run(story._releases)}
    failed: dict[int | None, set[str]] = {}
    for run in line(story.host, "d").runs:
        if run.state == "failed" and not run.earlier:
            failed.setdefault(run.release, set()).add(run.run_id)
    found = {
        release: set(story.host.unit.run(lambda s, v=version: story.host.reads.failed_runs(s, "d", [v])))
        for release, version in versions.items()
    }
    assert found == failed == {1: {"failed_on_1"}, 2: {"failed_on_2", "failed_on_both"}}
    for release, runs in found.items():
        assert runs == {run_id for run_id, state in story.came_to[release].items() if state == "failed"} - {
            "failed_on_both" if release == 1 else "",
            "taken_back",
        }


def test_the_grid_says_of_a_run_that_was_run_again_what_it_failed_on(story: Story) -> None:
    page = grid.page(story.host, "d")
    failed_on = {run.run_id: [page.versions[key].build for key in run.failed_on] for run in page.runs}
    ended = {run.run_id for run in line(story.host, "d").runs if run.earlier and run.state == "failed"}
    assert {run_id for run_id, builds in failed_on.items() if builds} == ended & failed_on.keys()
    assert {run_id: builds for run_id, builds in failed_on.items() if builds} == {
        "failed_on_both": [1],
        "mended": [2],
        "taken_back": [2],
        "twice": [3],
    }


def test_line_and_fleet_count_the_runs_of_a_release_alike(story: Story) -> None:
    (active,) = [release for release in line(story.host, "d").releases if release.active]
    (card,) = fleet.fleet(story.host, fleet.Wish(), lambda: {"d"}).dags
    assert active.runs and card.runs == active.runs
