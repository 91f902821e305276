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
    )
    options.add_target(parser)
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.PROMOTE)
