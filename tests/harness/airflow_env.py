"""One isolated Airflow deployment of real processes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy.orm import Session

from harness.databases import FERNET_KEY, Database, Queries
from harness.processes import (
    SESSION_ID,
    SESSION_VARIABLE,
    TIMEOUT_FACTOR,
    ManagedProcess,
    free_port,
    kill_all,
    processes_with,
    tail,
    wait_for,
)
from pinwheel.cli.backend.remote import RemoteBackend

BIN = Path(sys.executable).parent
AIRFLOW_VERSION = importlib.metadata.version("apache-airflow-core")

# user -> role of the simple auth manager; the password of each is "<user>-password".
USERS = {"admin": "admin", "op": "op", "editor": "user", "viewer": "viewer"}

API_SERVER = "api-server"
SCHEDULER = "scheduler"
DAG_PROCESSOR = "dag-processor"
TRIGGERER = "triggerer"
STANDARD = (API_SERVER, SCHEDULER, DAG_PROCESSOR)
ASKED_AGAIN = 0.3
"""Seconds after which something is asked of the API server again: an answer takes it twenty milliseconds."""

_JOB_TYPES = {SCHEDULER: "SchedulerJob", DAG_PROCESSOR: "DagProcessorJob", TRIGGERER: "TriggererJob"}
_MARK = re.compile(r"\b(EXEC_[A-Z]+)=(\S+)")
_FINISHED = ("success", "failed")
_UNDER_WAY = {"queued", "running"}


def _pinwheel_processor() -> list[str]:
    return [str(BIN / "pinwheel"), "dag-processor"]


def _stock_processor() -> list[str]:
    return [str(BIN / "airflow"), "dag-processor"]


class AirflowEnv(Queries):
    """Airflow's components over one database, each started and stopped at will. Use it as a context manager.

    Args:
        root: an empty folder; becomes the parent of AIRFLOW_HOME, logs and bundle storage.
        database: a migrated database; it is not dropped here.
        bundles: entries of ``dag_bundle_config_list``, see ``harness.bundles``.
        executor: LocalExecutor, or CeleryExecutor with ``broker_url``.
        processor: which processor ``start("dag-processor")`` starts: "pinwheel" or "stock".
        config: more Airflow configuration, ``{"section.option": value}``.
        env: more environment variables.
    """

    def __init__(
        self,
        root: Path,
        database: Database,
        *,
        bundles: Sequence[Mapping[str, Any]] = (),
        executor: str = "LocalExecutor",
        processor: str = "pinwheel",
        broker_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.database = database
        self.processor = processor
        self.home = root / "home"
        self.logs = root / "logs"
        self.dags_folder = root / "dags"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, ManagedProcess] = {}
        self.start_seconds: dict[str, float] = {}
        self.token_id = uuid.uuid4().hex
        self._clients: dict[str, httpx.Client] = {}
        self._engine: sa.Engine | None = None
        for folder in (self.home, self.logs, self.dags_folder):
            folder.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({user: f"{user}-password" for user in USERS}))
        self.env = self._environment(passwords, bundles, executor, broker_url, config or {}, env or {})

    def _environment(
        self,
        passwords: Path,
        bundles: Sequence[Mapping[str, Any]],
        executor: str,
        broker_url: str | None,
        config: Mapping[str, Any],
        env: Mapping[str, str],
    ) -> dict[str, str]:
        log_port, trigger_port = free_port(), free_port()
        settings: dict[str, Any] = {
            "core.executor": executor,
            "core.parallelism": 4,
            "core.load_examples": False,
            "core.dags_folder": self.dags_folder,
            "core.dags_are_paused_at_creation": False,
            "core.fernet_key": FERNET_KEY,
            "core.execution_api_server_url": f"{self.url}/execution/",
            "core.simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in USERS.items()),
            "core.simple_auth_manager_passwords_file": passwords,
            "database.sql_alchemy_conn": self.database.url,
            "database.load_default_connections": False,
            "api.host": "127.0.0.1",
            "api.port": self.port,
            "api.base_url": self.url,
            "api.workers": 1,
            "api.secret_key": "pinwheel-tests-secret-key",
            "api_auth.jwt_secret": "pinwheel-tests-jwt-secret-of-64-characters-0123456789-0123456789",
            "logging.base_log_folder": self.logs / "tasks",
            "logging.dag_processor_child_process_log_directory": self.logs / "parse",
            "logging.colored_console_log": False,
            "logging.worker_log_server_port": log_port,
            "logging.trigger_log_server_port": trigger_port,
            "dag_processor.dag_bundle_config_list": json.dumps(list(bundles)),
            "dag_processor.dag_bundle_storage_path": self.root / "bundles",
            "dag_processor.refresh_interval": 1,
            "dag_processor.bundle_refresh_check_interval": 1,
            "dag_processor.min_file_process_interval": 2,
            # The first Dag file that asks for a variable waits while Airflow makes an API in the processor:
            # five CPU seconds. One that waits too long is broken, and its version settles without its Dags.
            "core.dagbag_import_timeout": 120,
            "dag_processor.dag_file_processor_timeout": 180,
            "dag_processor.print_stats_interval": 0,
            # Most tests count parses; those of verification switch it on.
            "pinwheel.verify_budget": 0,
            "scheduler.scheduler_idle_sleep_time": 0.2,
            "scheduler.scheduler_heartbeat_sec": 1,
            "scheduler.job_heartbeat_sec": 1,
            # The API server of two busy cores answers late, and a task that got no answer fails.
            "workers.execution_api_timeout": 60,
            # One that is still starting gives none, to tasks that a scheduler goes on with meanwhile.
            "workers.execution_api_retries": 12,
            "workers.execution_api_retry_wait_max": 5,
            # Airflow's supervisor sees at its next beat only that a task ended whose pipes were closed before
            # its process was gone: every second one. Until then it keeps one of the places of the executor.
            "workers.min_heartbeat_interval": 1,
            "triggerer.job_heartbeat_sec": 1,
            "scheduler.use_job_schedule": True,
            "usage_data_collection.enabled": False,
        }
        if broker_url:
            settings["celery.broker_url"] = broker_url
            settings["celery.result_backend"] = f"db+{self.database.url}"
            settings["celery.worker_concurrency"] = 2
        settings.update(config)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "PINWHEEL_URL", "PINWHEEL_TOKEN", "PYTEST_"))
        }
        return {
            **inherited,
            "PATH": f"{BIN}{os.pathsep}{inherited.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "PYTHONUNBUFFERED": "1",
            "PINWHEEL_TEST_ENV": self.token_id,
            SESSION_VARIABLE: SESSION_ID,
            "SPT_NOENV": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **{environment_name(name): str(value) for name, value in settings.items()},
            **env,
        }

    # components

    def start(
        self,
        *components: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        name: str | None = None,
        wait: bool = True,
        timeout: float = 120.0,
    ) -> AirflowEnv:
        """Start components (default: API server, scheduler, Dag processor) at once; wait until all are ready.

        ``name`` gives one component another name, so that a second scheduler or processor can run beside the
        first; ``command`` replaces its command line; ``env`` is added to its environment.
        """
        names = components or STANDARD
        assert name is None or len(names) == 1, "name= goes with one component"
        timeout *= TIMEOUT_FACTOR
        began = time.monotonic()
        started = []
        for component in names:
            label = name or component
            assert not self.is_running(label), f"{label} is already running"
            since = self._now() if component in _JOB_TYPES else ""
            process = ManagedProcess(
                label,
                list(command) if command else self._command(component),
                env={**self.env, **(env or {})},
                log=self.logs / f"{label}.log",
                cwd=self.root,
            )
            self.processes[label] = process
            started.append((component, label, process, since))
        if wait:
            waiting = {label: (component, process, since) for component, label, process, since in started}
            while waiting:
                for label, (component, process, since) in list(waiting.items()):
                    if self._is_ready(component, process, since):
                        self.start_seconds[label] = round(time.monotonic() - began, 1)
                        del waiting[label]
                if waiting and time.monotonic() - began > timeout:
                    logs = "\n".join(process.tail(80) for _, process, _ in waiting.values())
                    raise TimeoutError(f"not ready within {timeout:g} s: {', '.join(waiting)}\n{logs}")
                time.sleep(0.1)
        return self

    def start_stock_processor(self, name: str = "stock-dag-processor", **kwargs: Any) -> AirflowEnv:
        """``airflow dag-processor``, also beside Pinwheel's: what must not bypass us."""
        return self.start(DAG_PROCESSOR, name=name, command=_stock_processor(), **kwargs)

    def start_worker(
        self, name: str = "worker-1", *, concurrency: int = 2, timeout: float = 60.0
    ) -> AirflowEnv:
        """A Celery worker with its own home and bundle storage; only the folder of task logs is shared."""
        home = self.root / name
        home.mkdir(exist_ok=True)
        env = {
            "AIRFLOW_HOME": str(home),
            environment_name("dag_processor.dag_bundle_storage_path"): str(home / "bundles"),
            environment_name("core.dags_folder"): str(home / "dags"),
        }
        command = [
            str(BIN / "airflow"),
            "celery",
            "worker",
            "--skip-serve-logs",
            "--concurrency",
            str(concurrency),
        ]
        command += ["--celery-hostname", f"{name}@{self.token_id[:8]}"]
        self.start("celery-worker", name=name, env=env, command=command, timeout=timeout)
        return self

    def stop(self, *labels: str, grace: float = 10.0) -> None:
        """SIGTERM (SIGKILL after ``grace`` seconds) to these, or to all. Safe to repeat."""
        wanted = [self.processes[label] for label in (labels or tuple(self.processes))]
        stoppers = [threading.Thread(target=process.stop, args=(grace,)) for process in wanted]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()

    def kill(self, label: str, signum: int = signal.SIGKILL, *, family: bool = True) -> None:
        """Send a signal. SIGKILL takes the component's children with it, unless ``family=False``."""
        process = self.processes[label]
        if signum == signal.SIGKILL and family:
            process.crash()
        else:
            process.send(signum)

    def restart(self, *labels: str, **kwargs: Any) -> None:
        """Stop and start again (by their standard commands)."""
        self.stop(*labels)
        self.start(*labels, **kwargs)

    def is_running(self, label: str) -> bool:
        return label in self.processes and self.processes[label].running

    def log(self, label: str) -> str:
        """All that a component has written."""
        return (self.logs / f"{label}.log").read_text(errors="replace")

    def tails(self, lines: int = 40) -> str:
        """The end of each component's log, for failure messages."""
        return "\n".join(process.tail(lines) for process in self.processes.values())

    def _json(self, reply: httpx.Response) -> Any:
        if not reply.is_error:
            return reply.json()
        said = f"{reply.request.method} {reply.request.url} -> {reply.status_code}: {reply.text[:2000]}"
        if reply.is_server_error and API_SERVER in self.processes:
            # Only the log says what failed in the database.
            said += f"\n{self.processes[API_SERVER].tail(150)}"
        raise AssertionError(said)

    def leftovers(self) -> list[str]:
        """Live processes of this deployment, as text; empty after ``close``."""
        return [
            f"{process.pid} {process.name()}"
            for process in processes_with("PINWHEEL_TEST_ENV", self.token_id)
        ]

    def close(self) -> None:
        """End everything of this deployment for certain. Safe to repeat."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        try:
            self.stop(grace=5)
        finally:
            for process in self.processes.values():
                if process.running:
                    process.crash()
            kill_all(processes_with("PINWHEEL_TEST_ENV", self.token_id))
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def __enter__(self) -> AirflowEnv:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _command(self, component: str) -> list[str]:
        if component == DAG_PROCESSOR:
            return _pinwheel_processor() if self.processor == "pinwheel" else _stock_processor()
        return [str(BIN / "airflow"), component]

    def _is_ready(self, component: str, process: ManagedProcess, since: str) -> bool:
        if not process.running:
            raise RuntimeError(f"{process.name} ended while starting\n{process.tail(80)}")
        if component == API_SERVER:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/api/v2/version", timeout=2).status_code == 200
            return False
        if component == "celery-worker":
            return bool(re.search(r"\bready\b", tail(process.log, 200)))
        if component in _JOB_TYPES:
            return self._has_job(_JOB_TYPES[component], since)
        return True

    def _now(self) -> str:
        """The newest start of any job so far."""
        return str(self.scalar("SELECT max(start_date) FROM job") or "")

    def _has_job(self, job_type: str, since: str) -> bool:
        newest = self.scalar(
            "SELECT max(start_date) FROM job WHERE job_type = :type AND state = 'running'", type=job_type
        )
        return newest is not None and str(newest) > since

    # command lines

    def cli(
        self, *args: str, check: bool = False, timeout: float = 120.0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``airflow ...`` or ``pinwheel ...`` in this deployment: ``cli("pinwheel", "status")``."""
        done = subprocess.run(
            [str(BIN / args[0]) if (BIN / args[0]).exists() else args[0], *args[1:]],
            env={**self.env, **env},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout * TIMEOUT_FACTOR,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(args)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def pinwheel(self, *args: str, check: bool = True, **kwargs: Any) -> Any:
        """``pinwheel ... --output json``, read."""
        done = self.cli("pinwheel", *args, "--output", "json", check=check, **kwargs)
        return json.loads(done.stdout) if done.stdout.strip() else None

    # the database

    def engine(self) -> sa.Engine:
        if self._engine is None:
            self._engine = self.database.engine()
        return self._engine

    def session(self) -> Session:
        """A plain SQLAlchemy session on the metadata database: ``with env.session() as session``."""
        return Session(self.engine())

    # the REST API

    def token(self, user: str = "admin") -> str:
        reply = httpx.post(
            f"{self.url}/auth/token",
            json={"username": user, "password": f"{user}-password"},
            timeout=30 * TIMEOUT_FACTOR,
        )
        reply.raise_for_status()
        return str(reply.json()["access_token"])

    def api(self, user: str | None = "admin") -> httpx.Client:
        """A client for this user, kept until ``close``; None: anonymous. Paths as ``/api/v2/dags``."""
        key = user or ""
        if key not in self._clients:
            headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
            self._clients[key] = httpx.Client(base_url=self.url, headers=headers, timeout=30 * TIMEOUT_FACTOR)
        return self._clients[key]

    def remote(self, user: str | None = "admin") -> RemoteBackend:
        """The commands' backend, over this server."""
        return RemoteBackend(self.url, self.token(user) if user else None)

    def get(self, path: str, user: str = "admin", **params: Any) -> Any:
        """GET, must succeed; the JSON."""
        return self._json(self.api(user).get(path, params=params))

    def wait_dag(
        self,
        dag_id: str,
        predicate: Callable[[dict[str, Any]], Any] = lambda dag: True,
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """The Dag as REST shows it, once it is there, not stale, and ``predicate`` holds."""
        last: dict[str, Any] = {}

        def known() -> dict[str, Any] | None:
            nonlocal last
            reply = self.api().get(f"/api/v2/dags/{dag_id}")
            last = reply.json()
            return last if reply.status_code == 200 and not last["is_stale"] and predicate(last) else None

        def message() -> str:
            errors = self.rows("SELECT filename, stacktrace FROM import_error")
            return f"Dag {dag_id}: last {last}\nimport errors: {errors}\n{self.tails()}"

        found = wait_for(known, timeout, message, ASKED_AGAIN)
        assert found
        return found

    def trigger(self, dag_id: str, *, user: str = "admin", **body: Any) -> str:
        """Trigger a run over REST; its run id. ``body``: more fields (conf, dag_run_id, logical_date)."""
        reply = self.api(user).post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, **body})
        return str(self._json(reply)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return dict(self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str = "~") -> list[dict[str, Any]]:
        """The runs of a Dag (or of all), oldest first."""
        reply = self.get(f"/api/v2/dags/{dag_id}/dagRuns", limit=100, order_by="run_after")
        return list(reply["dag_runs"])

    def wait_run(
        self, dag_id: str, run_id: str, state: str | Sequence[str] = "success", timeout: float = 60.0
    ) -> dict[str, Any]:
        """The run, once it is in ``state``. Fails at once when it ended in another one."""
        wanted = (state,) if isinstance(state, str) else tuple(state)

        def reached() -> dict[str, Any] | None:
            # Not of the API server, which needs twenty milliseconds for an answer, ten times a second.
            query = "SELECT state FROM dag_run WHERE dag_id = :d AND run_id = :r"
            if self.scalar(query, d=dag_id, r=run_id) in _UNDER_WAY and not _UNDER_WAY.intersection(wanted):
                return None
            run = self.run(dag_id, run_id)
            if run["state"] in wanted:
                return run
            if run["state"] in _FINISHED:
                raise AssertionError(
                    f"run {dag_id}/{run_id} is {run['state']}, not {wanted}\n{self.describe(dag_id, run_id)}"
                )
            return None

        found = wait_for(
            reached,
            timeout,
            lambda: f"run {dag_id}/{run_id} in {wanted}\n{self.describe(dag_id, run_id)}\n{self.tails()}",
        )
        assert found
        return found

    def trigger_and_wait(
        self, dag_id: str, state: str = "success", timeout: float = 60.0, **body: Any
    ) -> dict[str, Any]:
        """Trigger, wait for the end; the run."""
        return self.wait_run(dag_id, self.trigger(dag_id, **body), state, timeout)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run as REST shows them."""
        return list(
            self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
        )

    def clear(self, dag_id: str, run_id: str, **body: Any) -> Any:
        """Clear a run's tasks over REST (``only_failed=False`` unless given); the reply."""
        path = f"/api/v2/dags/{dag_id}/clearTaskInstances"
        return self._json(
            self.api().post(path, json={"dry_run": False, "only_failed": False, "dag_run_id": run_id, **body})
        )

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> str:
        """The log of one try as REST shows it, one line an event."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        reply = self.api().get(
            path,
            params={"map_index": map_index, "full_content": True},
            headers={"Accept": "application/json"},
        )
        content = self._json(reply)["content"]
        if isinstance(content, str):
            return content
        return "\n".join(line if isinstance(line, str) else str(line.get("event", line)) for line in content)

    def marks(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> dict[str, str]:
        """What a try printed about itself: ``{"EXEC_MARK": "m1", "EXEC_FILE": ...}``. Waits shortly for
        the log to be complete.
        """

        def printed() -> dict[str, str]:
            return dict(_MARK.findall(self.task_log(dag_id, run_id, task_id, try_number)))

        return wait_for(
            printed, 10, lambda: f"marks in the log of {dag_id}/{run_id}/{task_id} try {try_number}"
        )

    def describe(self, dag_id: str, run_id: str) -> str:
        """A run's tasks and the ends of their logs, for failure messages."""
        parts = []
        with contextlib.suppress(Exception):
            for task in self.tasks(dag_id, run_id):
                parts.append(f"{task['task_id']} try {task['try_number']}: {task['state']}")
                if task["state"] in ("failed", "up_for_retry"):
                    parts.append(
                        self.task_log(dag_id, run_id, task["task_id"], max(1, task["try_number"]))[-3000:]
                    )
        return "\n".join(parts)

    @staticmethod
    def wait_for(predicate: Callable[[], Any], timeout: float = 30.0, message: Any = "the condition") -> Any:
        return wait_for(predicate, timeout, message)


def environment_name(option: str) -> str:
    """``section.option`` -> ``AIRFLOW__SECTION__OPTION``."""
    section, _, name = option.partition(".")
    return f"AIRFLOW__{section.upper()}__{name.upper()}"


@contextlib.contextmanager
def airflow_env(root: Path, database: Database, **kwargs: Any) -> Iterator[AirflowEnv]:
    """An AirflowEnv, ended and deleted with its database at the end."""
    env = AirflowEnv(root, database, **kwargs)
    try:
        yield env
    finally:
        env.close()
        database.drop()
        shutil.rmtree(root, ignore_errors=True)
