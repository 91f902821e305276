"""One running deployment for many tests, with bundles that tests take and fill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import bundles
from harness.airflow_env import AIRFLOW_VERSION, AirflowEnv
from harness.dags import write
from harness.databases import Database
from harness.gitrepo import GitRepo
from harness.manifests import ManifestSlot

GIT_BUNDLES = 14
"""As many as one suite takes."""
STOCK, PLAIN = "stock", "plain"


@dataclass
class GitSlot:
    """A git bundle of the shared deployment and the repository behind it."""

    name: str
    repo: GitRepo


@dataclass
class FolderSlot:
    """A Pinwheel FolderBundle and the folder behind it."""

    name: str
    path: Path

    def write(self, files: dict[str, str | None]) -> None:
        write(self.path, files)


class SharedAirflow(AirflowEnv):
    """A running deployment; each test (or module) takes a bundle of its own.

    Bundles are fixed when Airflow starts, so some empty ones are declared: Pinwheel's for whoever takes one,
    and two of Airflow's own, ``stock`` and ``plain``, a git bundle and a folder without versions. Dag ids
    must be unique over the whole test session. Do not stop components, do not touch other Dags.
    """

    def __init__(self, root: Path, database: Database, **kwargs: Any) -> None:
        self._git = [self._slot(root, f"git{n}") for n in range(GIT_BUNDLES)]
        self.stock = self._slot(root, STOCK)
        self.plain = root / PLAIN
        self.plain.mkdir()
        entries = [
            *(bundles.quiet_git(slot.name, slot.repo.url) for slot in self._git),
            # Each look at this one fetches twice.
            bundles.stock_git(STOCK, self.stock.repo.url, refresh_interval=3),
            bundles.local(PLAIN, self.plain),
        ]
        self.manifests: ManifestSlot | None = None
        """Of a class that gives data with its versions, where Airflow keeps such data."""
        if not AIRFLOW_VERSION.startswith("3.3."):
            self.manifests = ManifestSlot("manifests", root / "manifests")
            entries.append(bundles.manifests("manifests", self.manifests.source))
        # For the bundle classes of the harness.
        kwargs["env"] = {**kwargs.get("env", {}), "PYTHONPATH": str(Path(__file__).parents[1])}
        config = {
            # For how long a Dag that its file makes no more is waited for.
            "dag_processor.stale_dag_threshold": 3,
            # The first prune, two minutes after the start, would take what a test makes up.
            "pinwheel.keep_builds": 10_000,
        }
        super().__init__(root, database, bundles=entries, config=config, **kwargs)

    def take_git(self) -> GitSlot:
        """A git bundle that nobody else uses."""
        assert self._git, "no git bundle left: raise harness.shared.GIT_BUNDLES"
        return self._git.pop(0)

    def _slot(self, root: Path, name: str) -> GitSlot:
        slot = GitSlot(name, GitRepo(root / "repos" / name))
        slot.repo.commit({".airflowignore": ""}, message="Empty repository")
        return slot
