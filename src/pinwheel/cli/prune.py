"""``pinwheel prune``: remove what nobody needs any more, as the Dag processor does once a day."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, show_table, text
from pinwheel.cli.parser import add_examples
from pinwheel.wiring import make_host

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel prune --plan", "pinwheel prune")
    parser.add_argument(
        "--plan", action="store_true", help="show how many rows of each table would go, change nothing"
    )
    options.add_output(parser)


def run(context: Context) -> None:
    from pinwheel.services.upkeep import prune

    host = make_host(quiet=not context.args.debug)
    planned = bool(context.args.plan)
    rows = prune.plan(host) if planned else prune.prune(host)
    found: dict[str, Any] = {"planned": planned, "rows": rows}
    context.emit(found, lambda console: render(console, found))


def render(console: Console, found: dict[str, Any]) -> None:
    rows = {table: number for table, number in found["rows"].items() if number}
    if not rows:
        console.print("Nothing is there that nobody needs.")
        return
    heading = "Rows that would go" if found["planned"] else "Rows removed"
    show_table(
        console,
        [Column("Table"), Column(heading, right=True)],
        [[text(table), text(f"{number:,}")] for table, number in rows.items()],
    )
