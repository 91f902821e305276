"""Runs of a build from before its file moved, where the Dag had no runs while it moved.

The earlier versions were stored without an alias then, and Airflow looks for the file of every run where the
active release has it. Real commits, parses and versions on disk, under the processor's loop in this process.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import asked, bundles
from harness.asked import clear, trigger
from harness.gitrepo import GitRepo
from harness.loop import Loop, own_loop
from harness.prebuilt import finish_run
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.change import apply

pytestmark = pytest.mark.postgres


def text(dag_id: str, mark: str) -> str:
    return (
        "import datetime\nfrom airflow.sdk import DAG, task\n\n"
        f"MARK = {dag_id + ' ' + mark!r}\n"
        f"with DAG({dag_id!r}, schedule='@daily', start_date=datetime.datetime(2024, 1, 1), catchup=False):\n"
        "    @task\n    def t():\n        print(MARK)\n    t()\n"
    )


MOVES: dict[str, tuple[str, str]] = {
    "into_a_folder": ("{}.py", "deep/er/{}_new.py"),
    "out_of_a_folder": ("deep/{}.py", "{}.py"),
    "to_another_bundle": ("{}.py", "from_one/{}.py"),
    "in_a_folder_bundle": ("{}.py", "deep/{}.py"),
}


class Place:
    """Two repositories, a folder and Airflow's own git bundle, under one processor."""

    def __init__(self, loop: Loop, repos: dict[str, GitRepo], folder: Path) -> None:
        self.loop, self.repos, self.folder = loop, repos, folder
        self.host = loop.manager.host

    def push(self, bundle: str, files: dict[str, str | None]) -> None:
        """Push, and wait until it is taken in."""
        if bundle == "folder":
            for name, content in files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    path.unlink()
                else:
                    path.write_text(content)
            return
        sha = self.repos[bundle].commit(files)
        self.loop.turn_until(lambda: self.loop.settled(bundle, sha), turns=60, what=f"settling {bundle}")

    def wait(self, **builds: int) -> None:
        """Wait until these builds are the active ones."""
        self.loop.turn_until(
            lambda: builds.items() <= self.active().items(), turns=60, what=f"the release of {builds}"
        )

    def active(self) -> dict[str, int]:
        rows = self.loop.rows(
            "SELECT d.dag_id, b.build FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
        )
        return {row["dag_id"]: row["build"] for row in rows}

    def run(self, dag_id: str, build: int | None) -> str:
        """Start a run, and say what a worker executes for it."""
        return self.executed(dag_id, trigger(self.host, dag_id, build=build, actor="ada").run_id)

    def executed(self, dag_id: str, run_id: str) -> str:
        """What a worker executes for a run: the Dag row's file in the run's version of the row's bundle."""
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        (row,) = self.loop.rows(
            "SELECT d.bundle_name, d.relative_fileloc, r.bundle_version, v.bundle_version AS of_row"
            " FROM dag d JOIN dag_run r ON r.dag_id = d.dag_id"
            " JOIN dag_version v ON v.id = r.created_dag_version_id"
            " WHERE d.dag_id = :dag_id AND r.run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        # Callbacks that the scheduler asks for take the version from this row.
        assert row["of_row"] == row["bundle_version"]
        bundle = DagBundlesManager().get_bundle(row["bundle_name"], version=row["bundle_version"])
        bundle.initialize()
        return str(runpy.run_path(str(bundle.path / row["relative_fileloc"]))["MARK"])


@pytest.fixture(scope="module")
def place(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Each Dag of a test was released twice, the second time in another file, and never ran."""
    root = tmp_path_factory.mktemp("moves")
    repos = {name: GitRepo(root / name) for name in ("one", "two", "stock")}
    for repo in repos.values():
        repo.commit({"README": "read me"})
    (root / "folder").mkdir()
    before: dict[str, dict[str, str | None]] = {"one": {}, "two": {}, "folder": {}, "stock": {}}
    after: dict[str, dict[str, str | None]] = {"two": {}, "one": {}, "folder": {}, "stock": {}}
    ids = [f"{how}__{start.__name__}" for how, start in CASES] + ["back", "of_stock"]
    for dag_id in ids:
        how = dag_id.partition("__")[0]
        old, new = (path.format(dag_id) for path in MOVES.get(how, MOVES["into_a_folder"]))
        bundle = {"in_a_folder_bundle": "folder", "of_stock": "stock"}.get(how, "one")
        before[bundle][old] = text(dag_id, "m1")
        after[bundle][old] = None
        after["two" if how == "to_another_bundle" else bundle][new] = text(dag_id, "m2")
    before["one"] |= {"t1.py": text("twice", "m1"), "tried.py": text("tried", "m1")}
    before["one"] |= {"left.py": text("swap_a", "m1"), "right.py": text("swap_b", "m1")}
    after["one"] |= {"t1.py": None, "x/t2.py": text("twice", "m2"), "tried.py": text("tried", "m2")}
    after["one"] |= {"left.py": text("swap_b", "m2"), "right.py": text("swap_a", "m2")}
    with own_loop(
        postgres,
        root,
        bundles.git("one", repos["one"].url, refresh_interval=0),
        bundles.git("two", repos["two"].url, refresh_interval=0),
        bundles.folder("folder", root / "folder", refresh_interval=0),
        bundles.stock_git("stock", repos["stock"].url, refresh_interval=0),
    ) as loop:
        place = Place(loop, repos, root / "folder")
        ids += ["twice", "swap_a", "swap_b"]
        for name, files in before.items():
            if files:
                place.push(name, files)
        place.wait(**dict.fromkeys([*ids, "tried"], 1))
        apply(place.host, asked.change(verb=Verb.PIN, dag_ids=["tried"], actor="ada"))
        for name, files in after.items():
            place.push(name, files)
        place.wait(**dict.fromkeys(ids, 2))
        yield place


def triggered(place: Place, dag_id: str) -> list[str]:
    """The second finds the version as the first left it."""
    first = trigger(place.host, dag_id, build=1, actor="ada").run_id
    return [first, trigger(place.host, dag_id, build=1, actor="ada").run_id]


def cleared(place: Place, dag_id: str) -> list[str]:
    run = trigger(place.host, dag_id, actor="ada").run_id
    assert place.executed(dag_id, run) == f"{dag_id} m2"
    finish_run(dag_id, run)
    clear(place.host, dag_id, [run], build=1, actor="ada")
    return [run]


def cleared_there_and_back(place: Place, dag_id: str) -> list[str]:
    run = triggered(place, dag_id)[0]
    finish_run(dag_id, run)
    clear(place.host, dag_id, [run], build=2, actor="ada")
    assert place.executed(dag_id, run) == f"{dag_id} m2"
    finish_run(dag_id, run)
    clear(place.host, dag_id, [run], build=1, actor="ada")
    finish_run(dag_id, run)
    clear(place.host, dag_id, [run], actor="ada")
    return [run]


def backfilled(place: Place, dag_id: str) -> list[str]:
    """Both a date without a run and one whose run used the active build."""
    day = datetime(2024, 3, 1, tzinfo=UTC)
    earlier = trigger(place.host, dag_id, logical_date=day, actor="ada").run_id
    finish_run(dag_id, earlier)
    made = asked.backfill(
        place.host,
        dag_id,
        from_date=day,
        to_date=day + timedelta(days=1),
        max_active_runs=5,
        reprocess_behavior="completed",
        build=1,
    )
    assert sorted(run.outcome for run in made.runs) == ["cleared", "new"]
    return [str(run.run_id) for run in made.runs]


CASES: list[tuple[str, Callable[[Place, str], list[str]]]] = [
    ("into_a_folder", triggered),
    ("into_a_folder", cleared),
    ("out_of_a_folder", backfilled),
    ("out_of_a_folder", cleared_there_and_back),
    ("to_another_bundle", triggered),
    ("in_a_folder_bundle", triggered),
    ("in_a_folder_bundle", cleared),
]


@pytest.mark.parametrize(("how", "start"), CASES)
def test_a_run_of_a_build_from_before_its_file_moved_finds_the_file(
    place: Place, how: str, start: Callable[[Place, str], list[str]]
) -> None:
    dag_id = f"{how}__{start.__name__}"
    for run in start(place, dag_id):
        assert place.executed(dag_id, run) == f"{dag_id} m1"


def test_a_rollback_across_a_move_without_runs_runs_both_builds(place: Place) -> None:
    back = asked.change(verb=Verb.ROLLBACK, dag_ids=["back"], build=1, actor="ada", to_blame=False)
    apply(place.host, back)
    assert place.active()["back"] == 1
    assert [place.run("back", build) for build in (None, 2, 1)] == ["back m1", "back m2", "back m1"]
    apply(place.host, asked.change(verb=Verb.PROMOTE, dag_ids=["back"], build=2, actor="ada"))
    assert [place.run("back", build) for build in (None, 1, 2)] == ["back m2", "back m1", "back m2"]


def test_two_dags_that_swapped_their_files_run_the_builds_from_before(place: Place) -> None:
    for dag_id in ("swap_a", "swap_b"):
        assert [place.run(dag_id, build) for build in (1, 2)] == [f"{dag_id} m1", f"{dag_id} m2"]


def test_a_bundle_class_that_serves_no_moved_files_refuses_such_a_run_with_the_way_out(place: Place) -> None:
    dag_id = "of_stock"
    with pytest.raises(Refused, match=r"'of_stock.py'.*of_stock_new.py'.*pinwheel rollback of_stock"):
        place.run(dag_id, 1)
    assert place.run(dag_id, 2) == f"{dag_id} m2"
    apply(place.host, asked.change(verb=Verb.ROLLBACK, dag_ids=[dag_id], build=1, actor="ada"))
    # Airflow's class knows no aliases: the release goes where its file is, as in stock Airflow.
    assert place.run(dag_id, None) == f"{dag_id} m1"


def test_builds_from_before_several_moves_and_trials_find_their_files(place: Place) -> None:
    assert place.run("tried", 2) == "tried m2"  # never released: pinned at build 1
    _delete_runs(place, "tried")
    place.push(
        "one",
        {
            "x/t2.py": None,
            "t3.py": text("twice", "m3"),
            "tried.py": None,
            "moved/tried.py": text("tried", "m3"),
        },
    )
    apply(place.host, asked.change(verb=Verb.UNPIN, dag_ids=["tried"], actor="ada"))
    place.wait(twice=3, tried=3)
    assert [place.run("tried", build) for build in (2, 1, 3)] == ["tried m2", "tried m1", "tried m3"]
    assert [place.run("twice", build) for build in (1, 2, 3)] == ["twice m1", "twice m2", "twice m3"]
    # Once the runs are gone, the next move leaves their versions' aliases behind.
    _delete_runs(place, "twice")
    place.push("one", {"t3.py": None, "y/t4.py": text("twice", "m4")})
    place.wait(twice=4)
    assert [place.run("twice", build) for build in (3, 1)] == ["twice m3", "twice m1"]
    # From here on the Dag has runs: what is released stays at its place.
    place.push("one", {"y/t4.py": None, "t5.py": text("twice", "m5")})
    place.wait(twice=5)
    assert [place.run("twice", build) for build in (5, 1, 4)] == ["twice m5", "twice m1", "twice m4"]
    assert not place.loop.events("drift")


def _delete_runs(place: Place, dag_id: str) -> None:
    """As a person does in Airflow's pages."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.dag_id == dag_id)):
            session.delete(run)
