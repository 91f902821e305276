"""What pin, unpin, promote, rollback and reject share: plan, show, ask, do, tell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from attrs import evolve

from pinwheel.cli import options
from pinwheel.cli.backend.told import error_of
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, badges, counted, show_table, text, warn
from pinwheel.core.errors import InvalidInput
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


def run(
    context: Context,
    verb: Verb,
    *,
    rerun_failed: bool = False,
    rerun_whole: bool = False,
    to_blame: bool = True,
    eras: str | None = None,
) -> None:
    """Carry *verb* out on the selected Dags.

    On a terminal the plan is shown first, and for one Dag it is what is done: a release that somebody makes
    in between is a conflict. With ``--skip-refused`` the Dags that the plan refuses are left out, no others.
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
        rerun_whole=rerun_whole,
        to_blame=to_blame,
        eras=eras,
        at=getattr(args, "at", None),
        now=getattr(args, "now", False),
        plan=args.plan,
        request_id=args.request_id,
    )
    if args.skip_refused and args.request_id:
        raise InvalidInput(
            request.failed,
            found="--skip-refused is given with --request-id, and a repeat might leave other Dags out",
            remedy="Leave one of them out",
        )
    refused: list[dict[str, Any]] = []
    if request.plan or args.skip_refused or context.interactive:
        planned, refused = _plan(context, request)
        if request.plan:
            return
        changing = [outcome for outcome in planned if outcome["changed"]]
        if len(changing) > 1 and not args.yes:
            context.confirm(f"Change {counted(len(changing), 'Dag')}?")
        if len(planned) == 1 and not refused and request.expected_release is None and not request.request_id:
            request = evolve(request, expected_release=planned[0]["from_release"])
        request = evolve(request, skip_refused=[refusal["dag_id"] for refusal in refused])
    outcomes = context.backend.change(request)

    def tell(console: Console) -> None:
        render_done(console, verb, outcomes, refused)
        dag_ids = [outcome["dag_id"] for outcome in outcomes]
        of_one = ("dags", *dag_ids, "plugin", "dag-releases")
        context.show_page(console, *(of_one if len(dag_ids) == 1 else ("plugin", "releases")))

    context.emit(entries(outcomes, refused), tell)
    if not context.interactive:
        _warn(context, outcomes)


def _plan(context: Context, request: ChangeRequest) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The outcomes and the refusals of the plan, shown where somebody sees them.

    :raises PinwheelError: a Dag can not take the change and is not to be left out, or none is left.
    """
    args = context.args
    plan = context.backend.plan(request)
    outcomes, refused = plan["outcomes"], plan["refused"]
    # One refusal and nothing beside it is all that the error says.
    told = bool(outcomes) or len(refused) > 1
    if told and (request.plan or context.interactive or not outcomes):
        context.emit(
            entries(outcomes, refused),
            lambda console: render_plan(
                console, outcomes, refused, asked=request.plan, skipping=args.skip_refused
            ),
        )
        _warn(context, outcomes)
    if refused and not (args.skip_refused and outcomes):
        raise error_of(refused[0])
    return outcomes, refused


def entries(outcomes: list[dict[str, Any]], refused: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One a Dag, in order of id: its outcome, or why there is none."""
    whys = [
        {"dag_id": refusal["dag_id"], "refused": {k: v for k, v in refusal.items() if k != "dag_id"}}
        for refusal in refused
    ]
    return sorted([*outcomes, *whys], key=lambda entry: str(entry["dag_id"]))


def _warn(context: Context, outcomes: list[dict[str, Any]]) -> None:
    if context.args.output != "table":
        return
    for outcome in outcomes:
        for warning in outcome["warnings"]:
            warn(f"warning: {outcome['dag_id']}: {warning}")


def render_plan(
    console: Console,
    outcomes: list[dict[str, Any]],
    refused: list[dict[str, Any]],
    *,
    asked: bool = False,
    skipping: bool = False,
) -> None:
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
    if shown:
        show_table(console, COLUMNS, shown)
    for outcome in outcomes:
        if outcome["rerun"]:
            runs, tasks = (
                counted(len(outcome["rerun"]), "run"),
                counted(outcome["rerun_tasks"], "task instance"),
            )
            console.print(text(f"{outcome['dag_id']}: {tasks} of {runs} run again."), soft_wrap=True)
            _tell_mixed(console, outcome)
    if refused and outcomes and skipping:
        _tell_left_out(console, refused)
    elif refused:
        console.print(text(f"{counted(len(refused), 'Dag')} can not take this:", "bold red"))
        _tell_refused(console, refused)
    if refused and outcomes and not skipping:
        console.print(text("With --skip-refused these are left out, and the others change.", "dim"))
    if asked:
        changing = sum(1 for outcome in outcomes if outcome["changed"])
        console.print(
            text(f"{counted(changing, 'Dag')} would change. This is a plan: nothing was changed.", "dim")
        )


def render_done(
    console: Console, verb: Verb, outcomes: list[dict[str, Any]], refused: list[dict[str, Any]]
) -> None:
    """Tell what was done: a sentence a Dag, and a count for many; and which Dags were left out."""
    for outcome in outcomes:
        if outcome["changed"]:
            line = text(f"{_DONE[verb]} {outcome['dag_id']}", "bold green") + text(_result(outcome))
        else:
            line = text(f"{outcome['dag_id']} is unchanged: {outcome['message']}.", "dim")
        console.print(line, soft_wrap=True)
        if outcome["rerun"]:
            failed = counted(len(outcome["rerun"]), "failed run")
            console.print(text(f"  {failed} will run again: {', '.join(outcome['rerun'])}"), soft_wrap=True)
            _tell_mixed(console, outcome)
    if len(outcomes) > 1:
        changed = sum(1 for outcome in outcomes if outcome["changed"])
        console.print(text(f"{changed} of {len(outcomes)} Dags changed, all in one transaction.", "dim"))
    if refused:
        _tell_left_out(console, refused)


def _tell_mixed(console: Console, outcome: dict[str, Any]) -> None:
    if outcome["rerun_mixed"]:
        runs = counted(outcome["rerun_mixed"], "run")
        console.print(
            text(f"  In {runs} what did not fail stays as it ran: versions mix there (see --rerun-whole).")
        )


def _tell_left_out(console: Console, refused: list[dict[str, Any]]) -> None:
    console.print(text(f"{counted(len(refused), 'Dag')} left out:", "bold yellow"))
    _tell_refused(console, refused)


def _tell_refused(console: Console, refused: list[dict[str, Any]]) -> None:
    for refusal in refused:
        remedy = f" {refusal['remedy']}." if refusal["remedy"] else ""
        console.print(
            text(f"  {refusal['dag_id']}: {refusal['found']}.") + text(remedy, "dim"), soft_wrap=True
        )


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
