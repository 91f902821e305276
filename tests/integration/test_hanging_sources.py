"""A source that takes the connection and says nothing holds up nobody but its own bundle.

The real loop over a bundle at fault and an innocent one. In the tests a fetch counts as late at once: what
is asserted is what happens then, not after how long.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from integration.silent_server import SilentServer, silent_server
from pinwheel.airflow3.host import airflow_host
from pinwheel.airflow3.processor import head
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres: Any) -> Iterator[Any]:
    made = postgres.create()
    yield made
    made.drop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SilentServer]:
    with silent_server(tmp_path) as serving:
        yield serving


@pytest.fixture
def innocent(tmp_path: Path) -> GitRepo:
    repo = GitRepo(tmp_path / "innocent")
    repo.commit(dags.dag("innocent"))
    return repo


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "TELL_AFTER", 0.0)
    monkeypatch.setattr(head, "WAIT", 1.0)


def push_next_door(loop: Loop, innocent: GitRepo, mark: str) -> None:
    sha = innocent.commit(dags.dag("innocent", mark))
    loop.turn_until(lambda: loop.released_from("innocent") == sha, what="the release of the other bundle")


def shown(monkeypatch: pytest.MonkeyPatch, *command: str) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(context, "make_backend", lambda args: LocalBackend(airflow_host(), actor="ada"))
        patch.setattr(sys, "stdout", out := io.StringIO())
        assert main.main(list(command)) == 0
    return " ".join(out.getvalue().split())


@pytest.mark.slow
def test_a_submodule_whose_server_says_nothing_keeps_no_other_push_waiting(
    database: Any,
    server: SilentServer,
    innocent: GitRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    soon: None,
) -> None:
    library, repo = GitRepo(tmp_path / "library"), GitRepo(tmp_path / "repo")
    pinned = library.commit({"lib.py": "X = 1\n"})
    first = repo.commit(dags.dag("outer"))
    entries = [
        bundles.git("outer", repo.url, submodules=True, refresh_interval=0),
        bundles.git("innocent", innocent.url, refresh_interval=0),
    ]
    with processor_loop(database, monkeypatch, tmp_path / "airflow", *entries) as loop:
        loop.turn_until(lambda: loop.released_from("outer") == first)
        url = server.url("library/server.git")
        repo.work.joinpath(".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n')
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{pinned},lib")
        repo.git("add", ".gitmodules")
        repo.git("commit", "--quiet", "-m", "Add a submodule")
        repo.push()
        sha = repo.head()
        loop.turn_until(server.asked.is_set, what="that the submodule is fetched")
        push_next_door(loop, innocent, "m2")
        reason = loop.turn_until(lambda: loop.faults("outer").get(("outer", "refresh")), what="the fault")
        assert f"fetching the submodule 'lib' ({url}) has taken" in reason
        assert "so far" in reason and "The version in use stays" in reason
        assert "Bundle outer: failing since" in (said := shown(monkeypatch, "bundles"))
        assert f"fetching the submodule 'lib' ({url})" in said
        push_next_door(loop, innocent, "m3")
        assert loop.released_from("outer") == first
        assert len([e for e in loop.events("fault") if e["bundle_name"] == "outer"]) == 1
        server.answer()
        loop.turn_until(lambda: loop.settled("outer", sha), what="that the version is taken")
        assert loop.faults("outer") == {}


@pytest.mark.slow
def test_a_git_server_that_says_nothing_is_asked_once_and_its_version_is_taken_when_it_answers(
    database: Any,
    server: SilentServer,
    innocent: GitRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    soon: None,
) -> None:
    repo = GitRepo(tmp_path / "repo")
    first = repo.commit(dags.dag("far"))
    entries = [
        bundles.git("far", server.url("repo/server.git"), refresh_interval=0),
        bundles.git("innocent", innocent.url, refresh_interval=0),
    ]
    with processor_loop(database, monkeypatch, tmp_path / "airflow", *entries) as loop:
        push_next_door(loop, innocent, "m2")
        assert "git://" in loop.turn_until(lambda: loop.faults("far").get(("far", "refresh")))
        push_next_door(loop, innocent, "m3")
        assert server.connections == 1
        server.answer()
        loop.turn_until(lambda: loop.released_from("far") == first, what="the first version")
        assert loop.faults("far") == {}
        # Silent once more: the good version stays, also where the processor is started anew
        server.fall_silent()
        loop.turn_until(server.asked.is_set, what="that it is asked again")
        push_next_door(loop, innocent, "m4")
        assert loop.head("far") == first
    server.answer()
    server.fall_silent()
    second = repo.commit(dags.dag("far", "m2"))
    with processor_loop(database, monkeypatch, tmp_path / "airflow", *entries) as loop:
        loop.turn_until(lambda: "far" in loop.manager.heads, what="that the last good version is shown")
        assert loop.manager.heads["far"].version == first
        push_next_door(loop, innocent, "m5")
        server.answer()
        loop.turn_until(lambda: loop.released_from("far") == second, what="the second version")


@pytest.mark.slow
def test_a_slow_fetch_is_no_fault_until_it_is_late(
    database: Any, server: SilentServer, innocent: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = GitRepo(tmp_path / "repo")
    first = repo.commit(dags.dag("far"))
    monkeypatch.setattr(head, "TELL_AFTER", float("inf"))
    entries = [
        bundles.git("far", server.url("repo/server.git"), refresh_interval=0),
        bundles.git("innocent", innocent.url, refresh_interval=0),
    ]
    server.answer()
    with processor_loop(database, monkeypatch, tmp_path / "airflow", *entries) as loop:
        loop.turn_until(lambda: loop.released_from("far") == first)
        server.fall_silent()
        loop.turn_until(server.asked.is_set)
        push_next_door(loop, innocent, "m2")
        assert loop.faults() == {}
        second = repo.commit(dags.dag("far", "m2"))
        server.answer()
        loop.turn_until(lambda: loop.released_from("far") == second)
        # The fetch that was hung up on is one that failed
        assert loop.faults() == {}


@pytest.mark.slow
def test_a_shared_mirror_that_says_nothing_keeps_no_push_waiting(
    database: Any, server: SilentServer, innocent: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = GitRepo(tmp_path / "repo")
    first = repo.commit(dags.dag("kept"))
    entries = [
        bundles.git("kept", repo.url, mirror_url=server.url("mirror.git"), refresh_interval=0),
        bundles.git("innocent", innocent.url, refresh_interval=0),
    ]
    with processor_loop(database, monkeypatch, tmp_path / "airflow", *entries) as loop:
        loop.turn_until(lambda: loop.released_from("kept") == first)
        loop.turn_until(server.asked.is_set, turns=90, what="that a version is pushed to the mirror")
        push_next_door(loop, innocent, "m2")
        second = repo.commit(dags.dag("kept", "m2"))
        loop.turn_until(lambda: loop.released_from("kept") == second)
