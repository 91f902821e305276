"""``pinwheel unpin``: return Dags to their newest builds, but to none that is rejected."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing
from pinwheel.cli.context import Context
from pinwheel.cli.parser import add_examples
from pinwheel.core.release.decide import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel unpin orders_daily --plan",
        "pinwheel unpin orders_daily",
        "pinwheel unpin --dag-glob 'sales_*' --yes",
    )
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.UNPIN)
