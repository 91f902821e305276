"""Whether the database is ready for Pinwheel."""

from __future__ import annotations

from pinwheel.services.ports.host import Host
from pinwheel.store.tables import metadata


def missing_tables(host: Host) -> list[str]:
    """Names of our tables that the database does not have, sorted; empty when all is well."""
    return sorted(set(metadata.tables) - set(host.unit.run(host.deployment.own_tables)))
