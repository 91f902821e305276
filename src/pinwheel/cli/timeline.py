"""``pinwheel timeline``: which builds a Dag's data of which dates is for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import counted, first_line, some, text
from pinwheel.cli.parser import Parser, add_command
from pinwheel.core.errors import InvalidInput
from pinwheel.core.request import ClearDatedRequest, EraWish, TimelineRequest, TimelineVerb
from pinwheel.core.run.timeline import span_words

if TYPE_CHECKING:
    from rich.console import Console

DIFFERS = 3
"""Exit code of a check that found runs on another build than that of their date."""
LISTED = 20
"""So many runs are listed one by one."""
NAMED = 5
"""So many tasks are named of those that have no place at some dates."""
_DATED_BY = {
    "data_interval": "data interval start",
    "partition": "partition date",
    "logical_date": "logical date",
    "asset_events": "the dates of asset events",
    "run_after": "when a run may start",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="timeline_verb", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    shown = _verb(
        verbs,
        "show",
        "the eras of a Dag, the gaps between them, and how its runs stand",
        "pinwheel timeline show blog",
        "pinwheel timeline show blog --as-of 2024-01-01",
        "pinwheel timeline show blog --at 2019-05 --as-of 2024-01-01",
    )
    shown.add_argument("--at", metavar="DATE", help="which build this date is for")
    shown.add_argument("--as-of", metavar="TIME", help="what was believed then, of all dates or of --at")
    made = _verb(
        verbs,
        "set",
        "let data of some dates be for a build; what has these dates is cut",
        "pinwheel timeline set blog --from 2019-01-01 --until 2020-01-01 --build 3 --plan",
        "pinwheel timeline set blog --until 2020-01-01 --build 3 --reason 'on premise'",
    )
    _add_span(made)
    made.add_argument("--build", type=options.positive, metavar="N", help="this build")
    options.add_bundle_version(made)
    made.add_argument(
        "--force", action="store_true", help="set it though its file can not be imported here now"
    )
    made.add_argument(
        "--unchecked", action="store_true", help="set it though no Dag processor could look at it"
    )
    made.add_argument(
        "--now",
        action="store_true",
        help="set it past windows, freezes and required gates, which a date from now on asks; with --reason",
    )
    _add_change(made)
    gone = _verb(
        verbs,
        "unset",
        "leave no era in some dates: the active release runs there",
        "pinwheel timeline unset blog --from 2019-01-01 --until 2020-01-01",
        "pinwheel timeline unset blog --all --reason 'one logic for all data'",
    )
    _add_span(gone)
    gone.add_argument("--all", action="store_true", help="take all eras away")
    _add_change(gone)
    _verb(verbs, "history", "every revision of a timeline", "pinwheel timeline history blog")
    checked = _verb(
        verbs,
        "check",
        f"the runs that are on another build than that of their date; exit code {DIFFERS} if there are any",
        "pinwheel timeline check blog",
        "pinwheel timeline check blog --clear --plan",
    )
    checked.add_argument(
        "--clear", action="store_true", help="let these runs run again, on the builds of their dates"
    )
    checked.add_argument("--plan", action="store_true", help="with --clear: show what would run again")
    checked.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the events")
    options.add_request_id(checked)


def _verb(verbs: Any, name: str, summary: str, *examples: str) -> Parser:
    parser = add_command(verbs, name, summary, *examples)
    options.add_dag_id(parser)
    options.add_common(parser)
    return parser


def _add_span(parser: argparse.ArgumentParser) -> None:
    where = "in the zone of the active release's Dag"
    parser.add_argument(
        "--from", dest="starts", metavar="DATE", help=f"the first moment, {where} (default: open)"
    )
    parser.add_argument("--until", metavar="DATE", help=f"the first moment after it, {where} (default: open)")


def _add_change(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("change")
    group.add_argument("--plan", action="store_true", help="show what would change, change nothing")
    group.add_argument(
        "-m", "--reason", metavar="TEXT", help="why; kept with the revision. A rejected build needs one"
    )
    group.add_argument(
        "--expected-revision",
        type=_revision,
        metavar="N",
        help="refuse when the newest revision is another one; 0: there was none",
    )
    options.add_request_id(group)


def _revision(words: str) -> int:
    return 0 if words == "0" else options.positive(words)


def run(context: Context) -> int | None:
    return _RUN[context.args.timeline_verb](context)


def _show(context: Context) -> None:
    args = context.args
    found = context.backend.timeline(args.dag_id, at=args.at, as_of=args.as_of)

    def tell(console: Console) -> None:
        if found["asked"] is not None:
            render_answer(console, found["asked"])
        else:
            render_timeline(console, found, as_of=args.as_of)

    context.emit(found, tell)


def _set(context: Context) -> None:
    args = context.args
    era = EraWish(starts=args.starts, until=args.until, build=args.build, bundle_version=args.bundle_version)
    _change(context, TimelineVerb.SET, [era], force=args.force, unchecked=args.unchecked, now=args.now)


def _unset(context: Context) -> None:
    args = context.args
    if args.all or (args.starts is None and args.until is None):
        if not args.all or args.starts is not None or args.until is not None:
            raise InvalidInput(
                f"Cannot change the timeline of {args.dag_id}",
                found="neither dates nor --all are given" if not args.all else "dates and --all are given",
                remedy="Give --from, --until or both; or --all",
            )
        _change(context, TimelineVerb.PUT, [])
        return
    _change(context, TimelineVerb.UNSET, [EraWish(starts=args.starts, until=args.until)])


def _change(context: Context, verb: TimelineVerb, eras: Sequence[EraWish], **more: Any) -> None:
    args = context.args
    request = TimelineRequest(
        dag_id=args.dag_id,
        verb=verb,
        eras=tuple(eras),
        reason=args.reason,
        expected_revision=args.expected_revision,
        plan=args.plan,
        request_id=args.request_id,
        **more,
    )
    found = context.backend.change_timeline(request)

    def tell(console: Console) -> None:
        render_change(console, found, plan=args.plan)

    context.emit(found, tell)


def _history(context: Context) -> None:
    found = context.backend.timeline_history(context.args.dag_id)
    context.emit(found, lambda console: render_history(console, found))


def _check(context: Context) -> int | None:
    args = context.args
    if args.clear:
        request = ClearDatedRequest(
            dag_id=args.dag_id, reason=args.reason, plan=args.plan, request_id=args.request_id
        )
        done = context.backend.clear_by_date(request)
        context.emit(done, lambda console: render_cleared(console, done, plan=args.plan))
        return DIFFERS if done["running"] or done["left"] or (args.plan and done["runs"]) else None
    given = {"--plan": args.plan, "--reason": args.reason, "--request-id": args.request_id}
    if alone := [option for option, value in given.items() if value]:
        raise InvalidInput(
            f"Cannot check the timeline of {args.dag_id}",
            found=f"{alone[0]} goes with --clear",
            remedy=f"Add --clear, or leave {alone[0]} out",
        )
    found = context.backend.check_timeline(args.dag_id)
    context.emit(found, lambda console: render_check(console, found))
    return DIFFERS if found["differ"] else None


_RUN: dict[str, Callable[[Context], int | None]] = {
    "show": _show,
    "set": _set,
    "unset": _unset,
    "history": _history,
    "check": _check,
}


def render_timeline(console: Console, found: dict[str, Any], *, as_of: str | None = None) -> None:
    by = f" · by {_DATED_BY[found['dated_by']]}" if found["dated_by"] else ""
    made = (
        f"revision {found['revision']} since {found['at'][:10]} by {found['actor']}"
        if found["revision"]
        else "no timeline"
    )
    when = f"as of {as_of}: " if as_of is not None else ""
    _line(console, f"{found['dag_id']} · {found['zone']}{by} · {when}{made}")
    for stretch in found["stretches"]:
        span = span_words(*_padded(found["stretches"], stretch))
        if stretch["gap"]:
            build = "the active release" + (f", now build {stretch['build']}" if stretch["build"] else "")
            what = f"gap: {build}"
        else:
            said = f'  "{first_line(stretch["reason"])}"' if stretch["reason"] else ""
            what = f"build {stretch['build']}  {stretch['bundle_version'][:7]}{said}"
        counts = _counts(stretch)
        _line(console, f"  {span}  {what}" + (f"    {counts}" if counts else ""))
    if found["variants"]:
        _line(console, "Tasks of the active build that have no place at some dates:")
    for variant in found["variants"] or []:
        span = span_words(*_padded(found["variants"], variant))
        _line(console, f"  {span}  without {some(variant['absent'], NAMED)}")


def _padded(stretches: Sequence[dict[str, Any]], stretch: dict[str, Any]) -> tuple[str, str]:
    starts = max(len(each["from"] or "…") for each in stretches)
    ends = max(len(each["until"] or "…") for each in stretches)
    return (stretch["from"] or "…").ljust(starts), (stretch["until"] or "…").ljust(ends)


def _counts(stretch: dict[str, Any]) -> str:
    counts = stretch["counts"]
    if counts is None or not counts["runs"]:
        return ""
    parts = [counted(counts["runs"], "run")]
    if not stretch["gap"]:
        parts.append(f"{counts['match']} match")
    parts += [f"{each['runs']} ran on {_build(each['build'])}" for each in counts["others"]]
    if counts["by_hand"]:
        parts.append(f"{counts['by_hand']} by hand")
    if counts["waiting"]:
        parts.append(f"{counts['waiting']} waiting")
    return ", ".join(parts)


def _build(number: int | None) -> str:
    return f"build {number}" if number is not None else "a build that nobody knows"


def render_answer(console: Console, asked: dict[str, Any]) -> None:
    then, now = asked["then"], asked["now"]
    if asked["as_of"] is None:
        _line(console, _said(now) if now is not None else "the active release: there is no timeline")
        return
    before = _said(then) if then is not None else "the active release (there was no timeline)"
    today = f"build {now['build']}" if now is not None and now["build"] is not None else "the active release"
    _line(console, f"{before}; today {today}")


def _said(one: dict[str, Any]) -> str:
    build = f"build {one['build']}" if one["build"] is not None else "the active release"
    reason = f': "{first_line(one["reason"])}"' if one["reason"] else ""
    return f"{build} (revision {one['revision']}, {one['at'][:10]}, {one['actor']}{reason})"


def render_change(console: Console, found: dict[str, Any], *, plan: bool) -> None:
    repeated = not found["changed"] and bool(found["changes"])
    if not found["changed"] and not repeated:
        _line(console, f"Nothing to change in the timeline of {found['dag_id']}: {found['message']}.")
        return
    did = "Would make" if plan else "Made"
    console.print(
        text(f"{did} revision {found['revision']}", "" if plan else "bold green")
        + text(f" of the timeline of {found['dag_id']}")
        + text(f" ({found['message']}):" if repeated else ":"),
        soft_wrap=True,
    )
    for stretch in found["changes"]:
        was = f"build {stretch['from_build']}" if stretch["from_build"] else "the active release"
        will = (
            f"build {stretch['to_build']} at {stretch['bundle_version'][:7]}"
            if stretch["to_build"]
            else "the active release"
        )
        _line(console, f"  {span_words(stretch['from'], stretch['until'])}: {was} → {will}")
    if found["runs"] is not None:
        queued = f"{counted(found['queued'], 'queued run')}" if found["queued"] else "no queued run"
        _line(
            console,
            f"  {counted(found['runs'], 'run')} in these dates, {found['differ']} on another build than that "
            f"of {'its' if found['differ'] == 1 else 'their'} date; {queued}.",
        )
    for said in found["warnings"]:
        _line(console, f"  Note: {said}.")
    if found["differ"] and not plan:
        _line(console, f"Run them again with: pinwheel timeline check {found['dag_id']} --clear --plan")
    if plan:
        console.print(text("This is a plan: nothing was changed.", "dim"))


def render_history(console: Console, revisions: list[dict[str, Any]]) -> None:
    if not revisions:
        _line(console, "There is no timeline.")
    for revision in revisions:
        reason = f': "{first_line(revision["reason"])}"' if revision["reason"] else ""
        at = revision["at"][:16].replace("T", " ")
        made = f"{revision['verb']} by {revision['actor']}{reason}"
        _line(console, f"revision {revision['revision']}  {at}  {made}")
        for era in revision["eras"]:
            span = span_words(era["from"], era["until"])
            _line(console, f"    {span}  build {era['build']}  {era['bundle_version'][:7]}")


def render_check(console: Console, found: dict[str, Any]) -> None:
    differ = found["differ"]
    waiting = f", {found['waiting']} waiting" if found["waiting"] else ""
    _line(console, f"{counted(found['runs'], 'run')}: {found['match']} match, {len(differ)} do not{waiting}")
    _runs(console, differ)
    if found["by_hand"]:
        _line(console, f"{counted(len(found['by_hand']), 'run')} on a build that somebody chose")
    _sensors(console, found["sensors"])
    if differ:
        _line(console, f"Run them again with: pinwheel timeline check {found['dag_id']} --clear --plan")


def _sensors(console: Console, sensors: Sequence[dict[str, Any]]) -> None:
    if sensors:
        _line(console, "Sensors that wait until their timeout where the data is of these dates:")
    for one in sensors[:LISTED]:
        span = span_words(one["from"], one["until"])
        _line(console, f"  {one['dag_id']}: {one['task_id']} waits for {one['waits_for']}    {span}")
    if sensors[LISTED:]:
        _line(console, f"  and {len(sensors) - LISTED} more")


def _runs(console: Console, runs: Sequence[dict[str, Any]], will: str = "would run on") -> None:
    for run in runs[:LISTED]:
        wanted = _build(run["wanted"]) if run["build"] != run["wanted"] else "it without tasks of other dates"
        _line(console, f"  {run['run_id']} ran on {_build(run['build'])}, {will} {wanted}")
    if runs[LISTED:]:
        _line(console, f"  and {len(runs) - LISTED} more")


def render_cleared(console: Console, done: dict[str, Any], *, plan: bool) -> None:
    did = "Would clear" if plan else "Cleared"
    runs, instances = counted(len(done["runs"]), "run"), counted(done["instances"], "task instance")
    _line(console, f"{did} {runs} of {done['dag_id']}, {instances}:" if done["runs"] else "Nothing to clear.")
    _runs(console, done["runs"], "would run on" if plan else "runs again on")
    if done["running"]:
        named = ", ".join(done["running"][:LISTED])
        _line(console, f"Left, since they run: {named}")
    for said in done["warnings"]:
        _line(console, f"  Note: {said}.")
    if plan:
        console.print(text("This is a plan: nothing was changed.", "dim"))


def _line(console: Console, words: str) -> None:
    console.print(text(words), soft_wrap=True)
