"""``pinwheel db reconcile``: bring the schema to the target, up or down."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pinwheel.cli.context import Context
from pinwheel.cli.db.arguments import add_strategy, add_target, duration, names, request
from pinwheel.cli.db.status import show_plan, show_position
from pinwheel.cli.output import warn

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.reconcile.installed import Deployment


def _say(line: str) -> None:
    if line:
        warn(line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser)
    group = parser.add_argument_group("downgrade")
    group.add_argument("--allow-downgrade", action="store_true", help="without it, a downgrade is refused")
    group.add_argument("--plan", action="store_true", help="show what would be done, change nothing")
    group.add_argument(
        "--downgrade-only", action="store_true", help="leave the way up to airflow db migrate, and end with 0"
    )
    group.add_argument(
        "--accept-loss",
        action="append",
        type=names,
        metavar="NAMES",
        help="tables and columns that may be lost, separated by commas, as the plan names them; or all",
    )
    group.add_argument(
        "--snapshot",
        metavar="PATH",
        help="save what would be dropped in this file, or in an object store (s3://…)",
    )
    group.add_argument(
        "--full", action="store_true", help="with --snapshot: a full pg_dump beside it as well"
    )
    group.add_argument(
        "--wait-for-writers",
        type=duration,
        default=0,
        metavar="TIME",
        help="wait at most so long (30s, 5m) for schedulers and others to end",
    )
    add_strategy(parser)


def run(context: Context, deployment: Deployment) -> int:
    from pinwheel.reconcile.run import plan, reconcile

    asked = request(context.args)
    if context.args.plan:
        found = plan(deployment, asked)

        def show(console: Console) -> None:
            show_position(console, found)
            show_plan(console, found)

        context.emit(found, show)
        return 0
    done = reconcile(deployment, asked, _say)

    def render(console: Console) -> None:
        if done["changed"] and done["direction"] == "empty":
            console.print(f"The schema of Airflow {done['target']['airflow']} was created.")
        elif done["changed"]:
            console.print(
                f"The schema went from Airflow {done['current']['airflow']} to {done['target']['airflow']}."
            )
            if done.get("snapshot"):
                console.print(
                    f"What it dropped is in {done['snapshot']}; after the next upgrade, put it back with: "
                    f"pinwheel db restore-lost {done['snapshot']}",
                    soft_wrap=True,
                )
        elif done["direction"] == "same":
            console.print(f"The schema is that of Airflow {done['target']['airflow']}: nothing to do.")
        else:
            console.print("Nothing to go back from: the way up is left to airflow db migrate.")
        if done.get("capsule"):
            console.print(f"{done['capsule']}.", soft_wrap=True)

    context.emit(done, render)
    return 0
