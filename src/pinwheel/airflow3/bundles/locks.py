"""Locks between threads and processes that a SIGKILL releases and that leave no litter.

A child that is forked does not share them, whichever thread holds one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pinwheel.airflow3.bundles.forks import close_lock, open_lock


@contextmanager
def file_lock(path: Path, *, wait: bool = True, remove: bool = False) -> Iterator[bool]:
    """Hold an exclusive flock on *path*; yields False at once when it is taken and *wait* is False.

    Excludes other threads too (each call opens the file anew). With *remove* the file is deleted before the
    lock is given up; whoever waited for it notices that the name is gone and locks the new file.
    """
    descriptor = _acquire(path, wait)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        if remove:
            path.unlink(missing_ok=True)
        close_lock(descriptor)


def _acquire(path: Path, wait: bool) -> int | None:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_lock(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            close_lock(descriptor)
            return None
        except BaseException:
            close_lock(descriptor)
            raise
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        close_lock(descriptor)
