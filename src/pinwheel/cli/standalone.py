"""``pinwheel standalone``: a complete local Airflow with Pinwheel, over a folder or a git repository."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from pinwheel.cli.parser import add_examples
from pinwheel.cli.terminal import make_console
from pinwheel.standalone import Deployment, Login, Source

_MORE = """\
Everything lies in the home folder (.pinwheel); delete it to start afresh. Ctrl-C ends all components.
In another shell, export AIRFLOW_HOME=<home> makes the airflow and pinwheel commands work on it.
"""


# Talks to a person all the time; there is no one answer.
OWN_STDOUT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``pinwheel standalone --help``."""
    parser.description = (
        "Start API server, scheduler, triggerer and Pinwheel's Dag processor on this machine."
    )
    add_examples(
        parser,
        "pinwheel standalone --dags ./dags",
        "pinwheel standalone --repo https://github.com/acme/pipelines --ref main --subdir dags",
        more=_MORE,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dags", type=Path, metavar="PATH", help="folder of Dag files")
    source.add_argument("--repo", metavar="URL", help="git repository (URL or path)")
    parser.add_argument("--ref", default="main", help="branch or tag of the repository (default: main)")
    parser.add_argument("--subdir", help="folder of the Dags in the repository")
    parser.add_argument("--home", type=Path, default=Path(".pinwheel"), help="default: .pinwheel")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=port, default=8080, help="of the API server and UI (default: 8080)")
    parser.add_argument("--database-url", metavar="URL", help="default: SQLite in the home folder")
    parser.add_argument("--verbose", action="store_true", help="show what the components write")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, SIGTERM or the end of the terminal."""
    console = make_console()
    source = Source(folder=args.dags, repo=args.repo, ref=args.ref, subdir=args.subdir)
    deployment = Deployment(
        args.home,
        source,
        port=args.port,
        host=args.host,
        database_url=args.database_url,
        tell=lambda step: _say(console, f"[dim]·[/] {step}"),
        follow=_printer(console) if args.verbose else None,
    )
    return serve(deployment, console)


def serve(deployment: Deployment, console: Console) -> int:
    """Start *deployment*, say where it is, and keep it until somebody ends it; then end all of it."""
    with ended_by_signals(), deployment:
        try:
            deployment.start()
            show_login(console, deployment.wait_until_ready(), deployment)
            watch(deployment)
        except KeyboardInterrupt:
            _say(console, "\n[dim]·[/] Stopping (a second Ctrl-C does not wait)")
    _say(console, "[dim]·[/] Nothing is running any more")
    return 0


def watch(deployment: Deployment) -> None:
    """Return never; raises when a component ends, and KeyboardInterrupt when a person does not want more."""
    while True:
        deployment.check()
        time.sleep(0.5)


def show_login(console: Console, login: Login, deployment: Deployment) -> None:
    """Print the address, the login and how to use another shell."""
    _say(console, f"\n[bold green]Ready[/]   {login.url}")
    _say(console, f"login   [bold]{login.user}[/] / [bold]{login.password}[/]")
    _say(console, f"shell   export AIRFLOW_HOME={deployment.home.path}")
    _say(console, "        pinwheel status")
    _say(console, f"logs    {deployment.home.logs}")
    _say(console, "Ctrl-C ends it.\n")


class Ended(KeyboardInterrupt):
    """Somebody ended us.

    Python ends a process by SIGINT, whatever it returned, when a plain KeyboardInterrupt ever left the
    `exec` of a text, as in an import of a module with dataclasses; a subclass does not count.
    """


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM and the loss of the terminal end what Ctrl-C ends, and count what comes together once.

    One Ctrl-C can arrive twice: from the terminal, and from a parent such as `uv run` that passes it on.
    """
    last = float("-inf")

    def interrupt(signum: int, frame: object) -> None:
        nonlocal last
        now, before = time.monotonic(), last
        last = now
        # Only a person's second Ctrl-C means that they will not wait for the clean-up.
        if before == float("-inf") or (signum == signal.SIGINT and now - before > 1):
            raise Ended

    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = [signal.signal(signum, interrupt) for signum in names]
    try:
        yield
    finally:
        for signum, handler in zip(names, former, strict=True):
            signal.signal(signum, handler)


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _printer(console: Console) -> Any:
    colours = {"api-server": "magenta", "scheduler": "blue", "dag-processor": "yellow", "triggerer": "cyan"}

    def write(component: str, line: str) -> None:
        _say(console, f"[{colours.get(component, 'dim')}]{component:<13}[/] ", end="")
        with contextlib.suppress(OSError):
            console.print(line, markup=False, soft_wrap=True)

    return write


def _say(console: Console, text: str, **how: Any) -> None:
    # A terminal that is gone must not keep us from ending the components.
    with contextlib.suppress(OSError):
        console.print(text, soft_wrap=True, **how)
        sys.stdout.flush()
