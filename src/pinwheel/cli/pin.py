"""``pinwheel pin``: hold Dags on a build."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context
from pinwheel.cli.parser import add_examples
from pinwheel.core.release.decide import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel pin orders_daily --reason 'month-end closing'",
        "pinwheel pin orders_daily --build 2 --plan",
        "pinwheel pin --tag finance --yes --reason 'audit'",
    )
    options.add_target(parser)
    options.add_now(parser)
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.PIN)
