"""``pinwheel rollback``: release the build of an earlier release."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_target(parser, "--to", "--release")
    parser.add_argument(
        "--rerun-failed",
        action="store_true",
        help="also run the failed runs of what is rolled back again, on the build rolled back to",
    )
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, "rollback", rerun_failed=context.args.rerun_failed)
