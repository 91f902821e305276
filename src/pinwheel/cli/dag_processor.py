"""``pinwheel dag-processor``: takes the place of ``airflow dag-processor``, with its options."""

from __future__ import annotations

import argparse

from pinwheel.cli.parser import add_examples
from pinwheel.wiring import run_dag_processor

OWN_STDOUT = True
"""Its log goes to standard output, as Airflow's does."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel dag-processor", "pinwheel dag-processor --bundle-name dags")
    parser.add_argument(
        "-B",
        "--bundle-name",
        action="append",
        metavar="NAME",
        help="process this Dag bundle only; may be repeated",
    )
    parser.add_argument(
        "-n",
        "--num-runs",
        type=int,
        metavar="N",
        help="end after N turns of the loop (default: [scheduler] num_runs; -1: never)",
    )
    parser.add_argument("-D", "--daemon", action="store_true", help="run in the background")
    parser.add_argument("--pid", nargs="?", metavar="FILE", help="PID file of the daemon")
    parser.add_argument("--stdout", metavar="FILE", help="the daemon's standard output")
    parser.add_argument("--stderr", metavar="FILE", help="the daemon's standard error")
    parser.add_argument("-l", "--log-file", metavar="FILE", help="the daemon's log")
    parser.add_argument("-d", "--dev", action="store_true", help="start anew when a source file changes")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(args: argparse.Namespace) -> None:
    # Airflow's helpers look for the command under this name.
    args.subcommand = "dag-processor"
    run_dag_processor(args)
