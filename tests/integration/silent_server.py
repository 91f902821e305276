"""A server that takes every connection and says nothing, until it is told to be a git server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SilentServer:
    """Silent at first; what is connected by then is hung up on when it begins to answer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked = threading.Event()
        self.connections = 0
        self._answers = False
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"git://127.0.0.1:{self.port}/{path}"

    def answer(self) -> None:
        """Be the git server of what is below the root from now on."""
        with self._lock:
            self._answers = True
            held, self._held = self._held, []
        for connection in held:
            _hang_up(connection)

    def fall_silent(self) -> None:
        with self._lock:
            self._answers = False
        self.asked.clear()

    def close(self) -> None:
        self.answer()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self.connections += 1
                    if not self._answers:
                        self._held.append(connection)
                        self.asked.set()
                        continue
                subprocess.Popen(
                    ["git", "-c", "safe.directory=*", "daemon", "--inetd", "--export-all",
                     "--enable=upload-pack", f"--base-path={self.root}"],
                    stdin=connection, stdout=connection,
                )  # fmt: skip
                connection.close()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def silent_server(root: Path) -> Iterator[SilentServer]:
    """A server over the repositories below *root*."""
    server = SilentServer(root)
    try:
        yield server
    finally:
        server.close()
