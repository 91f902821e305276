"""One running deployment for many tests, with bundles that tests take and fill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import bundles
from harness.airflow_env import AirflowEnv
from harness.dags import write
from harness.databases import Database
from harness.gitrepo import GitRepo

GIT_BUNDLES = 10
FOLDER_BUNDLES = 5


@dataclass
class GitSlot:
    """A Pinwheel GitBundle of the shared deployment and the repository behind it."""

    name: str
    repo: GitRepo


@dataclass
class FolderSlot:
    """A Pinwheel FolderBundle of the shared deployment and the folder behind it."""

    name: str
    path: Path

    def write(self, files: dict[str, str | None]) -> None:
        write(self.path, files)


class SharedAirflow(AirflowEnv):
    """A running deployment; each test (or module) takes a bundle of its own.

    Bundles are fixed when Airflow starts, so some empty ones are declared. Dag ids must be unique over the
    whole test session. Do not stop components, do not touch other Dags.
    """

    def __init__(self, root: Path, database: Database, **kwargs: Any) -> None:
        self._git = [GitSlot(f"git{n}", GitRepo(root / "repos" / f"git{n}")) for n in range(GIT_BUNDLES)]
        self._folders = [
            FolderSlot(f"folder{n}", root / "folders" / f"folder{n}") for n in range(FOLDER_BUNDLES)
        ]
        for slot in self._git:
            slot.repo.commit({".airflowignore": ""}, message="Empty repository")
        for folder in self._folders:
            folder.path.mkdir(parents=True)
        entries = [bundles.git(slot.name, slot.repo.url) for slot in self._git]
        entries += [bundles.folder(folder.name, folder.path) for folder in self._folders]
        super().__init__(root, database, bundles=entries, **kwargs)

    def take_git(self) -> GitSlot:
        """A git bundle that nobody else uses."""
        assert self._git, "no git bundle left: raise harness.shared.GIT_BUNDLES"
        return self._git.pop(0)

    def take_folder(self) -> FolderSlot:
        """A folder bundle that nobody else uses."""
        assert self._folders, "no folder bundle left: raise harness.shared.FOLDER_BUNDLES"
        return self._folders.pop(0)
