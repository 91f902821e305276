"""A local deployment: database, API server, scheduler, triggerer and Pinwheel's Dag processor."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from attrs import frozen

from pinwheel.core.errors import Conflict, HostError
from pinwheel.standalone import settings as configuration
from pinwheel.standalone.processes import MARKER, Component, Follower, Watcher, end_all
from pinwheel.standalone.settings import Home
from pinwheel.standalone.source import Source

START_SECONDS = 300.0
"""How long the components may take until all have answered; a slow machine needs a minute."""
STOP_SECONDS = 5.0
"""How long a component may take to end by itself; the triggerer would take ten."""

_AIRFLOW = [sys.executable, "-m", "airflow"]
_PINWHEEL = [sys.executable, "-m", "pinwheel.cli.main"]
_HEALTH_KEYS = {"scheduler": "scheduler", "triggerer": "triggerer", "dag-processor": "dag_processor"}


@frozen(kw_only=True)
class Login:
    url: str
    user: str
    password: str


class Deployment:
    """Start it, wait until it is ready, stop it. Use it as a context manager, so that nothing stays running.

    Args:
        home: the folder that holds everything; made when absent.
        source: where the Dags come from.
        port: of the API server; ``host`` is the address it listens on.
        database_url: SQLAlchemy's; SQLite in the home unless given.
        more: more of Airflow's configuration, ``{"section.option": value}``.
        environ: the environment that the processes start from.
        tell: called with one short sentence at each step.
        follow: called with (component, line) for each line that a component writes.
    """

    def __init__(
        self,
        home: Path,
        source: Source,
        *,
        port: int = 8080,
        host: str = "127.0.0.1",
        database_url: str | None = None,
        more: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = lambda step: None,
        follow: Callable[[str, str], None] | None = None,
    ) -> None:
        self.home = Home(home)
        self.source = source
        self.host, self.port = host, port
        self.url = configuration.base_url(host, port)
        self._database_url = database_url
        self._more = dict(more or {})
        self._environ = dict(os.environ if environ is None else environ)
        self._tell = tell
        self._follow = follow
        self._lock: int | None = None
        self._watcher: Watcher | None = None
        self._follower: Follower | None = None
        self._started_at = datetime.now(UTC)
        self.env: dict[str, str] = {}
        logs = self.home.logs
        self.migration = Component("database", [*_AIRFLOW, "db", "migrate"], logs / "database.log")
        self.components = [
            Component("api-server", [*_AIRFLOW, "api-server"], logs / "api-server.log"),
            Component("scheduler", [*_AIRFLOW, "scheduler"], logs / "scheduler.log"),
            Component("triggerer", [*_AIRFLOW, "triggerer"], logs / "triggerer.log"),
            Component("dag-processor", [*_PINWHEEL, "dag-processor"], logs / "dag-processor.log"),
        ]

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring the database up to date and start every component. Returns before they are ready.

        :raises InvalidInput: the source or the home can not be used.
        :raises Conflict: the port is taken, or a deployment runs in this home already.
        :raises HostError: the database can not be brought up to date.
        """
        self.source.check()
        self.home.create()
        self._take_lock()
        try:
            # Left by a deployment in this home whose watcher was killed too.
            end_all(str(self.home.path), grace_seconds=5)
            if not configuration.port_is_free(self.host, self.port):
                raise Conflict(
                    f"Cannot serve on port {self.port}",
                    found="another program listens on it",
                    remedy=f"End that program, or choose another port: --port {configuration.free_port()}",
                    port=self.port,
                )
            self._configure()
            self._watcher = Watcher(str(self.home.path))
            if self._follow is not None:
                self._follower = Follower([self.migration, *self.components], self._follow)
                self._follower.start()
            self._migrate()
            self._tell("Starting API server, scheduler, triggerer and Dag processor")
            self._started_at = datetime.now(UTC)
            for component in self.components:
                component.start(self._marked_env(), self.home.path)
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, timeout: float = START_SECONDS) -> Login:
        """Wait until API server, database, scheduler, triggerer and Dag processor all report to be well.

        :raises HostError: a component ended, or did not report in time.
        """
        end = time.monotonic() + timeout
        waiting: list[str] = ["api-server"]
        told: list[str] = []
        while time.monotonic() < end:
            self.check()
            waiting = self.not_ready()
            if not waiting:
                return self.login
            if waiting != told:
                self._tell("Waiting for " + ", ".join(waiting))
                told = waiting
            time.sleep(0.3)
        raise HostError(
            "Airflow is not ready",
            found=f"{', '.join(waiting)} did not report within {timeout:.0f} s",
            remedy=f"See the logs in {self.home.logs}",
        )

    @property
    def login(self) -> Login:
        return Login(url=self.url, user=configuration.USER, password=self.home.password())

    def not_ready(self) -> list[str]:
        """Names of components that have not reported since they were started; empty: all are ready."""
        try:
            reply = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False)
            health = reply.json() if reply.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            health = None
        if health is None:
            return [component.name for component in self.components]
        waiting = [] if health["metadatabase"]["status"] == "healthy" else ["database"]
        for name, key in _HEALTH_KEYS.items():
            about = health.get(key) or {}
            beat = about.get(f"latest_{key}_heartbeat")
            # A heartbeat from before is that of an earlier start in the same home.
            fresh = beat is not None and datetime.fromisoformat(beat) >= self._started_at
            if about.get("status") != "healthy" or not fresh:
                waiting.append(name)
        return waiting

    def check(self) -> None:
        """Raise HostError, with the end of its log, when a component has ended by itself."""
        for component in self.components:
            code = component.exit_code
            if code is not None:
                raise HostError(
                    f"The {component.name} ended with exit code {code}",
                    found=f"the end of {component.log} is\n{component.tail()}\n",
                    remedy="The other components were stopped too",
                )

    def stop(self) -> None:
        """End every component and all that came from it. Safe to repeat, and before a start."""
        if self._lock is None:
            return
        for component in [*self.components, self.migration]:
            component.tell_to_end()
        end = time.monotonic() + STOP_SECONDS
        for component in [*self.components, self.migration]:
            component.wait(end - time.monotonic())
        end_all(str(self.home.path), grace_seconds=1)
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        os.close(self._lock)
        self._lock = None

    def _configure(self) -> None:
        settings = configuration.airflow_settings(
            self.home,
            host=self.host,
            port=self.port,
            bundles=[self.source.bundle()],
            database_url=self._database_url,
            more=self._more,
        )
        self.env = configuration.environment(self.home, settings, self._environ)
        # Commands that start a Python of their own (a task's, say) find the one that runs this.
        self.env["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), self.env.get("PATH", os.defpath)]
        )
        # Airflow sets process titles; without this they overwrite the environment that marks our processes.
        self.env["SPT_NOENV"] = "1"
        if sys.platform == "darwin":
            # Processes that fork after using macOS' network libraries are killed otherwise.
            self.env |= {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "no_proxy": "*"}
        configuration.write_config_file(self.home, settings)

    def _marked_env(self) -> dict[str, str]:
        return {**self.env, MARKER: str(self.home.path)}

    def _migrate(self) -> None:
        self._tell("Bringing the metadata database up to date")
        self.migration.start(self._marked_env(), self.home.path)
        while self.migration.exit_code is None:
            time.sleep(0.1)
        if self.migration.exit_code != 0:
            raise HostError(
                "Cannot bring the metadata database up to date",
                found=f"the end of {self.migration.log} is\n{self.migration.tail()}\n",
                remedy="If the database is of no value, delete the home folder and start again",
            )

    def _take_lock(self) -> None:
        lock = _locked(self.home)
        os.truncate(lock, 0)
        os.write(lock, json.dumps({"pid": os.getpid(), "url": self.url}).encode())
        self._lock = lock


def refuse_if_running(home: Path) -> None:
    """Raise Conflict when a deployment runs in *home*."""
    if Home(home).lock.exists():
        os.close(_locked(Home(home)))


def _locked(home: Home) -> int:
    """The home's lock file, open and locked; the lock goes with this process, however it ends."""
    lock = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        about: dict[str, Any] = {}
        with contextlib.suppress(ValueError):
            about = json.loads(os.read(lock, 1000) or b"{}")
        os.close(lock)
        where = f"{about.get('url', 'still starting')}, process {about.get('pid', 'unknown')}"
        raise Conflict(
            f"Cannot start in {home.path}",
            found=f"Pinwheel already runs there ({where})",
            remedy="Use that one, end it, or choose another folder with --home",
            **about,
        ) from None
    return lock
