"""Ways in which public repositories read files: a push takes effect, and makes a build where it is told."""

from __future__ import annotations

import importlib
import os
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
from integration.ways_of_reading import WAYS

pytestmark = pytest.mark.postgres


class Deployment:
    """A repository with a folder for each way; three pushes were made, and runs after two of them."""

    def __init__(self, loop: Loop, repo: GitRepo) -> None:
        self.loop, self.repo, self.runs = loop, repo, 0
        self.read: dict[str, list[str]] = {dag_id: [] for dag_id in WAYS}
        self.builds: list[dict[str, int]] = []
        self.parses: list[int] = []

    def push(self, files: dict[str, str | bytes | None]) -> None:
        sha = self.repo.commit(files)
        self.loop.turn_until(lambda: self.loop.settled("ways", sha), what="settling", turns=400)
        self.builds.append(
            {
                row["dag_id"]: row["n"]
                for row in self.loop.rows("SELECT dag_id, count(*) AS n FROM pinwheel_build GROUP BY dag_id")
            }
        )
        self.parses.append(self.loop.rows("SELECT count(*) AS n FROM pinwheel_parse")[0]["n"])

    def run_all(self) -> None:
        """What the next run of each Dag reads."""
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        self.runs += 1
        for dag_id in WAYS:
            version = stock_run(dag_id, f"run-{self.runs}")
            assert version is not None
            bundle = DagBundlesManager().get_bundle("ways", version=version)
            bundle.initialize()
            self.read[dag_id].append(_executed(bundle.path, f"dags/{dag_id}/d.py"))


def _executed(root: Path, file: str) -> str:
    """What a worker would read, in this process and without a trace in it."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, os.fspath(root))
    importlib.invalidate_caches()
    try:
        return str(runpy.run_path(str(root / file))["read"]())
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            names = vars(sys.modules[name])
            if str(root) in str(names.get("__file__") or names.get("__path__")):
                del sys.modules[name]


def _all(mark: str) -> dict[str, str | bytes | None]:
    found: dict[str, str | bytes | None] = {}
    for dag_id, way in WAYS.items():
        found |= way.content(f"dags/{dag_id}", mark)
    return found


@pytest.fixture(scope="module")
def deployment(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    root = tmp_path_factory.mktemp("ways")
    repo = GitRepo(root / "repo")
    repo.commit({f"dags/{dag_id}/d.py": way.dag(dag_id) for dag_id, way in WAYS.items()} | _all("one"))
    with own_loop(
        postgres,
        root,
        bundles.git("ways", repo.url, refresh_interval=0),
    ) as loop:
        made = Deployment(loop, repo)
        made.push({"README": "the beginning"})
        made.run_all()
        made.push({f"dags/{dag_id}/notes.rst": "said" for dag_id in WAYS} | {"docs/other.sql": "select 1"})
        made.push(_all("two"))
        made.run_all()
        yield made


@pytest.mark.acceptance("pushes", 24)
def test_a_push_of_what_a_dag_reads_in_whatever_way_takes_effect(deployment: Deployment) -> None:
    read = deployment.read
    assert {dag_id for dag_id, found in read.items() if "one" not in found[0]} == set()
    assert {dag_id for dag_id, found in read.items() if "two" not in found[1] or "one" in found[1]} == set()


@pytest.mark.acceptance("pushes", 24)
def test_it_makes_a_build_where_the_file_tells(deployment: Deployment) -> None:
    _, before, after = deployment.builds
    new = {dag_id for dag_id in WAYS if after[dag_id] > before[dag_id]}
    told = {dag_id for dag_id, way in WAYS.items() if way.told}
    assert len(told) > 60
    assert told - new == set(), "missed"
    assert new - told == set(), "told after all"


@pytest.mark.acceptance("pushes", 25)
def test_files_that_nobody_names_make_none(deployment: Deployment) -> None:
    first, after, _ = deployment.builds
    assert after == first
    assert set(first.values()) == {1}
