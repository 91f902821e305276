"""Which keepers live: each says so in a row of the leases, from time to time."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core import text
from pinwheel.services.ports.host import Host
from pinwheel.store import leases
from pinwheel.store.locking import begin_write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PREFIX = "keeper:"
SECONDS = 60.0
"""So long after it was last heard of a keeper counts as alive."""
EVERY = 5.0
"""Seconds from one beat to the next."""
_REMEMBERED = timedelta(hours=1)
"""So long a dead one is shown."""
_HOST = 40


class Beat:
    """That this process is a keeper, and lives."""

    def __init__(self, host: Host, holder: str | None = None) -> None:
        self.host = host
        machine, pid = socket.gethostname(), os.getpid()
        self.holder = holder or text.fit(f"{machine}:{pid}", 250)
        self.name = text.fit(PREFIX + (holder or f"{text.fit(machine, _HOST)}:{pid}"), 64)

    def beat(self) -> None:
        def work(session: Session) -> None:
            begin_write(session)
            leases.say(session, self.name, self.holder, SECONDS)
            leases.forget(session, PREFIX, _REMEMBERED)

        self.host.unit.run(work)

    def end(self) -> None:
        """It is not there any more, and that is as it should be."""
        self.host.unit.run(partial(leases.remove, name=self.name))


@frozen(kw_only=True)
class KeeperView:
    """A keeper, alive or dead for less than an hour."""

    process: str
    """Machine and process id."""
    last_turn: datetime
    alive: bool


def keepers(session: Session) -> list[KeeperView]:
    """Those that said that they live, the last one first."""
    now, found = leases.said(session, PREFIX)
    views = [
        KeeperView(process=holder, last_turn=until - timedelta(seconds=SECONDS), alive=until >= now)
        for holder, until in found
    ]
    return sorted(views, key=lambda view: (view.last_turn, view.process), reverse=True)
