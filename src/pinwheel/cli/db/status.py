"""``pinwheel db status``: where the schema stands, and what it takes to bring it to the target."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pinwheel.cli.context import Context
from pinwheel.cli.db.arguments import add_strategy, add_target, request
from pinwheel.cli.db.capsule import (
    show_capsules,
)
from pinwheel.cli.output import Column, counted, show_table, text

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.reconcile.installed import Deployment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser)
    add_strategy(parser)


def run(context: Context, deployment: Deployment) -> int:
    from pinwheel.reconcile import assess
    from pinwheel.reconcile.database import connected
    from pinwheel.reconcile.run import locate, plan

    asked = request(context.args)
    position = locate(deployment, asked)
    with connected(deployment.engine) as connection:
        found = assess.status(connection, deployment, position, datetime.now(UTC))
    found["plan"] = plan(deployment, asked) if position.direction == assess.Direction.BACKWARD else None

    def render(console: Console) -> None:
        show_position(console, found)
        for name, revision in found["other_schemas"].items():
            console.print(f"Tables of {name}: revision {revision}")
        if found["unfinished"]:
            begun = found["unfinished"]
            console.print(
                text(
                    f"A walk from Airflow {begun['from']} to {begun['to']} was begun and not ended.", "yellow"
                )
            )
        if found["writers"]:
            console.print(text(f"Writers: {', '.join(found['writers'])}", "yellow"), soft_wrap=True)
        show_capsules(console, found["capsules"], can_sign=found["can_sign"])
        if found["no_way_back"]:
            console.print(text(found["no_way_back"], "yellow"), soft_wrap=True)
        if found["plan"]:
            show_plan(console, found["plan"])

    context.emit(found, render)
    return 0


def show_position(console: Console, found: dict[str, Any]) -> None:
    current, target = found["current"], found["target"]
    words = {
        "same": "nothing to do",
        "forward": "upgrade, by airflow db migrate",
        "backward": f"downgrade of {counted(found['migrations'], 'migration')}",
        "empty": "create the schema, by airflow db migrate",
    }
    stands = f"Airflow {current['airflow']}  (revision {current['revision']})"
    console.print(text("Schema   ", "bold") + text("none" if current["revision"] is None else stands))
    console.print(
        text("Target   ", "bold") + text(f"Airflow {target['airflow']}  (revision {target['revision']})")
    )
    console.print(text("Change   ", "bold") + text(words[found["direction"]]))


def show_plan(console: Console, found: dict[str, Any]) -> None:
    if found["direction"] != "backward":
        return
    for step in found["steps"]:
        console.print(text(f"How      ({found['strategy']}) ", "bold") + text(step), soft_wrap=True)
    rows = [loss for loss in found.get("losses", []) if loss["rows"]]
    if rows:
        show_table(
            console,
            (
                Column("Dropped"),
                Column("Rows", right=True),
                Column("With a value", right=True),
                Column("Kept as", cut=True),
            ),
            [
                [
                    text(loss["name"], "bold red" if loss["rows_with_a_value"] else ""),
                    text(loss["rows"]),
                    text(loss["rows_with_a_value"]),
                    text(loss["carried"]),
                ]
                for loss in rows
            ],
        )
    for place, number in found.get("rewritten", {}).items():
        console.print(f"{place}: {counted(number, 'row')} written anew for the older Airflow")
    for place, names in found.get("unreadable", {}).items():
        console.print(text(f"{place}: the older Airflow can not read {', '.join(names)}", "red"))
    for state, number in found.get("tasks_under_way", {}).items():
        console.print(f"Tasks {state}: {number}, kept")
    for note in found.get("notes", []):
        console.print(note, soft_wrap=True)
    for refusal in found["refusals"]:
        console.print(text(refusal, "yellow"), soft_wrap=True)
    if found["ready"]:
        console.print(text("This would be done.", "green"))
