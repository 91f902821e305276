"""``pinwheel policy rights``: what approvers, keepers of policies and others need leave for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import text
from pinwheel.cli.parser import add_examples
from pinwheel.wiring import rights

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.core.rights import Rights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel policy rights --create")
    parser.add_argument(
        "--create",
        action="store_true",
        required=True,
        help="make them known to the auth manager, so that roles can have them",
    )
    options.add_output(parser)


def run(context: Context) -> None:
    from pinwheel.services.show.plain import plain

    found = rights(quiet=not context.args.debug)
    context.emit(plain(found), lambda console: render(console, found))


def render(console: Console, found: Rights) -> None:
    for name in found.names:
        console.print(text(name, "bold") + (" (created)" if name in found.created else ""))
    console.print(f"{found.said}.")
