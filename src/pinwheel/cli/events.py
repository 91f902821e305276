"""``pinwheel events``: the audit trail."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, first_line, last_line, short_time, short_version, show_table, text
from pinwheel.cli.parser import add_examples
from pinwheel.core.request import Selection

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    "broken": "bold red",
    "drift": "bold red",
    "reject": "yellow",
    "rollback": "yellow",
    "pin": "magenta",
    "unpin": "magenta",
    "unstable": "yellow",
    "missed": "yellow",
    "variant_refused": "bold red",
    "mark_restored": "bold red",
}

COLUMNS = (
    Column("When", time=True),
    Column("What"),
    Column("Dag", fold=True),
    Column("By", cut=True, spare=2),
    Column("Change", cut=True, least=36),
    Column("Reason", cut=True, spare=3),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel events",
        "pinwheel events orders_daily --kind rollback --kind pin",
        "pinwheel events --actor admin --since 2026-03-01T18:00",
    )
    options.add_selectors(parser)
    parser.add_argument(
        "-k", "--kind", action="append", metavar="KIND", help="such as rollback; may be repeated"
    )
    parser.add_argument("--actor", metavar="NAME", help="only what this user did")
    parser.add_argument(
        "--search", metavar="TEXT", help="only those with this in their reason, in letters of either case"
    )
    parser.add_argument(
        "-n",
        "--limit",
        type=options.positive,
        default=50,
        metavar="N",
        help="the newest N lines of the table, or events of JSON and YAML (default: 50)",
    )
    parser.add_argument(
        "--before", type=options.positive, metavar="ID", help="only events older than this one"
    )
    parser.add_argument(
        "--since", type=options.instant, metavar="TIME", help="only events of then or later (ISO 8601)"
    )
    parser.add_argument("--until", type=options.instant, metavar="TIME", help="only events before then")
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    rows = context.backend.events(
        Selection.to_show(options.selector_of(args)),
        limit=args.limit,
        kinds=args.kind,
        actor=args.actor,
        search=args.search,
        before_id=args.before,
        since=args.since,
        until=args.until,
        # Events of one change, or of one version, are one line; programs get them one by one.
        fold=args.output == "table",
    )
    context.emit(rows, lambda console: render(console, rows))


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("No event was found.")
        return
    shown = []
    for row in rows:
        shown.append(
            (
                text(short_time(row["at"])),
                text(row["kind"], _STYLES.get(row["kind"], "")),
                text(_of(row), "bold"),
                text(row["actor"]),
                text(change_of(row)),
                text(first_line(row["reason"]) or last_line(row.get("error")) or _changed(row)),
            )
        )
    show_table(console, COLUMNS, shown)


def _of(row: dict[str, Any]) -> str:
    """The Dag or the bundle, and how many more the line stands for."""
    name = row["dag_id"] or row["bundle"] or ""
    alike = row.get("alike") or {"events": 1, "dags": 1}
    if alike["dags"] > 1:
        return f"{name} and {alike['dags'] - 1} more"
    return f"{name} ({alike['events']} times)" if alike["events"] > 1 else name


def _changed(row: dict[str, Any]) -> str:
    """What changed in the bundle before a missed dependency was found."""
    paths = row.get("paths") or []
    more = (row.get("changed") or 0) - len(paths)
    return f"changed: {', '.join(paths)}{f' and {more} more' if more > 0 else ''}" if paths else ""


def change_of(row: dict[str, Any]) -> str:
    """An event's numbers in a few words."""
    before, after = row.get("from_build"), row.get("build")
    if row["kind"] == "backfill":
        days = f"{row['from_date'][:10]} to {row['to_date'][:10]}"
        return f"{days} on build {after}" if after is not None else days
    if row["kind"] == "reject":
        return f"build {row['rejected']}"
    if row["kind"] == "missed":
        what = f"build {after}" if after is not None else ""
        return ": ".join(part for part in (what, ", ".join(row.get("attributes") or ())) if part)
    if row["kind"] == "lift":
        return str(row.get("message") or "")
    if row.get("changes"):
        return f"revision {row['revision']}: {'; '.join(row['changes'])}"
    if row.get("run_id"):
        return f"build {after}: run {row['run_id']}"
    if row.get("release") is not None and row.get("release") != row.get("from_release"):
        return (
            f"release {row['release']} (build {before} → {after})"
            if before
            else f"release {row['release']} (build {after})"
        )
    if after is not None:
        return f"build {after}"
    if row.get("bundle_version"):
        return " ".join(part for part in (short_version(row["bundle_version"]), row.get("path")) if part)
    return ""
