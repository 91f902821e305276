"""``pinwheel pin``: hold Dags on a build."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing, options
from pinwheel.cli.context import Context
from pinwheel.core.release.decide import Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_target(parser)
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, Verb.PIN)
