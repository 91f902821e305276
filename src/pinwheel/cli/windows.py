"""``pinwheel windows``: when places of a Dag may be released, and which rules say so."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, badges, names, show_table, text, time_and_zone
from pinwheel.cli.parser import add_examples

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    Column("Rule"),
    Column("State"),
    Column("Says", cut=True, least=24),
    Column("Of", cut=True, spare=2),
    Column("Overridden by", cut=True, spare=1),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel windows orders_daily",
        "pinwheel windows orders_daily --at 2026-12-24T09:00+01:00",
    )
    options.add_dag_id(parser)
    parser.add_argument(
        "--at",
        type=options.exact_instant,
        metavar="WHEN",
        help="at this instant, with its offset (default: now); by the rules that are in force now",
    )
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    found = context.backend.windows(args.dag_id, at=args.at)
    context.emit(found, lambda console: render(console, found, then=args.at is not None))


def render(console: Console, found: dict[str, Any], *, then: bool) -> None:
    """Draw it; *then* when an instant was asked for."""
    when = f"at {time_and_zone(found['at'])}" if then else "now"
    state = text("open", "bold green") if found["open"] else text("closed", "bold red")
    why = f": {'; '.join(found['because'])}" if found["because"] else ""
    console.print(text(f"{found['dag_id']} is ") + state + text(f" {when}{why}."), soft_wrap=True)
    if found["limits"]:
        console.print(text(_next(found)), soft_wrap=True)
        show_table(
            console,
            COLUMNS,
            [
                (
                    text(limit["rule"], "bold"),
                    badges([("closed", "bold red")] if limit["closes"] else [], otherwise=("open", "green")),
                    text(limit["says"]),
                    text(limit["document"] or limit["by"]),
                    text(names(limit["override"])),
                )
                for limit in found["limits"]
            ],
        )


def _next(found: dict[str, Any]) -> str:
    if found["open"]:
        if found["next_change"] is None:
            return "It does not close within two years."
        return f"It closes at {time_and_zone(found['next_change'])}."
    if found["next_opening"] is None:
        return "It does not open by itself within two years."
    return f"It opens at {time_and_zone(found['next_opening'])}."
