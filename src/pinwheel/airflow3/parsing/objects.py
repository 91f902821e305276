"""A walk of one live Dag object: a digest of all that it holds, and the code that it reaches.

The walk runs no code of the Dag: it reads ``__dict__``, slots and the state that C code gives for pickling,
never an attribute by the object's own ways. What cannot be read so is told, never passed over.
"""

from __future__ import annotations

import datetime
import enum
import functools
import logging
import os
import re
import sys
import threading
import types
import warnings
import weakref
import zoneinfo
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pinwheel.airflow3.parsing.asked import WRAPPER
from pinwheel.airflow3.parsing.code import MADE_AT_RUN_TIME, Codes, Loads, is_found_by_name, nested, position
from pinwheel.airflow3.parsing.plain import PLAIN, PlainValues, WalkTooLarge
from pinwheel.core.digest import without_place
from pinwheel.core.parse.reach import digest_of_parts, plain_part
from pinwheel.core.parse.static_facts import ModuleImport
from pinwheel.core.text import storable

_MOST_OBJECTS = 100_000
_DEEPEST = 400
"""Objects in objects: above it, the walk would meet the interpreter's limit."""
_MOST_UNREAD = 10
_LONGEST_PLACE = 120

_MANAGED_DICT = 1 << 4
"""Flag of CPython's types (``Include/object.h``)."""
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_BY_NAME = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_NO_CONTENT = frozenset(
    ["_log", "_logger", "_cached_logger", "last_loaded", "fileloc", "_processor_dags_folder"]
)
"""Attributes of Airflow's objects that say where, when and with which logger they were made."""
_CACHED = frozenset(["_attrs_cached_hash"])
"""Attributes that follow from the others and the hash seed."""
_OF_A_TEMPLATE = frozenset(["_uptodate"])
"""Of Jinja's templates: a function that holds when the file was written."""
_NOT_OF_A_CLASS = frozenset(
    ["__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__"]
)
_OF_A_MODULE = frozenset(
    [
        "__annotations__",
        "__builtins__",
        "__cached__",
        "__debug__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    ]
)
"""Globals that the interpreter makes. What else has such a name (``__version__``) is the module's own."""
_OF_PYDANTIC = frozenset(["__pydantic_fields__", "__pydantic_computed_fields__"])
"""What else pydantic keeps in a class is made from these and the class's text, by C code."""


class Walk:
    """Walks objects of one Dag. What it met is in its attributes afterwards."""

    def __init__(self, codes: Codes, values: PlainValues) -> None:
        self.codes = codes
        self.values = values
        self.files: set[str] = set()
        """Files of the bundle whose code is reached."""
        self.modules: set[str] = set()
        """Files of the bundle that are reached as a whole: as a module."""
        self.functions: set[tuple[str, str]] = set()
        """Code that is reached in a file of the bundle, by ``line:name``."""
        self.imports: set[ModuleImport] = set()
        """What code imports that was made from text."""
        self.texts: dict[int, frozenset[str]] = {}
        """Texts that are held, with the placeholder in paths of the bundle; those of one table together."""
        self.searched: set[str] = set()
        """Texts that code loads by a name: what it does with a folder that one names, its own text tells."""
        self.unread: dict[str, None] = {}
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []
        self._count = 0
        self._depth = 0

    def digest(self, dag: Any) -> str:
        """The digest of all that *dag* holds.

        :raises WalkTooLarge: the walk was given up.
        """
        return self._of(dag, "")

    # Objects: each once. What is met again is a number, in the order of meeting.

    def _of(self, found: Any, where: str) -> str:
        kind = type(found)
        told = self.values.of(found)
        if told is not None:
            self.values.count_value()
            if told[1]:
                self.texts[id(told[1])] = told[1]
            return told[0]
        installed = self.codes.installed.get(id(found))
        if installed is not None:
            return plain_part("installed", installed)
        number = self._numbers.get(id(found))
        if number is not None:
            return f"#{number}"
        self._numbers[id(found)] = len(self._numbers)
        self._alive.append(found)
        self._count += 1
        self.values.count_object()
        if self._count > _MOST_OBJECTS or self._depth > _DEEPEST:
            raise WalkTooLarge
        self._depth += 1
        parts = list(self._parts(found, kind, where))
        self._depth -= 1
        return digest_of_parts(without_place(f"{kind.__module__}.{kind.__qualname__}"), parts)

    def _text(self, text: str) -> str:
        _, alone = self.values.of_text(text)
        self.texts[id(alone)] = alone
        return "".join(without_place(text) for text in alone)

    def _not_read(self, where: str, why: str) -> None:
        if len(self.unread) < _MOST_UNREAD:
            self.unread[storable(without_place(f"{where[-_LONGEST_PLACE:].lstrip('.')}: {why}"))] = None

    def _parts(self, found: Any, kind: type, where: str) -> Iterable[str]:
        known = _RULES.get(kind)
        if known is not None:
            return known(self, found, where)
        return self._of_kind(found, kind, where)

    def _of_kind(self, found: Any, kind: Any, where: str) -> Iterator[str]:
        if issubclass(kind, type):
            yield from self._class(found, where)
        elif issubclass(kind, ModuleType):
            yield from self._module(found, where)
        elif issubclass(kind, (logging.Logger, logging.LoggerAdapter)) or _is_structlog(kind):
            yield "logger"
            if issubclass(kind, logging.LoggerAdapter):
                yield self._of(_dict_of(found).get("extra"), where)
        elif kind in _LOCKS:
            yield "lock"
        elif issubclass(kind, enum.Enum):
            names = _dict_of(found)
            yield from (self._of(kind, where), str(names.get("_name_")))
            yield self._of(names.get("_value_"), where)
        else:
            yield self._of(kind, where)
            rule = _rule_of(kind)
            if rule is not None:
                yield from rule(self, found, where)
            elif _has_hidden_state(kind):
                yield from self._reduced(found, kind, where)
            yield from self._state(found, kind, where)

    # Containers

    def _items(self, found: Iterable[Any], where: str) -> Iterator[str]:
        for item in found:
            yield self._of(item, f"{where}[]")

    def _pairs(self, found: Iterable[tuple[Any, Any]], where: str) -> Iterator[str]:
        for key, value in found:
            yield self._of(key, where)
            name = key if isinstance(key, str) and len(key) <= 40 else "[]"
            yield self._of(value, f"{where}.{name}")

    def _dict(self, found: dict[Any, Any], where: str) -> Iterator[str]:
        if found is sys.modules:
            self._not_read(where, "sys.modules")
        else:
            yield from self._pairs(found.items(), where)

    def _members(self, found: Collection[Any], where: str) -> list[str]:
        """Each member by what it says by itself: an order of them follows the hash seed.

        So what is met in one is met anew in others, and after the set.
        """
        met = len(self._numbers)
        parts = []
        for member in set.__iter__(found) if isinstance(found, set) else frozenset.__iter__(found):  # type: ignore[arg-type]
            parts.append(self._of(member, f"{where}{{}}"))
            while len(self._numbers) > met:
                self._numbers.popitem()
        return sorted(parts)

    # Code

    def _function(self, function: FunctionType, where: str) -> Iterator[str]:
        code = function.__code__
        place = self.codes.place(code.co_filename)
        names = function.__globals__
        if place is not None:
            yield from ("file", place, code.co_qualname, position(code))
            self.files.add(place)
            self.functions.add((place, f"{code.co_firstlineno}:{code.co_name}"))
            yield from self._loaded(code, names, where)
        elif code is WRAPPER:
            # What a parse calls in place of the interpreter's own: it holds the tracer
            yield from ("installed", str(function.__module__), function.__qualname__)
            return
        elif self.codes.is_installed(code.co_filename):
            at = position(code) if "<lambda>" in code.co_qualname else ""
            module = without_place(str(function.__module__))
            yield from ("installed", module, function.__qualname__, at)
        else:
            yield "text"
            yield from self._text_code(code, where)
            yield from self._loaded(code, names, where)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            yield name
            yield from self._cell(cell, f"{where}.{name}")
        yield self._of(function.__defaults__, f"{where}()")
        yield self._of(function.__kwdefaults__, f"{where}()")
        held = vars(function)
        if held:
            yield from self._pairs(sorted(held.items()), where)

    def _cell(self, cell: types.CellType, where: str) -> Iterator[str]:
        try:
            content = cell.cell_contents
        except ValueError:
            yield "empty"
        else:
            yield self._of(content, where)

    def _text_code(self, code: CodeType, where: str) -> Iterator[str]:
        """Code that no file holds: its instructions, without lines and the name of a file."""
        for inner in nested(code):
            yield from (inner.co_name, inner.co_code.hex(), hex(inner.co_flags))
            yield from (*inner.co_names, "", *inner.co_varnames, "", *inner.co_freevars)
            for const in inner.co_consts:
                if not isinstance(const, CodeType):
                    yield self._of(const, where)
        self.imports.update(self.codes.loads(code).imports)

    def _code(self, code: CodeType, where: str) -> Iterator[str]:
        """Code by itself, without the names that it will find."""
        place = self.codes.place(code.co_filename)
        if place is None:
            yield from self._text_code(code, where)
        else:
            self.files.add(place)
            self.modules.add(place)
            yield from (place, code.co_qualname, position(code))

    def _loaded(self, code: CodeType, names: Mapping[str, Any], where: str) -> Iterator[str]:
        loads = self.codes.loads(code)
        found = [name for name in loads.finds if name not in names]
        if found:
            self._not_read(where, f"{code.co_qualname} finds names by itself: {', '.join(found)}")
        for name in loads.names:
            if name in names and name not in _OF_A_MODULE:
                value = names[name]
                yield name
                if isinstance(value, ModuleType) and name not in loads.passed_on:
                    yield from self._used_of_module(value, loads, f"{where}:{name}")
                elif type(value) is str:
                    told, texts = self.values.of_text(value)
                    self.searched |= texts
                    yield told
                elif issubclass(type(value), PurePath):
                    text = self.values.text(PurePath.__str__(value))
                    self.searched.add(text)
                    yield plain_part(type(value).__name__, without_place(text))
                else:
                    yield self._of(value, f"{where}:{name}")

    def _used_of_module(self, module: ModuleType, loads: Loads, where: str) -> Iterator[str]:
        """A module of which code takes attributes: its file, and their values."""
        place = self.codes.place_of_module(module)
        yield place or module.__name__
        names = vars(module)
        if place is None and not _is_made(names):
            return
        if self._meets_again(module, loads):
            return
        if place is not None:
            self._whole(place)
        for name in sorted(loads.attributes & names.keys()):
            value = names[name]
            if name in _OF_A_MODULE:
                continue
            yield name
            if isinstance(value, ModuleType) and name not in loads.passed_on:
                yield from self._used_of_module(value, loads, f"{where}.{name}")
            else:
                yield self._of(value, f"{where}.{name}")

    def _meets_again(self, module: ModuleType, loads: Loads) -> bool:
        key = hash((id(module), id(loads), "used"))
        if key in self._numbers:
            return True
        self._numbers[key] = len(self._numbers)
        return False

    def _module(self, module: ModuleType, where: str) -> Iterator[str]:
        """A module that is held or passed on: who knows which of its names are used."""
        place = self.codes.place_of_module(module)
        yield without_place(place or module.__name__)
        if place is not None or _is_made(vars(module)):
            self._whole(place or "/")
            for name, value in sorted(vars(module).items(), key=lambda item: str(item[0])):
                if not (name.startswith("__") and name.endswith("__")):
                    yield from (name, self._of(value, f"{where}.{name}"))

    def _whole(self, place: str) -> None:
        if not place.endswith("/"):
            self.files.add(place)
            self.modules.add(place)

    def _class(self, found: type, where: str) -> Iterator[str]:
        module = sys.modules.get(found.__module__)
        place = self.codes.place_of_module(module)
        yield without_place(place or str(found.__module__))
        yield found.__qualname__
        if place is None and is_found_by_name(found):
            return
        if place is not None:
            self.files.add(place)
        yield from (self._of(base, where) for base in found.__bases__ if base is not object)
        if type(found) is not type:
            yield self._of(type(found), where)
        names = vars(found)
        for name in sorted(names):
            if name in _NOT_OF_A_CLASS or name.startswith("_abc_"):
                continue
            if name.startswith("__pydantic_") and name not in _OF_PYDANTIC:
                continue
            yield from (name, self._of(names[name], f"{where}.{name}"))

    def _builtin(self, found: Any, where: str) -> Iterator[str]:
        """A function of C code, and what it is bound to."""
        module = getattr(found, "__module__", None)
        yield from (without_place(str(module)), found.__qualname__)
        place = self.codes.place_of_module(sys.modules.get(str(module)))
        if place is not None:
            self.files.add(place)
        bound = getattr(found, "__self__", None)
        if bound is not None and not isinstance(bound, ModuleType):
            yield self._of(bound, where)

    # State

    def _state(self, found: Any, kind: type, where: str) -> Iterator[str]:
        held = dict(_slots_of(found, kind))
        own = _dict_of(found)
        held.update(own)
        if not held:
            return
        passed = _NO_CONTENT if _is_of_airflow(kind) else _CACHED
        if kind.__module__ == "jinja2.environment":
            passed = _OF_A_TEMPLATE
        for name in sorted(held, key=str):
            if name not in passed:
                yield from (str(name), self._of(held[name], f"{where}.{name}"))

    def _reduced(self, found: Any, kind: type, where: str) -> Iterator[str]:
        """The state that C code keeps, where it gives it for pickling."""
        for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
            if isinstance(_looked_up(kind, name), FunctionType):
                self._not_read(where, f"{kind.__module__}.{kind.__qualname__}")
                return
        try:
            with warnings.catch_warnings(action="ignore"):
                reduced = kind.__reduce_ex__(found, 4)  # type: ignore[call-arg]
        except Exception:
            self._not_read(where, f"{kind.__module__}.{kind.__qualname__}")
            return
        if isinstance(reduced, str):
            yield reduced
            return
        for part in reduced:
            if isinstance(part, Iterator):
                part = list(part)
            yield self._of(part, where)

    def _proxy(self, found: Any, where: str) -> Iterator[str]:
        """What a weak proxy stands for: it hands on whose method it is asked for."""
        try:
            behind = found.__reduce_ex__.__self__
        except ReferenceError:
            yield "gone"
        else:
            yield self._of(behind, where)

    def _time(self, found: Any, where: str) -> Iterator[str]:
        base = datetime.datetime if isinstance(found, datetime.datetime) else datetime.time
        yield from (base.isoformat(found), str(found.fold))
        yield self._of(found.tzinfo, where)

    def _zone(self, found: zoneinfo.ZoneInfo, where: str) -> Iterator[str]:
        if found.key is None:
            self._not_read(where, "a time zone without a name")
        yield str(found.key)

    def _partial(self, found: functools.partial[Any], where: str) -> Iterator[str]:
        yield from (self._of(part, where) for part in (found.func, found.args, found.keywords))

    def _method(self, found: types.MethodType, where: str) -> Iterator[str]:
        yield from (self._of(found.__func__, where), self._of(found.__self__, where))

    def _property(self, found: property, where: str) -> Iterator[str]:
        yield from (self._of(part, where) for part in (found.fget, found.fset, found.fdel))

    def _bytes(self, found: bytes | bytearray, where: str) -> Iterator[str]:
        yield self.values.data(found)


_PATHS = PurePosixPath.__mro__[:-1] + PureWindowsPath.__mro__[:-1] + Path.__mro__[:-1]
Rule = Callable[[Walk, Any, str], Iterable[str]]

_BASES: tuple[tuple[type | tuple[type, ...], Rule], ...] = (
    (str, lambda walk, found, where: [walk._text(str.__str__(found))]),
    ((bytes, bytearray), Walk._bytes),
    ((list, tuple), lambda walk, found, where: walk._items(_sequence(found), where)),
    (OrderedDict, lambda walk, found, where: walk._pairs(OrderedDict.items(found), where)),
    (
        defaultdict,
        lambda walk, found, where: [
            walk._of(found.default_factory, where),
            *walk._pairs(dict.items(found), where),
        ],
    ),
    (dict, lambda walk, found, where: walk._pairs(dict.items(found), where)),
    ((set, frozenset), Walk._members),
    ((datetime.datetime, datetime.time), Walk._time),
    (zoneinfo.ZoneInfo, Walk._zone),
    (PurePath, lambda walk, found, where: [walk._text(PurePath.__str__(found))]),
    (functools.partial, Walk._partial),
)
"""Classes whose objects, and those of their subclasses, hold something beside attributes."""

_RULES: dict[type, Rule] = {
    list: Walk._items,
    tuple: Walk._items,
    dict: Walk._dict,
    set: Walk._members,
    frozenset: Walk._members,
    bytes: Walk._bytes,
    types.MappingProxyType: lambda walk, found, where: walk._pairs(dict(found).items(), where),
    **{view: lambda walk, found, where: walk._items(list(found), where) for view in _VIEWS},
    FunctionType: Walk._function,
    CodeType: Walk._code,
    types.CellType: Walk._cell,
    types.MethodType: Walk._method,
    types.BuiltinFunctionType: Walk._builtin,
    types.MethodWrapperType: Walk._builtin,
    **{kind: lambda walk, found, where: [found.__objclass__.__name__, found.__name__] for kind in _BY_NAME},
    staticmethod: lambda walk, found, where: [walk._of(found.__func__, where)],
    classmethod: lambda walk, found, where: [walk._of(found.__func__, where)],
    property: Walk._property,
    type(functools.lru_cache(len)): lambda walk, found, where: walk._pairs(
        sorted(vars(found).items()), where
    ),
    types.GenericAlias: lambda walk, found, where: [
        walk._of(found.__origin__, where),
        walk._of(found.__args__, where),
    ],
    # Parts of each would name the directory of the bundle version
    type(PurePath().parents): lambda walk, found, where: [walk._text(str(found[0]) if len(found) else "")],
    types.UnionType: lambda walk, found, where: [walk._of(found.__args__, where)],
    re.Pattern: lambda walk, found, where: [walk._of(found.pattern, where), str(found.flags)],
    type(os.environ): lambda walk, found, where: ["the environment of the process"],
    weakref.ProxyType: Walk._proxy,
    weakref.CallableProxyType: Walk._proxy,
    weakref.ReferenceType: lambda walk, found, where: [walk._of(found(), where)],
}
"""Classes whose objects are read by a rule alone."""


def _is_made(names: Mapping[str, Any]) -> bool:
    """Whether a module of these names was made by code, and never imported."""
    return not names.get("__file__") and not names.get("__spec__") and not names.get("__loader__")


def _sequence(found: Any) -> Iterator[Any]:
    return list.__iter__(found) if isinstance(found, list) else tuple.__iter__(found)


def _dict_of(found: Any) -> dict[Any, Any]:
    try:
        held = object.__getattribute__(found, "__dict__")
    except AttributeError:
        return {}
    return held if isinstance(held, dict) else dict(held)


def _slots_of(found: Any, kind: type) -> Iterator[tuple[str, Any]]:
    for name, descriptor in _slots(kind):
        if descriptor.__objclass__ in _PATHS:
            continue  # parts and caches of what its text says
        try:
            yield name, descriptor.__get__(found)
        except AttributeError:
            continue


@functools.cache
def _slots(kind: type) -> tuple[tuple[str, Any], ...]:
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__flags__ & MADE_AT_RUN_TIME:
            for name, descriptor in vars(base).items():
                if type(descriptor) is types.MemberDescriptorType:
                    found[f"{base.__name__}.{name}" if name in found else name] = descriptor
    return tuple(found.items())


def _looked_up(kind: type, name: str) -> Any:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


@functools.cache
def _has_hidden_state(kind: type) -> bool:
    """Whether its objects hold more than attributes: as ``object.__reduce_ex__`` decides it."""
    expected = object.__basicsize__
    pointer = tuple.__itemsize__
    if kind.__dictoffset__ and not kind.__flags__ & _MANAGED_DICT:
        expected += pointer
    if kind.__weakrefoffset__ > 0:
        expected += pointer
    expected += pointer * len(_slots(kind))
    return kind.__basicsize__ > expected or kind.__itemsize__ > 0


@functools.cache
def _rule_of(kind: type) -> Rule | None:
    """What an object of a class made from a known one holds beside attributes."""
    for base, rule in _BASES:
        if issubclass(kind, base):
            return rule
    for base, plain in PLAIN.items():
        if issubclass(kind, base):
            return lambda walk, found, where, plain=plain: [plain(found)]  # type: ignore[misc]
    return None


@functools.cache
def _is_of_airflow(kind: type) -> bool:
    return any(base.__module__.startswith("airflow.") for base in kind.__mro__)


def _is_structlog(kind: type) -> bool:
    return kind.__module__.startswith("structlog.")
