"""``pinwheel backfill``: run a Dag for past dates, on any good build."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, counted, show_table, text
from pinwheel.cli.parser import add_examples
from pinwheel.cli.trigger import build_of
from pinwheel.core.request import BackfillRequest

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (Column("Date"), Column("Run"), Column("Outcome"))

_STYLES = {"new": "green", "cleared": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel backfill orders_daily --from-date 2026-03-01 --to-date 2026-03-07 --plan",
        "pinwheel backfill orders_daily --from-date 2026-03-01 --to-date 2026-03-07 --build 3",
    )
    options.add_dag_id(parser)
    parser.add_argument(
        "--from-date",
        type=options.instant,
        required=True,
        metavar="WHEN",
        help="start of the range (inclusive), ISO 8601; without an offset it is UTC",
    )
    parser.add_argument(
        "--to-date",
        type=options.instant,
        required=True,
        metavar="WHEN",
        help="end of the range (inclusive)",
    )
    parser.add_argument(
        "--build",
        type=options.build_or_date,
        metavar="N",
        help="run all dates on this build, released or not, or by-date: each on the one of its date "
        "(default: Airflow's own backfill, which does that where the Dag is judged by dates; dates that have "
        "a run stay on what it had where rerun_with_latest_version is off)",
    )
    options.add_bundle_version(parser)
    parser.add_argument(
        "--max-active-runs",
        type=options.positive,
        default=10,
        metavar="N",
        help="so many of its runs at once (default: 10)",
    )
    parser.add_argument("--run-backwards", action="store_true", help="run the most recent date first")
    parser.add_argument(
        "--reprocess-behavior",
        choices=("none", "failed", "completed"),
        default="none",
        help="dates that have a run: leave them (none, the default), run it again when it failed (failed), "
        "or when it ended (completed)",
    )
    parser.add_argument(
        "--dag-run-conf",
        type=options.json_object,
        metavar="JSON",
        help="the runs' configuration, a JSON object",
    )
    parser.add_argument(
        "--plan", "--dry-run", dest="plan", action="store_true", help="show what would run, change nothing"
    )
    parser.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the event")
    options.add_request_id(parser)
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    request = BackfillRequest(
        dag_id=args.dag_id,
        from_date=args.from_date,
        to_date=args.to_date,
        **options.asked_build(args),
        bundle_version=args.bundle_version,
        max_active_runs=args.max_active_runs,
        run_backwards=args.run_backwards,
        reprocess_behavior=args.reprocess_behavior,
        dag_run_conf=args.dag_run_conf,
        reason=args.reason,
        request_id=args.request_id,
        plan=args.plan,
    )
    made = context.backend.backfill(request)

    def tell(console: Console) -> None:
        render(console, made)
        if not made["plan"]:
            context.show_page(console, "dags", args.dag_id, "backfills")

    context.emit(made, tell)


def render(console: Console, made: dict[str, Any]) -> None:
    shown = [
        (
            text(run["logical_date"] or run["partition_key"]),
            text(run["run_id"]),
            text(run["outcome"], _STYLES.get(run["outcome"], "dim")),
        )
        for run in made["runs"]
    ]
    show_table(console, COLUMNS, shown)
    build = f" on {build_of(made)}" if made["build"] is not None else ""
    numbers = f"{counted(made['new'], 'new run')}, {made['cleared']} cleared, {made['skipped']} left out"
    if made["plan"]:
        console.print(
            text(f"{made['dag_id']}{build}: {numbers}. This is a plan: nothing was changed.", "dim")
        )
        return
    console.print(
        text(f"Backfilling {made['dag_id']}", "bold green")
        + text(f"{build}: {numbers} (backfill {made['backfill']})."),
        soft_wrap=True,
    )
