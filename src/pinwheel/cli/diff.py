"""``pinwheel diff``: what changed between two builds."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import text, warn
from pinwheel.cli.parser import add_examples

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_examples(parser, "pinwheel diff orders_daily", "pinwheel diff orders_daily 2 3")
    options.add_dag_id(parser)
    parser.add_argument(
        "from_build",
        nargs="?",
        type=options.side,
        metavar="FROM",
        help="a build: 3 or b3; or a release: r4 (default: the active build)",
    )
    parser.add_argument(
        "to_build", nargs="?", type=options.side, metavar="TO", help="the same (default: the newest build)"
    )
    options.add_common(parser)


def run(context: Context) -> None:
    args = context.args
    found = context.backend.diff(args.dag_id, args.from_build, args.to_build)
    context.emit(found, lambda console: render(console, args.dag_id, found))
    for warning in found.get("warnings", ()):
        warn(f"warning: {warning}")


def render(console: Console, dag_id: str, found: dict[str, Any]) -> None:
    console.print(text(f"{dag_id}: build {found['from']} → build {found['to']}", "bold"))
    lines = list(_structure(found["structure"]))
    for line in lines:
        console.print(line, soft_wrap=True)
    if not lines:
        console.print(text("The Dag's structure is the same.", "dim"))
    for file in found["files"]:
        console.print()
        note = " (read at parse; the Dag holds nothing of it)" if file.get("read_at_parse") else ""
        console.print(text(f"{file['change']} {file['path']}{note}", "bold"), soft_wrap=True)
        for line in file["patch"].removesuffix("\n").split("\n"):
            console.print(text(line, _patch_style(line), keep="\t"), soft_wrap=True)
    if not found["files"]:
        console.print(text("Every file that the Dag uses is the same.", "dim"))
    if found.get("untraced"):
        console.print(
            text("One of the builds was adopted: of its files only the Dag's own is known.", "yellow"),
            soft_wrap=True,
        )


def _structure(structure: dict[str, Any]) -> list[Text]:
    lines = []
    if structure["schedule"]:
        lines.append(_changed("schedule", structure["schedule"]))
    lines += [_changed(name, change) for name, change in structure["attributes"].items()]
    lines += [text(f"+ task {task_id}", "green") for task_id in structure["tasks_added"]]
    lines += [text(f"- task {task_id}", "red") for task_id in structure["tasks_removed"]]
    for task in structure["tasks_changed"]:
        lines += [
            _changed(f"task {task['task_id']}: {name}", change) for name, change in task["attributes"].items()
        ]
    lines += [text(f"+ edge {one} → {other}", "green") for one, other in structure["edges_added"]]
    lines += [text(f"- edge {one} → {other}", "red") for one, other in structure["edges_removed"]]
    lines += [text(f"+ group {group}", "green") for group in structure.get("groups_added", ())]
    lines += [text(f"- group {group}", "red") for group in structure.get("groups_removed", ())]
    return lines


def _changed(name: str, change: dict[str, Any]) -> Text:
    return (
        text(f"~ {name}: ", "yellow")
        + text(_short(change["from"]), "red")
        + " → "
        + text(_short(change["to"]), "green")
    )


def _short(value: Any) -> str:
    if value is None:
        return "none"
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    written = " ".join(written.split())
    return written if len(written) <= 100 else written[:99] + "…"


def _patch_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
