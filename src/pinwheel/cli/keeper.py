"""``pinwheel keeper``: look after runs, as a child of the Dag processor does; and how that goes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, badges, counted, short_time, show_table, text
from pinwheel.cli.parser import add_examples
from pinwheel.wiring import run_keeper

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel keeper", "pinwheel keeper status", "pinwheel keeper status --output json")
    parser.add_argument(
        "do",
        nargs="?",
        choices=("run", "status"),
        default="run",
        help="run: look after runs until it is stopped (default; the Dag processor starts one by itself); "
        "status: which keepers live, and which runs wait and why",
    )
    parser.add_argument(
        "-n", "--num-runs", type=int, default=-1, metavar="N", help="end after N turns (default: -1, never)"
    )
    parser.add_argument("--parent", type=int, metavar="PID", help="end also when the process PID has ended")
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    if args.do == "run":
        run_keeper(parent=args.parent, turns=args.num_runs)
        return
    found = context.backend.keeper()
    context.emit(found, lambda console: render(console, found))


def render(console: Console, found: dict[str, Any]) -> None:
    for problem in found["problems"]:
        console.print(text(problem, "bold red"), soft_wrap=True)
    if found["keepers"]:
        show_table(
            console,
            [Column("Keeper"), Column("State"), Column("Last turn", time=True)],
            [
                (
                    text(keeper["process"], "bold"),
                    badges([] if keeper["alive"] else [("gone", "bold red")], otherwise=("ok", "green")),
                    text(short_time(keeper["last_turn"])),
                )
                for keeper in found["keepers"]
            ],
        )
    else:
        console.print("No keeper. The Dag processor starts one: pinwheel dag-processor")
    console.print(
        f"{counted(found['dated_dags'], 'Dag')} whose runs are judged by their dates, "
        f"{counted(found['waiting_runs'], 'run')} waiting."
    )
    if found["waiting"]:
        show_table(
            console,
            [Column("Dag"), Column("Run"), Column("Since", time=True), Column("Why", cut=True)],
            [
                (
                    text(run["dag_id"], "bold"),
                    text(run["run_id"]),
                    text(short_time(run["since"])),
                    text(run["why"]),
                )
                for run in found["waiting"]
            ],
        )
    for run in found["unbound"]:
        console.print(
            text(f"{run['dag_id']} {run['run_id']} ended without having been bound", "bold red")
            + text(f" ({run['state']}).")
            + text(f" Run it again: pinwheel clear {run['dag_id']} {run['run_id']}", "dim"),
            soft_wrap=True,
        )
