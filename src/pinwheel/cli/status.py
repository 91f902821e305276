"""``pinwheel status``: each Dag in one line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import bundles, options
from pinwheel.cli.context import Context
from pinwheel.cli.output import (
    Column,
    badges,
    counted,
    first_line,
    last_line,
    short_time,
    short_version,
    show_table,
    some,
    text,
    time_and_zone,
    version_of,
    warn,
)
from pinwheel.cli.parser import add_examples
from pinwheel.core.request import ANY_STATE, Selection, States
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    Column("Dag"),
    Column("Release", right=True),
    Column("Build"),
    Column("State"),
    Column("Version", spare=2),
    Column("Since", spare=4, time=True),
    Column("Why", cut=True, spare=3),
)


_RUNS = Column("Runs")
_AFTER_STATE = 4

STATES = {
    "held": "a newer build or version waits, and something holds it",
    "pinned": "pinned",
    "broken": "its file fails in the newest version",
    "failing": "a run on the active release failed, and was not run again since; shows what its runs came to",
    "behind": "new runs take an older version than the newest of the bundle",
}


ITSELF = "pinwheel"
"""The actor that stands for nobody."""
_WATCHED = {"watching": ("watched", "cyan"), "paused": ("watch paused", "bold yellow")}
_SAID_ELSEWHERE = ("pin", "rejected", "era")
"""Kinds of holds that have a state, and words, of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(
        parser,
        "pinwheel status",
        "pinwheel status orders_daily",
        "pinwheel status --held --tag finance",
        "pinwheel status --failing --output json",
    )
    options.add_selectors(parser)
    group = parser.add_argument_group(
        "states", "Only Dags in all of the states that are given; none is retired, unless it is named."
    )
    for name, what in STATES.items():
        group.add_argument(f"--{name}", action="store_true", help=what)
    options.add_common(parser)


def run(context: Context) -> None:
    states = States(**{name: getattr(context.args, name) or None for name in STATES})
    selector = options.selector_of(context.args)
    if states != ANY_STATE and selector.empty:
        selector = Selector(everything=True)
    selection = Selection.to_show(selector)
    runs = context.args.output != "table" or bool(states.failing)
    rows = context.backend.status(selection, states=states, runs=runs)
    found = context.backend.bundles()
    problems = of_keepers(context)
    names = None if selection.whole else {row["bundle"] for row in rows} | {context.args.bundle}

    def draw(console: Console) -> None:
        render(console, rows, troubled(found), selected=not selection.whole, runs=runs)
        bundles.show_problems(console, found, names)
        for problem in problems:
            console.print(text(problem, "bold red"), soft_wrap=True)
        bundles.show_unverified(console, found, names)

    context.emit(rows, draw)
    if context.args.output != "table":
        for what, why in bundles.problems_of(found, names):
            warn(f"warning: {what}: {why}")
        for problem in problems:
            warn(f"warning: {problem}")


def of_keepers(context: Context) -> list[str]:
    """What keeps runs that are judged by their dates from starting, in sentences."""
    return list(context.backend.keeper()["problems"])


def troubled(found: dict[str, Any]) -> dict[str, str]:
    """By name, the state of each bundle that is not ok, in words."""
    return {row["name"]: bundles.words_of(row) for row in found["bundles"] if row["problem"]}


