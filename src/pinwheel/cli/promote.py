"""``pinwheel promote``: release a newer build."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context
from pinwheel.cli.parser import add_examples
from pinwheel.core.release.decide import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel promote orders_daily --plan",
        "pinwheel promote orders_daily",
        "pinwheel promote orders_daily --build 3 --reason 'the totals are right after all'",
        "pinwheel promote orders_daily --at 2026-12-20T18:00+01:00",
        "pinwheel promote orders_daily --now --reason 'the mend of an outage'",
    )
    options.add_target(parser)
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--at",
        type=options.exact_instant,
        metavar="WHEN",
        help="not before this date and time, with its offset: 2026-12-20T18:00+01:00",
    )
    options.add_now(when)
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.PROMOTE)
