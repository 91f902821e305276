"""The sample project in git: a bare repository that Airflow follows, and a clone that somebody works in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path

_AUTHOR = {"NAME": "Ada", "EMAIL": "ada@shop.example"}


class SampleRepository:
    """``shop.git`` and its clone ``shop`` below one folder."""

    branch = "main"
    subdir = "dags"

    def __init__(self, folder: Path) -> None:
        # Absolute: git is run in one of them.
        self.origin = folder.resolve() / "shop.git"
        self.clone = folder.resolve() / "shop"

    def create(self) -> str:
        """Make both from the files in the package; the id of the first commit."""
        self.clone.parent.mkdir(parents=True, exist_ok=True)
        with as_file(files("pinwheel.demo") / "project") as project:
            shutil.copytree(project, self.clone, ignore=shutil.ignore_patterns("__pycache__"))
        self._git("init", "--quiet", "--bare", str(self.origin), cwd=self.clone.parent)
        self._git("init", "--quiet")
        # Not `init --initial-branch`: git older than 2.28 does not know it.
        self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}", cwd=self.origin)
        self._git("remote", "add", "origin", str(self.origin))
        return self.push({}, "The shop's pipelines")

    def push(self, changes: Mapping[str, Callable[[str], str]], message: str) -> str:
        """Change files (path to a function of the former text; a new one had none), commit, push; the id."""
        for path, change in changes.items():
            file = self.clone / path
            former = file.read_text() if file.exists() else ""
            changed = change(former)
            if changed == former:
                raise RuntimeError(f"The change to {path} changes nothing")
            file.write_text(changed)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        self._git("push", "--quiet", "origin", self.branch)
        return self.head()

    def head(self) -> str:
        """The id of the newest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def summary(self) -> str:
        """What the last commit changed, as ``git show --stat`` prints it."""
        return self._git("show", "--stat", "--format=%h %an: %s", "HEAD").strip()

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        # The user's own configuration (signing, hooks, templates) has no part in this.
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_{key}": value for key, value in _AUTHOR.items()}
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.clone, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout
