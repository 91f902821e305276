"""The Dag processor looks whether a build can run at a version, when somebody asks: its loop, over git."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundles
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from pinwheel.store import builds, keeping, trial_parses
from pinwheel.store.trial_parses import TrialParse

DAG = """
import datetime

from airflow.sdk import DAG, task
{more}

with DAG({dag_id!r}, schedule=None, start_date=datetime.datetime(2024, 1, 1), description={mark!r}):
    @task
    def t(): ...
    t()
"""


class Asking:
    """One git bundle under one processor."""

    def __init__(self, loop: Loop, repo: GitRepo) -> None:
        self.loop, self.repo = loop, repo
        self.host = loop.manager.host

    def push(self, dag_id: str, mark: str, more: str = "") -> str:
        sha = self.repo.commit({f"{dag_id}.py": DAG.format(dag_id=dag_id, mark=mark, more=more)})
        self.loop.turn_until(lambda: self.loop.settled("one", sha), what=f"settling {sha}")
        return sha

    def ask(self, dag_id: str, number: int, version: str) -> TrialParse:
        """What the processor says of a build at a version."""

        def put(session: Any) -> int:
            build = builds.by_number(session, dag_id, number)
            assert build is not None
            trial_parses.ask(session, {(build.id, version)}, now=self.host.unit.now())
            return build.id

        place = self.host.unit.run(put), version

        def answer() -> TrialParse | None:
            found = self.host.unit.run(lambda s: trial_parses.of(s, [place]))[place]
            return found if found.ok is not None else None

        found: TrialParse = self.loop.turn_until(answer, what="an answer")
        return found

    def builds(self) -> list[tuple[str, int]]:
        rows = self.loop.rows("SELECT dag_id, build FROM pinwheel_build ORDER BY dag_id, build")
        return [(row["dag_id"], row["build"]) for row in rows]


@contextlib.contextmanager
def asking(database: Any, root: Path, entry: Any = None) -> Iterator[Asking]:
    repo = GitRepo(root / "one")
    repo.commit({"README.md": "nothing yet"})
    with pytest.MonkeyPatch.context() as patch:
        made = bundles.git("one", repo.url, refresh_interval=0)
        with processor_loop(database, patch, root / "airflow", {**made, **(entry or {})}) as loop:
            yield Asking(loop, repo)


@pytest.fixture
def at(airflow_database: Any, tmp_path: Path) -> Iterator[Asking]:
    with asking(airflow_database, tmp_path) as found:
        yield found


def test_a_build_is_imported_at_its_version_and_nothing_is_registered(at: Asking) -> None:
    first = at.push("a", "one")
    at.push("a", "two")
    before = at.builds()
    found = at.ask("a", 1, first)
    (digest,) = at.loop.rows("SELECT serialized_digest FROM pinwheel_build WHERE dag_id = 'a' AND build = 1")
    assert (found.ok, found.error, found.digest) == (True, None, digest["serialized_digest"])
    assert found.runtime
    here = at.host.unit.run(lambda s: builds.runtimes(s, {found.runtime}))[found.runtime]
    assert any(package.startswith("apache-airflow-core==") for package in here["packages"])
    assert at.builds() == before
    assert at.loop.import_errors("one") == {}
    needed = at.host.unit.run(lambda s: keeping.other_versions(s, "one", since=found.asked_at))
    assert first in needed, "it stays fetchable from then on"


@pytest.mark.acceptance("dates", 16)
def test_a_file_that_can_not_be_imported_any_more_is_told_with_the_error(
    at: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "lib" / "once_installed.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.syspath_prepend(str(module.parent))
    first = at.push("a", "one", "import once_installed")
    at.push("a", "two")
    module.unlink()
    found = at.ask("a", 1, first)
    assert (found.ok, found.problem) == (False, "does-not-import")
    assert found.error == "ModuleNotFoundError: No module named 'once_installed'"
    assert at.loop.import_errors("one") == {}, "of the head nothing is wrong"


@pytest.mark.acceptance("dates", 16)
def test_a_commit_that_is_nowhere_is_told(at: Asking) -> None:
    at.push("a", "one")
    found = at.ask("a", 1, "f" * 40)
    assert (found.ok, found.problem) == (False, "version-not-fetchable")
    assert found.error


@pytest.mark.acceptance("dates", 16)
def test_a_class_that_falls_back_to_its_head_is_told(airflow_database: Any, tmp_path: Path) -> None:
    careless = {"classpath": "harness.careless_bundle.CarelessBundle"}
    with asking(airflow_database, tmp_path, careless) as at:
        first = at.push("a", "one")
        found = at.ask("a", 1, first)
        assert (found.ok, found.problem) == (False, "bundle-ignores-version")
        assert "CarelessBundle took version 0000" in str(found.error)
