"""``pinwheel builds``: the builds of a Dag."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import (
    Column,
    badges,
    first_line,
    last_line,
    names,
    short_time,
    show_table,
    text,
    version_of,
)
from pinwheel.cli.parser import add_examples

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    Column("Build", right=True),
    Column("State"),
    Column("Version"),
    Column("Made", spare=2, time=True),
    Column("Releases", spare=1),
    Column("Author", spare=3),
    Column("Message", cut=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel builds orders_daily")
    options.add_dag_id(parser)
    options.add_common(parser)


def run(context: Context) -> None:
    rows = context.backend.builds(context.args.dag_id)
    context.emit(rows, lambda console: render(console, rows))


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("No builds yet.")
        return
    shown = []
    for row in rows:
        broken = row["status"] == "broken"
        shown.append(
            (
                text(row["build"] or "-", "bold"),
                badges(_marks(row), otherwise=("good", "green")),
                text(version_of(row)),
                text(short_time(row["created_at"])),
                text(names(row["releases"])),
                text((row["author"] or "").split("<")[0].strip()),
                text(
                    last_line(row["error"]) if broken else first_line(row["message"]), "red" if broken else ""
                ),
            )
        )
    show_table(console, COLUMNS, shown)
    blind = next((row for row in rows if row.get("unread")), None)
    if blind is not None:
        why = "; ".join(blind["unread"])
        console.print(
            text(
                f"By its file: all that the file reads decides the content of build {blind['build']}, since "
                f"of the Dag's object could not be read: {why}",
                "dim",
            ),
            soft_wrap=True,
        )


def _marks(row: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    if row["status"] == "broken":
        found.append(("broken", "bold white on red"))
    if row.get("rejected"):
        found.append(("rejected", "bold red"))
    if row["adopted"]:
        found.append(("adopted", "cyan"))
    if row["unstable"]:
        found.append(("unstable", "yellow"))
    if row.get("unread"):
        found.append(("by its file", "dim"))
    return found
