"""Parsed files on their way into the database."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from pinwheel.core.text import visible
from pinwheel.services.ingest import arriving
from pinwheel.services.ingest.accepting import imported_files
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ports.host import Host

log = structlog.get_logger(__name__)

MOST = 32
LONGEST_WAIT = 0.5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""While the database is away or busy: at first a second, then twice as long each time."""


LONGEST_HOLD = 30.0
ASK_AGAIN = 10.0
MOST_HELD = 64
"""Files that wait for others which they import. What waits too long, or is one too many, does not wait."""


class Arrivals:
    """Registers parsed files together: most of what it costs is per transaction, not per file.

    A file that imports another Dag file gives that one's Dags too, and only the other's parse tells them
    apart from its own. So it is registered with or after the other: ``is_coming`` says, of bundle and file,
    whether a parse is still to come.
    """

    def __init__(self, host: Host, is_coming: Callable[[str, str], bool] = lambda name, path: False) -> None:
        self.host = host
        self._is_coming = is_coming
        self._held: dict[int, float] = {}
        self._asleep: dict[int, float] = {}
        """Until when those wait whose bundle's class gave no answer."""
        self._waiting: list[ParsedFile] = []
        self._since = 0.0
        self._pause = 0.0
        self._not_before = 0.0

    def add(self, parsed: ParsedFile) -> None:
        """Take a result; an earlier one of the same file and version that still waits is outdated."""
        place = (parsed.bundle_name, parsed.path, parsed.seq)
        self._waiting = [w for w in self._waiting if (w.bundle_name, w.path, w.seq) != place]
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(parsed)

    def due(self, *, more_to_come: bool) -> bool:
        """Whether to register now: nothing else is about to arrive, or enough has."""
        if not self._waiting or time.monotonic() < self._not_before:
            return False
        waited = time.monotonic() - self._since
        return not more_to_come or len(self._waiting) >= MOST or waited >= LONGEST_WAIT

    def register(self) -> list[ParsedFile]:
        """Register what waits; what is known from now on. What the database can not take now waits longer."""
        known: list[ParsedFile] = []
        ready, held = self._divided()
        self._waiting = ready
        try:
            return self._register_waiting(known)
        finally:
            self._waiting += held
            self._since = time.monotonic()

    def _divided(self) -> tuple[list[ParsedFile], list[ParsedFile]]:
        """What can be registered, imported files first, and what waits for a file that it imports."""
        now = time.monotonic()
        here = {(file.bundle_name, file.path) for file in self._waiting}
        ready: list[tuple[int, ParsedFile]] = []
        held: list[ParsedFile] = []
        since: dict[int, float] = {}
        waiting = {id(file) for file in self._waiting}
        self._asleep = {k: until for k, until in self._asleep.items() if k in waiting and until > now}
        for file in self._waiting:
            if id(file) in self._asleep:
                held.append(file)
                continue
            imported = {(file.bundle_name, path) for path in imported_files([file])}
            began = self._held.get(id(file), now)
            may_wait = len(since) < MOST_HELD and now - began < LONGEST_HOLD
            if may_wait and any(self._is_coming(*place) for place in sorted(imported - here)):
                held.append(file)
                since[id(file)] = began
            else:
                # A parse reads what the files that it imports import: those come before it so.
                ready.append((len(imported & here), file))
        self._held = since
        return [file for _, file in sorted(ready, key=lambda pair: pair[0])], held

    def _register_waiting(self, known: list[ParsedFile]) -> list[ParsedFile]:
        asleep: list[ParsedFile] = []
        try:
            return self._register_each(known, asleep)
        finally:
            self._waiting += asleep

    def _register_each(self, known: list[ParsedFile], asleep: list[ParsedFile]) -> list[ParsedFile]:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            taken = arriving.take_in(self.host, some)
            known += taken.known
            for path, reason in taken.refused.items():
                log.warning(
                    "A file was refused; it is shown as an import error",
                    file=visible(path),
                    reason=visible(reason),
                )
            if taken.unanswered:
                asleep += taken.unanswered
                self._asleep |= {id(file): time.monotonic() + ASK_AGAIN for file in taken.unanswered}
                log.warning(
                    "A bundle's class gives no answer, so files of it are registered later",
                    files=sorted(visible(file.path) for file in taken.unanswered)[:5],
                    seconds=ASK_AGAIN,
                    exc_info=taken.trouble,
                )
            if taken.later:
                self._waiting += taken.later
                self._pause = min(self._pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
                self._not_before = time.monotonic() + self._pause
                log.warning(
                    "Files can not be registered now; they are tried again",
                    files=len(self._waiting),
                    seconds=self._pause,
                    exc_info=taken.trouble,
                )
                return known
        self._pause = 0.0
        return known
