"""What happened, in the transaction in which it does: an event of ours, and a line in Airflow's audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.services.ports.host import Host
from pinwheel.store import events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Told:
    """One thing that happened."""

    kind: EventKind | str
    actor: str
    dag_id: str | None = None
    bundle_name: str | None = None
    reason: str | None = None
    details: Mapping[str, Json]
    line: Mapping[str, Json] | None = None
    """What Airflow's audit log says of it; None: the reason and the details."""


def tell(
    host: Host, session: Session, told: Sequence[Told], *, now: datetime, batch: str | None = None
) -> None:
    """Write all of it down. A line's name is the kind after ``pinwheel_``; ``batch`` is of the events."""
    for each in told:
        host.rows.audit(
            session,
            event=f"pinwheel_{each.kind}",
            dag_id=each.dag_id,
            actor=each.actor,
            details={"reason": each.reason, **each.details} if each.line is None else each.line,
        )
    events.add_all(
        session,
        [
            {
                "at": now,
                "kind": each.kind,
                "dag_id": each.dag_id,
                "bundle_name": each.bundle_name,
                "actor": each.actor,
                "reason": each.reason,
                "details": dict(each.details),
            }
            for each in told
        ],
        batch=batch,
    )
