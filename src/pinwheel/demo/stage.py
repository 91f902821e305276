"""What the story is told with: commands that are shown with their output, waits, and checks."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.core.errors import HostError
from pinwheel.core.request import Selection
from pinwheel.core.selector import Selector
from pinwheel.standalone import Deployment, Login

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""How long one step may take: two busy cores need a minute for what takes seconds."""


class StoryFailed(Exception):
    """A step did not show what it should."""


class Stage:
    """The running deployment, seen through the ``pinwheel`` command and Airflow's REST API."""

    def __init__(self, console: Console, deployment: Deployment, login: Login) -> None:
        self.console = console
        self._deployment = deployment
        self._login = login
        self._step = 0
        self.airflow = httpx.Client(base_url=login.url, timeout=60, trust_env=False)
        token = self.airflow.post(
            "/auth/token", json={"username": login.user, "password": login.password}
        ).raise_for_status()
        self.token = str(token.json()["access_token"])
        self.airflow.headers["Authorization"] = f"Bearer {self.token}"
        self.backend = RemoteBackend(login.url, self.token)

    def close(self) -> None:
        self.airflow.close()
        self.backend.close()

    # Telling

    def chapter(self, title: str) -> None:
        self._step += 1
        self.console.print(f"\n[bold yellow]{self._step}. {escape(title)}[/]")

    def say(self, words: str) -> None:
        self.console.print(f"   {words}", style="italic", highlight=False)

    def show(self, text: str) -> None:
        """What a command printed, as it printed it."""
        for line in text.rstrip("\n").splitlines():
            self.console.print(Text("   ") + Text.from_ansi(line), soft_wrap=True)

    def command(self, line: str) -> None:
        self.console.print(f"   [bold]$ {escape(line)}[/]", highlight=False, soft_wrap=True)

    # Doing

    def pinwheel(self, *arguments: str) -> float:
        """Run a command as a user would, show it and what it prints; how many seconds it took."""
        self.command(f"pinwheel {_quoted(arguments)}")
        began = time.monotonic()
        done = self._run(arguments, FORCE_COLOR="1" if self.console.is_terminal else "", NO_COLOR="")
        seconds = time.monotonic() - began
        self.show(done.stdout)
        if done.returncode != 0:
            raise StoryFailed(
                f"pinwheel {_quoted(arguments)} ended with {done.returncode}: {done.stderr.strip()}"
            )
        return seconds

    def json(self, *arguments: str) -> Any:
        """What the same command answers to a program."""
        done = self._run([*arguments, "--output", "json"])
        if done.returncode != 0:
            raise StoryFailed(
                f"pinwheel {_quoted(arguments)} -o json ended with {done.returncode}: {done.stderr.strip()}"
            )
        return json.loads(done.stdout)

    def _run(self, arguments: Any, **env: str) -> subprocess.CompletedProcess[str]:
        base = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
        base |= {name: value for name, value in env.items() if value}
        base |= {"PINWHEEL_URL": self._login.url, "PINWHEEL_TOKEN": self.token, "PYTHONWARNINGS": "ignore"}
        base["COLUMNS"] = str(max(90, self.console.width - 3))
        return subprocess.run(
            [sys.executable, "-m", "pinwheel.cli.main", *arguments],
            env=base,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )

    def backend_status(self, dag_id: str) -> dict[str, Any]:
        """The same as :meth:`status` without starting a command, for waits."""
        return dict(self.backend.status(Selection.to_show(Selector.of([dag_id])))[0])

    def status(self, dag_id: str) -> dict[str, Any]:
        """One Dag's line of ``pinwheel status``."""
        return dict(self.json("status", dag_id)[0])

    def start_run(self, dag_id: str, run_id: str) -> None:
        """Start a run on what is active, as a click on Airflow's own button does."""
        wish = {"dag_run_id": run_id, "logical_date": None}
        self.airflow.post(f"/api/v2/dags/{dag_id}/dagRuns", json=wish).raise_for_status()

    def wait_run(self, dag_id: str, run_id: str) -> None:
        """Wait until a run has ended well."""

        def ended() -> bool:
            run = self.airflow.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()
            if run["state"] == "failed":
                raise StoryFailed(f"run {run_id} of {dag_id} failed\n{self._failures(dag_id, run_id)}")
            return bool(run["state"] == "success")

        self.wait(f"run {run_id} of {dag_id}", ended)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a Dag, oldest first."""
        answer = self.airflow.get(
            f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100, "order_by": "run_after"}
        )
        return list(answer.raise_for_status().json()["dag_runs"])

    def _tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self.airflow.get(path).raise_for_status().json()["task_instances"])

    def _failures(self, dag_id: str, run_id: str) -> str:
        """The end of the log of each task that failed."""
        return "\n".join(
            f"{task['task_id']}, try {task['try_number']}:\n"
            + self.log(dag_id, run_id, task["task_id"])[-3000:]
            for task in self._tasks(dag_id, run_id)
            if task["state"] == "failed"
        )

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """What the last try of a task printed."""
        tries = next(task["try_number"] for task in self._tasks(dag_id, run_id) if task["task_id"] == task_id)
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{max(1, tries)}"
        answer = self.airflow.get(path, params={"full_content": True}, headers={"Accept": "application/json"})
        content = answer.raise_for_status().json()["content"]
        if isinstance(content, str):
            return content
        return "\n".join(line if isinstance(line, str) else _words(line) for line in content)

    # Waiting and checking

    def wait(self, what: str, found: Callable[[], T]) -> T:
        """The first true value of *found*. Ends early when a component of Airflow ends."""
        end = time.monotonic() + PATIENCE_SECONDS
        problem = "it did not happen"
        with self.console.status(f"[dim]waiting for {escape(what)}[/]"):
            while time.monotonic() < end:
                self._deployment.check()
                try:
                    value = found()
                except (httpx.HTTPError, HostError) as error:
                    # The API server of a busy machine may let a request time out.
                    problem = str(error)
                else:
                    if value:
                        return value
                time.sleep(0.3)
        raise StoryFailed(f"waited {PATIENCE_SECONDS:.0f} s for {what}: {problem}")

    def check(self, found: Mapping[str, Any], **expected: Any) -> None:
        """Each of *expected* must stand in *found*."""
        wrong = {name: found.get(name) for name, value in expected.items() if found.get(name) != value}
        if wrong:
            raise StoryFailed(f"expected {expected}, found {wrong} in {dict(found)}")

    def require(self, holds: object, otherwise: str) -> None:
        if not holds:
            raise StoryFailed(otherwise)


def _words(line: dict[str, Any]) -> str:
    """One structured log line: its message and, if it has one, its error."""
    errors = [
        f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or []
    ]
    return " ".join([str(line.get("event", "")), *errors])


def _quoted(arguments: Any) -> str:
    return shlex.join(arguments)
