"""What the keeper does, and how often."""

from __future__ import annotations

from pinwheel.airflow3.keeper.loop import Duty
from pinwheel.services.ports.host import Host
from pinwheel.services.upkeep import beat
from pinwheel.services.upkeep.beat import Beat


def duties_of(host: Host, own: Beat) -> list[Duty]:
    """In the order in which they are done in a turn."""
    return [Duty(name="beat", interval=beat.EVERY, work=own.beat)]
