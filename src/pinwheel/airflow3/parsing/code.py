"""Where code comes from, and what it loads by name."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from attrs import frozen

from pinwheel.airflow3.parsing.paths import BundlePaths
from pinwheel.airflow3.parsing.runtime import installed_prefixes
from pinwheel.core.parse.static_facts import ModuleImport

MADE_AT_RUN_TIME = 1 << 9
"""Flag of CPython's types (``Include/object.h``): made by a class statement, not by C code."""
_LOADS_A_NAME = frozenset(
    ["LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"]
)
_LOADS_AN_ATTRIBUTE = frozenset(["LOAD_ATTR", "LOAD_METHOD"])
_BETWEEN = frozenset(["CACHE", "PUSH_NULL", "EXTENDED_ARG", "NOP"])
_FINDS_BY_ITSELF = frozenset(["globals", "eval", "exec", "compile", "__import__", "__builtins__"])
"""Names of the interpreter; a name of the code's own module that is called so is none of them."""
_FINDS_BY_ATTRIBUTE = frozenset(
    [
        "__builtins__",
        "__globals__",
        "__import__",
        "__subclasses__",
        "_getframe",
        "currentframe",
        "exec_module",
        "f_builtins",
        "f_globals",
        "f_locals",
        "get_objects",
        "getmodule",
        "import_module",
        "load_module",
        "run_module",
        "run_path",
        "spec_from_file_location",
    ]
)


@frozen(kw_only=True)
class Loads:
    """What the instructions of some code, and of all code nested in it, load."""

    names: tuple[str, ...]
    """Global names, in the order in which they are met."""
    attributes: frozenset[str]
    """All names that it uses in whatever way."""
    passed_on: frozenset[str]
    """Names whose value is used as a whole, not only for an attribute of it."""
    finds: tuple[str, ...]
    """By which names it may find objects by itself."""
    imports: tuple[ModuleImport, ...]


class Codes:
    """Code of one bundle version, looked at once in a parse."""

    def __init__(self, paths: BundlePaths, imports: Iterable[ModuleImport] = ()) -> None:
        self.paths = paths
        self._places: dict[str, str | None] = {}
        self._loads: dict[int, tuple[CodeType, Loads]] = {}
        self.installed: dict[int, str] = {}
        """What the bundle's code takes by name from installed modules: id of the object to its name."""
        for found in sorted(imports):
            self._import(found)

    def _import(self, imported: ModuleImport) -> None:
        module = sys.modules.get(imported.module) if not imported.level else None
        if type(module) is not ModuleType or self.place_of_module(module) is not None:
            return
        values = vars(module)
        for name in sorted(values) if "*" in imported.names else imported.names:
            value = values.get(name)
            if value is not None and not isinstance(value, (type, FunctionType, ModuleType)):
                self.installed.setdefault(id(value), f"{imported.module}.{name}")

    def place(self, filename: Any) -> str | None:
        """The path in the bundle of a file of code; None for all other code."""
        if not isinstance(filename, str) or not os.path.isabs(filename):
            return None
        if filename not in self._places:
            self._places[filename] = self.paths.relative(os.path.normpath(filename)) or None
        return self._places[filename]

    def is_installed(self, filename: str) -> bool:
        """Whether the file belongs to the runtime, whose fingerprint says what is in it."""
        return filename.startswith(installed_prefixes()) or filename.startswith("<frozen ")

    def place_of_module(self, module: ModuleType | None) -> str | None:
        """The file of a module in the bundle; of a folder without ``__init__.py`` its path with a slash."""
        if module is None:
            return None
        names = vars(module)
        found = self.place(names.get("__file__"))
        if found is not None or names.get("__file__") is not None:
            return found
        try:
            folders = [self.place(folder) for folder in names.get("__path__") or ()]
        except Exception:
            return None
        return next((f"{folder}/" for folder in folders if folder), None)

    def loads(self, code: CodeType) -> Loads:
        known = self._loads.get(id(code))
        if known is None:
            # The code is kept with it: the id of what is gone may be given to other code
            known = self._loads[id(code)] = (code, _loads_of(code))
        return known[1]


def nested(code: CodeType) -> Iterator[CodeType]:
    """The code, and all that is defined in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from nested(const)


def position(code: CodeType) -> str:
    """First and last place of the code in its file: tells two lambdas of one line apart."""
    places = [
        (line, column)
        for line, _, column, end in code.co_positions()
        if line is not None and column is not None and end is not None and end > column
    ]
    if places:
        return f"{code.co_firstlineno} {min(places)} {max(places)}"
    # Some Pythons tell none for code that only gives a constant
    return f"{code.co_firstlineno} {[const for const in code.co_consts if not isinstance(const, CodeType)]!r}"


def _loads_of(code: CodeType) -> Loads:
    names: dict[str, None] = {}
    attributes: set[str] = set()
    passed_on: set[str] = set()
    imports: set[ModuleImport] = set()
    for inner in nested(code):
        attributes.update(inner.co_names)
        steps = [step for step in dis.get_instructions(inner) if step.opname not in _BETWEEN]
        for index, step in enumerate(steps):
            if step.opname in _LOADS_A_NAME:
                names[step.argval] = None
            elif step.opname == "IMPORT_NAME":
                imports.add(_import_of(steps, index))
                continue
            elif step.opname not in _LOADS_AN_ATTRIBUTE:
                continue
            after = steps[index + 1].opname if index + 1 < len(steps) else ""
            if after not in _LOADS_AN_ATTRIBUTE:
                passed_on.add(step.argval)
    finds = {name for name in attributes if name in _FINDS_BY_ATTRIBUTE}
    finds |= {name for name in names if name in _FINDS_BY_ITSELF}
    if "modules" in attributes and "sys" in attributes:
        finds.add("sys.modules")
    return Loads(
        names=tuple(names),
        attributes=frozenset(attributes),
        passed_on=frozenset(passed_on),
        finds=tuple(sorted(finds)),
        imports=tuple(sorted(imports)),
    )


def _import_of(steps: list[dis.Instruction], index: int) -> ModuleImport:
    """Before the name of the module come its level and the names that are taken from it."""
    level, names = (step.argval for step in steps[max(index - 2, 0) : index]) if index > 1 else (0, None)
    return ModuleImport(
        str(steps[index].argval),
        level if isinstance(level, int) else 0,
        tuple(sorted(names)) if isinstance(names, tuple) else (),
    )


def is_found_by_name(found: type) -> bool:
    """Whether the name of a class leads to it, so that its module's code says all of it."""
    if not found.__flags__ & MADE_AT_RUN_TIME:
        return True  # made by C code, for ever
    module = sys.modules.get(found.__module__)
    names = found.__qualname__.split(".")
    holder: Any = vars(module).get(names[0]) if module is not None else None
    for name in names[1:]:
        holder = holder.__dict__.get(name) if isinstance(holder, type) else None
    return holder is found
