"""A push that changes only what tasks read when they run is what the next run executes.

Real commits, parses and versions on disk, under the processor's loop in this process; a run is made by
Airflow's own function, and what a worker would execute for it is executed here: the Dag's file in the run's
version.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundles
from harness.gitrepo import GitRepo
from harness.inprocess import stock_run
from harness.loop import Loop, own_loop

pytestmark = pytest.mark.postgres

HEAD = """
import datetime
import glob
import importlib
import importlib.resources
import subprocess
import sys
from pathlib import Path

from airflow.sdk import DAG, task

HERE = Path(__file__).resolve().parent

def read():
    {read}

with DAG({dag_id!r}, schedule="@daily", start_date=datetime.datetime(2024, 1, 1), catchup=False):
    @task
    def t():
        print(read())
    t()
"""

WAYS: dict[str, tuple[str, str]] = {
    "a_name_that_is_computed": (
        "return (HERE / ('s' + 'ql') / ('orders' + '.sql')).read_text()",
        "sql/orders.sql",
    ),
    "a_name_without_extension": ("return (HERE / ('set' + 'tings')).read_text()", "settings"),
    "all_files_of_a_folder": (
        "return ''.join(Path(name).read_text() for name in glob.glob(str(HERE / ('ru' + 'les') / '*.yaml')))",
        "rules/all.yaml",
    ),
    "a_folder_given_to_a_program": (
        "return subprocess.check_output('cat *', cwd=HERE / ('pro' + 'ject'), shell=True, text=True)",
        "project/model.sql",
    ),
    "a_module_imported_by_name": (
        "sys.path.insert(0, str(HERE))\n    sys.modules.pop('steps_' + 'load', None)\n"
        "    return importlib.import_module('steps_' + 'load').MARK",
        "steps_load.py",
    ),
    "a_resource_of_a_package": (
        "sys.path.insert(0, str(HERE))\n    sys.modules.pop('package', None)\n"
        "    return importlib.resources.files('pack' + 'age').joinpath('d' + 'ata').read_text()",
        "package/data",
    ),
}
"""By Dag: what its task does when it runs, and the file that only that sees."""
OUTSIDE = "beside_the_folder_of_the_bundle"
IN_FOLDER = "in_a_folder"


def text(dag_id: str, read: str) -> str:
    return HEAD.format(dag_id=dag_id, read=read)


def content(path: str, mark: str) -> str:
    return f"MARK = {mark!r}\n" if path.endswith(".py") else mark


class Deployment:
    """A git bundle, one of a folder in its repository, and a folder, under one processor."""

    def __init__(self, loop: Loop, repos: dict[str, GitRepo], folder: Path) -> None:
        self.loop, self.repos, self.folder, self.runs = loop, repos, folder, 0

    def push(self, bundle: str, files: dict[str, str | None]) -> str:
        sha = self.repos[bundle].commit(files)
        self.loop.turn_until(lambda: self.loop.settled(bundle, sha), what=f"settling {bundle}")
        return sha

    def write(self, path: str, mark: str) -> None:
        file = self.folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(mark)

    def executed(self, dag_id: str) -> tuple[str, str]:
        """The version of the next run, and what its task reads."""
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        self.runs += 1
        version = stock_run(dag_id, f"run-{self.runs}")
        assert version is not None
        (row,) = self.loop.rows(
            "SELECT bundle_name, relative_fileloc FROM dag WHERE dag_id = :dag_id", dag_id=dag_id
        )
        bundle = DagBundlesManager().get_bundle(row["bundle_name"], version=version)
        bundle.initialize()
        return version, str(runpy.run_path(str(bundle.path / row["relative_fileloc"]))["read"]())

    def counts(self) -> list[int]:
        tables = ("pinwheel_build", "pinwheel_release", "pinwheel_parse", "pinwheel_stand", "dag_version")
        return [self.loop.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]


@pytest.fixture(autouse=True)
def what_tasks_import_goes_again() -> Iterator[None]:
    """They run in this process, and other tests have modules of these names too."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    for name in ("package", "steps_load"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def deployment(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    root = tmp_path_factory.mktemp("effect")
    repos = {name: GitRepo(root / name) for name in ("all", "part")}
    files = {f"{dag_id}.py": text(dag_id, read) for dag_id, (read, _) in WAYS.items()}
    files |= {path: content(path, "one") for _, path in WAYS.values()}
    files |= {"package/__init__.py": "", ".airflowignore": "steps_load.py\npackage/\n"}
    repos["all"].commit(files)
    outside = text(OUTSIDE, "return (HERE.parent / 'include' / ('q' + '.sql')).read_text()")
    repos["part"].commit({f"dags/{OUTSIDE}.py": outside, "include/q.sql": "one"})
    folder = root / "folder"
    folder.mkdir()
    (folder / f"{IN_FOLDER}.py").write_text(
        text(IN_FOLDER, "return (HERE / ('s' + 'ql') / ('q' + '.sql')).read_text()")
    )
    (folder / "sql").mkdir()
    (folder / "sql" / "q.sql").write_text("one")
    with own_loop(
        postgres,
        root,
        bundles.git("all", repos["all"].url, refresh_interval=0),
        bundles.git("part", repos["part"].url, refresh_interval=0, subdir="dags"),
        bundles.folder("folder", folder, refresh_interval=0),
    ) as loop:
        there = {*WAYS, OUTSIDE, IN_FOLDER}
        loop.turn_until(lambda: {row["dag_id"] for row in loop.rows("SELECT dag_id FROM dag")} == there)
        yield Deployment(loop, repos, folder)


@pytest.mark.acceptance("pushes", 1)
def test_a_file_that_only_a_task_reads_is_that_of_the_newest_commit_in_the_next_run(
    deployment: Deployment,
) -> None:
    assert {dag_id: deployment.executed(dag_id)[1] for dag_id in WAYS} == dict.fromkeys(WAYS, "one")
    before = deployment.counts()
    sha = deployment.push("all", {path: content(path, "two") for _, path in WAYS.values()})
    assert {dag_id: deployment.executed(dag_id) for dag_id in WAYS} == dict.fromkeys(WAYS, (sha, "two"))
    assert deployment.counts() == before, "no build, release, parse or version row"


def test_a_file_beside_the_folder_that_holds_the_dags_is_that_of_the_newest_commit(
    deployment: Deployment,
) -> None:
    assert deployment.executed(OUTSIDE)[1] == "one"
    sha = deployment.push("part", {"include/q.sql": "two"})
    assert deployment.executed(OUTSIDE) == (sha, "two")


def test_a_folder_bundle_follows_too(deployment: Deployment) -> None:
    first = deployment.executed(IN_FOLDER)
    assert first[1] == "one"
    deployment.write("sql/q.sql", "two")
    deployment.loop.turn_until(lambda: deployment.loop.head("folder") != first[0])
    assert deployment.executed(IN_FOLDER)[1] == "two"


@pytest.mark.acceptance("pushes", 5)
def test_a_push_that_brings_the_content_of_the_first_build_back_does_not_bring_its_commit_back(
    deployment: Deployment,
) -> None:
    dag_id = "a_name_that_is_computed"
    first = WAYS[dag_id][0]
    deployment.push("all", {f"{dag_id}.py": text(dag_id, f"{first} + ' changed'"), "sql/orders.sql": "three"})
    assert deployment.executed(dag_id)[1] == "three changed"
    last = deployment.push("all", {f"{dag_id}.py": text(dag_id, first)})
    assert deployment.executed(dag_id) == (last, "three"), "not the file of the first commit"
    assert deployment.executed("a_name_without_extension")[0] == last
