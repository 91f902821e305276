"""``pinwheel standalone`` as a user has it: started in a terminal, ended in every way there is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.dags import dag, write
from harness.processes import SESSION_ID, SESSION_VARIABLE, free_port, kill_all, processes_with, wait_for

pytestmark = pytest.mark.airflow

COMPONENTS = 4
PATIENCE = 240.0


class Standalone:
    """One ``pinwheel standalone`` process."""

    def __init__(self, folder: Path, database_url: str | None, *arguments: str) -> None:
        self.home = folder / "home"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dags = folder / "dags"
        write(self.dags, dag("hello"))
        self.output = folder / "output.txt"
        command = self.command(*arguments)
        if database_url:
            command += ["--database-url", database_url]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, SESSION_VARIABLE: SESSION_ID},
            )

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "pinwheel.cli.main", "standalone"),
            *("--dags", str(self.dags), "--home", str(self.home), "--port", str(self.port)),
            *arguments,
        ]

    def marked(self) -> list[Any]:
        return processes_with("PINWHEEL_STANDALONE", str(self.home.resolve()))

    def text(self) -> str:
        return self.output.read_text()

    def logs(self) -> str:
        files = sorted((self.home / "logs").glob("*.log"))
        return self.text() + "".join(f"\n--- {file}\n{file.read_text()[-3000:]}" for file in files)

    def wait_started(self) -> None:
        wait_for(lambda: len(self.marked()) >= COMPONENTS and self.migrated(), PATIENCE, self.logs)

    def migrated(self) -> bool:
        return (self.home / "logs" / "dag-processor.log").exists()

    def wait_ready(self) -> None:
        wait_for(
            lambda: "Ctrl-C ends it" in self.text() or self.process.poll() is not None, PATIENCE, self.logs
        )
        assert self.process.poll() is None, self.logs()

    def wait_nothing_left(self) -> None:
        wait_for(lambda: not self.marked(), 30, lambda: f"{self.marked()}\n{self.logs()}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))


@pytest.fixture
def standalone(tmp_path: Path, sqlite: Any) -> Iterator[Callable[..., Standalone]]:
    """Starts one, on a database that is migrated already unless told otherwise."""
    made: list[Standalone] = []

    def make(*arguments: str, migrated: bool = True) -> Standalone:
        made.append(Standalone(tmp_path, sqlite.create().url if migrated else None, *arguments))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.wait()
        kill_all(one.marked())


@pytest.mark.slow
def test_a_folder_is_served_by_a_complete_airflow_until_ctrl_c(standalone: Callable[..., Standalone]) -> None:
    one = standalone(migrated=False)
    one.wait_ready()
    password = json.loads((one.home / "passwords.json").read_text())["admin"]
    assert f"admin / {password}" in one.text()
    assert one.url in one.text()

    login = httpx.post(f"{one.url}/auth/token", json={"username": "admin", "password": password}, timeout=60)
    headers = {"Authorization": f"Bearer {login.raise_for_status().json()['access_token']}"}
    health = httpx.get(f"{one.url}/api/v2/monitor/health", timeout=60).json()
    assert {health[part]["status"] for part in ("scheduler", "triggerer", "dag_processor")} == {"healthy"}

    def released() -> bool:
        answer = httpx.get(f"{one.url}/pinwheel/api/v1/dags", headers=headers, timeout=60).json()
        return [(row["dag_id"], row["active_release"]) for row in answer["dags"]] == [("hello", 1)]

    wait_for(released, PATIENCE, one.logs)

    second = subprocess.run(one.command(), capture_output=True, text=True, timeout=120)
    assert second.returncode == 4, second.stderr
    assert f"already runs there ({one.url}, process {one.process.pid})" in second.stderr

    for secret in ("secrets.json", "passwords.json", "airflow.cfg"):
        assert (one.home / secret).stat().st_mode & 0o077 == 0

    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(60) == 0, one.logs()
    assert "Nothing is running any more" in one.text()
    one.wait_nothing_left()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "terminal-closed"])
def test_nothing_is_left_when_it_is_told_to_end_while_it_starts(
    standalone: Callable[..., Standalone], signum: signal.Signals
) -> None:
    one = standalone()
    one.wait_started()
    one.process.send_signal(signum)
    assert one.process.wait(60) == 0, one.logs()
    one.wait_nothing_left()


def test_nothing_is_left_when_it_is_killed(standalone: Callable[..., Standalone]) -> None:
    one = standalone()
    one.wait_started()
    one.process.kill()
    one.process.wait()
    one.wait_nothing_left()


def test_nothing_is_left_when_it_is_killed_during_the_migration(
    standalone: Callable[..., Standalone],
) -> None:
    one = standalone(migrated=False)
    wait_for(lambda: one.marked(), PATIENCE, one.logs)
    assert not one.migrated()
    one.process.kill()
    one.process.wait()
    one.wait_nothing_left()


def test_the_end_of_one_component_is_told_and_ends_the_others(standalone: Callable[..., Standalone]) -> None:
    one = standalone()
    one.wait_started()
    next(p for p in one.marked() if "pinwheel.cli.main dag-processor" in " ".join(p.cmdline())).kill()
    assert one.process.wait(60) == 1, one.logs()
    assert "The dag-processor ended with exit code -9" in one.text()
    one.wait_nothing_left()


def test_a_port_in_use_is_refused_with_another_one_to_take(standalone: Callable[..., Standalone]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = standalone("--port", str(port))
        assert one.process.wait(120) == 4
        assert f"Cannot serve on port {port}: another program listens on it." in one.text()
        assert "choose another port: --port " in one.text()
        assert not one.marked()
