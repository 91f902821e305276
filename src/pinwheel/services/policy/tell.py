"""What is written down of a change of rules or policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.services import audit
from pinwheel.services.audit import Told
from pinwheel.services.ports.host import Host

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def tell(
    host: Host,
    session: Session,
    *,
    now: datetime,
    actor: str,
    reason: str | None = None,
    document: str | None = None,
    bundle_name: str | None = None,
    bundle_version: str | None = None,
    policies: Sequence[str] = (),
    rules_added: Sequence[str] = (),
    rules_lifted: Sequence[str] = (),
) -> None:
    """An event, and a line in Airflow's audit log, in the transaction of the change. All are names.

    *document* is the platform's, *bundle_name* that of the repository.
    """
    details: dict[str, Json] = {
        "document": document,
        "policies": list(policies),
        "rules_added": list(rules_added),
        "rules_lifted": list(rules_lifted),
        "bundle_version": bundle_version,
    }
    told = Told(
        kind=EventKind.POLICY,
        actor=actor,
        bundle_name=bundle_name,
        reason=reason,
        details=details,
        line={"reason": reason, "bundle_name": bundle_name, **details},
    )
    audit.tell(host, session, [told], now=now)
