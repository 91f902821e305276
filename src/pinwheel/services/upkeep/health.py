"""Whether the database is ready for Pinwheel, and whether runs that wait are looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.ports.host import Host
from pinwheel.services.upkeep import beat
from pinwheel.store import start_rules
from pinwheel.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class HealthView:
    """What a probe is told. Says nothing of any Dag."""

    missing_tables: tuple[str, ...]
    problems: tuple[str, ...]


def health(host: Host) -> HealthView:
    missing = missing_tables(host)
    return HealthView(
        missing_tables=tuple(missing),
        problems=() if missing else tuple(host.unit.run(lambda session: problems(host, session))),
    )


def missing_tables(host: Host) -> list[str]:
    """Names of our tables that the database does not have, sorted; empty when all is well."""
    return sorted(set(metadata.tables) - set(host.unit.run(host.deployment.own_tables)))


def problems(host: Host, session: Session) -> list[str]:
    """What keeps runs that are judged by their dates from starting, in sentences."""
    dated = len(start_rules.dated(session))
    if not dated:
        return []
    told = []
    alive = [keeper for keeper in beat.keepers(session) if keeper.alive]
    if not alive:
        told.append(
            f"No keeper for {beat.SECONDS:.0f} s, but the runs of {_counted(dated, 'Dag')} are judged by "
            "their dates: those that need a version row or a retry wait. Start one: pinwheel dag-processor, "
            "or pinwheel keeper"
        )
    return told


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
