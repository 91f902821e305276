"""Runs the tests of one module on a changed one, in a child process that ends with the first failure."""

from __future__ import annotations

import ast
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


class Outcome(Enum):
    SURVIVED = "survived"
    KILLED = "killed"
    HUNG = "hung"
    """It was ended when its time was over, which counts as killed."""


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from a tree in place of its file."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        super().__init__(name, str(path))
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._spec = importlib.util.spec_from_file_location(name, path, loader=_Changed(name, path, code))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return self._spec if self._spec is not None and fullname == self._spec.name else None


def tried(name: str, path: Path, tree: ast.Module, tests: Sequence[str], seconds: float) -> Outcome:
    """What the tests say of the module with this tree. Nothing of it may be imported in this process."""
    code = compile(tree, str(path), "exec")
    temporary = tempfile.mkdtemp(prefix="pinwheel-mutant-")
    child = os.fork()
    if child == 0:
        _in_child(_Finder(name, path, code), tests, temporary)
    try:
        return _waited(child, time.monotonic() + seconds)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
        sys.meta_path.insert(0, finder)
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
