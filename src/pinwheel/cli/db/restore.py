"""``pinwheel db restore-lost``: put back what a downgrade dropped."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pinwheel.cli.context import Context
from pinwheel.cli.output import counted

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.reconcile.installed import Deployment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the file that --snapshot wrote")


def run(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile import saved_rows
    from pinwheel.reconcile.database import connected, our_lock, require_owner

    with our_lock(deployment.engine), connected(deployment.engine) as connection:
        require_owner(connection)
        with connection.begin():
            restored = saved_rows.restore(connection, context.args.path, deployment.keys)
    done = {"restored": restored.back, "left": restored.left}

    def render(console: Console) -> None:
        for place, number in sorted(restored.back.items()):
            console.print(f"{place}: {counted(number, 'row')} put back")
        for place, number in sorted(restored.left.items()):
            console.print(
                f"{place}: {counted(number, 'row')} left alone: gone, or newer by now", soft_wrap=True
            )
        if not restored.back and not restored.left:
            console.print("The snapshot holds no rows.")

    context.emit(done, render)
