"""Watching a parse: audit events, imports, and questions to Airflow.

An audit hook can not be removed, so it lives as long as the parser process, which parses one file and ends.
The hook is called for every audited operation of the interpreter: it looks an event up in a dictionary and
returns at once for most.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from types import FrameType, ModuleType
from typing import Any

from pinwheel.airflow3.parsing import asked
from pinwheel.airflow3.parsing.opened import (
    CannotWatch,
    Opens,
    database_of,
    folders_below,
    is_foreign_extension,
    loaded_extensions,
)
from pinwheel.airflow3.parsing.runtime import SYSTEM_FILES, installed_prefixes

_CODE_SUFFIXES = (".py", ".pyc", ".so", ".pyd", ".pyi", ".pth")
_MOST_IMPURITIES = 100
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class ImportAttempts:
    """A finder that finds nothing: put first on ``sys.meta_path``, it sees each name that is looked for."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        tracer = self.tracer
        if tracer.active and name not in tracer.attempts:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and _is_import(frame):
                frame = frame.f_back
            if tracer.bundle_frame(frame) is not None:
                tracer.attempts[name] = tuple(sys.path if path is None else path)


class Tracer:
    """Records what happens in this process from :meth:`start` to :meth:`stop`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.real_root = os.path.realpath(root)
        self.prefixes = tuple({self.root + os.sep, self.real_root + os.sep})
        self.active = False
        self.opened: dict[str, None] = {}
        self.listed: dict[str, None] = {}
        self.opened_unseen: set[str] = set()
        self.listed_unseen: set[str] = set()
        """What was opened without an event: by C code, or by a program, which may list folders too."""
        self.asked: dict[str, None] = {}
        """Each path in the bundle of which anything asked whether, or what, it is."""
        self.opens: Opens | None = None
        """The watch for what is opened without an event; None until there is reason for one."""
        self.blind: str | None = None
        """Why what was opened without an event can not be told; None: it can."""
        self.attempts: dict[str, tuple[str, ...]] = {}
        """Each module that bundle code looked for, with the search path it was looked for on."""
        self.impure: dict[tuple[str, str], None] = {}
        self.dags: dict[str, Any] = {}
        """The Dags that the parse gave, by id."""
        self._last_module_before: str | None = None
        self._loaded: Mapping[str, str] = {}
        self._main = threading.main_thread().ident
        self._installed = installed_prefixes()
        self._temporary = os.path.join(tempfile.gettempdir(), "tmp")
        self._handlers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "open": self._open,
            "os.listdir": self._list,
            "os.scandir": self._list,
            "glob.glob": self._glob,
            "glob.glob/2": self._glob,
            "socket.connect": self._connect,
            "socket.getaddrinfo": self._resolve_host,
            "socket.gethostbyname": self._resolve_host,
            "socket.sendto": self._connect,
            "subprocess.Popen": self._program,
            "os.system": self._program,
            "os.exec": self._program,
            "os.posix_spawn": self._program,
            "os.spawn": self._program,
            "os.fork": self._fork,
            "os.forkpty": self._fork,
            "sqlite3.connect": self._database,
            "ctypes.dlopen": self._library,
            "ctypes.dlsym": self._library,
            "ctypes.dlsym/handle": self._library,
            "import": self._extension,
        }
        self._started_program = False

    def start(self) -> None:
        # Modules come in the order of their import. A set of all names before would touch, and so copy, the
        # pages of thousands of the manager's objects.
        self._last_module_before = next(reversed(sys.modules), None)
        self._loaded = loaded_extensions()
        sys.meta_path.insert(0, ImportAttempts(self))
        self.active = True
        sys.addaudithook(self._hook)
        asked.watch(self._ask)

    def stop(self) -> None:
        self.active = False
        if self.opens is not None:
            try:
                files, folders = self.opens.take()
            except CannotWatch as error:
                self.blind = str(error)
            else:
                self.opened_unseen.update(files)
                if self._started_program:
                    self.listed_unseen.update(folders)
            self.opens.close()

    def watch_opens(self) -> None:
        """From now on, see also what is opened without an event. Safe to repeat."""
        if self.opens is not None or self.blind is not None:
            return
        active, self.active = self.active, False
        try:
            self.opens = Opens(folders_below(self.root))
        except CannotWatch as error:
            self.blind = str(error)
        except Exception as error:
            self.blind = f"the watch failed ({type(error).__name__})"
        finally:
            self.active = active

    @property
    def new_modules(self) -> list[Any]:
        """What was imported since the start, or imported anew."""
        try:
            names = list(self._since_start(reversed(sys.modules)))
        except RuntimeError:  # A thread of the Dag's code imports right now.
            names = list(self._since_start(reversed(list(sys.modules))))
        return [sys.modules.get(name) for name in names]

    def _since_start(self, newest_first: Iterator[str]) -> Iterator[str]:
        return takewhile(lambda name: name != self._last_module_before, newest_first)

    @property
    def airflow_modules(self) -> list[str]:
        """Names of the installed modules of Airflow and its providers that the parse imported."""
        return [
            module.__name__
            for module in self.new_modules
            if isinstance(module, ModuleType)
            and module.__name__.startswith("airflow.")
            and str(getattr(module, "__file__", None)).startswith(self._installed)
        ]

    def note(self, kind: str, detail: str) -> None:
        if len(self.impure) < _MOST_IMPURITIES:
            self.impure[(kind, detail)] = None

    def asked_airflow(self, msg: Any) -> None:
        """Note a message of the Dag's code to the Dag processor, which answers from Airflow's database."""
        name = type(msg).__name__
        if not self.active or name in ("MaskSecret", "DagFileParsingResult"):
            return
        if name.endswith("Variable"):
            self.note("variable", str(getattr(msg, "key", name)))
        elif name.endswith("Connection"):
            self.note("connection", str(getattr(msg, "conn_id", name)))
        else:
            self.note("variable" if name == "GetVariableKeys" else "metadata", f"{name}()")

    # Frames

    def bundle_frame(self, frame: FrameType | None) -> FrameType | None:
        """The nearest frame of bundle code, or None.

        None also when the nearest bundle code is only importing a module from elsewhere: what an
        installed distribution does while it is imported belongs to the runtime.
        """
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.prefixes):
                return frame
            if _is_import(frame):
                return None
            frame = frame.f_back
        return None

    def _any_bundle_frame(self, frame: FrameType | None) -> FrameType | None:
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.prefixes):
                return frame
            frame = frame.f_back
        return None

    def blind_to(self, imported: Iterable[str]) -> str | None:
        """Which of these modules can have opened files unseen: one that was there before the parse."""
        if self.opens is not None or self.blind is not None:
            return self.blind
        tops = {name.partition(".")[0] for name in imported}
        for top in sorted(tops & self._loaded.keys()):
            return f"{self._loaded[top]} was loaded before"
        return None

    def _where(self, frame: FrameType) -> str:
        name = frame.f_code.co_filename
        for prefix in self.prefixes:
            name = name.removeprefix(prefix)
        return f"{name.replace(os.sep, '/')}:{frame.f_lineno}"

    # Events

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        handler = self._handlers.get(event)
        if handler is not None and self.active:
            try:
                handler(args)
            except Exception as error:  # must never reach the code that is traced
                self.note("metadata", f"tracing of {event} failed: {type(error).__name__}")

    def _path(self, value: Any) -> str | None:
        if isinstance(value, int) or value is None:
            return None
        text = os.fsdecode(value)
        return text if text.startswith(self.prefixes) and ".." not in text else os.path.abspath(text)

    def _ask(self, value: Any, dir_fd: Any = None) -> None:
        if not self.active:
            return
        try:
            if dir_fd is not None and (folder := asked.place_of(dir_fd)) is not None:
                value = os.path.join(folder, os.fsdecode(value))
            path = self._path(value)
        except Exception:  # What is no path is the business of the function that was asked
            return
        if path is not None and path.startswith(self.prefixes):
            self.asked[path] = None

    def _open(self, args: tuple[Any, ...]) -> None:
        path = self._path(args[0])
        if path is None:
            return
        mode, flags = args[1], args[2]
        writes = (
            any(letter in mode for letter in "wax+")
            if isinstance(mode, str)
            else isinstance(flags, int) and bool(flags & _WRITING)
        )
        if path.startswith(self.prefixes):
            if not writes:
                self.opened[path] = None
            elif "__pycache__" not in path:
                self._note_from_bundle("write", path)
            return
        if path.endswith(_CODE_SUFFIXES) or "__pycache__" in path:
            return
        if path.startswith(self._installed) or path in SYSTEM_FILES or path.startswith(self._temporary):
            return
        self._note_from_bundle("write" if writes else "file", path)

    def _note_from_bundle(self, kind: str, detail: str) -> None:
        frame = self.bundle_frame(sys._getframe(3))
        if frame is not None:
            for prefix in self.prefixes:
                detail = detail.removeprefix(prefix)
            self.note(kind, f"{detail} at {self._where(frame)}")

    def _note_world(self, kind: str, detail: str) -> None:
        """For the network and databases: also while importing a module from elsewhere, and in threads."""
        frame = self._any_bundle_frame(sys._getframe(3))
        if frame is not None:
            self.note(kind, f"{detail} at {self._where(frame)}")
        elif threading.get_ident() != self._main:
            self.note(kind, f"{detail} in a thread")

    def _list(self, args: tuple[Any, ...]) -> None:
        caller = sys._getframe(2)
        if _is_import(caller):
            return
        place = args[0] if args[0] is not None else "."
        path = asked.place_of(place) if isinstance(place, int) else self._path(place)
        if path is None:
            return
        if (path + os.sep).startswith(self.prefixes):
            self.listed[path] = None
        elif not path.startswith(self._installed) and (path, "listed") not in self.impure:
            self._note_from_bundle("file", f"{path}/")

    def _glob(self, args: tuple[Any, ...]) -> None:
        pattern = os.fsdecode(args[0])
        if not any(letter in pattern for letter in "*?["):
            path = self._path(pattern)
            if path is not None and path.startswith(self.prefixes):
                self.opened[path] = None

    def _connect(self, args: tuple[Any, ...]) -> None:
        address = args[-1]
        if isinstance(address, tuple) and len(address) > 1:
            self._note_world("network", f"{address[0]}:{address[1]}")
        else:
            self._note_world(
                "network", os.fsdecode(address) if isinstance(address, (str, bytes)) else "socket"
            )

    def _resolve_host(self, args: tuple[Any, ...]) -> None:
        host = args[0]
        if host:
            text = os.fsdecode(host) if isinstance(host, (str, bytes)) else str(host)
            port = args[1] if len(args) > 1 else None
            self._note_world("network", f"{text}:{port}" if port else text)

    def _starts_a_program(self, frame: FrameType) -> None:
        if self.bundle_frame(frame) is not None:
            self._started_program = True
            self.watch_opens()

    def _program(self, args: tuple[Any, ...]) -> None:
        self._starts_a_program(sys._getframe(2))
        # Only the program's name: its arguments may hold a secret.
        command = args[0]
        if not isinstance(command, (str, bytes)) and not hasattr(command, "__fspath__"):
            command = args[1] if len(args) > 1 else ""
        if isinstance(command, (list, tuple)):
            command = command[0] if command else ""
        text = os.fsdecode(command) if isinstance(command, (str, bytes, os.PathLike)) else str(command)
        self._note_from_bundle("subprocess", text.strip().partition(" ")[0] or "a program")

    def _fork(self, args: tuple[Any, ...]) -> None:
        self._starts_a_program(sys._getframe(2))
        self._note_from_bundle("subprocess", "fork")

    def _library(self, args: tuple[Any, ...]) -> None:
        if self.bundle_frame(sys._getframe(2)) is not None:
            self.watch_opens()

    def _extension(self, args: tuple[Any, ...]) -> None:
        # Of a compiled module the interpreter tells the file too, before it loads it
        if args[1] and is_foreign_extension(args[0], os.fsdecode(args[1])):
            self.watch_opens()

    def _database(self, args: tuple[Any, ...]) -> None:
        if self._any_bundle_frame(sys._getframe(2)) is not None:
            self.watch_opens()
        file = database_of(args[0])
        path = self._path(file) if file is not None else None
        if path is not None and path.startswith(self.prefixes):
            self.opened_unseen.add(path)
        self._note_world("database", str(args[0]))


def _is_import(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith("<frozen importlib") or name.endswith(
        ("importlib/__init__.py", "<frozen zipimport>")
    )
