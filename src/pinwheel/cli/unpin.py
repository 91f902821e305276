"""``pinwheel unpin``: return Dags to their newest builds, but to none that is rejected."""

from __future__ import annotations

import argparse

from pinwheel.cli import changing
from pinwheel.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    changing.add_arguments(parser)


def run(context: Context) -> None:
    changing.run(context, "unpin")
