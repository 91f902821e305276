"""``pinwheel builds``: the builds of a Dag."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import badges, first_line, last_line, names, short_time, table, text, version_of

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dag_id", metavar="DAG_ID")
    options.add_common(parser)


def run(context: Context) -> None:
    rows = context.backend.builds(context.args.dag_id)
    context.emit(rows, lambda console: render(console, rows))


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("No builds yet.")
        return
    shown = table(
        ("Build", {"justify": "right"}),
        "State",
        "Version",
        "Made",
        "Releases",
        "Author",
        ("Message", {"overflow": "ellipsis", "no_wrap": True, "ratio": 1}),
    )
    for row in rows:
        broken = row["status"] == "broken"
        shown.add_row(
            text(row["build"] or "-", "bold"),
            badges(_marks(row), otherwise=("good", "green")),
            text(version_of(row)),
            text(short_time(row["created_at"])),
            text(names(row["releases"])),
            text((row["author"] or "").split("<")[0].strip()),
            text(last_line(row["error"]) if broken else first_line(row["message"]), "red" if broken else ""),
        )
    console.print(shown)


def _marks(row: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    if row["status"] == "broken":
        found.append(("broken", "bold white on red"))
    if row["adopted"]:
        found.append(("adopted", "cyan"))
    if row["unstable"]:
        found.append(("unstable", "yellow"))
    return found
