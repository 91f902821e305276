"""What of a thread must not live on in a forked child, nor after this process.

Airflow forks its parsers from the Dag processor, also while another thread has git fetch. A child would keep
the other end of git's pipes open, so that git waits for an end that never comes, and hold our file locks.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

# Held while something is opened and noted here, and by whoever forks: no child has what is not noted
_opening = threading.Lock()
_processes: WeakSet[subprocess.Popen[bytes]] = WeakSet()
_locks: set[int] = set()
_foreign: dict[str, str] | None = None
_ending = False


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one, and whose pipes no forked child keeps.

    It is killed when this process ends in an orderly way (SIGTERM too), with its session if it leads one.
    Raises OSError, also when this process is ending.
    """
    with _opening:
        if _ending:
            raise OSError("this process is ending")
        process = subprocess.Popen(command, **options)
        _processes.add(process)
    return process


def open_lock(path: str | os.PathLike[str], flags: int, mode: int) -> int:
    """``os.open`` of a file that is to be locked; to be closed by :func:`close_lock`."""
    with _opening:
        descriptor = os.open(path, flags, mode)
        _locks.add(descriptor)
    return descriptor


def close_lock(descriptor: int) -> None:
    """Close it and give the lock up, also where a child has only just been forked."""
    with _opening:
        _locks.discard(descriptor)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextmanager
def foreign_environment() -> Iterator[None]:
    """What is set in ``os.environ`` inside is for this thread: a child that is forked gets what was before.

    For one thread at a time. Afterwards it is as before here too.
    """
    global _foreign
    before = dict(os.environ)
    _foreign = before
    try:
        yield
    finally:
        _restore(before)
        _foreign = None


def _restore(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        os.environ.pop(name, None)
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _in_child() -> None:
    global _ending
    _opening.release()
    _ending = False
    nothing = os.open(os.devnull, os.O_RDWR)
    # In their place and not closed: objects that still name these numbers must not close another's
    for process in list(_processes):
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    os.dup2(nothing, pipe.fileno(), inheritable=False)
    for descriptor in _locks:
        with suppress(OSError):
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _processes.clear()
    _locks.clear()
    if _foreign is not None:
        _restore(_foreign)


def _end_all() -> None:
    global _ending
    with _opening:
        _ending = True
        left = list(_processes)
    for process in left:
        if process.returncode is None:
            with suppress(OSError):
                leads = os.getpgid(process.pid) == process.pid
                (os.killpg if leads else os.kill)(process.pid, signal.SIGKILL)


os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_in_child)
atexit.register(_end_all)
