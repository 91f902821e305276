"""What pin, unpin, promote, rollback and reject share: plan, show, ask, do, tell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from attrs import evolve

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, badges, counted, show_table, text, warn
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, Selection

if TYPE_CHECKING:
    from rich.console import Console

_DONE = {
    Verb.PIN: "Pinned",
    Verb.UNPIN: "Unpinned",
    Verb.PROMOTE: "Promoted",
    Verb.ROLLBACK: "Rolled back",
    Verb.REJECT: "Rejected a build of",
    Verb.LIFT: "Allowed a build again of",
}

COLUMNS = (
    Column("Dag"),
    Column("Release"),
    Column("Build"),
    Column("Track", spare=1),
    Column("Because", cut=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Selection, change and connection options."""
    options.add_selectors(parser)
    options.add_change(parser)
    options.add_common(parser)


def run(context: Context, verb: Verb, *, rerun_failed: bool = False, to_blame: bool = True) -> None:
    """Carry *verb* out on the selected Dags.

    On a terminal the plan is shown first, and for one Dag it is what is done: a release that somebody makes
    in between is a conflict.
    """
    args = context.args
    request = ChangeRequest(
        verb=verb,
        selection=Selection(selector=options.selector_of(args)),
        build=getattr(args, "build", None),
        bundle_version=getattr(args, "bundle_version", None),
        to_release=getattr(args, "release", None),
        expected_release=args.expected_release,
        reason=args.reason,
        rerun_failed=rerun_failed,
        to_blame=to_blame,
        plan=args.plan,
        request_id=args.request_id,
    )
    if request.plan:
        planned = context.backend.change(request)
        context.emit(planned, lambda console: render_plan(console, planned, asked=True))
        _warn(context, planned)
        return
    if context.interactive:
        planned = context.backend.change(evolve(request, plan=True))
        context.emit(planned, lambda console: render_plan(console, planned))
        _warn(context, planned)
        changing = [outcome for outcome in planned if outcome["changed"]]
        if len(changing) > 1 and not args.yes:
            context.confirm(f"Change {counted(len(changing), 'Dag')}?")
        if len(planned) == 1 and request.expected_release is None and not request.request_id:
            request = evolve(request, expected_release=planned[0]["from_release"])
    outcomes = context.backend.change(request)

    def tell(console: Console) -> None:
        render_done(console, verb, outcomes)
        dag_ids = [outcome["dag_id"] for outcome in outcomes]
        of_one = ("dags", *dag_ids, "plugin", "dag-releases")
        context.show_page(console, *(of_one if len(dag_ids) == 1 else ("plugin", "releases")))

    context.emit(outcomes, tell)
    if not context.interactive:
        _warn(context, outcomes)


def _warn(context: Context, outcomes: list[dict[str, Any]]) -> None:
    if context.args.output != "table":
        return
    for outcome in outcomes:
        for warning in outcome["warnings"]:
            warn(f"warning: {outcome['dag_id']}: {warning}")


def render_plan(console: Console, outcomes: list[dict[str, Any]], *, asked: bool = False) -> None:
    """Draw what will change; *asked* when only the plan was asked for."""
    shown = []
    for outcome in outcomes:
        style = "bold" if outcome["changed"] else "dim"
        releases = outcome["kind"] is not None
        shown.append(
            (
                text(outcome["dag_id"], style),
                text(
                    _arrow(outcome["from_release"], outcome["release"] or "new")
                    if releases
                    else outcome["from_release"]
                ),
                text(
                    _arrow(outcome["from_build"], outcome["build"]) if releases else outcome["build"],
                    "bold yellow" if releases else "",
                ),
                badges([(outcome["track"], "magenta" if outcome["track"] == "pinned" else "")]),
                text(outcome["message"], "" if outcome["changed"] else "dim"),
            )
        )
    show_table(console, COLUMNS, shown)
    if asked:
        changing = sum(1 for outcome in outcomes if outcome["changed"])
        console.print(
            text(f"{counted(changing, 'Dag')} would change. This is a plan: nothing was changed.", "dim")
        )


def render_done(console: Console, verb: Verb, outcomes: list[dict[str, Any]]) -> None:
    """Tell what was done: a sentence a Dag, and a count for many."""
    for outcome in outcomes:
        if outcome["changed"]:
            line = text(f"{_DONE[verb]} {outcome['dag_id']}", "bold green") + text(_result(outcome))
        else:
            line = text(f"{outcome['dag_id']} is unchanged: {outcome['message']}.", "dim")
        console.print(line, soft_wrap=True)
        if outcome["rerun"]:
            failed = counted(len(outcome["rerun"]), "failed run")
            console.print(text(f"  {failed} will run again: {', '.join(outcome['rerun'])}"), soft_wrap=True)
    if len(outcomes) > 1:
        changed = sum(1 for outcome in outcomes if outcome["changed"])
        console.print(text(f"{changed} of {len(outcomes)} Dags changed, all in one transaction.", "dim"))


def _result(outcome: dict[str, Any]) -> str:
    if outcome["kind"] is None:
        return f": still release {outcome['release']} (build {outcome['build']}); {outcome['message']}."
    return (
        f": release {outcome['release']} (build {outcome['build']}) is active, "
        f"before it was release {outcome['from_release']} (build {outcome['from_build']}); "
        f"{outcome['message']}."
    )


def _arrow(before: Any, after: Any) -> str:
    return f"{before if before is not None else 'none'} → {after}"
