"""Work that may wait for somebody else's server, in threads: who asks for it goes on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_LOOK_UP = 1.0
"""Seconds between two calls of what is to go on while somebody waits."""


class Unfinished(Exception):
    """An errand is still on its way, for so many seconds by now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"It has taken {seconds:.0f} seconds so far")


class Errands:
    """Errands by name, each in a thread of its own and one at a time under each name.

    Whoever asks waits a moment for what was just begun, and not at all for what was begun before, or where
    the last one of that name took longer: so one that never ends costs the moment once. Threads are daemons:
    none keeps the process from ending. Not for several threads to ask.
    """

    def __init__(self, *, wait: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._wait = wait
        self._meanwhile = meanwhile
        self._under_way: dict[Hashable, _Errand] = {}
        self._slow: set[Hashable] = set()

    def ask(self, name: Hashable, work: Callable[[], T]) -> T:
        """What *work* gives, or the errand of that name that is under way or has ended since.

        Raises what it raised, and Unfinished; then ask again.
        """
        errand = self._under_way.get(name)
        if errand is None:
            errand = self._under_way[name] = _Errand(work, f"pinwheel errand {name}")
            if name not in self._slow:
                self._wait_for(errand)
        if not errand.done.is_set():
            self._slow.add(name)
            raise Unfinished(errand.seconds)
        del self._under_way[name]
        if errand.seconds <= self._wait:
            self._slow.discard(name)
        if errand.error is not None:
            raise errand.error
        result: T = errand.result
        return result

    def seconds(self, name: Hashable) -> float:
        """How long an errand has been under way; 0 when there is none, or it has ended."""
        errand = self._under_way.get(name)
        return errand.seconds if errand is not None and not errand.done.is_set() else 0.0

    def has_ended(self, name: Hashable) -> bool:
        """Whether an errand has ended whose result nobody has taken yet."""
        errand = self._under_way.get(name)
        return errand is not None and errand.done.is_set()

    def _wait_for(self, errand: _Errand) -> None:
        until = time.monotonic() + self._wait
        while (left := until - time.monotonic()) > 0 and not errand.done.wait(min(left, _LOOK_UP)):
            self._meanwhile()


class _Errand:
    def __init__(self, work: Callable[[], Any], name: str) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._begun = time.monotonic()
        self._ended: float | None = None
        # What log lines are bound to goes along
        thread = threading.Thread(target=copy_context().run, args=(self._run, work), name=name, daemon=True)
        thread.start()

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self._ended is None else self._ended) - self._begun

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.result = work()
        except BaseException as error:
            self.error = error
        self._ended = time.monotonic()
        self.done.set()
