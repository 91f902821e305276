"""Real git repositories, folders and bundle storage below ``tmp_path``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pinwheel.airflow3.bundles.folder import FolderBundle

DAG = """\
from datetime import datetime
from pathlib import Path
from airflow.sdk import DAG, task

with DAG("{dag_id}", schedule=None, start_date=datetime(2024, 1, 1)):

    @task
    def show():
        return {value!r}

    show()

BESIDE = Path(__file__).with_name("beside.txt")
"""

_GIT_ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class Repository:
    """A work tree with a ``main`` branch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        """What git prints."""
        command = ["git", "-C", str(self.path), "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(command, env=_GIT_ENVIRONMENT, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Write files; None removes one."""
        for name, content in files.items():
            path = os.fsencode(self.path) + b"/" + name.encode("utf-8", "surrogateescape")
            if content is None:
                os.unlink(path)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None] | None = None, message: str = "Change") -> str:
        """Write *files* and commit everything; the commit id."""
        self.write(files or {})
        self.git("add", "-A", "--force")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Airflow's bundle storage, for this test only (base.py reads the tracking folder at import)."""
    from airflow.dag_processing.bundles import base

    root = tmp_path / "storage"
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(root))
    monkeypatch.setattr(base, "STALE_BUNDLE_TRACKING_FOLDER", root / "_tracking")
    return root


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with one commit: two files, in two folders."""
    repository = Repository(tmp_path / "repo")
    repository.commit({"dags/a.py": "A = 1\n", "lib/helper.py": "H = 1\n", "README": "read me\n"})
    return repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, in two folders."""
    root = tmp_path / "dags"
    (root / "lib").mkdir(parents=True)
    (root / "a.py").write_text("A = 1\n")
    (root / "lib/helper.py").write_text("H = 1\n")
    return root


@pytest.fixture(name="make")
def make_folder_bundle(
    storage: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., FolderBundle]:
    """Makes bundles of *folder* that wait only shortly for it to rest."""
    from pinwheel.airflow3.bundles.folder import FolderBundle

    monkeypatch.setattr(FolderBundle, "settle_seconds", 0.05)

    def make_bundle(**kwargs: Any) -> FolderBundle:
        return FolderBundle(**{"name": "local", "path": str(folder), **kwargs})

    return make_bundle


@contextmanager
def configured(monkeypatch: pytest.MonkeyPatch, *bundles: tuple[str, str, dict[str, Any]]) -> Iterator[None]:
    """Airflow's configuration with these (name, class, kwargs) bundles."""
    items = [{"name": name, "classpath": path, "kwargs": kwargs} for name, path, kwargs in bundles]
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps(items))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    from airflow.dag_processing.bundles import manager

    # Airflow 3.4 reads the configuration once per process
    clear = getattr(getattr(manager, "_load_bundle_config_snapshot", None), "cache_clear", lambda: None)
    clear()
    try:
        yield
    finally:
        clear()


def files_below(root: Path) -> dict[str, bytes]:
    """Content of every regular file below *root*, links left out."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def start_python(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python process with this one's environment and import path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


_DISK_EVENTS = {
    "open", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.utime", "subprocess.Popen",
}  # fmt: skip


def killed_at(point: int, work: Callable[[], object], *, below: Path) -> bool:
    """Do *work* in a forked process that is killed before its *point*-th change of the disk below *below*.

    False when it came to its end before that.
    """
    child = os.fork()
    if child == 0:
        left = point

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in _DISK_EVENTS and str(below) in repr(arguments):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(watch)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the work failed by itself: {status}"
    return status == signal.SIGKILL
