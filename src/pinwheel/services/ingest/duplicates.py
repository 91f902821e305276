"""One Dag id in two files: it stays where it is managed, and that is told once and shown while it is so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core import text
from pinwheel.core.errors import Conflict
from pinwheel.core.event import EventKind
from pinwheel.core.records import ManagedDag
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import dags, events, faults

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PLACE = "duplicates"
"""The place of the fault that a bundle has while its files hold Dags of others."""

Held = Mapping[str, Mapping[str, str]]
"""By file the Dags in it that belong elsewhere, with the bundle and file that they belong to."""


def managed_elsewhere(host: Host, bundle_name: str, dag_ids: Collection[str]) -> dict[str, str]:
    """Those of these Dags that run by a release from another bundle, with that bundle and its file."""
    if not dag_ids:
        return {}
    rows = host.unit.run(lambda session: dags.rows(session, dag_ids))
    return {
        dag_id: owner_of(row)
        for dag_id, row in sorted(rows.items())
        if row.bundle_name != bundle_name and row.active_release is not None and not row.retired
    }


def owner_of(row: ManagedDag) -> str:
    """Bundle and file of a managed Dag."""
    return f"{row.bundle_name}: {row.relative_fileloc}"


def reason_of(path: str, owners: Mapping[str, str]) -> str:
    """What to say of a file that holds Dags of others."""
    named = [f"{dag_id} stays with {owner}" for dag_id, owner in sorted(owners.items())]
    error = Conflict(
        f"Cannot take {', '.join(sorted(owners)[:5])}{' and others' if len(owners) > 5 else ''} from {path}",
        found=f"another file holds that id too: {'; '.join(named[:5])}",
        remedy="Rename one of them, or remove it",
    )
    return text.fit(error.message, text.ERROR)


def show(host: Host, bundle_name: str, held: Held) -> None:
    """As :func:`record`, in a transaction of its own."""
    host.unit.run(lambda session: record(session, bundle_name, held, now=host.unit.now()))


def record(session: Session, bundle_name: str, held: Held, *, now: datetime) -> None:
    """Show on a bundle which of its files hold Dags of others, all of them; tell of each once."""
    if not held:
        faults.clear(session, bundle_name=bundle_name, places=[PLACE])
        return
    said = "\n".join(reason_of(path, owners) for path, owners in sorted(held.items()))
    if not faults.record(session, bundle_name=bundle_name, place=PLACE, error=said, version=None, now=now):
        return
    for path, owners in sorted(held.items()):
        for dag_id, owner in sorted(owners.items()):
            if not _told(session, dag_id, bundle_name, path, owner):
                events.add(
                    session,
                    EventKind.DUPLICATE,
                    now=now,
                    actor=ACTOR,
                    dag_id=dag_id,
                    bundle_name=bundle_name,
                    reason=text.fit(f"{path} holds the Dag too; it stays with {owner}", text.EVENT),
                    details={"path": path, "owner": owner},
                )


def _told(session: Session, dag_id: str, bundle_name: str, path: str, owner: str) -> bool:
    return any(
        (row.bundle_name, row.details.get("path"), row.details.get("owner")) == (bundle_name, path, owner)
        for row in events.of_kind(session, dag_id, EventKind.DUPLICATE)
    )
