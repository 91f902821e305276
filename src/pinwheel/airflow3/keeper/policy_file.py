"""The file of rules and policies that the configuration names: what it says is a document of the platform."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import structlog
from attrs import define, field

from pinwheel.core.errors import PinwheelError
from pinwheel.core.parse.lined_yaml import MOST_BYTES
from pinwheel.services.ingest import faults
from pinwheel.services.policy.save import FAULT, FILE, save
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR

COMPARE = 300.0
"""Seconds after which a file that did not change is compared again with what is saved."""

log = structlog.get_logger(__name__)


@define
class PolicyFile:
    """One keeper's look at the file. It is read only when it is another one, or was written."""

    host: Host
    path: str
    """Empty: none is configured, and what such a file said is taken away."""
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[int, int, int] | None = field(default=None, init=False)
    _compared: float = field(default=float("-inf"), init=False)

    def look(self) -> None:
        """Save what it says where that is new. What is wrong with it is told, and what was saved stays."""
        if self.path:
            self._look()
        elif self._compared == float("-inf"):
            save(self.host, FILE, b"", actor=ACTOR, reason="no policy_file is configured", of_file=True)
            faults.clear(self.host, bundle_name=faults.PROCESSOR, places=[FAULT])
            self._compared = self.clock()

    def _look(self) -> None:
        try:
            there = os.stat(self.path)
            # Before it is read: whoever writes it meanwhile makes it another one
            seen = there.st_mtime_ns, there.st_size, there.st_ino
            if seen == self._seen and self.clock() - self._compared < COMPARE:
                return
            with open(self.path, "rb") as file:
                # One byte more than is taken, so that what reads it says so
                text = file.read(MOST_BYTES + 1)
        except OSError as error:
            self._seen = None
            self._tell(f"Cannot read the policy file {self.path}: {error.strerror or error}.")
            return
        try:
            saved = save(self.host, FILE, text, actor=ACTOR, reason=f"file {self.path}", of_file=True)
        except PinwheelError as error:
            self._tell(f"Cannot use the policy file {self.path}: {error.found.strip() or error.failed}")
        else:
            faults.clear(self.host, bundle_name=faults.PROCESSOR, places=[FAULT])
            if saved.changed:
                log.info("The policy file is in force", path=self.path)
        self._seen, self._compared = seen, self.clock()

    def _tell(self, said: str) -> None:
        if faults.record(self.host, bundle_name=faults.PROCESSOR, place=FAULT, error=said):
            log.error("The policy file is not taken; what was saved before stays in force", reason=said)
