"""Start everything, tell the story, and stay until Ctrl-C (or, with ``--once``, end with its result)."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from pinwheel.cli.standalone import ended_by_signals, port, show_login, watch
from pinwheel.core.errors import InvalidInput, PinwheelError
from pinwheel.demo.links import links
from pinwheel.demo.repository import SampleRepository
from pinwheel.demo.stage import Stage, StoryFailed
from pinwheel.demo.story import tell
from pinwheel.standalone import Deployment, Source
from pinwheel.standalone.deployment import refuse_if_running
from pinwheel.standalone.settings import free_port, port_is_free

INTERRUPTED = 130

_SETTINGS = {
    "core.dags_are_paused_at_creation": False,
    "core.parallelism": 4,
    # A slow machine must not make a Dag file or a task look broken.
    "core.dagbag_import_timeout": 120,
    "dag_processor.dag_file_processor_timeout": 180,
    "workers.execution_api_timeout": 60,
    "dag_processor.refresh_interval": 1,
    "scheduler.scheduler_idle_sleep_time": 0.5,
    "scheduler.job_heartbeat_sec": 2,
    "triggerer.job_heartbeat_sec": 2,
    # Who of the users the author of the shop's commits is: nobody of these.
    "pinwheel.users": '{"ada@shop.example": "ada"}',
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pinwheel.demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end after the story; exit 0 if each step showed what it should"
    )
    parser.add_argument("--port", type=port, help="of the API server (default: 8080, or a free one)")
    parser.add_argument(
        "--home", type=Path, help="default: .pinwheel/demo, or with --once a temporary folder"
    )
    parser.add_argument("--keep", action="store_true", help="with --once: do not delete the home folder")
    parser.add_argument("--verbose", action="store_true", help="show what the components write")
    args = parser.parse_args()
    # Without a terminal: wide enough for the tables.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    temporary = args.once and args.home is None
    home = (
        Path(tempfile.mkdtemp(prefix="pinwheel-demo-")) if temporary else args.home or Path(".pinwheel/demo")
    )
    home = home.resolve()
    with ended_by_signals():
        try:
            return _run(args, console, home)
        except PinwheelError as error:
            console.print(f"[bold red]error:[/] {error.message}", markup=True, soft_wrap=True)
            return error.exit_code
        except KeyboardInterrupt:
            console.print("\nStopped; nothing is running any more.")
            return INTERRUPTED if args.once else 0
        finally:
            if temporary and not args.keep:
                shutil.rmtree(home, ignore_errors=True)


def _run(args: argparse.Namespace, console: Console, home: Path) -> int:
    began = time.monotonic()
    _empty(home)
    repository = SampleRepository(home / "repository")
    repository.create()
    source = Source(repo=str(repository.origin), ref=repository.branch, subdir=repository.subdir, name="shop")
    deployment = Deployment(
        home,
        source,
        port=_port(args),
        more=_SETTINGS,
        environ={**os.environ, "SHOP_DATABASE": str(home / "shop.sqlite")},
        tell=lambda step: console.print(f"[dim]· {step}[/]"),
        follow=(lambda name, line: console.print(f"{name:<13} {line}", markup=False))
        if args.verbose
        else None,
    )
    console.print("[bold]Pinwheel[/]: a complete local Airflow, and the story of a shop's releases")
    with deployment:
        deployment.start()
        login = deployment.wait_until_ready()
        console.print(f"[dim]· Ready at {login.url} after {time.monotonic() - began:.0f} s[/]")
        stage = Stage(console, deployment, login)
        try:
            story = tell(stage, repository)
            places = links(login.url, story.runs)
        except StoryFailed as failure:
            places = []
            console.print("\n[bold red]The story went wrong[/]")
            console.print(str(failure), markup=False, soft_wrap=True)
            if args.once:
                _show_logs(console, deployment)
                return 1
        else:
            told = f"Every step showed what it should ({time.monotonic() - began:.0f} s, start included)."
            console.print(f"\n[bold green]{told}[/]")
        finally:
            stage.close()
        if args.once:
            return 0
        show_login(console, login, deployment)
        for words, address in places:
            console.print(f"{words:<32} {address}", markup=False, soft_wrap=True)
        console.print(
            f"\nrepository  {repository.clone} (change, commit, push, and look at pinwheel status)\n"
        )
        watch(deployment)
    return 0


def _port(args: argparse.Namespace) -> int:
    if args.port is not None:
        return int(args.port)
    return 8080 if not args.once and port_is_free("127.0.0.1", 8080) else free_port()


def _empty(home: Path) -> None:
    """Begin afresh: delete what an earlier demo left, and nothing else."""
    refuse_if_running(home)
    if home.is_dir() and any(home.iterdir()):
        if not (home / "standalone.lock").exists():
            raise InvalidInput(
                f"Cannot use {home} as home",
                found="there are files in it that are not the demo's",
                remedy="Give an empty folder with --home",
            )
        shutil.rmtree(home)


def _show_logs(console: Console, deployment: Deployment) -> None:
    for component in deployment.components:
        console.rule(str(component.log))
        console.print(component.tail(15), markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
