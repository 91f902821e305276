"""``pinwheel db capsule``: the stored migration code of each Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, counted, short_time, show_table, text
from pinwheel.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from rich.console import Console

    from pinwheel.reconcile.installed import Deployment


def show_list(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile.assess import capsules_at_hand
    from pinwheel.reconcile.database import connected

    with connected(deployment.engine) as connection:
        found = capsules_at_hand(connection, deployment)
    context.emit(
        found, lambda console: show_capsules(console, found, can_sign=bool(deployment.keys), alone=True)
    )


def store(context: Context, deployment: Deployment) -> None:
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


def verify(context: Context, deployment: Deployment) -> int:
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
        found, lambda console: show_capsules(console, found, can_sign=bool(deployment.keys), alone=True)
    )
    if bad:
        raise Refused(
            f"{counted(len(bad), 'capsule')} can not be used",
            found="; ".join(f"capsule {capsule['id']}: {capsule['fault']}" for capsule in bad),
            remedy="Delete them with pinwheel db capsule prune, and store new ones from the newer image",
        )
    return 0


def prune(context: Context, deployment: Deployment) -> None:
    from pinwheel.reconcile import capsule_store
    from pinwheel.reconcile.database import connected, current_revision, no_schema

    with connected(deployment.engine) as connection:
        revision = current_revision(connection)
        if revision is None:
            raise no_schema()
        gone, kept = capsule_store.prune(connection, revision, deployment.keys)
    done = {"deleted": [c.id for c in gone], "kept": [c.id for c in kept]}
    context.emit(
        done,
        lambda console: console.print(
            f"Deleted {counted(len(done['deleted']), 'capsule')}, kept {len(done['kept'])}."
        ),
    )


def show_capsules(
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
            Column("Stored", spare=2, time=True),
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
