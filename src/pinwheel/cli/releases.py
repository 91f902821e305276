"""``pinwheel releases``: the releases of a Dag."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, first_line, short_time, show_table, text, version_of
from pinwheel.cli.parser import add_examples

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"rollback": "yellow", "pin": "magenta", "retire": "dim", "adopt": "cyan", "before": "dim"}

COLUMNS = (
    Column("Release", right=True),
    Column("Build", right=True),
    Column("Kind"),
    Column("Version"),
    Column("Made", spare=2, time=True),
    Column("By", cut=True),
    Column("Reason", cut=True, spare=1),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel releases orders_daily", "pinwheel releases orders_daily --before")
    options.add_dag_id(parser)
    parser.add_argument(
        "--before",
        action="store_true",
        help="also Airflow's versions from before Pinwheel, whose code nobody can vouch for",
    )
    options.add_common(parser)


def run(context: Context) -> None:
    rows = context.backend.releases(context.args.dag_id, include_before=context.args.before)
    context.emit(rows, lambda console: render(console, rows))


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("No releases yet.")
        return
    shown = []
    for row in rows:
        style = "bold green" if row["active"] else "dim" if row["kind"] == "before" else ""
        shown.append(
            (
                text(f"{'● ' if row['active'] else ''}{row['release']}", style),
                text(row["build"] or "-"),
                text(row["kind"], _STYLES.get(row["kind"], "")),
                text(version_of(row)),
                text(short_time(row["created_at"])),
                text(row["actor"]),
                text(first_line(row["reason"])),
            )
        )
    show_table(console, COLUMNS, shown)
    gone = [str(row["release"]) for row in rows if not row["fetchable"] and row["kind"] != "before"]
    if gone:
        numbers = ", ".join(gone[:20]) + (f" and {len(gone) - 20} more" if gone[20:] else "")
        console.print(f"Can no longer be fetched: {numbers}.", soft_wrap=True)
