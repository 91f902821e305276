"""What a verb gets: its arguments, a backend, and the stream that answers go to."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from pinwheel.cli.output import emit, is_terminal, text
from pinwheel.core.errors import Refused
from pinwheel.core.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.cli.backend.protocol import Backend


class Context:
    """One invocation."""

    def __init__(self, args: argparse.Namespace, stream: TextIO) -> None:
        self.args = args
        self.stream = stream
        self._backend: Backend | None = None

    @property
    def backend(self) -> Backend:
        """The database here, or the API server of ``--url``; made when it is first needed."""
        if self._backend is None:
            self._backend = make_backend(self.args)
        return self._backend

    @property
    def interactive(self) -> bool:
        """A person looks on: tables on a terminal."""
        return self.args.output == "table" and is_terminal(self.stream)

    def emit(self, value: Any, render: Callable[[Console], None]) -> None:
        """Answer with *value*, drawn by *render* when a table is asked for."""
        emit(value, self.args.output, render, self.stream)

    def show_page(self, console: Console, *path: str) -> None:
        """Say where Airflow's pages show what was done, by the parts of the path; nothing if nobody knows."""
        if address := self.backend.address:
            page = "/".join(quote(part, safe="") for part in path)
            console.print(text(f"See {address}/{page}", "dim"), soft_wrap=True)

    def confirm(self, question: str) -> None:
        """Ask a person; without one to ask, go on.

        :raises Refused: the answer is not yes.
        """
        if not self.interactive or not is_terminal(sys.stdin):
            return
        self.stream.write(f"{visible(question)} [y/N] ")
        self.stream.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Refused(
                "Nothing was changed", found="you did not say yes", remedy="Use --yes to skip the question"
            )


def make_backend(args: argparse.Namespace) -> Backend:
    if args.url:
        from pinwheel.cli.backend.remote import RemoteBackend

        return RemoteBackend(args.url, args.token or os.environ.get("PINWHEEL_TOKEN") or None)
    from pinwheel.cli.backend.local import LocalBackend
    from pinwheel.wiring import make_host, web_address

    return LocalBackend(make_host(quiet=not args.debug), actor=actor(), address=web_address())


def actor() -> str:
    """Who acts: ``$PINWHEEL_ACTOR``, else the user of the operating system."""
    given = os.environ.get("PINWHEEL_ACTOR", "").strip()
    if given:
        return given[:250]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
