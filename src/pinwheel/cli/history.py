"""``pinwheel history``: which code each try ran."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, short_time, show_table, text, version_of
from pinwheel.cli.parser import add_examples
from pinwheel.core.request import HistoryRequest
from pinwheel.core.request_values import MOST_SHOWN

if TYPE_CHECKING:
    from rich.console import Console

_STATES = {
    "success": "green",
    "failed": "bold red",
    "upstream_failed": "red",
    "running": "cyan",
    "skipped": "dim",
    "removed": "dim",
    "up_for_retry": "yellow",
}

COLUMNS = (
    Column("Run"),
    Column("Task"),
    Column("Try", right=True),
    Column("State"),
    Column("Release", right=True),
    Column("Build", right=True),
    Column("Version", spare=1),
    Column("Started", spare=2, time=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel history orders_daily",
        "pinwheel history orders_daily --run-id scheduled__2026-03-01T00:00:00+00:00",
        "pinwheel history orders_daily --task-id load --limit 10 --output json",
    )
    options.add_dag_id(parser)
    parser.add_argument("-r", "--run-id", metavar="ID", help="this run only")
    parser.add_argument("-t", "--task-id", metavar="ID", help="this task only")
    parser.add_argument(
        "-n",
        "--limit",
        type=options.positive,
        default=100,
        metavar="N",
        help=f"the newest N runs (default: 100, at most {MOST_SHOWN})",
    )
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    request = HistoryRequest(dag_id=args.dag_id, run_id=args.run_id, task_id=args.task_id, limit=args.limit)
    rows = context.backend.history(request)
    context.emit(rows, lambda console: render(console, rows))


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("Nothing has run yet.")
        return
    shown = []
    last = None
    for row in rows:
        mapped = f"[{row['map_index']}]" if row["map_index"] >= 0 else ""
        shown.append(
            (
                text(row["run_id"] if row["run_id"] != last else "", "bold"),
                text(f"{row['task_id']}{mapped}"),
                text(row["try_number"]),
                text(row["state"] or "none", _STATES.get(row["state"] or "", "")),
                text(_release(row)),
                text(row["build"] or "-"),
                text(version_of(row)),
                text(short_time(row["start_date"])),
            )
        )
        last = row["run_id"]
    show_table(console, COLUMNS, shown)
    if any(row["build"] is None for row in rows):
        console.print(text("Tries without a build ran before Pinwheel: nobody recorded their code.", "dim"))


def _release(row: dict[str, Any]) -> str:
    if row["release"] is not None:
        return str(row["release"])
    return "trial" if row["build"] is not None else "-"
