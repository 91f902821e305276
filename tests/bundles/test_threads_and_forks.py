"""git in one thread, forked parsers in another: neither keeps what is the other's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from integration.silent_server import SilentServer, silent_server
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.bundles.git_command import Git
from pinwheel.airflow3.bundles.hook_environment import hook_environment
from pinwheel.airflow3.bundles.locks import file_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="parsers are forked where there is a fork")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SilentServer]:
    with silent_server(tmp_path) as serving:
        yield serving


@contextmanager
def forked() -> Iterator[None]:
    """A child that was forked here and lives as long as the body."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    try:
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    finally:
        os.close(write)
        os.waitpid(child, 0)


def in_a_forked_child(work: Any) -> str:
    """What *work* returns there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


def test_a_child_that_is_forked_meanwhile_does_not_hold_a_lock(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock") as held:
        assert held
        child = forked()
        child.__enter__()
    with file_lock(tmp_path / "lock", wait=False) as again:
        assert again
    child.__exit__(None, None, None)


def test_git_sees_the_end_of_its_input_though_a_child_was_forked_meanwhile(repo: Repository) -> None:
    with Git(repo.path / ".git").fed("hash-object", "-w", "--stdin") as write:
        write(b"content")
        child = forked()
        child.__enter__()
    assert repo.git("cat-file", "-p", repo.git("hash-object", "--stdin", stdin=b"content")) == "content"
    child.__exit__(None, None, None)


CONNECTION = '{"conn_type": "git", "host": "https://example.com/r.git", "login": "ada", "password": "geheim"}'


def variables() -> str:
    return str({name: value for name, value in os.environ.items() if name != "AIRFLOW_CONN_SECRET"})


def test_a_forked_parser_does_not_get_a_connections_token(
    storage: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", CONNECTION)
    hook = GitBundle(name="code", tracking_ref="main", git_conn_id="secret").hook
    assert hook is not None and hook.auth_token == "geheim"
    before = dict(os.environ)
    with hook_environment(hook) as environment:
        assert environment["AIRFLOW_GIT_TOKEN"] == "geheim"
        assert "geheim" not in in_a_forked_child(variables)
        assert dict(os.environ) == before
        # And another bundle need not wait
        other = GitBundle(name="other", tracking_ref="main", git_conn_id="secret").hook
        assert other is not None
        with hook_environment(other) as its:
            helper = its["GIT_CONFIG_VALUE_1"]
            assert helper != environment["GIT_CONFIG_VALUE_1"]
    assert dict(os.environ) == before


def test_a_fork_in_the_moment_in_which_the_token_is_set_leaves_it_out(
    storage: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", CONNECTION)
    hook = GitBundle(name="code", tracking_ref="main", git_conn_id="secret").hook
    assert hook is not None
    genuine, seen = type(hook).configure_hook_env, []

    @contextmanager
    def forking(self: Any) -> Iterator[None]:
        with genuine(self):
            assert os.environ["AIRFLOW_GIT_TOKEN"] == "geheim"
            seen.append(in_a_forked_child(variables))
            yield

    monkeypatch.setattr(type(hook), "configure_hook_env", forking)
    with hook_environment(hook):
        pass
    assert len(seen) == 1 and "geheim" not in seen[0] and "PATH" in seen[0]


PROGRAM = """
import sys, threading
from pathlib import Path
from pinwheel.airflow3.bundles.git_command import Git
from pinwheel.airflow3.processor.errands import Errands, Unfinished
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    Errands(wait=0.0).ask("a", lambda: Git(Path(sys.argv[1])).run("ls-remote", sys.argv[2], network={}))
except Unfinished:
    signal.pause()
"""


def test_a_git_that_waits_ends_with_its_process(repo: Repository, server: SilentServer) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(repo.path / ".git"), server.url("x")])
    assert server.asked.wait(120)
    children = psutil.Process(process.pid).children(recursive=True)
    assert [child.name() for child in children][:1] == ["git"]
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive and len(gone) == len(children)


def test_a_thread_does_not_start_git_anew_when_its_process_ends(repo: Repository) -> None:
    program = (
        "import atexit, sys; from pathlib import Path\n"
        "from pinwheel.airflow3.bundles import git_command\n"
        "git = git_command.Git(Path(sys.argv[1]))\n"
        "def late():\n"
        "    try: git.run('version')\n"
        "    except OSError as error: print(error)\n"
    )
    # What was registered first runs last
    code = f"import atexit\natexit.register(lambda: late())\n{program}"
    done = subprocess.run([sys.executable, "-c", code, str(repo.path)], capture_output=True, check=True)
    assert done.stdout == b"this process is ending\n"
