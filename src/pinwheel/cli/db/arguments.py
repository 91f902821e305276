"""Arguments that the verbs of ``pinwheel db`` share, and the request that they make."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinwheel.reconcile.run import Request

STRATEGIES = ("auto", "capsule", "exec", "command")
SOURCES = ("alembic-table", "running-pod-image", "running-pod-exec")
_DURATION = re.compile(r"(\d+)\s*(s|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


def add_target(parser: Any) -> None:
    group = parser.add_argument_group("versions")
    group.add_argument(
        "--to", type=version, metavar="VERSION", help="the Airflow to go to (default: the installed one)"
    )
    group.add_argument(
        "--current-version-source",
        choices=SOURCES,
        default=SOURCES[0],
        metavar="SOURCE",
        help="who says which Airflow the schema belongs to: alembic-table (default), running-pod-image, "
        "running-pod-exec",
    )


def add_strategy(parser: Any) -> None:
    group = parser.add_argument_group("strategy")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=STRATEGIES[0],
        metavar="NAME",
        help="how to go down: auto (default: the first that can), capsule, exec or command",
    )
    for name in STRATEGIES[1:]:
        import_module(f"pinwheel.reconcile.strategies.{name}").add_arguments(group)


def request(args: argparse.Namespace) -> Request:
    from pinwheel.reconcile.run import Request

    return Request(
        to=args.to,
        version_source=args.current_version_source,
        strategy=args.strategy,
        options=args,
        allow_downgrade=getattr(args, "allow_downgrade", False),
        downgrade_only=getattr(args, "downgrade_only", False),
        accept_loss=frozenset(name for names in getattr(args, "accept_loss", None) or [] for name in names),
        snapshot=getattr(args, "snapshot", None),
        full=getattr(args, "full", False),
        wait_seconds=getattr(args, "wait_for_writers", 0),
    )


def names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def duration(words: str) -> float:
    found = _DURATION.fullmatch(words.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{words!r} is not a time such as 30s, 5m or 1h")
    return float(int(found.group(1)) * _SECONDS[found.group(2)])


def version(words: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(words.strip().removeprefix("v")))
    except InvalidVersion:
        raise argparse.ArgumentTypeError(f"{words!r} is not a version such as 3.2.2") from None
