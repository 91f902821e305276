"""A real HTTP server on this machine that hands out git repositories, or whatever a test wants instead."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit


class GitServer:
    """Answers as ``git http-backend`` does, after *login* and *token* were found right.

    *answer* (status, headers, body by the request's path) comes before the repositories.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.login: tuple[str, str] | None = None
        self.token: str | None = None
        self.answer: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda path: None
        self.logins: list[tuple[str, str]] = []
        self.arguments: set[str] = set()
        self.port = 0

    def url(self, path: str, login: str = "") -> str:
        """Where *path* is, with a login."""
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}/{path}"

    def look(self) -> None:
        """Remember what every process on this machine shows as its arguments."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.arguments.add(path.read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue


@contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    """A server over the repositories below *root*."""
    server = GitServer(root)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.handle_request(b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.handle_request(body)

        def handle_request(self, body: bytes) -> None:
            server.look()
            found = server.answer(self.path)
            if found is not None:
                self.reply(*found)
                return
            given = self.headers.get("Authorization") or ""
            if given:
                user, _, password = base64.b64decode(given.partition(" ")[2]).decode().partition(":")
                server.logins.append((user, password))
                if (user, password) != server.login:
                    given = ""
            if server.login and not given:
                self.reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
                return
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if server.token is not None:
                # As git appends to a URL with a query: /r.git?token=T/info/refs&service=…
                values = dict(parse_qsl(query))
                token, _, rest = values.pop("token", "").partition("/")
                if token != server.token:
                    self.reply(403, {}, b"")
                    return
                path, query = f"{path}/{rest}", f"service={values.get('service', '')}"
            self.backend(unquote(path), query, body)

        def backend(self, path: str, query: str, body: bytes) -> None:
            done = subprocess.run(
                ["git", "-c", "safe.directory=*", "http-backend"],
                input=body,
                stdout=subprocess.PIPE,
                check=True,
                env={
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(server.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
                    "GIT_CONFIG_VALUE_0": "true",
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.reply(int(headers.pop("Status", "200").split()[0]), headers, content)

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            if status == 0:
                time.sleep(float(body))
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
