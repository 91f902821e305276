"""One deployment that follows the generated repository: of stock Airflow, or of Pinwheel."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench import project
from bench.meter import ForkCount, cpu_seconds, until
from bench.setting import PINWHEEL, STOCK, Options, Setting
from harness import bundles
from harness.airflow_env import API_SERVER, DAG_PROCESSOR, SCHEDULER, AirflowEnv, environment_name
from harness.gitrepo import GitRepo

BUNDLE = "bench"
# Intervals while reactions are measured. Files are parsed again as often as by default.
QUICK = {
    "dag_processor.min_file_process_interval": 30,
    "dag_processor.bundle_refresh_check_interval": 1,
    "core.dags_are_paused_at_creation": True,
}
# Airflow's own intervals; a bundle is fetched every 300 s.
DEFAULTS = {
    "dag_processor.bundle_refresh_check_interval": 5,
    "dag_processor.print_stats_interval": 30,
    "scheduler.job_heartbeat_sec": 5,
}
DEFAULT_REFRESH = 300


class Fleet:
    """``side`` is what its Dag processor is: "stock" or "pinwheel"."""

    def __init__(self, side: str, env: AirflowEnv, forks: ForkCount, repo: GitRepo, setting: Setting) -> None:
        self.side = side
        self.env = env
        self.forks = forks
        self.repo = repo
        self.setting = setting
        self.options: Options = setting.options
        self.ingest: dict[str, Any] | None = None
        self._revision = 1

    @property
    def stock(self) -> bool:
        return self.side == STOCK

    # the processor

    def require_ingested(self) -> dict[str, Any]:
        """Start the processor on an empty database, wait until all is there; measured the first time."""
        if self.ingest is None:
            began = time.time()
            self.env.start(DAG_PROCESSOR, wait=False)
            wanted = self.options.files + 1
            known = until(lambda: self.known_dags() >= wanted, 60 + 6 * wanted, f"{wanted} Dags", 0.1)
            self.ingest = {"seconds": known - began, "cpu": self.cpu(), "parses": self.forks.total}
        elif not self.env.is_running(DAG_PROCESSOR):
            self.restart()
        return self.ingest

    def known_dags(self) -> int:
        """Dags that could run: stock has serialized them, Pinwheel has released them."""
        if self.stock:
            return int(self.env.scalar("SELECT count(DISTINCT dag_id) FROM serialized_dag"))
        return int(self.env.scalar("SELECT count(*) FROM pinwheel_dag WHERE active_release IS NOT NULL"))

    def restart(self, config: Mapping[str, Any] | None = None, refresh: float = 1) -> None:
        """The processor anew, with other configuration; until it has seen all files once."""
        self.env.stop(DAG_PROCESSOR)
        before = self.forks.total
        env = {environment_name(name): str(value) for name, value in (config or {}).items()}
        env[environment_name("dag_processor.dag_bundle_config_list")] = json.dumps(
            [bundle(self.side, self.repo.url, refresh)]
        )
        self.env.start(DAG_PROCESSOR, env=env, timeout=300)
        if self.stock:  # It parses all files after each start.
            files = self.options.files + 1
            until(lambda: self.forks.total - before >= files, 60 + 6 * files, "one pass over all files", 0.2)
        else:
            until(
                lambda: "Took in a bundle version" in self.env.log(DAG_PROCESSOR),
                120,
                "a look at the bundle",
                0.2,
            )
        time.sleep(5)

    def cpu(self) -> float:
        return cpu_seconds(self.env.processes[DAG_PROCESSOR].pid)

    def require_running(self) -> None:
        """Scheduler and API server beside the processor."""
        self.require_ingested()
        missing = [name for name in (API_SERVER, SCHEDULER) if not self.env.is_running(name)]
        if missing:
            self.env.start(*missing, timeout=300)

    def only_processor(self) -> None:
        """Stop what else runs."""
        running = [name for name in (API_SERVER, SCHEDULER) if self.env.is_running(name)]
        if running:  # Without names everything would be stopped.
            self.env.stop(*running)

    # changes

    def next_revision(self) -> str:
        self._revision += 1
        return f"r{self._revision}"

    def push(self, files: Mapping[str, str], message: str) -> tuple[str, float]:
        """Commit and push; the commit's hash and the moment at which the push was done."""
        sha = self.repo.commit(files, message)
        return sha, time.time()

    def registered(self, sha: str) -> int:
        """Dags that were parsed from this commit and are what Airflow now runs."""
        if self.stock:
            return int(self.env.scalar("SELECT count(*) FROM dag WHERE bundle_version = :sha", sha=sha))
        return int(
            self.env.scalar(
                "SELECT count(*) FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
                " WHERE b.bundle_version = :sha",
                sha=sha,
            )
        )

    def registered_dag(self, dag_id: str, sha: str) -> bool:
        return self.env.scalar("SELECT bundle_version FROM dag WHERE dag_id = :d", d=dag_id) == sha


def bundle(side: str, url: str, refresh: float) -> dict[str, Any]:
    make = bundles.stock_git if side == STOCK else bundles.git
    return make(BUNDLE, url, refresh_interval=refresh)


@contextlib.contextmanager
def fleet(setting: Setting, side: str, files: Mapping[str, str]) -> Iterator[Fleet]:
    """A deployment over a fresh repository with these files; nothing is started yet."""
    assert side in (STOCK, PINWHEEL)
    repo = GitRepo(setting.folder("repo"))
    repo.commit(files, "First commit")
    with (
        setting.database(side) as database,
        setting.deployment(side, database, bundles=[bundle(side, repo.url, 1)], config=QUICK) as made,
    ):
        yield Fleet(side, *made, repo, setting)


def generated(options: Options) -> dict[str, str]:
    return project.repository(options.files)
