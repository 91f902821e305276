"""``pinwheel uninstall``: drop what is ours."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import counted, text
from pinwheel.cli.parser import add_examples
from pinwheel.wiring import make_host

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.services.upkeep.uninstall import Leaving


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel uninstall --plan", "pinwheel uninstall")
    parser.add_argument(
        "--plan", action="store_true", help="show what would go and what would stay, change nothing"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask, and do it although a Dag processor is alive"
    )
    options.add_output(parser)


def run(context: Context) -> None:
    from pinwheel.services.show.plain import plain
    from pinwheel.services.upkeep import uninstall

    args = context.args
    host = make_host(quiet=not args.debug)
    if args.plan:
        found = uninstall.plan(host)
        context.emit(plain(found), lambda console: render(console, found, done=False))
        return
    if context.interactive and not args.yes:
        found = uninstall.plan(host)
        context.emit(plain(found), lambda console: render(console, found, done=False))
        context.confirm("Drop the tables? Builds, releases and their history are lost.")
    dropped = uninstall.uninstall(host, force=args.yes)
    if dropped.dated:
        # A run that is made in this moment may have read its Dag's row before.
        time.sleep(uninstall.LOOK_AGAIN)
        uninstall.look_again(host)
    context.emit(plain(dropped), lambda console: render(console, dropped, done=True))


def render(console: Console, found: Leaving, *, done: bool) -> None:
    if not found.tables:
        console.print("Pinwheel has no tables in this database.")
    else:
        went = "Dropped" if done else "Would drop"
        console.print(
            text(f"{went} {counted(len(found.tables), 'table')}: ", "bold") + ", ".join(found.tables)
        )
    if found.processors:
        console.print(text(f"A Dag processor is alive on {', '.join(found.processors)}.", "bold red"))
    if found.held:
        console.print(text(f"Held back now: {', '.join(found.held)}", "yellow"), soft_wrap=True)
    if found.bound:
        were = "were" if done else "would be"
        console.print(f"{counted(found.bound, 'run')} that waited {were} bound to what their dates ask for.")
    for run in found.to_active:
        console.print(text(f"Takes the active release, whatever its date: {run}", "yellow"), soft_wrap=True)
    console.print(text("What remains to be done" if done else "What would remain to be done", "bold"))
    for sentence in found.remains:
        console.print(f"  - {sentence}", soft_wrap=True)
