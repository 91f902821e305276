"""``pinwheel db``: Airflow's schema follows the deployed version, up and down. Also on Airflow before 3.3."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, counted, short_time, show_table, text, warn
from pinwheel.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.reconcile.installed import Deployment
    from pinwheel.reconcile.run import Request

STRATEGIES = ("auto", "capsule", "exec", "command")
SOURCES = ("alembic-table", "running-pod-image", "running-pod-exec")
_DURATION = re.compile(r"(\d+)\s*(s|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="db_verb", metavar="COMMAND", required=True, parser_class=type(parser))

    status = _verb(verbs, "status", "where the schema stands, and what it takes to bring it to the target")
    _add_target(status)
    _add_strategy(status)

    reconcile = _verb(verbs, "reconcile", "bring the schema to the target, up or down")
    _add_target(reconcile)
    group = reconcile.add_argument_group("downgrade")
    group.add_argument("--allow-downgrade", action="store_true", help="without it, a downgrade is refused")
    group.add_argument("--plan", action="store_true", help="show what would be done, change nothing")
    group.add_argument(
        "--downgrade-only", action="store_true", help="leave the way up to airflow db migrate, and end with 0"
    )
    group.add_argument(
        "--accept-loss",
        action="append",
        type=_names,
        metavar="NAMES",
        help="tables and columns that may be lost, separated by commas, as the plan names them; or all",
    )
    group.add_argument(
        "--snapshot",
        metavar="PATH",
        help="save what would be dropped in this file, or in an object store (s3://…)",
    )
    group.add_argument(
        "--full", action="store_true", help="with --snapshot: a full pg_dump beside it as well"
    )
    group.add_argument(
        "--wait-for-writers",
        type=_duration,
        default=0,
        metavar="TIME",
        help="wait at most so long (30s, 5m) for schedulers and others to end",
    )
    _add_strategy(reconcile)

    capsule = verbs.add_parser("capsule", help="the stored migration code of each Airflow")
    actions = capsule.add_subparsers(dest="capsule_verb", metavar="COMMAND", parser_class=type(parser))
    _verb(actions, "list", "the capsules in the database")
    _verb(actions, "store", "store a capsule of the installed Airflow")
    _verb(actions, "verify", "check the signature of each, and that what is inside can be loaded here")
    _verb(actions, "prune", "delete those that no downgrade from here can use")
    options.add_output(capsule)

    restore = _verb(verbs, "restore-lost", "put back what a downgrade dropped, from its snapshot")
    restore.add_argument("path", metavar="PATH", help="the file that --snapshot wrote")


def _verb(verbs: Any, name: str, summary: str) -> Any:
    made = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    options.add_output(made)
    return made


def _add_target(parser: Any) -> None:
    group = parser.add_argument_group("versions")
    group.add_argument(
        "--to", type=_version, metavar="VERSION", help="the Airflow to go to (default: the installed one)"
    )
    group.add_argument(
        "--current-version-source",
        choices=SOURCES,
        default=SOURCES[0],
        metavar="SOURCE",
        help="who says which Airflow the schema belongs to: alembic-table (default), running-pod-image, "
        "running-pod-exec",
    )


def _add_strategy(parser: Any) -> None:
    group = parser.add_argument_group("strategy")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=STRATEGIES[0],
        metavar="NAME",
        help="how to go down: auto (default: the first that can), capsule, exec or command",
    )
    for name in STRATEGIES[1:]:
        if find_spec(f"pinwheel.reconcile.strategies.{name}"):
            import_module(f"pinwheel.reconcile.strategies.{name}").add_arguments(group)


def run(context: Context) -> int:
    args = context.args
    verb = args.db_verb if args.db_verb != "capsule" else f"capsule-{args.capsule_verb or 'list'}"
    return int(_VERBS[verb](context, _deployment(quiet=not args.debug)) or 0)


def _deployment(*, quiet: bool) -> Deployment:
    import os

    if quiet:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    from pinwheel.reconcile.installed import deployment

    return deployment()


def _request(args: argparse.Namespace) -> Request:
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


def _say(line: str) -> None:
    if line:
        warn(line)


# status and reconcile


def _status(context: Context, deployment: Deployment) -> int:
    from pinwheel.reconcile import assess
    from pinwheel.reconcile.database import connected
    from pinwheel.reconcile.run import locate, plan

    request = _request(context.args)
    position = locate(deployment, request)
    with connected(deployment.engine) as connection:
        found = assess.status(connection, deployment, position, datetime.now(UTC))
    found["plan"] = plan(deployment, request) if position.direction == assess.Direction.BACKWARD else None

    def render(console: Console) -> None:
        _show_position(console, found)
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
        _show_capsules(console, found["capsules"], can_sign=found["can_sign"])
        if found["no_way_back"]:
            console.print(text(found["no_way_back"], "yellow"), soft_wrap=True)
        if found["plan"]:
            _show_plan(console, found["plan"])

    context.emit(found, render)
    return 0


def _reconcile(context: Context, deployment: Deployment) -> int:
    from pinwheel.reconcile import run as reconcile

    request = _request(context.args)
    if context.args.plan:
        found = reconcile.plan(deployment, request)

        def show(console: Console) -> None:
            _show_position(console, found)
            _show_plan(console, found)

        context.emit(found, show)
        return 0
    done = reconcile.reconcile(deployment, request, _say)

    def render(console: Console) -> None:
        if done["changed"] and done["direction"] == "empty":
            console.print(f"The schema of Airflow {done['target']['airflow']} was created.")
        elif done["changed"]:
            console.print(
                f"The schema went from Airflow {done['current']['airflow']} to {done['target']['airflow']}."
            )
            if done.get("snapshot"):
                console.print(
                    f"What it dropped is in {done['snapshot']}; after the next upgrade, put it back with: "
                    f"pinwheel db restore-lost {done['snapshot']}",
                    soft_wrap=True,
                )
        elif done["direction"] == "same":
            console.print(f"The schema is that of Airflow {done['target']['airflow']}: nothing to do.")
        else:
            console.print("Nothing to go back from: the way up is left to airflow db migrate.")
        if done.get("capsule"):
            console.print(f"{done['capsule']}.", soft_wrap=True)

    context.emit(done, render)
    return 0


def _show_position(console: Console, found: dict[str, Any]) -> None:
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


def _show_plan(console: Console, found: dict[str, Any]) -> None:
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


# capsules


def _capsule_list(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile.assess import capsules_at_hand
    from pinwheel.reconcile.database import connected

    with connected(deployment.engine) as connection:
        found = capsules_at_hand(connection, deployment)
    context.emit(
        found, lambda console: _show_capsules(console, found, can_sign=bool(deployment.keys), alone=True)
    )


def _capsule_store(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile import capsule_store
    from pinwheel.reconcile.database import connected, current_revision, no_schema

    capsule = deployment.capsule()
    with connected(deployment.engine) as connection:
        if current_revision(connection) is None:
            raise no_schema()
        connection.rollback()
        new = capsule_store.store(deployment, capsule, now=datetime.now(UTC))
    done = {
        "airflow": capsule.airflow_version,
        "revision": capsule.revision,
        "bytes": len(capsule.archive),
        "stored": new,
    }
    context.emit(
        done,
        lambda console: console.print(
            f"{'Stored' if new else 'Already there:'} a capsule of Airflow {done['airflow']}, "
            f"revision {done['revision']}, {len(capsule.archive) / 1e6:.1f} MB."
        ),
    )


def _capsule_verify(context: Context, deployment: Deployment) -> int:
    from pinwheel.reconcile.assess import capsules_at_hand
    from pinwheel.reconcile.database import connected

    with connected(deployment.engine) as connection:
        found = capsules_at_hand(connection, deployment)
    bad = [capsule for capsule in found if capsule["fault"]]
    if not found:
        raise NotFound(
            "There is no capsule to verify",
            found="none is stored in this database",
            remedy="Store one from the newest image: pinwheel db capsule store",
        )
    context.emit(
        found, lambda console: _show_capsules(console, found, can_sign=bool(deployment.keys), alone=True)
    )
    if bad:
        raise Refused(
            f"{counted(len(bad), 'capsule')} can not be used",
            found="; ".join(f"capsule {capsule['id']}: {capsule['fault']}" for capsule in bad),
            remedy="Delete them with pinwheel db capsule prune, and store new ones from the newer image",
        )
    return 0


def _capsule_prune(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile import capsule_store
    from pinwheel.reconcile.database import connected, current_revision, no_schema

    with connected(deployment.engine) as connection:
        revision = current_revision(connection)
        if revision is None:
            raise no_schema()
        stored = capsule_store.stored(connection)
        sound = capsule_store.sound(stored, deployment.keys)
        kept = capsule_store.best(sound, revision)
        # Those of older versions still tell what their schema is.
        useful = {kept.id if kept else None, *(c.id for c in sound if revision not in c.history)}
        gone = [c for c in stored if c.id not in useful]
        connection.rollback()
        with connection.begin():
            capsule_store.drop(connection, [c.id for c in gone if c.id is not None])
    done = {"deleted": [c.id for c in gone], "kept": [c.id for c in stored if c.id in useful]}
    context.emit(
        done,
        lambda console: console.print(
            f"Deleted {counted(len(done['deleted']), 'capsule')}, kept {len(done['kept'])}."
        ),
    )


def _show_capsules(
    console: Console, found: list[dict[str, Any]], *, can_sign: bool, alone: bool = False
) -> None:
    if not can_sign:
        console.print(text("No Fernet key: capsules can neither be stored nor used.", "yellow"))
    if not found:
        console.print(
            "No capsule is stored. In the newest image, run: pinwheel db capsule store", soft_wrap=True
        )
        return
    show_table(
        console,
        (
            Column("Capsule", right=True),
            Column("Airflow"),
            Column("Revision", spare=1),
            Column("Stored", spare=2),
            Column("MB", right=True, spare=3),
            Column("Goes down from"),
            Column("To"),
            Column("State", cut=True),
        ),
        [
            [
                text(capsule["id"]),
                text(capsule["airflow"] or "?"),
                text(capsule["revision"] or "?"),
                text(short_time(capsule["stored_at"])),
                text(f"{capsule['bytes'] / 1e6:.1f}"),
                text(_range(capsule["from"])),
                text(_range(capsule["to"])),
                _state(capsule),
            ]
            for capsule in found
        ],
    )


def _state(capsule: dict[str, Any]) -> Any:
    if capsule["fault"]:
        return text(capsule["fault"], "red")
    return text("ok, for the next downgrade" if capsule["next"] else "ok", "green")


def _range(versions: list[str]) -> str:
    """The newest and the oldest of them, without the words around."""
    ends = dict.fromkeys(version.partition(" ")[0] for version in (versions[:1] + versions[-1:]))
    return " … ".join(ends) or "-"


# what was lost


def _restore(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile import saved_rows
    from pinwheel.reconcile.database import connected, our_lock, require_owner

    with our_lock(deployment.engine), connected(deployment.engine) as connection:
        require_owner(connection)
        with connection.begin():
            restored = saved_rows.restore(connection, context.args.path, deployment.keys)
    done = {"restored": restored.back, "left": restored.left}

    def render(console: Console) -> None:
        for place, number in sorted(restored.back.items()):
            console.print(f"{place}: {counted(number, 'row')} put back")
        for place, number in sorted(restored.left.items()):
            console.print(
                f"{place}: {counted(number, 'row')} left alone: gone, or newer by now", soft_wrap=True
            )
        if not restored.back and not restored.left:
            console.print("The snapshot holds no rows.")

    context.emit(done, render)


_VERBS: dict[str, Any] = {
    "status": _status,
    "reconcile": _reconcile,
    "capsule-list": _capsule_list,
    "capsule-store": _capsule_store,
    "capsule-verify": _capsule_verify,
    "capsule-prune": _capsule_prune,
    "restore-lost": _restore,
}


def _names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def _duration(words: str) -> float:
    found = _DURATION.fullmatch(words.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{words!r} is not a time such as 30s, 5m or 1h")
    return float(int(found.group(1)) * _SECONDS[found.group(2)])


def _version(words: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(words.strip().removeprefix("v")))
    except InvalidVersion:
        raise argparse.ArgumentTypeError(f"{words!r} is not a version such as 3.2.2") from None
