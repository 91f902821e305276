"""``pinwheel reject``: keep a build from coming back by itself, or allow it again."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context
from pinwheel.cli.parser import add_examples
from pinwheel.core.release.decide import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel reject orders_daily --build 3 --reason 'small orders are missing'",
        "pinwheel reject orders_daily --build 3 --lift --reason 'the orders were test data'",
    )
    parser.add_argument(
        "--build", type=options.positive, metavar="N", required=True, help="this build (one Dag only)"
    )
    parser.add_argument("--lift", action="store_true", help="take the rejection back")
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.LIFT if context.args.lift else Verb.REJECT)
