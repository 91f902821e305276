"""How the keepers do, and what is the matter where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.ports.host import Host
from pinwheel.services.upkeep import health
from pinwheel.services.upkeep.beat import KeeperView, keepers
from pinwheel.store import start_rules

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class KeeperStatus:
    """Which keepers live, and what is the matter."""

    problems: tuple[str, ...]
    """Sentences for whoever operates Airflow; empty when all is well."""
    dated_dags: int
    """Dags whose runs are judged by their dates."""
    keepers: tuple[KeeperView, ...]


def keeper_status(host: Host) -> KeeperStatus:
    def work(session: Session) -> KeeperStatus:
        found = keepers(session)
        dated = start_rules.dated(session)
        return KeeperStatus(
            problems=tuple(health.problems(host, session)),
            dated_dags=len(dated),
            keepers=tuple(found),
        )

    return host.unit.run(work)
