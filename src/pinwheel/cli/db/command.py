"""``pinwheel db``: its verbs, and the Airflow that they work on."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.db import capsule, reconcile, restore, status
from pinwheel.cli.parser import add_command, add_examples

if TYPE_CHECKING:
    from pinwheel.reconcile.installed import Deployment

_RUN: dict[str, Callable[[Context, Deployment], int | None]] = {
    "status": status.run,
    "reconcile": reconcile.run,
    "capsule-list": capsule.show_list,
    "capsule-store": capsule.store,
    "capsule-verify": capsule.verify,
    "capsule-prune": capsule.prune,
    "restore-lost": restore.run,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="db_verb", metavar="COMMAND", required=True, parser_class=type(parser))
    status.add_arguments(
        _verb(
            verbs,
            "status",
            "where the schema stands, and what it takes to bring it to the target",
            "pinwheel db status",
            "pinwheel db status --to 3.3.2",
        )
    )
    reconcile.add_arguments(
        _verb(
            verbs,
            "reconcile",
            "bring the schema to the target, up or down",
            "pinwheel db reconcile --plan --allow-downgrade",
            "pinwheel db reconcile --allow-downgrade --to 3.3.2 --snapshot /backups/before-3.3.2.jsonl.gz",
            "pinwheel db reconcile --downgrade-only --allow-downgrade --wait-for-writers 5m",
        )
    )

    of_capsules = verbs.add_parser("capsule", help="the stored migration code of each Airflow")
    add_examples(of_capsules, "pinwheel db capsule", "pinwheel db capsule list --output json")
    actions = of_capsules.add_subparsers(dest="capsule_verb", metavar="COMMAND", parser_class=type(parser))
    _verb(actions, "list", "the capsules in the database", "pinwheel db capsule list")
    _verb(actions, "store", "store a capsule of the installed Airflow", "pinwheel db capsule store")
    _verb(
        actions,
        "verify",
        "check the signature of each, and that what is inside can be loaded here",
        "pinwheel db capsule verify",
    )
    _verb(actions, "prune", "delete those that no downgrade from here can use", "pinwheel db capsule prune")
    options.add_output(of_capsules)

    restore.add_arguments(
        _verb(
            verbs,
            "restore-lost",
            "put back what a downgrade dropped, from its snapshot",
            "pinwheel db restore-lost /backups/before-3.3.2.jsonl.gz",
        )
    )


def _verb(verbs: Any, name: str, summary: str, *examples: str) -> Any:
    made = add_command(verbs, name, summary, *examples)
    options.add_output(made)
    return made


def run(context: Context) -> int:
    args = context.args
    verb = args.db_verb if args.db_verb != "capsule" else f"capsule-{args.capsule_verb or 'list'}"
    return _RUN[verb](context, _deployment(quiet=not args.debug)) or 0


def _deployment(*, quiet: bool) -> Deployment:
    if quiet:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    from pinwheel.reconcile.installed import deployment

    return deployment()
