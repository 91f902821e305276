"""``pinwheel freeze``: let no place of some Dags be released for a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import evolve

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import (
    Column,
    counted,
    first_line,
    names,
    short_time,
    show_table,
    text,
    time_and_zone,
)
from pinwheel.cli.parser import Parser, add_command
from pinwheel.core.request import Selection
from pinwheel.core.rule_request import FreezeRequest, LiftRequest
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from rich.console import Console

NAMED = 5
"""So many Dags are named."""

COLUMNS = (
    Column("Freeze"),
    Column("Dags", cut=True, least=12),
    Column("Now", spare=3),
    Column("From", time=True, spare=1),
    Column("Until", time=True),
    Column("By", cut=True),
    Column("Reason", cut=True, spare=2),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="freeze_verb", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    made = _verb(
        verbs,
        "set",
        "let no place of these Dags be released, but for a way back",
        "pinwheel freeze set orders_daily --reason 'the warehouse is down'",
        "pinwheel freeze set --tag finance --until 2026-12-31T18:00+01:00 --reason 'year-end closing'",
        "pinwheel freeze set --all --reason outage --override on-call --plan",
    )
    options.add_selectors(made)
    group = made.add_argument_group("change")
    group.add_argument(
        "--from", dest="since", type=options.exact_instant, metavar="WHEN", help=f"{_WHEN} (default: now)"
    )
    group.add_argument(
        "--until", type=options.exact_instant, metavar="WHEN", help=f"{_WHEN} (default: until it is lifted)"
    )
    _add_reason(group, "shown wherever it holds something up")
    group.add_argument(
        "--override",
        action="append",
        metavar="NAME",
        help="only who goes by this name and has the right may override it; may be repeated (default: all "
        "who have the right)",
    )
    group.add_argument("--plan", action="store_true", help="show what would be frozen, change nothing")
    options.add_request_id(group)
    group.add_argument(
        "-y", "--yes", action="store_true", help="do not ask before Dags are frozen that are not named"
    )
    _verb(verbs, "list", "what is frozen or will be, by whom, until when and why", "pinwheel freeze list")
    gone = _verb(
        verbs,
        "lift",
        "end a freeze; one of a document ends with a change of that",
        "pinwheel freeze lift freeze-12 --reason 'the warehouse is back'",
    )
    gone.add_argument("name", metavar="NAME", help="as pinwheel freeze list shows it")
    _add_reason(gone, "kept with the freeze")
    options.add_request_id(gone)


_WHEN = "an instant with its offset, such as 2026-12-20T18:00+01:00"


def _verb(verbs: Any, name: str, summary: str, *examples: str) -> Parser:
    parser = add_command(verbs, name, summary, *examples)
    options.add_common(parser)
    return parser


def _add_reason(parser: argparse._ActionsContainer, what: str) -> None:
    parser.add_argument("-m", "--reason", required=True, metavar="TEXT", help=f"why; {what}")


def run(context: Context) -> None:
    _RUN[context.args.freeze_verb](context)


def _set(context: Context) -> None:
    args = context.args
    request = FreezeRequest(
        selection=Selection(selector=options.selector_of(args)),
        since=args.since,
        until=args.until,
        reason=args.reason,
        override=args.override,
        plan=args.plan,
        request_id=args.request_id,
    )
    if context.interactive and not (args.plan or args.yes or request.selection.selector.names_only):
        planned = context.backend.freeze(evolve(request, plan=True))
        context.confirm(f"Freeze {_dags(planned['freeze'])}, and those of them that come later?")
    done = context.backend.freeze(request)
    context.emit(done, lambda console: render_change(console, done, plan=args.plan))


def _list(context: Context) -> None:
    found = context.backend.freezes()
    context.emit(found, lambda console: render(console, found))


def _lift(context: Context) -> None:
    args = context.args
    request = LiftRequest(name=args.name, reason=args.reason, request_id=args.request_id)
    done = context.backend.lift(request)

    def tell(console: Console) -> None:
        if done["changed"]:
            said = text(f"Lifted {args.name}", "bold green") + text(f": it held {_dags(done['freeze'])}.")
        else:
            said = text(f"{args.name} is unchanged: {done['message']}.", "dim")
        console.print(said, soft_wrap=True)

    context.emit(done, tell)


_RUN: dict[str, Callable[[Context], None]] = {"set": _set, "list": _list, "lift": _lift}


def render_change(console: Console, found: dict[str, Any], *, plan: bool) -> None:
    freeze = found["freeze"]
    if not found["changed"]:
        console.print(text(f"{freeze['name']} is unchanged: {found['message']}.", "dim"), soft_wrap=True)
        return
    did = text("Would freeze" if plan else "Frozen", "" if plan else "bold green")
    until = f"until {time_and_zone(freeze['until'])}" if freeze["until"] else "until it is lifted"
    console.print(
        did + text(f" from {time_and_zone(freeze['since'])} {until}: {_dags(freeze)}."), soft_wrap=True
    )
    if freeze["override"]:
        console.print(text(f"It can be overridden by {names(freeze['override'])} only."), soft_wrap=True)
    if plan:
        console.print(text("This is a plan: nothing was changed.", "dim"))
    else:
        console.print(text(f"Lift it with: pinwheel freeze lift {freeze['name']} --reason …", "dim"))


def _dags(freeze: dict[str, Any]) -> str:
    shown = freeze["dag_ids"][:NAMED]
    if not shown:
        return "no Dag yet"
    more = freeze["dags"] - len(shown)
    return f"{counted(freeze['dags'], 'Dag')} ({names(shown)}{f' and {more} more' if more else ''})"


def render(console: Console, freezes: list[dict[str, Any]]) -> None:
    if not freezes:
        console.print("Nothing is frozen.")
        return
    show_table(
        console,
        COLUMNS,
        [
            (
                text(freeze["name"], "bold"),
                text(Selector.of(**freeze["selector"]).words),
                text(counted(freeze["dags"], "Dag")),
                text(short_time(freeze["since"])),
                text(short_time(freeze["until"]) or "lifted"),
                text(_by(freeze)),
                text(first_line(freeze["reason"])),
            )
            for freeze in freezes
        ],
    )


def _by(freeze: dict[str, Any]) -> str:
    return f"{freeze['by']} ({freeze['document']})" if freeze["document"] else str(freeze["by"])