def marks(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The states of a Dag that a person should see, with their styles; none for an ordinary one."""
    found = []
    if row["broken"]:
        found.append(("broken", "bold white on red"))
    if row["retired"]:
        found.append(("retired", "dim"))
    if row["held"]:
        found.append(("held", "bold black on yellow"))
    if _rejected(row):
        found.append(("rejected", "bold red"))
    if _hold(row, "era"):
        found.append(("era", "bold cyan"))
    if row["track"] == "pinned":
        found.append(("pinned", "bold magenta"))
    if row.get("watch"):
        found.append(_WATCHED[row["watch"]["state"]])
    if row.get("unstable"):
        found.append(("unstable", "yellow"))
    return found


def render(
    console: Console,
    rows: list[dict[str, Any]],
    troubled: dict[str, str],
    *,
    selected: bool,
    runs: bool = False,
) -> None:
    """Draw one line a Dag, with *runs* with what its runs came to, and below them what needs more words."""
    if not rows:
        console.print(
            "No Dag matches."
            if selected
            else "No Dags yet. Pinwheel lists a Dag once its processor has parsed it: pinwheel dag-processor"
        )
        return
    shown = []
    columns = [*COLUMNS[:_AFTER_STATE], *((_RUNS,) if runs else ()), *COLUMNS[_AFTER_STATE:]]
    for row in rows:
        shown.append(
            (
                text(row["dag_id"], "dim" if row["retired"] else "bold"),
                text(row["active_release"]),
                text(_build(row), "bold yellow" if row["held"] else ""),
                badges(marks(row), otherwise=_otherwise(row, troubled)),
                *((text(_runs(row), "bold red"),) if runs else ()),
                text(version_of(row)) + text(_behind(row), "yellow"),
                text(short_time(row["since"])),
                text(_why(row)),
            )
        )
    show_table(console, columns, shown)
    _notes(console, rows)


def _runs(row: dict[str, Any]) -> str:
    """What the runs on the active release came to, failures first."""
    counts = row.get("runs") or {}
    return ", ".join(f"{counts[state]} {state}" for state in sorted(counts, key=lambda s: (s != "failed", s)))


def _otherwise(row: dict[str, Any], troubled: dict[str, str]) -> tuple[str, str]:
    """What is said of a Dag that nothing else is to be said of: it is as well as its bundle."""
    state = troubled.get(row["bundle"])
    return ("ok", "green") if state is None else (f"bundle {state}", "yellow")


def _build(row: dict[str, Any]) -> str:
    waits = row["held"] and row["active_build"] != row["newest_build"]
    return f"{row['active_build']} of {row['newest_build']}" if waits else str(row["active_build"] or "-")


def _behind(row: dict[str, Any]) -> str:
    """How far new runs are behind, in words."""
    behind = row["behind"]
    if behind is None:
        return ""
    kind = " (only other files)" if behind["kind"] == "other files" else ""
    return f", {behind['versions']} behind{kind}"


def _why(row: dict[str, Any]) -> str:
    return " ".join(part for part in (row["actor"], first_line(row["reason"])) if part)


def _tell_holds(console: Console, row: dict[str, Any]) -> None:
    """What holds a Dag besides what its line and other notes say."""
    for hold in row["holds"]:
        if hold["kind"] in _SAID_ELSEWHERE:
            continue
        since = f" since {time_and_zone(hold['since'])}" if hold["since"] else ""
        until = f", until {time_and_zone(hold['until'])}" if hold["until"] else ""
        by = f" by {hold['by']}" if hold["by"] else ""
        because = f": {first_line(hold['reason'])}" if hold["reason"] else ""
        console.print(
            text(f"{row['dag_id']} is held ({hold['kind']}){since}{by}{until}", "yellow") + text(because),
            soft_wrap=True,
        )


def _tell_watch(console: Console, row: dict[str, Any]) -> None:
    """How far the watch of the active release is, and what becomes of it if that is worse."""
    watch, dag_id = row["watch"], row["dag_id"]
    if watch["state"] == "paused":
        console.print(
            text(f"{dag_id} waits for somebody: the watch of release {watch['release']} is paused", "yellow")
            + text(f": {first_line(watch['words'], 300)}.")
            + text(f" What can be done: pinwheel rollout show {dag_id}", "dim"),
            soft_wrap=True,
        )
        return
    back = f"; if it is worse: {watch['back']}" if watch["back"] else ""
    compared = f", compared with {watch['compared_with']}" if watch["compared_with"] else ""
    console.print(
        text(f"{dag_id} release {watch['release']} is watched: ", "cyan")
        + text(f"{watch['words']}{compared}{back}."),
        soft_wrap=True,
    )


def _went_back_by_itself(row: dict[str, Any]) -> bool:
    """Its watch rolled it back: nobody has pinned it or released anything of it since."""
    return (row["track"], row.get("kind"), row["actor"]) == ("pinned", "rollback", ITSELF)


def _rejected(row: dict[str, Any]) -> dict[str, Any] | None:
    """The hold of a Dag whose newest build is rejected."""
    return _hold(row, "rejected")


def _hold(row: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((hold for hold in row.get("holds", ()) if hold["kind"] == kind), None)


def _broken(rows: list[dict[str, Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    """What is broken, each with the Dags that it breaks: one file can hold many."""
    found: dict[tuple[Any, ...], tuple[list[str], dict[str, Any]]] = {}
    for row in rows:
        broken = row["broken"]
        if broken:
            key = (row["bundle"], *(broken[name] for name in ("bundle_version", "path", "at", "error")))
            found.setdefault(key, ([], broken))[0].append(row["dag_id"])
    return list(found.values())


def _notes(console: Console, rows: list[dict[str, Any]]) -> None:
    for ids, broken in _broken(rows):
        where = f" in {short_version(broken['bundle_version'])} ({broken['path']}): "
        one = len(ids) == 1
        named = ids[0] if one else f"{len(ids)} Dags"
        console.print(
            text(f"{named} {'is' if one else 'are'} broken since {time_and_zone(broken['at'])}", "bold red")
            + text(where)
            + text(last_line(broken["error"]), "red")
            + text(
                " It stays on its active release."
                if one
                else f" They stay on their active releases: {some(ids)}.",
                "dim",
            ),
            soft_wrap=True,
        )
    for row in rows:
        if _went_back_by_itself(row):
            when = time_and_zone(row["since"])
            console.print(
                text(f"{row['dag_id']} was rolled back by itself at {when}", "bold red")
                + text(f": {first_line(row['reason'], 300)}.")
                + text(f" See its watch: pinwheel rollout show {row['dag_id']}", "dim"),
                soft_wrap=True,
            )
        hold = _rejected(row)
        if hold is not None and not row["retired"]:
            since = f" at {time_and_zone(hold['since'])}" if hold["since"] else ""
            because = f": {first_line(hold['reason'])}" if hold["reason"] else ""
            console.print(
                text(f"{row['dag_id']} build {row['newest_build']} is not released by itself", "bold red")
                + text(f": {hold['by'] or 'somebody'} rejected it{since}{because}.")
                + text(" The next build that is not rejected is.", "dim"),
                soft_wrap=True,
            )
        if row["held"] and not row["retired"]:
            _tell_holds(console, row)
        if row.get("watch"):
            _tell_watch(console, row)
    windowed = [row["dag_id"] for row in rows if row.get("windowed") and not row["retired"]]
    if windowed:
        console.print(
            text(
                f"{counted(len(windowed), 'Dag')} with tasks that have a place at some dates only: their "
                f"runs leave these out, backfills too: {some(windowed)}.",
                "dim",
            ),
            soft_wrap=True,
        )
    held = [row["dag_id"] for row in rows if row["held"] and not row["retired"]]
    if held:
        console.print(
            text(f"{counted(len(held), 'Dag')} held back. See what waits: pinwheel diff {held[0]}", "dim"),
            soft_wrap=True,
        )
