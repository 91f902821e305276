"""``pinwheel rollout``: what is on its way, what it waits for, and acts on it."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, badges, first_line, short_time, show_table, text, version_of, warn
from pinwheel.cli.parser import add_command, add_examples
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.release.notation import duration
from pinwheel.core.request import Selection
from pinwheel.core.rollout.waiting import REASONED
from pinwheel.core.rollout.window_text import Unreadable
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from rich.console import Console

ENDED, TIMEOUT = 1, 3
"""Exit codes of a wait: it ended otherwise; nothing came in time."""
POLL = 2.0
_REASON = " --reason 'ci is down'"
ACTS = {
    "approve": "approve what rolls out, at the gate that asks for it",
    "reject": "reject it: it is never released by itself again",
    "pause": "let it go no further until somebody resumes it",
    "resume": "let it go on from where it was paused, judged anew",
    "retry": "begin the step again at which it is paused",
    "skip": "go past the gate at which it is; of one that is watched: take it as proven",
    "restart": "begin again at the first step, with the newest place",
    "abort": "take it off its way: held, not rejected; of one that is watched: end the watch",
}
OPEN = {
    "pause": "the pause is yours: no newer build ends it",
    "resume": "what caused the pause is set aside, and it is watched on",
    "skip": "it is well, and proven by hand",
    "abort": "it stays, its watch ends, and it proves nothing",
    "rollback": "new runs take the build before, and the Dag is pinned",
}
"""What each act means where the watch of a release is paused."""
REACHED = {"released": ("released", "watching", "proven"), "proven": ("proven",)}
"""For what is waited: the states in which that is so."""
ALIVE = ("waiting", "watching", "paused")
NOT_YET = "not yet"
"""Of a Dag or a commit that has no rollout, and that new runs do not take."""
_STYLES = {
    "paused": "bold yellow",
    "proven": "green",
    "released": "green",
    "rejected": "bold red",
    "rolled_back": "bold red",
}
_MARKS = {"passed": ("✔", "green"), "skipped": ("»", "yellow"), "here": ("●", "bold"), "ahead": ("○", "dim")}

COLUMNS = (
    Column("Dag"),
    Column("Id", right=True, spare=3),
    Column("Build", right=True),
    Column("Version", spare=2),
    Column("State"),
    Column("Waits for", cut=True),
    Column("Since", spare=1, time=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel rollout",
        "pinwheel rollout status --waiting-for person",
        "pinwheel rollout show orders_daily",
        "pinwheel rollout approve orders_daily",
        "pinwheel rollout wait orders_daily --for released --timeout 30m",
    )
    verbs = parser.add_subparsers(dest="rollout_verb", metavar="COMMAND", parser_class=type(parser))
    # Without a command: the status of all. Its options are those of the command too.
    _add_status(parser)
    status = add_command(
        verbs,
        "status",
        "what is on its way, and what it waits for",
        "pinwheel rollout status --waiting-for person",
        "pinwheel rollout status --waiting-for check:ci/regression --output json",
    )
    _add_status(status)
    shown = add_command(
        verbs,
        "show",
        "one rollout: its steps, what was said of it, and what it waits for",
        "pinwheel rollout show orders_daily",
    )
    options.add_dag_id(shown)
    options.add_common(shown)
    for name, summary in ACTS.items():
        line = f"pinwheel rollout {name} orders_daily"
        _add_act(
            add_command(verbs, name, summary, f"{line}{_REASON}" if name in REASONED else line),
            reasoned=name in REASONED,
        )
    waits = add_command(
        verbs,
        "wait",
        f"wait until it is released or proven; exit code {ENDED} if it ended otherwise, {TIMEOUT} if that "
        "did not come in time",
        "pinwheel rollout wait orders_daily --for proven --timeout 4h",
        'pinwheel rollout wait orders_daily --commit "$GITHUB_SHA" --timeout 4h',
    )
    options.add_dag_id(waits)
    waits.add_argument(
        "--for", dest="until", choices=tuple(REACHED), default="released", help="for what (default: released)"
    )
    waits.add_argument(
        "--timeout",
        type=_duration,
        default=_duration("30m"),
        metavar="TIME",
        help="so long, as 90s, 30m or 4h (default: 30m)",
    )
    waits.add_argument(
        "--poll", type=_seconds, default=POLL, metavar="SECONDS", help=f"look so often (default: {POLL:g})"
    )
    waits.add_argument(
        "--commit",
        metavar="SHA",
        help="for the rollout of this commit, which may not be there yet (default: the Dag's newest)",
    )
    options.add_common(waits)
    for command in verbs.choices.values():
        _keep_what_is_given_before(parser, command)


def _keep_what_is_given_before(parser: argparse.ArgumentParser, command: argparse.ArgumentParser) -> None:
    """What a command does not say stays as it was said before the command: its defaults are no words."""
    known = {action.dest for action in parser._actions}
    for action in command._actions:
        if action.dest in known:
            action.default = argparse.SUPPRESS


def _add_status(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which")
    group.add_argument("--dag", action="append", metavar="DAG_ID", help="of this Dag; may be repeated")
    group.add_argument(
        "--waiting-for",
        metavar="WHAT",
        help="that wait for a person, a check, a time, runs or nobody; check:NAME: for this check",
    )
    group.add_argument(
        "--state",
        action="append",
        metavar="STATE",
        help="in this state, such as paused or proven; may be repeated (default: live, all that have not "
        "ended)",
    )
    group.add_argument("--commit", metavar="SHA", help="of this bundle version")
    group.add_argument("--limit", type=options.positive, default=100, metavar="N", help="at most so many")
    options.add_common(parser)


def _add_act(parser: argparse.ArgumentParser, *, reasoned: bool) -> None:
    options.add_dag_id(parser)
    group = parser.add_argument_group("change")
    group.add_argument(
        "-m",
        "--reason",
        metavar="TEXT",
        help=f"why; kept with the event{', and needed' if reasoned else ''}",
    )
    group.add_argument(
        "--watched", action="store_true", help="on the rollout that is watched, where another is ahead of it"
    )
    group.add_argument("--plan", action="store_true", help="show what would be done, change nothing")
    group.add_argument(
        "--expected-generation",
        type=options.positive,
        metavar="N",
        help="refuse when the rollout has moved since that one",
    )
    options.add_request_id(group)
    options.add_common(parser)


def _duration(words: str) -> float:
    try:
        return duration(words).total_seconds()
    except Unreadable as error:
        raise argparse.ArgumentTypeError(f"{error.found}. {error.remedy}") from None


def _seconds(words: str) -> float:
    try:
        seconds = float(words)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{words!r} is not a number of seconds up to an hour")
    return seconds


def run(context: Context) -> int | None:
    verb = context.args.rollout_verb
    if verb in ACTS:
        _act(context, verb)
        return None
    if verb == "show":
        found = context.backend.rollout(context.args.dag_id)
        context.emit(found, lambda console: render_one(console, found))
        return None
    if verb == "wait":
        return _wait(context)
    _status(context)
    return None


def _status(context: Context) -> None:
    args = context.args
    rows = context.backend.rollouts(
        args.dag or (),
        states=args.state or ("live",),
        version=args.commit,
        waiting_for=args.waiting_for,
        limit=args.limit,
    )
    context.emit(rows, lambda console: render(console, rows))


def _act(context: Context, verb: str) -> None:
    args = context.args
    request = RolloutRequest(
        dag_id=args.dag_id,
        verb=verb,
        reason=args.reason,
        watched=args.watched,
        expected_generation=args.expected_generation,
        plan=args.plan,
        request_id=args.request_id,
    )
    done = context.backend.act(request)
    context.emit(done, lambda console: render_act(console, done))


def _wait(context: Context) -> int:
    """Look again and again; each time that it waits for something else, say so."""
    args = context.args
    over, told = time.monotonic() + args.timeout, ""
    while True:
        found = _looked(context)
        reached = found["state"] in REACHED[args.until]
        ended = found["state"] not in (*ALIVE, NOT_YET)
        # A plan without a watch ends as released: nothing will ever prove it.
        left = over - time.monotonic()
        if reached or ended or left <= 0:
            context.emit(found, partial(render_one if "steps" in found else _render_words, row=found))
            return 0 if reached else ENDED if ended else TIMEOUT
        waits = found.get("words") or f"{args.dag_id} is {found['state']}: {_waits(found)}"
        if waits != told:
            warn(waits)
            told = waits
        time.sleep(min(args.poll, left))


def _render_words(console: Console, row: dict[str, Any]) -> None:
    console.print(text(row["words"]), soft_wrap=True)


def _waits(found: dict[str, Any]) -> str:
    """What it waits for; of one that goes on by itself, why it waits for nobody."""
    waits = found["waits_for"]
    return f"waits for {'nobody: ' if waits['kind'] == 'nobody' else ''}{waits['words']}"


def _looked(context: Context) -> dict[str, Any]:
    """The Dag's rollout; with a commit that one's, or how the Dag stands where that made none.

    What is not found has no exit code of its own here: that of a wait whose time is over is the same.
    """
    args = context.args
    if args.commit is None:
        return _newest(context)
    commit = f"commit {args.commit[:12]}"
    try:
        own = context.backend.rollouts([args.dag_id], version=args.commit, limit=1)
        status = context.backend.status(Selection.to_show(Selector(ids=(args.dag_id,))))
    except NotFound:
        return _stands(args, f"{commit}: there is no Dag {args.dag_id} yet")
    if own:
        return own[0]
    if status[0]["bundle_version"] == args.commit:
        return _stands(args, f"{commit}: new runs take it", "released")
    return _stands(args, f"{commit}: {args.dag_id} has no rollout of it yet, and takes another")


def _newest(context: Context) -> dict[str, Any]:
    """:raises InvalidInput: there is no such Dag, and no commit is named that may bring it."""
    args = context.args
    try:
        return context.backend.rollout(args.dag_id)
    except NotFound as error:
        try:
            context.backend.status(Selection.to_show(Selector(ids=(args.dag_id,))))
        except NotFound:
            raise InvalidInput(
                f"Cannot wait for {args.dag_id}",
                found=error.found,
                remedy="Correct the id; of a Dag that is new, name the commit that brings it with --commit",
                dag_id=args.dag_id,
            ) from None
    return _stands(args, f"{args.dag_id} has no rollout yet")


def _stands(args: argparse.Namespace, words: str, state: str = NOT_YET) -> dict[str, Any]:
    return {"dag_id": args.dag_id, "bundle_version": args.commit, "state": state, "words": words}


def render(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("Nothing is on its way.")
        return
    shown = []
    for row in rows:
        waits = row["waits_for"]
        shown.append(
            (
                text(row["dag_id"], "bold"),
                text(row["id"]),
                text(row["build"] or "-"),
                text(version_of(row)),
                badges([(row["state"], _STYLES.get(row["state"], ""))]),
                text(first_line(waits["words"], 100), "bold" if waits["kind"] == "person" else ""),
                text(short_time(row["since"])),
            )
        )
    show_table(console, COLUMNS, shown)


def render_one(console: Console, row: dict[str, Any]) -> None:
    policy = f", policy {row['policy']} revision {row['revision']}" if row["policy"] else ""
    console.print(
        text(f"{row['dag_id']} ", "bold")
        + text(f"rollout {row['id']}: build {row['build']} of {version_of(row)}{policy}"),
        soft_wrap=True,
    )
    line = text("  ") + text(row["state"], _STYLES.get(row["state"], "bold"))
    console.print(line + text(f": {row['why']}" if row["why"] else ""), soft_wrap=True)
    for step in row["steps"]:
        mark, style = _MARKS[step["where"]]
        console.print(text(f"  {mark} ", style) + text(step["words"], style), soft_wrap=True)
    if row["state"] in ALIVE:
        # A watch says itself how long it takes at least, and at most.
        timed = row["waits_for"]["until"] and row["slot"] != "watched"
        until = f", until {short_time(row['waits_for']['until'])}" if timed else ""
        console.print(text(f"  {_waits(row)}{until}"), soft_wrap=True)
    _tell_watch(console, row)
    if row["approvals"]:
        if row["authors"]:
            console.print(text(f"  written by {', '.join(row['authors'])}"), soft_wrap=True)
        if row["approvals"]["why_more"]:
            console.print(text(f"  {row['approvals']['why_more']}"), soft_wrap=True)
    if row["asked_by"]:
        when = f", not before {short_time(row['not_before'])}" if row["not_before"] else ""
        console.print(text(f"  asked for by {row['asked_by']}{when}"), soft_wrap=True)
    if row["released_at"]:
        console.print(text(f"  released {short_time(row['released_at'])}"), soft_wrap=True)
    for said in row["verdicts"]:
        why = f": {first_line(said['reason'])}" if said["reason"] else ""
        where = f" {said['url']}" if said["url"] else ""
        words = f"  {short_time(said['at'])} {said['actor']}: {said['name']} {said['verdict']}{why}{where}"
        console.print(text(words, "dim"), soft_wrap=True)


def _tell_watch(console: Console, row: dict[str, Any]) -> None:
    """What a watched release is judged by, where it goes back to, and of one that is paused what is open."""
    watch = row.get("watch")
    if not watch:
        return
    if watch["compared_with"]:
        console.print(text(f"  compared with {watch['compared_with']}"), soft_wrap=True)
    if watch["back"]:
        style = "" if watch["goes_back_to"] else "bold yellow"
        console.print(text("  if it is worse: ") + text(watch["back"], style), soft_wrap=True)
    if row["state"] == "paused" and row["slot"] == "watched":
        possible = [act["verb"] for act in row["acts"] if act["problem"] is None and act["verb"] in ACTS]
        for verb in possible:
            line = f"pinwheel rollout {verb} {row['dag_id']}{' --reason …' if verb in REASONED else ''}"
            console.print(text(f"  {line}: ", "dim") + text(OPEN.get(verb, ACTS[verb])), soft_wrap=True)
        line = f"pinwheel rollback {row['dag_id']} --reason …"
        console.print(text(f"  {line}: ", "dim") + text(OPEN["rollback"]), soft_wrap=True)


def render_act(console: Console, done: dict[str, Any]) -> None:
    style = "bold green" if done["changed"] and not done["plan"] else ""
    console.print(text(f"{done['dag_id']}: ", style) + text(f"{done['message']}."), soft_wrap=True)
    if done["rollout"] is not None:
        render_one(console, done["rollout"])
    if done["plan"]:
        console.print(text("This is a plan: nothing was changed.", "dim"))
