"""The keeper as a child of the Dag processor: started again when it ends, and ended with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import structlog
from attrs import define, field

AGAIN = 5.0
"""Seconds from one start to the next at least: one that can not start is not started all the time."""
WAIT = 2.0
"""Seconds that it may take to end before it is killed."""

log = structlog.get_logger(__name__)


def _command() -> list[str]:
    # It looks at its parent's number itself: a pipe would be held open by the parsers that are forked here.
    return [sys.executable, "-m", "pinwheel.cli.main", "keeper", "--parent", str(os.getpid())]


@define
class Child:
    """One keeper. None of its methods raises: the processor's loop goes on without it."""

    command: Callable[[], Sequence[str]] = _command
    clock: Callable[[], float] = time.monotonic
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started: float = field(default=float("-inf"), init=False)

    @property
    def pid(self) -> int | None:
        """Of the one that was started last."""
        return self._process.pid if self._process is not None else None

    def see_to(self) -> None:
        """Start it if none is alive and the last start is long enough ago."""
        if self._process is not None and self._process.poll() is None:
            return
        if self.clock() - self._started < AGAIN:
            return
        if self._process is not None:
            log.warning("The keeper ended and is started again", exit_code=self._process.returncode)
        self._started = self.clock()
        try:
            self._process = subprocess.Popen(list(self.command()), stdin=subprocess.DEVNULL)
        except OSError as error:
            log.warning("The keeper can not be started", reason=str(error))

    def end(self) -> None:
        """End it, and see that it did."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
