"""Work that one of several processes does: whoever holds its lease."""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from pinwheel.core import text
from pinwheel.core.errors import Conflict
from pinwheel.services.ports.host import Host
from pinwheel.store import leases
from pinwheel.store.locking import begin_write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SECONDS = 20.0
"""How long a lease lasts after it was last renewed: so long nobody does the duties of a process that died."""


class Lost(Conflict):
    """Another process has taken the duty over."""


class Lease:
    """One process's hold on a duty. One thread may keep it while another does the work."""

    def __init__(self, host: Host, name: str, *, holder: str | None = None, seconds: float = SECONDS) -> None:
        self.host = host
        self.name = name
        self.holder = holder or text.fit(f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}", 250)
        self.seconds = seconds
        self._renewed: float | None = None

    def have(self) -> bool:
        """Whether the duty is this process's: renewed or taken if need be, mostly without a statement."""
        now = time.monotonic()
        if self._renewed is not None and now - self._renewed < self.seconds / 4:
            return True
        taken = self.host.unit.run(self._take)
        self._renewed = now if taken else None
        return taken

    def hold(self, session: Session) -> None:
        """Renew it in a transaction that is about to write, which so is written by the holder or not at all.

        :raises Lost: another process has it by now; nothing more is to be written.
        """
        if not self._take(session):
            self._renewed = None
            raise Lost(
                f"Cannot go on with the duty {self.name}",
                found="another process has taken it over",
                remedy="Nothing: the other one does it",
            )

    def give_up(self) -> None:
        """Let another process take it at once."""
        self._renewed = None
        self.host.unit.run(partial(leases.give_up, name=self.name, holder=self.holder))

    def _take(self, session: Session) -> bool:
        begin_write(session)
        return leases.take(session, self.name, self.holder, self.seconds)
