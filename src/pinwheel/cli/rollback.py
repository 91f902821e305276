"""``pinwheel rollback``: release the build of an earlier release."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context
from pinwheel.cli.parser import add_examples
from pinwheel.core.release.decide import Verb
from pinwheel.core.request_values import ERAS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel rollback orders_daily --reason 'small orders are missing'",
        "pinwheel rollback orders_daily --plan",
        "pinwheel rollback orders_daily --to 2 --rerun-failed --reason 'wrong totals'",
        "pinwheel rollback --tag finance --yes --reason 'wrong VAT'",
    )
    options.add_target(parser, "--to", "--release")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--rerun-failed",
        action="store_true",
        help="also run again what failed in the failed runs of what is rolled back, on the build rolled back "
        "to; the rest of these runs stays as it ran",
    )
    again.add_argument(
        "--rerun-whole",
        action="store_true",
        help="run these runs again from their start, so that no versions mix in them",
    )
    parser.add_argument(
        "--not-to-blame",
        action="store_true",
        help="do not reject what is rolled back: it comes back with an unpin",
    )
    parser.add_argument(
        "--eras",
        choices=ERAS,
        help="where an era of the Dag's timeline holds the present: let it be for the build that is rolled "
        "back to (replace), or change the other dates only (keep)",
    )
    changing.add_arguments(parser)


def run(context: Context) -> None:
    args = context.args
    changing.run(
        context,
        Verb.ROLLBACK,
        rerun_failed=args.rerun_failed,
        rerun_whole=args.rerun_whole,
        to_blame=not args.not_to_blame,
        eras=args.eras,
    )
