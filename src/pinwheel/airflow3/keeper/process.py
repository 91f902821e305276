"""``pinwheel keeper``: the loop in this process, until it is told to end or its parent is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import structlog

from pinwheel.airflow3.host import airflow_host
from pinwheel.airflow3.keeper.duties import duties_of
from pinwheel.airflow3.keeper.loop import Loop
from pinwheel.services.upkeep.beat import Beat

GRACE = 0.7
"""Seconds that a turn under way gets when the process is told to end. A transaction of its may be undone."""
LOOK_AT_PARENT = 0.5
HANGS = 60.0
"""Seconds after which a duty that does not end ends the process, whose parent starts another one."""

log = structlog.get_logger(__name__)


def run(*, parent: int | None = None, turns: int = -1) -> None:
    """Turn after turn. *parent*: end also when that process is not this one's parent any more."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host = airflow_host()
    beat = Beat(host)
    loop = Loop(host, [*duties_of(host, beat)])
    log.info("The keeper looks after runs (Pinwheel)", keeper=beat.holder)

    def work() -> None:
        try:
            loop.run(stop, turns)
            loop.end()
            beat.end()
        finally:
            stop.set()

    # In a thread of its own: a statement that the database does not answer holds up no signal.
    worker = threading.Thread(target=work, name="duties", daemon=True)
    worker.start()
    if not wait_for(stop, parent, lambda: loop.steps):
        os._exit(1)
    worker.join(GRACE)
    if worker.is_alive():
        log.warning("The keeper ends in the middle of a turn, which is undone")
        os._exit(0)


def wait_for(
    stop: threading.Event,
    parent: int | None,
    steps: Callable[[], int],
    parent_now: Callable[[], int] = os.getppid,
) -> bool:
    """Until *stop* is set; here it is when whoever started this process ended, however that did.

    False: *steps* did not go on for so long that what does them hangs. Looks are counted and not the time: a
    process that was stopped, or a machine that slept, hangs no longer than it looked.
    """
    seen, looks = steps(), 0
    while not stop.wait(LOOK_AT_PARENT):
        if parent is not None and parent_now() != parent:
            log.info("The keeper ends with the process that started it")
            stop.set()
        seen, looks, before = steps(), looks + 1, seen
        if seen != before:
            looks = 0
        if looks * LOOK_AT_PARENT >= HANGS:
            log.error("The keeper ends: a duty of its did not end", seconds=HANGS)
            return False
    return True
