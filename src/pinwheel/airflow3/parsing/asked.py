"""Questions about files of which the interpreter tells no audit hook: stat and its kin.

``os.path.exists``, ``Path.is_file``, ``glob`` and all that stands on them look these functions of :mod:`os`
up when they are called, so wrappers in the parser's own process see each question. That process parses one
file and ends. Imports ask by other ways (``posix``) and are told by the tracer.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

_QUESTIONS = ("stat", "lstat", "access", "readlink")
_SUPPORT = ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks")


_readlink = os.readlink


def place_of(folder: int) -> str | None:
    """Where an open folder lies; None where that can not be told (it can on Linux)."""
    try:
        return _readlink(f"/proc/self/fd/{folder}")
    except OSError:
        return None


def watch(note: Callable[[Any, Any], None]) -> None:
    """From now on, call *note* with each path that this process asks about, and its open folder."""
    for name in _QUESTIONS:
        original = getattr(os, name, None)
        if original is not None:
            setattr(os, name, _told(original, note))


def _told(original: Callable[..., Any], note: Callable[[Any, Any], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def told(path: Any, *args: Any, **kwargs: Any) -> Any:
        note(path, kwargs.get("dir_fd"))
        return original(path, *args, **kwargs)

    for name in _SUPPORT:
        supporting = getattr(os, name, None)
        if supporting is not None and original in supporting:
            supporting.add(told)
    return told


WRAPPER = _told(len, lambda path, folder: None).__code__
"""The code of all wrappers: what holds one of these functions holds none of this."""
