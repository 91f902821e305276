"""``pinwheel trigger``: start a run on any good build."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import short_version, text
from pinwheel.cli.parser import add_examples
from pinwheel.core.request import TriggerRequest

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel trigger orders_daily",
        "pinwheel trigger orders_daily --build 3 --run-id trial-of-build-3",
        "pinwheel trigger orders_daily --logical-date 2026-03-01 --conf '{\"full\": true}'",
    )
    options.add_dag_id(parser)
    parser.add_argument(
        "--build",
        type=options.build_or_date,
        metavar="N",
        help="run this build, released or not, or by-date: the one of the run's date "
        "(default: that, where the Dag is judged by dates, else the active one)",
    )
    options.add_bundle_version(parser)
    parser.add_argument("-r", "--run-id", metavar="ID", help="id of the run")
    parser.add_argument(
        "-l",
        "--logical-date",
        type=options.instant,
        metavar="WHEN",
        help="ISO 8601; without an offset it is UTC",
    )
    parser.add_argument(
        "-c",
        "--conf",
        type=options.json_object,
        metavar="JSON",
        help="the run's configuration, a JSON object",
    )
    parser.add_argument("--note", metavar="TEXT", help="note on the run")
    parser.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the event")
    options.add_request_id(parser)
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    request = TriggerRequest(
        dag_id=args.dag_id,
        **options.asked_build(args),
        bundle_version=args.bundle_version,
        run_id=args.run_id,
        logical_date=args.logical_date,
        conf=args.conf,
        note=args.note,
        reason=args.reason,
        request_id=args.request_id,
    )
    bound = context.backend.trigger(request)

    def tell(console: Console) -> None:
        console.print(_told(bound), soft_wrap=True)
        context.show_page(console, "dags", bound["dag_id"], "runs", bound["run_id"])

    context.emit(bound, tell)


def _told(bound: dict[str, Any]) -> Any:
    started = text(f"Started {bound['dag_id']} ", "bold green")
    if bound["bundle_version"] is None:
        why = "`pinwheel keeper status` says why"
        return started + text(
            f"run {bound['run_id']}. It waits to be bound to build {bound['build']}: {why}."
        )
    return started + text(f"run {bound['run_id']} on {build_of(bound)}.")


def build_of(bound: dict[str, Any]) -> str:
    """The build that a run is bound to, in a few words."""
    released = f"release {bound['release']}" if bound["release"] is not None else "never released"
    version = short_version((bound["bundle_version"] or "").split("+")[0])
    return f"build {bound['build']} ({released}" + (f", version {version})" if version else ")")
