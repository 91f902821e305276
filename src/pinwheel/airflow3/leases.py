"""What a process does with its leases when it ends."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from pinwheel.services.upkeep.lease import Lease

log = structlog.get_logger(__name__)


def give_up(leases: Iterable[Lease]) -> None:
    """Let other processes do at once what this one did; it ends also where the database does not answer."""
    for lease in leases:
        try:
            lease.give_up()
        except Exception:
            log.warning("A duty could not be given up; others take it soon", duty=lease.name)
