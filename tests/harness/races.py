"""Several at the same moment, in threads or in processes of their own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness import faults
from harness.faults import TRIED

ROUNDS = 40 if os.environ.get("PINWHEEL_FAULTS") == "all" else 6


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all begun at the same moment; results, or the errors they raised."""
    TRIED["race"] += 1
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        from airflow import settings

        barrier.wait()
        try:
            return work()
        except Exception as error:
            return error
        finally:
            settings.Session.remove()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(one, work) for work in works]]


def in_processes(database: Any, works: Sequence[Callable[[], Any]]) -> list[int]:
    """Run each in a process of its own; their exit codes."""
    TRIED["race of processes"] += 1
    ready, go = os.pipe(), os.pipe()

    def waiting(work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            work()

        return run

    pids = [faults.start_child(database, waiting(work)) for work in works]
    for _ in works:
        os.read(ready[0], 1)
    os.write(go[1], b"x" * len(works))
    codes = [faults.wait_child(pid) for pid in pids]
    for end in (*ready, *go):
        os.close(end)
    return codes
