"""A parser that could not be started, in the place of its process."""

from __future__ import annotations

import time


class FailedStart:
    """What Airflow's loop asks of a finished parser process; there was none, and it gave nothing.

    ``_start_new_processes`` (``dag_processing/manager.py``, 3.3.2 and 3.4.0b2) puts what ``_create_process``
    returns among the running processes, whose results are collected in the same turn.
    """

    pid = 0
    is_ready = True
    parsing_result = None

    def __init__(self, error: str, *, callbacks: bool = True) -> None:
        self.error = error
        self.had_callbacks = callbacks
        self.start_time = time.monotonic()

    def kill(self, *args: object, **kwargs: object) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""
