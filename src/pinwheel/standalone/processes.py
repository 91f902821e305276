"""Child processes that end for certain, with everything that came from them.

Each carries a marker in its environment, which its children inherit, also those that leave the process group
or lose their parent. A watcher process holds one end of a pipe to us: when we end in any way, SIGKILL
included, it ends whatever carries the marker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]  # one of Airflow's own dependencies

MARKER = "PINWHEEL_STANDALONE"


def marked(home: str) -> list[psutil.Process]:
    """Live processes of the deployment in *home*, this one excepted."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == home and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_all(home: str, *, grace_seconds: float) -> None:
    """SIGTERM, then SIGKILL after the grace, until nothing is left. Safe to repeat."""
    left = marked(home)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    if left:
        psutil.wait_procs(left, timeout=grace_seconds)
    for _ in range(50):
        left = marked(home)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)


class Component:
    """One of Airflow's processes: its command, its log file and, while it runs, its process."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, env: Mapping[str, str], cwd: Path) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only us and we end it in order."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs (or was never started)."""
        return self._process.poll() if self._process is not None else None

    def tell_to_end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, seconds))

    def tail(self, lines: int = 30) -> str:
        """The last lines of its log."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


class Watcher:
    """Ends the deployment's processes when this process is gone."""

    def __init__(self, home: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != MARKER}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pinwheel.standalone.watcher", home],
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self, timeout: float = 20.0) -> None:
        """Let it go; returns when it has made sure that nothing is left."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)


class Follower:
    """Prints what the components write, each line with its component's name before it."""

    def __init__(self, components: Sequence[Component], write: Callable[[str, str], None]) -> None:
        self._components = components
        self._write = write
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follow-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        files: dict[str, IO[str]] = {}
        try:
            while True:
                last_look = self._ended.is_set()
                for component in self._components:
                    if component.name not in files and component.log.exists():
                        files[component.name] = component.log.open(errors="replace")
                    if component.name in files:
                        for line in files[component.name]:
                            self._write(component.name, line.rstrip("\n"))
                if last_look:
                    return
                time.sleep(0.2)
        finally:
            for file in files.values():
                file.close()
