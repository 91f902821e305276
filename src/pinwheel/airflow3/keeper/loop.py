"""Duties, each with its interval and its boundary: what fails in one stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from attrs import define, field, frozen

from pinwheel.airflow3.leases import give_up
from pinwheel.services.upkeep.lease import Lease, Lost

if TYPE_CHECKING:
    from threading import Event

    from pinwheel.services.ports.host import Host

A_TURN = 1.0
"""Seconds from one turn to the next."""
ASK_AGAIN = 5.0
"""Seconds after which a duty is asked for again that another keeper has."""
LEASE = 6.0
"""Seconds after which another one does the duties of a keeper that died. What they change is locked too."""
TOLD_AGAIN = 60.0
"""Seconds after which a fault that goes on is told again."""

log = structlog.get_logger(__name__)


@frozen(kw_only=True)
class Duty:
    """Something that is done again and again."""

    name: str
    interval: float
    work: Callable[[], Any]
    lease: str | None = None
    """What several keepers must not do at once has the name of a lease: its holder does it."""


@define
class _State:
    due: float = float("-inf")
    fault: str | None = None
    told: float = float("-inf")


@define
class Loop:
    """Does the duties whose time has come, in their order."""

    host: Host
    duties: Sequence[Duty]
    clock: Callable[[], float] = time.monotonic
    steps: int = field(default=0, init=False)
    """So many duties and turns have ended: one that hangs adds none."""
    _states: dict[str, _State] = field(factory=dict, init=False)
    _leases: dict[str, Lease] = field(factory=dict, init=False)

    def run(self, stop: Event, turns: int = -1) -> None:
        """Turn after turn until *stop* is set, or so many."""
        while turns and not stop.is_set():
            begun = self.clock()
            self.turn(stop)
            self.steps += 1
            turns -= 1
            if turns:
                stop.wait(max(0.0, A_TURN - (self.clock() - begun)))

    def turn(self, stop: Event | None = None) -> None:
        for duty in self.duties:
            if stop is not None and stop.is_set():
                return
            state = self._states.setdefault(duty.name, _State())
            if self.clock() >= state.due:
                self._do(duty, state)
                self.steps += 1

    def end(self) -> None:
        """Let other keepers do what this one does, at once."""
        give_up(self._leases.values())

    def _do(self, duty: Duty, state: _State) -> None:
        begun = self.clock()
        state.due = begun + duty.interval
        try:
            if duty.lease is not None and not self._lease(duty.lease).have():
                # Whoever has it may end at any time
                state.due = begun + max(duty.interval, ASK_AGAIN)
                return
            duty.work()
        except Lost:
            state.due = begun + max(duty.interval, ASK_AGAIN)
        except Exception as error:
            state.due = begun + max(duty.interval, ASK_AGAIN)
            self._tell(duty, state, error)
        else:
            if state.fault is not None:
                log.info("A duty of the keeper works again", duty=duty.name)
                state.fault = None

    def _lease(self, name: str) -> Lease:
        return self._leases.setdefault(name, Lease(self.host, name, seconds=LEASE))

    def _tell(self, duty: Duty, state: _State, error: Exception) -> None:
        now, fault = self.clock(), f"{type(error).__name__}: {error}"
        if state.fault is None or now - state.told >= TOLD_AGAIN:
            state.told = now
            log.warning("A duty of the keeper failed", duty=duty.name, reason=fault, exc_info=True)
        state.fault = fault
