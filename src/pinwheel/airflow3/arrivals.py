"""Parsed files on their way into the database."""

from __future__ import annotations

import time

import structlog

from pinwheel.core.text import visible
from pinwheel.services import register
from pinwheel.services.making import ParsedFile
from pinwheel.services.ports import Host

log = structlog.get_logger(__name__)

MOST = 32
LONGEST_WAIT = 0.5


class Arrivals:
    """Registers parsed files together: most of what it costs is per transaction, not per file."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._waiting: list[ParsedFile] = []
        self._since = 0.0

    def add(self, parsed: ParsedFile) -> None:
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(parsed)

    def due(self, *, more_to_come: bool) -> bool:
        """Whether to register now: nothing else is about to arrive, or enough has."""
        if not self._waiting:
            return False
        waited = time.monotonic() - self._since
        return not more_to_come or len(self._waiting) >= MOST or waited >= LONGEST_WAIT

    def register(self) -> list[ParsedFile]:
        """Register what waits and return it, but for files that can not be registered: those are logged."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) > 1:
            try:
                register.register_all(self.host, waiting)
                return waiting
            except Exception:
                log.warning("Files could not be registered together; trying each alone", exc_info=True)
        return [parsed for parsed in waiting if self._alone(parsed)]

    def _alone(self, parsed: ParsedFile) -> bool:
        try:
            register.register(self.host, parsed)
        except Exception:
            log.exception(
                "Failed to register a parsed file", file=visible(parsed.path), bundle=parsed.bundle_name
            )
            return False
        return True
