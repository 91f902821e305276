"""Runs the tests of one module on a changed one, in a child process that ends with the first failure."""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis
import pytest

MEMORY = 4 << 30
"""Bytes of address space that a child may have: a mutant that collects without an end is killed by this."""

LONGEST = 600.0
"""Seconds that the tests of a module may take on it as it is."""


class Outcome(Enum):
    SURVIVED = "survived"
    KILLED = "killed"
    HUNG = "hung"
    """It was ended when its time was over, which counts as killed."""


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from its changed code in place of its file."""

    def __init__(self, name: str, path: Path, code: CodeType, tell: int | None) -> None:
        super().__init__(name, str(path))
        self._code, self._tell = code, tell

    def get_code(self, fullname: str) -> CodeType:
        return self._code

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if self._tell is not None:
            # What is whole by now needs nothing of the module: what imports that is still being loaded.
            specs = [(name, getattr(other, "__spec__", None)) for name, other in sys.modules.items()]
            whole = [name for name, spec in specs if not getattr(spec, "_initializing", True)]
            with os.fdopen(self._tell, "w") as told:
                told.write("\n".join(whole))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: Path, code: CodeType, tell: int | None) -> None:
        changed = _Changed(name, path, code, tell)
        self._spec = importlib.util.spec_from_file_location(name, path, loader=changed)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return self._spec if self._spec is not None and fullname == self._spec.name else None


def tried(
    name: str, path: Path, tree: ast.Module, tests: Sequence[str], seconds: float, *, tell: int | None = None
) -> Outcome:
    """What the tests say of the module with this tree. The module may not be imported in this process.

    *tell* is a pipe that gets the names of all modules that a child needs and that do not need the module.
    """
    code = compile(tree, str(path), "exec")
    temporary = tempfile.mkdtemp(prefix="pinwheel-mutant-")
    child = os.fork()
    if child == 0:
        _in_child(_Finder(name, path, code, tell), tests, temporary)
    try:
        return _waited(child, time.monotonic() + seconds)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def warmed_up(name: str, path: Path, tests: Sequence[str]) -> Outcome:
    """What the tests say of the module as it is; all that they need beside it is imported here afterwards."""
    read, write = os.pipe()
    tree = ast.parse(path.read_text())
    outcome = tried(name, path, tree, tests, LONGEST, tell=write)
    os.close(write)
    with os.fdopen(read) as told:
        for needed in told.read().splitlines():
            with contextlib.suppress(Exception):
                importlib.import_module(needed)
    gc.freeze()  # so that the children's collector leaves the shared pages alone
    return outcome


def _in_child(finder: _Finder, tests: Sequence[str], temporary: str) -> None:
    code = 1
    try:
        os.setsid()  # so that what a test started ends with it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        # The same examples for each mutant, none kept from another, and the first that fails is enough.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutation", derandomize=True, database=None, phases=phases)
        hypothesis.settings.load_profile("mutation")
        sys.dont_write_bytecode = False  # pytest rewrites and compiles the tests once, not for each mutant
        sys.meta_path.insert(0, finder)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        code = pytest.main(["-x", "-q", "--noconftest", "--no-header", "-p", "no:cacheprovider", *tests])
    finally:
        os._exit(code)


def _waited(child: int, until: float) -> Outcome:
    pause = 0.005
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return Outcome.KILLED if status else Outcome.SURVIVED
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Outcome.HUNG
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)
