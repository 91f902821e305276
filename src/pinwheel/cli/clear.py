"""``pinwheel clear``: let runs run again, on the build they had or another one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import counted, text
from pinwheel.cli.parser import add_examples
from pinwheel.cli.trigger import build_of
from pinwheel.core.request import ClearRequest

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel clear orders_daily scheduled__2026-03-01T00:00:00+00:00 --plan",
        "pinwheel clear orders_daily scheduled__2026-03-01T00:00:00+00:00 --only-failed",
        "pinwheel clear orders_daily scheduled__2026-03-01T00:00:00+00:00 --build 2 --task-id load",
    )
    options.add_dag_id(parser)
    parser.add_argument("run_ids", nargs="+", metavar="RUN_ID", help="runs; all are cleared or none")
    parser.add_argument(
        "--build",
        type=options.build_or_date,
        metavar="N",
        help="run again on this build, released or not, or by-date: the one of each run's date "
        "(default: the one each run had)",
    )
    options.add_bundle_version(parser)
    parser.add_argument(
        "--only-failed", action="store_true", help="only tasks that failed, or waited for them"
    )
    parser.add_argument("--task-id", action="append", metavar="ID", help="only this task; may be repeated")
    parser.add_argument("--plan", action="store_true", help="show what would run again, change nothing")
    parser.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the event")
    options.add_request_id(parser)
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    request = ClearRequest(
        dag_id=args.dag_id,
        run_ids=args.run_ids,
        **options.asked_build(args),
        bundle_version=args.bundle_version,
        only_failed=args.only_failed,
        task_ids=args.task_id,
        reason=args.reason,
        request_id=args.request_id,
        plan=args.plan,
    )
    cleared = context.backend.clear(request)

    def tell(console: Console) -> None:
        render(console, cleared, plan=args.plan)
        if not args.plan:
            context.show_page(console, "dags", args.dag_id, "plugin", "dag-history")

    context.emit(cleared, tell)


def render(console: Console, cleared: list[dict[str, Any]], *, plan: bool) -> None:
    for run in cleared:
        if not run["changed"]:
            console.print(
                text(
                    f"Nothing to clear in {run['dag_id']} run {run['run_id']}: no task instance fits. "
                    "The run stays as it is."
                ),
                soft_wrap=True,
            )
            continue
        did = text(f"{'Would clear' if plan else 'Cleared'} {run['dag_id']} ", "" if plan else "bold green")
        tasks = counted(run["cleared"], "task instance")
        build = f" on {build_of(run)}" if run["build"] else ""
        console.print(did + text(f"run {run['run_id']}: {tasks} to run again{build}."), soft_wrap=True)
    if plan:
        console.print(text("This is a plan: nothing was changed.", "dim"))
