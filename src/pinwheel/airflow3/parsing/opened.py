"""Files that are opened without a word to the interpreter: by C libraries, and by programs of a parse.

On Linux the kernel names them (inotify), without any rights: whatever opens a file below the watched folders,
though not who. So the watch begins only when a parse does what may lead to such opens.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType

MOST_FOLDERS = 50_000
"""A version with more is not watched."""

_IN_OPEN, _IN_ISDIR, _IN_Q_OVERFLOW, _IN_ONLYDIR = 0x20, 0x40000000, 0x4000, 0x01000000
_IN_NONBLOCK, _IN_CLOEXEC = os.O_NONBLOCK, getattr(os, "O_CLOEXEC", 0)
_EVENT = struct.Struct("iIII")


class CannotWatch(Exception):
    """Opens can not be told here, in words why."""


class Opens:
    """What is opened below some folders from now on, by any process. Linux only; raises CannotWatch."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders: dict[int, str] = {}
        self._fd = -1
        if not sys.platform.startswith("linux"):
            raise CannotWatch(f"{sys.platform} does not tell")
        kernel = ctypes.CDLL(None, use_errno=True)
        self._fd = kernel.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._fd < 0:
            raise CannotWatch(f"the kernel gives no watch ({os.strerror(ctypes.get_errno())})")
        try:
            for folder in folders:
                if len(self._folders) >= MOST_FOLDERS:
                    raise CannotWatch(f"there are more than {MOST_FOLDERS:,} folders")
                watch = kernel.inotify_add_watch(self._fd, os.fsencode(folder), _IN_OPEN | _IN_ONLYDIR)
                if watch < 0:
                    why = os.strerror(ctypes.get_errno())
                    raise CannotWatch(f"the kernel gives no more watches ({why})")
                self._folders[watch] = folder
            self.take()  # what finding the folders opened
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def take(self) -> tuple[set[str], set[str]]:
        """The files, and the folders, that were opened since the last time.

        Raises CannotWatch when there were more than the kernel kept.
        """
        files: set[str] = set()
        folders: set[str] = set()
        while data := self._read():
            at = 0
            while at < len(data):
                watch, mask, _, size = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                name = data[at : at + size].rstrip(b"\0")
                at += size
                if mask & _IN_Q_OVERFLOW:
                    raise CannotWatch("more files were opened than the kernel kept")
                if watch in self._folders:
                    path = os.path.join(self._folders[watch], os.fsdecode(name)).rstrip(os.sep)
                    (folders if mask & _IN_ISDIR else files).add(path)
        return files, folders

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return b""


def folders_below(root: str) -> Iterable[str]:
    """All folders of a version, its own among them, but those that hold no file of it."""
    pending = [root]
    while pending:
        folder = pending.pop()
        yield folder
        try:
            with os.scandir(folder) as entries:
                pending += [
                    entry.path
                    for entry in entries
                    if entry.name not in ("__pycache__", ".git") and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue


HARMLESS_EXTENSIONS = frozenset(
    [
        "_cffi_backend",
        "_yaml",
        "aiohttp",
        "asyncpg",
        "bcrypt",
        "brotli",
        "charset_normalizer",
        "cryptography",
        "frozenlist",
        "google",
        "greenlet",
        "grpc",
        "jiter",
        "markupsafe",
        "msgpack",
        "msgspec",
        "multidict",
        "mypyc",
        "numpy",
        "orjson",
        "pandas",
        "pendulum",
        "propcache",
        "psutil",
        "psycopg2",
        "pydantic_core",
        "regex",
        "rpds",
        "setproctitle",
        "simplejson",
        "sqlalchemy",
        "time_machine",
        "tornado",
        "ujson",
        "uvloop",
        "watchfiles",
        "websockets",
        "wrapt",
        "yaml",
        "yarl",
        "zstandard",
    ]
)
"""Compiled modules that open the files that they are given through the interpreter, or none."""


def may_be_foreign(top: str) -> bool:
    """Whether a package of this name is no part of Python or Airflow, and not known as harmless."""
    return top not in HARMLESS_EXTENSIONS and top not in sys.stdlib_module_names and top != "airflow"


def is_foreign_extension(name: str, path: str) -> bool:
    """Whether a compiled module may open files by itself."""
    return (
        may_be_foreign(name.partition(".")[0])
        and "__mypyc" not in name
        and "lib-dynload" not in path
        and "site-packages/airflow/" not in path
    )


_COMPILED = (".so", ".pyd", ".dylib")
_modules_seen = 0
_loaded: Mapping[str, str] = {}


def look_at_extensions() -> None:
    """Find out, in the manager and for all parsers, what :func:`loaded_extensions` gives.

    A parser that looked at each module would touch, and so copy, a page of the manager's for most of them.
    """
    global _modules_seen, _loaded
    if len(sys.modules) != _modules_seen:
        _modules_seen, _loaded = len(sys.modules), _look_at_extensions()


def loaded_extensions() -> Mapping[str, str]:
    """By package, one of its compiled modules that are loaded and may open files by themselves."""
    if not _modules_seen:
        look_at_extensions()
    return _loaded


def _look_at_extensions() -> dict[str, str]:
    found: dict[str, str] = {}
    modules: Mapping[str, object] = sys.modules.copy()
    for name, module in modules.items():
        path = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(path, str) and path.endswith(_COMPILED) and is_foreign_extension(name, path):
            found.setdefault(name.partition(".")[0], name)
    return found


def database_of(argument: object) -> str | None:
    """The file that ``sqlite3.connect`` opens; None for one in memory."""
    if not isinstance(argument, (str, bytes, os.PathLike)):
        return None
    text = os.fsdecode(argument)
    if text.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
    return None if text in ("", ":memory:") else text
