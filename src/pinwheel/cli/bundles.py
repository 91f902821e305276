"""``pinwheel bundles``: where each bundle stands, what was refused of it, and what fails."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import (
    Column,
    badges,
    counted,
    first_line,
    short_time,
    short_version,
    show_table,
    text,
    time_and_zone,
    version_of,
)
from pinwheel.cli.parser import add_examples

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.cli.backend.protocol import View

COLUMNS = (
    Column("Bundle"),
    Column("State"),
    Column("Dags", right=True),
    Column("Head"),
    Column("Since", spare=1, time=True),
    Column("Looked at", spare=2, time=True),
    Column("Message", cut=True, spare=3),
)

STYLES = {"ok": "green", "not_configured": "dim"}
_HIDDEN = "you may not see why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel bundles", "pinwheel bundles dags --output yaml")
    parser.add_argument("names", nargs="*", metavar="BUNDLE", help="these bundles only")
    options.add_common(parser)


def run(context: Context) -> None:
    found = context.backend.bundles(context.args.names)
    context.emit(found, lambda console: render(console, found))


def render(console: Console, found: View) -> None:
    """Draw one line a bundle, and below them all that is not as it should be."""
    if not found["bundles"]:
        console.print("No bundles yet. Airflow's Dag processor enters them: pinwheel dag-processor")
    shown = []
    for row in found["bundles"]:
        head = row["head"] or {}
        shown.append(
            (
                text(row["name"], "bold"),
                badges([(words_of(row), STYLES.get(row["state"], "bold white on red"))]),
                text(row["dags"]),
                text(_head(row)),
                text(short_time(head.get("since"))),
                text(short_time(row["looked_at"])),
                text(first_line(head.get("message"))),
            )
        )
    if shown:
        show_table(console, COLUMNS, shown)
    show_problems(console, found)
    show_unverified(console, found)
    for row in found["bundles"]:
        _show_more(console, row)


def words_of(bundle: View) -> str:
    """Its state in words."""
    return str(bundle["state"]).replace("_", " ")


def problems_of(found: View, names: Collection[str | None] | None = None) -> list[tuple[str, str]]:
    """What is wrong with the bundles (these, or all) and with the processor: what, and why."""
    problems = []
    for row in found["bundles"]:
        problem = row["problem"]
        if problem and (names is None or row["name"] in names):
            version = f" at version {short_version(problem['version'])}" if problem["version"] else ""
            since = f" since {time_and_zone(problem['since'])}" if problem["since"] else ""
            problems.append(
                (f"Bundle {row['name']}: {words_of(row)}{since}{version}", _why(problem["reason"]))
            )
    for fault in found["faults"]:
        since = time_and_zone(fault["since"])
        problems.append(
            (f"The Dag processor: failing since {since} in {fault['place']}", _why(fault["error"]))
        )
    return problems


def show_problems(console: Console, found: View, names: Collection[str | None] | None = None) -> None:
    """Draw what is wrong, each with its reason."""
    for what, why in problems_of(found, names):
        console.print(text(what, "bold red") + text(f": {why}", "red"), soft_wrap=True)


def show_unverified(console: Console, found: View, names: Collection[str | None] | None = None) -> None:
    """Draw how far verification is."""
    for row in found["bundles"]:
        unverified = row["unverified"]
        if unverified and (names is None or row["name"] in names):
            files = counted(unverified["files"], "file")
            at = f" at {short_version(unverified['version'])}" if unverified["version"] else ""
            since, done_at = time_and_zone(unverified["since"]), time_and_zone(unverified["done_at"])
            told = (
                f"Bundle {row['name']}: {files} judged unchanged and not verified yet, the oldest{at} since "
                f"{since}; done at about {done_at}"
            )
            console.print(text(told, "dim"), soft_wrap=True)


def _show_more(console: Console, row: View) -> None:
    """What was refused before, what else fails, what the head is without."""
    problem = row["problem"] or {}
    for fault in row["faults"]:
        if fault["error"] is None or fault["error"] != problem.get("reason"):
            told = f"{row['name']}: failing since {time_and_zone(fault['since'])} in {fault['place']}: "
            console.print(text(told) + text(_why(fault["error"]), "red"), soft_wrap=True)
    for refused in row["refused"]:
        if row["state"] != "refused" or refused["version"] != problem.get("version"):
            named = " ".join(part for part in (refused["label"], short_version(refused["version"])) if part)
            told = f"{row['name']}: refused {named}, {time_and_zone(refused['at'])}: "
            console.print(text(told + _why(refused["reason"]), "dim"), soft_wrap=True)
    for left in row["left_out"] or ():
        console.print(
            text(f"{row['name']}: left out {left['path']}: {left['reason']}", "yellow"), soft_wrap=True
        )


def _head(row: View) -> str:
    head = row["head"]
    if head is None:
        return "keeps no versions" if row["state"] == "ok" else "-"
    shown = version_of({"label": head["label"], "bundle_version": head["version"]})
    return shown if head["settled"] else f"{shown} (being parsed)"


def _why(reason: Any) -> str:
    return " ".join(str(reason).split()) if reason is not None else _HIDDEN
