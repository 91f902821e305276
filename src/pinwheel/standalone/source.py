"""Where the Dags come from: a folder or a git repository, as an entry of ``dag_bundle_config_list``."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen

from pinwheel.core.errors import InvalidInput


@frozen(kw_only=True)
class Source:
    """One bundle. Give ``folder``, or ``repo`` with ``ref`` and perhaps ``subdir``."""

    folder: Path | None = None
    repo: str | None = None
    ref: str = "main"
    subdir: str | None = None
    name: str = "dags"

    def check(self) -> None:
        """Find early what would otherwise show only in the processor's log.

        :raises InvalidInput: both or none are given, the folder does not exist, or git can not read the
            repository or its ref.
        """
        if (self.folder is None) == (self.repo is None):
            raise InvalidInput(
                "Cannot start",
                found="neither or both of --dags and --repo are given",
                remedy="Give the folder with --dags PATH, or the git repository with --repo URL",
            )
        if self.folder is not None and not self.folder.is_dir():
            raise InvalidInput(
                f"Cannot read the Dags in {self.folder}",
                found="it is no folder",
                remedy="Give an existing folder with --dags",
            )
        if self.repo is not None:
            self._check_repo(self.repo)

    def _check_repo(self, repo: str) -> None:
        command = ["git", "ls-remote", "--exit-code", "--", _location(repo), self.ref]
        try:
            reply = subprocess.run(
                command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            raise InvalidInput(
                "Cannot read a repository", found="there is no git on PATH", remedy="Install git"
            ) from None
        except subprocess.TimeoutExpired:
            raise InvalidInput(
                f"Cannot read the repository {repo}", found="no answer within 60 s", remedy="Check the URL"
            ) from None
        # `ls-remote` lists branches and tags only; a full commit id is left to the bundle.
        if reply.returncode == 2 and len(self.ref) < 40:
            raise InvalidInput(
                f"Cannot read {self.ref} of {repo}",
                found="the repository has no such branch or tag",
                remedy="Name one with --ref",
            )
        if reply.returncode not in (0, 2):
            raise InvalidInput(
                f"Cannot read the repository {repo}",
                found=_reason(reply.stderr),
                remedy="Try: git ls-remote " + repo,
            )

    def bundle(self) -> dict[str, Any]:
        """The entry for Airflow's ``[dag_processor] dag_bundle_config_list``."""
        if self.folder is not None:
            return {
                "name": self.name,
                "classpath": "pinwheel.bundles.FolderBundle",
                "kwargs": {"path": str(self.folder.resolve())},
            }
        assert self.repo is not None
        kwargs: dict[str, Any] = {"repo_url": _location(self.repo), "tracking_ref": self.ref}
        if self.subdir:
            kwargs["subdir"] = self.subdir
        return {"name": self.name, "classpath": "pinwheel.bundles.GitBundle", "kwargs": kwargs}


def _reason(stderr: str) -> str:
    """What git says went wrong, without the general advice that it adds."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    return (fatal or lines or ["git failed"])[0].rstrip(".")


def _location(repo: str) -> str:
    """A local path made absolute, since the components run in another folder; a URL as it is."""
    return str(Path(repo).resolve()) if Path(repo).is_dir() else repo
