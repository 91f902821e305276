"""Process groups that end for certain.

Every process that a test starts carries ``PINWHEEL_TEST_SESSION=<id>`` in its environment, and so do its
children. A small reaper process watches a pipe to pytest: when pytest ends in any way, Ctrl-C and SIGKILL
included, the reaper kills what is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

SESSION_VARIABLE = "PINWHEEL_TEST_SESSION"
SESSION_ID = uuid.uuid4().hex

# Every timeout is multiplied by this: raise it on a machine that does other work too.
TIMEOUT_FACTOR = float(os.environ.get("PINWHEEL_TEST_TIMEOUT_FACTOR", "1"))

T = TypeVar("T")
_REAPER = Path(__file__).with_name("_reaper.py")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(
    predicate: Callable[[], T],
    timeout: float = 30.0,
    message: str | Callable[[], str] = "the condition",
    interval: float = 0.1,
) -> T:
    """The first true value that ``predicate`` returns. Raises TimeoutError with ``message`` after
    ``timeout`` seconds.
    """
    timeout *= TIMEOUT_FACTOR
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            text = message() if callable(message) else message
            raise TimeoutError(f"not within {timeout:g} s: {text} (last value: {value!r})")
        time.sleep(interval)


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a log file, or a note that there is none."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return f"(no file {path})"
    return "\n".join(text.splitlines()[-lines:])


def processes_with(name: str, value: str) -> list[psutil.Process]:
    """Every live process whose environment holds ``name=value``, this one excepted. Zombies do not count."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL, then wait until they are gone."""
    victims = list(processes)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(victims, timeout=10)


class ManagedProcess:
    """One command in a process group of its own, its output in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._token = uuid.uuid4().hex
        environment = {**env, SESSION_VARIABLE: SESSION_ID, "PINWHEEL_TEST_PROCESS": self._token}
        # Airflow sets process titles; without this that overwrites the environment which marks our processes.
        environment["SPT_NOENV"] = "1"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                self.command,
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def family(self) -> list[psutil.Process]:
        """The process and everything that came from it, also what left its process group or lost its
        parent.
        """
        found = {process.pid: process for process in processes_with("PINWHEEL_TEST_PROCESS", self._token)}
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self.pid)
            if root.status() != psutil.STATUS_ZOMBIE:
                found[root.pid] = root
            for child in root.children(recursive=True):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found[child.pid] = child
        return list(found.values())

    def send(self, signum: int = signal.SIGTERM, *, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group."""
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, signum)
            else:
                os.kill(self.pid, signum)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, then SIGKILL for whatever is left after ``grace`` seconds. Safe to repeat."""
        family = self.family()
        if self.running:
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(grace)
        left = {process.pid: process for process in [*family, *self.family()]}
        kill_all(process for process in left.values() if process.is_running())
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)

    def crash(self) -> None:
        """SIGKILL to the process and all that came from it, at once: a lost machine."""
        family = self.family()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        kill_all([*family, *self.family()])
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)

    def tail(self, lines: int = 40) -> str:
        state = "running" if self.running else f"exited with {self.popen.returncode}"
        return f"--- {self.name} (pid {self.pid}, {state}), end of {self.log}\n{tail(self.log, lines)}"


class Reaper:
    """The watcher that outlives pytest just long enough to leave nothing running."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_REAPER), SESSION_VARIABLE, SESSION_ID],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def remove(self, path: Path) -> None:
        """Also delete this folder at the end."""
        self._tell(f"remove {path}")

    def watch_pid_file(self, path: Path) -> None:
        """Also kill the process whose pid is the first line of this file (PostgreSQL hides its
        environment).
        """
        self._tell(f"pidfile {path}")

    def close(self, timeout: float = 20.0) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
