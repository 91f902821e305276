"""A real git repository that a test pushes to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada Author",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Author",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class GitRepo:
    """A bare "server" repository, ``url``, and a clone in which commits are made and from which they are
    pushed at once.
    """

    def __init__(self, root: Path, default_branch: str = "main") -> None:
        self.root = root
        self.default_branch = default_branch
        self.bare = root / "server.git"
        self.work = root / "clone"
        root.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(self.bare), cwd=root)
        self._git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=self.bare)
        self._git("init", "--quiet", f"--initial-branch={default_branch}", str(self.work), cwd=root)
        self._git("remote", "add", "origin", str(self.bare))

    @property
    def url(self) -> str:
        """What a bundle's ``repo_url`` is set to."""
        return str(self.bare)

    def commit(
        self,
        files: Mapping[str, str | bytes | None] | None = None,
        message: str = "Change files",
        author: str = "Ada Author <ada@example.org>",
        branch: str | None = None,
        push: bool = True,
    ) -> str:
        """Write (or, with None, delete) files, commit, push; the new commit's full hash. An empty commit
        is allowed.
        """
        if branch is not None:
            self.switch(branch)
        for name, content in (files or {}).items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, f"--author={author}")
        if push:
            self.push()
        return self.head()

    def head(self, ref: str = "HEAD") -> str:
        """The full hash that a ref of the clone names."""
        return self.git("rev-parse", ref)

    def push(self, *, force: bool = False) -> None:
        """Push the clone's current branch."""
        branch = self.git("symbolic-ref", "--short", "HEAD")
        self.git("push", "--quiet", *(["--force"] if force else []), "origin", f"{branch}:{branch}")

    def force_push(
        self, files: Mapping[str, str | bytes | None] | None = None, *, onto: str | None = None, **kwargs: str
    ) -> str:
        """Replace the branch's last commit by another one (``onto``: go back to that commit first), and
        force the push.
        """
        self.git("reset", "--quiet", "--hard", onto or "HEAD~1")
        sha = self.commit(files, push=False, **kwargs)  # type: ignore[arg-type]
        self.push(force=True)
        return sha

    def reset_to(self, sha: str) -> None:
        """Force the branch back (or on) to an existing commit."""
        self.git("reset", "--quiet", "--hard", sha)
        self.push(force=True)

    def revert(self, sha: str = "HEAD") -> str:
        """``git revert`` and push."""
        self.git("revert", "--no-edit", sha)
        self.push()
        return self.head()

    def switch(self, branch: str) -> None:
        """Switch the clone to a branch; create it here when it is new."""
        if self.git("branch", "--list", branch):
            self.git("switch", "--quiet", branch)
        elif self.git("symbolic-ref", "--short", "HEAD") != branch:
            self.git("switch", "--quiet", "--create", branch)

    def branch(self, name: str, start: str | None = None) -> None:
        """Create a branch on the server (at ``start``, else here); the clone stays where it is."""
        self.git("branch", "--force", name, start or "HEAD")
        self.git("push", "--quiet", "--force", "origin", f"{name}:{name}")

    def delete_branch(self, name: str) -> None:
        """Delete a branch on the server and in the clone."""
        self._git("update-ref", "-d", f"refs/heads/{name}", cwd=self.bare)
        if self.git("branch", "--list", name) and self.git("symbolic-ref", "--short", "HEAD") != name:
            self.git("branch", "--quiet", "-D", name)

    def tag(self, name: str, ref: str = "HEAD") -> None:
        """Create (or move) a tag and push it."""
        self.git("tag", "--force", name, ref)
        self.git("push", "--quiet", "--force", "origin", f"refs/tags/{name}")

    def prune(self) -> None:
        """Make unreachable commits vanish from the server for good."""
        self._git("reflog", "expire", "--expire=now", "--all", cwd=self.bare)
        self._git("gc", "--quiet", "--prune=now", cwd=self.bare)

    def make_shallow(self) -> None:
        """Let the server know the newest commit only, as a clone of depth 1."""
        old = self.bare.rename(self.bare.with_suffix(".deep"))
        self._git("clone", "--quiet", "--bare", "--depth=1", old.as_uri(), str(self.bare), cwd=self.root)
        self._git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=self.bare)
        shutil.rmtree(old)

    def hide(self) -> None:
        """Make the server unreachable until ``unhide``."""
        self.bare.rename(self.bare.with_suffix(".hidden"))

    def unhide(self) -> None:
        self.bare.with_suffix(".hidden").rename(self.bare)

    def git(self, *args: str) -> str:
        """Run git in the clone; its output, stripped."""
        return self._git(*args, cwd=self.work)

    def hash_object(self, content: bytes, kind: str = "blob") -> str:
        """Store an object as it is, whatever git would say of it; its id. Nothing is pushed."""
        command = ["git", "hash-object", "--literally", "-t", kind, "-w", "--stdin"]
        done = subprocess.run(
            command, cwd=self.work, input=content, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode().strip()

    def _git(self, *args: str, cwd: Path | None = None) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.work,
            env={**clean, **_ENV},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(args)} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()
