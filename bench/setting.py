"""Options of a run, and what its items stand on: folders, a PostgreSQL server, deployments."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import itertools
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
import psutil
import sqlalchemy as sa

from bench.meter import ForkCount
from harness import postgres as harness_postgres
from harness.airflow_env import AirflowEnv
from harness.databases import Database
from harness.processes import SESSION_ID, SESSION_VARIABLE, Reaper, kill_all, processes_with

STOCK, PINWHEEL = "stock", "pinwheel"
SIDES = (STOCK, PINWHEEL)

_PROBE = Path(__file__).with_name("probe")


@attrs.frozen(kw_only=True)
class Options:
    files: int = 1000
    dags: int = 10_000
    idle: float = 600
    rollbacks: int = 200
    batch: int = 1000
    starts: int = 10
    """Rollbacks and plain triggers in item (a); a third as many on the stock side."""
    pushes: int = 5
    runs: int = 600
    rounds: int = 6
    builds: int = 20
    grid_runs: int = 1000
    grid_tasks: int = 1000
    commits: int = 1000
    """In item (l); 10,000 take ten times as long."""
    large_mib: int = 1024
    many: int = 200_000

    @classmethod
    def quick(cls) -> Options:
        """Sizes for a smoke test: the numbers mean nothing."""
        return cls(
            files=12,
            dags=60,
            idle=10,
            rollbacks=20,
            batch=20,
            starts=3,
            pushes=1,
            runs=40,
            rounds=2,
            builds=4,
            grid_runs=40,
            grid_tasks=100,
            commits=24,
            large_mib=8,
            many=400,
        )


class Setting:
    """A context: leaves no process, folder or database behind."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.root = Path(tempfile.mkdtemp(prefix="pinwheel-bench-"))
        self.root.chmod(0o755)  # PostgreSQL's user must get in
        self._counter = itertools.count(1)
        self._reaper = Reaper()
        self._reaper.remove(self.root)
        self._server: harness_postgres.PostgresServer | None = None
        _leave_the_users_airflow_alone(self.root)

    def __enter__(self) -> Setting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            with contextlib.suppress(Exception):
                self._server.close()
        kill_all(processes_with(SESSION_VARIABLE, SESSION_ID))
        self._reaper.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def server(self) -> harness_postgres.PostgresServer:
        if self._server is None:
            # Unlike in tests the data is to be safe: what a commit costs is part of what is measured.
            harness_postgres.SETTINGS.update(
                fsync="on", synchronous_commit="on", full_page_writes="on", autovacuum_naptime="10s"
            )
            root = self.folder("postgres")
            root.chmod(0o755)
            self._server = harness_postgres.PostgresServer(root, self._reaper)
            self._server.start()
        return self._server

    def folder(self, name: str) -> Path:
        path = self.root / f"{name}{next(self._counter)}"
        path.mkdir()
        return path

    @contextlib.contextmanager
    def database(self, name: str = "bench") -> Iterator[Database]:
        database = self.server.create(name)
        try:
            yield database
        finally:
            database.drop()

    @contextlib.contextmanager
    def copy_of(self, database: Database) -> Iterator[Database]:
        """The same rows in another database. Nobody may be connected to the original meanwhile."""
        name = f"{database.name}_{next(self._counter)}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.name}"')
        try:
            yield Database("postgres", name, self.server.url(name))
        finally:
            self.server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextlib.contextmanager
    def deployment(
        self,
        side: str,
        database: Database,
        *,
        bundles: Sequence[Mapping[str, Any]] = (),
        config: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[AirflowEnv, ForkCount]]:
        """One deployment; the stock side has neither Pinwheel's processor nor its plugin."""
        root = self.folder(side)
        forks = ForkCount(root / "forks")
        env = AirflowEnv(
            root,
            database,
            bundles=bundles,
            processor=side,
            config=dict(config or {}),
            env={
                "PYTHONPATH": os.pathsep.join(
                    part for part in (str(_PROBE), os.environ.get("PYTHONPATH")) if part
                ),
                "PINWHEEL_BENCH_FORKS": str(forks.path),
                **({"PINWHEEL_BENCH_NO_PLUGIN": "1"} if side == STOCK else {}),
            },
        )
        try:
            yield env, forks
        finally:
            env.close()
            shutil.rmtree(root, ignore_errors=True)

    def facts(self) -> dict[str, Any]:
        """What the numbers depend on; no names or paths of this machine."""
        version = self.server.execute("SHOW server_version")[0][0] if self._server else None
        return {
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "cpu": _cpu_model(),
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "airflow": importlib.metadata.version("apache-airflow-core"),
            "pinwheel": importlib.metadata.version("airflow-pinwheel"),
            "sqlalchemy": sa.__version__,
            "postgresql": version,
            "load_before": round(os.getloadavg()[0], 1),
        }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _leave_the_users_airflow_alone(root: Path) -> None:
    """Before anything imports Airflow in this process."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "PINWHEEL_"))]:
        if not name.startswith("PINWHEEL_TEST_"):
            del os.environ[name]
    # An installed Airflow has its bytecode; without, each process on both sides would mostly compile.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["AIRFLOW_HOME"] = str(root / "inprocess")
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] = str(root / "inprocess-bundles")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{root / 'inprocess.db'}"
