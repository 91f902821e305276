"""YAML from a repository as plain values with lines: small, strict, and with nothing that can be a trap.

Anybody who can push writes such a file. So it is read event by event: no aliases (which can stand for
billions of nodes), no tags, no recursion, and an end to its size, depth and number of values.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

import yaml
from attrs import field, frozen

MOST_BYTES = 256 * 1024
MOST_DEEP = 12
MOST_VALUES = 20_000

Place = tuple[str | int, ...]
"""The way to a value: keys and, from 0 on, places in lists."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_TEXT = "tag:yaml.org,2002:str"
_STANDS_FOR: Mapping[str, Any] = {"null": None, "bool": True, "int": 0, "float": 0.0}
_NUMBERS: Any = yaml.constructor.SafeConstructor()
_LONGEST_NUMBER = 18
_WORDS = {"null": "nothing", "bool": "a truth value", "int": "a number", "float": "a number"}


@frozen
class Wrong:
    """What is wrong with a file, where, and what to do about it."""

    line: int
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.found}." + (f" {self.remedy}." if self.remedy else "")


@frozen
class NotReadable(Exception):
    """The file is no YAML that is taken; nothing in it counts."""

    wrong: Wrong


@frozen(kw_only=True)
class Document:
    """The value of a file; ``lines`` tells where each key and each item of a list stands.

    A plain scalar that YAML takes for something else than text is None, a truth value, a whole number, or 0.0
    whatever number it is: ``odd`` has its text and what YAML takes it for.
    """

    value: Any
    lines: Mapping[Place, int] = field(repr=False)
    odd: Mapping[Place, str] = field(factory=dict, repr=False)

    def line(self, place: Place) -> int:
        """The line of a place, or of what holds it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def load(data: bytes) -> Document:
    """Read one YAML document; an empty one is the value None.

    :raises NotReadable: it is none, or has in it what is not taken; the line is that of the first such place.
    """
    if len(data) > MOST_BYTES:
        raise _not(1, f"the file has more than {MOST_BYTES:,} bytes", "Make it smaller")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _not(line, f"it is not UTF-8: {error.reason}", "Save the file as UTF-8") from None
    builder = _Builder()
    try:
        loader = _Loader(text)
        try:
            while loader.check_event():
                builder.take(loader.get_event())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise _not(mark.line + 1 if mark else 1, f"it is no YAML: {said}", "Correct it there") from None
    except yaml.reader.ReaderError as error:
        raise _not(_line_of_odd(text), f"it is no YAML: {error.reason}", "Remove that character") from None
    return Document(value=builder.value, lines=builder.lines, odd=builder.odd)


def _line_of_odd(text: str) -> int:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _not(line: int, found: str, remedy: str) -> NotReadable:
    return NotReadable(Wrong(line, found, remedy))


def _plain(kind: str, text: str, line: int) -> Any:
    """What a plain scalar is, that is no text."""
    if kind == "bool":
        return text.lower() in {"yes", "true", "on"}
    if kind != "int":
        return _STANDS_FOR[kind]
    try:
        if len(text) <= _LONGEST_NUMBER:
            return _NUMBERS.construct_yaml_int(yaml.ScalarNode("tag:yaml.org,2002:int", text))
    except ValueError:  # 0x_
        pass
    raise _not(
        line, f"{text[:_LONGEST_NUMBER]!r} is no number that is taken", "Put it in quotes if it is text"
    )


class _Open:
    """A mapping or list of which the end has not come yet."""

    def __init__(self, place: Place, value: dict[str, Any] | list[Any]) -> None:
        self.place = place
        self.value = value
        self.key: str | None = None


class _Builder:
    """Makes a value of events, without recursion."""

    def __init__(self) -> None:
        self.value: Any = None
        self.lines: dict[Place, int] = {}
        self.odd: dict[Place, str] = {}
        self._open: list[_Open] = []
        self._values = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _not(line, "a second document begins", "Leave one: remove all from that '---' on")
        elif isinstance(event, yaml.AliasEvent):
            raise _not(line, f"the alias *{event.anchor} is not taken", "Write out what it stands for")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._check(event, line)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            else:
                value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._open.append(_Open(self._put(value, line, "a mapping or list"), value))

    def _check(self, event: Any, line: int) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _not(line, f"it holds more than {MOST_VALUES:,} values", "Make it smaller")
        if len(self._open) >= MOST_DEEP:
            raise _not(line, f"it is more than {MOST_DEEP} levels deep", "Make it flatter")
        if event.anchor is not None:
            raise _not(line, f"the anchor &{event.anchor} is not taken", "Remove it")
        if event.tag not in (None, "!"):
            raise _not(line, f"the tag {event.tag} is not taken", "Remove it")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if "\0" in event.value:
            # Quotes can write it, and PostgreSQL keeps no text that has it
            raise _not(line, "it holds a NUL", "Remove it")
        tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        kind = str(tag).rpartition(":")[2]
        if tag == _TEXT or kind not in _STANDS_FOR:
            # Dates and the like are text: no section wants anything else of them
            self._put(event.value, line, None)
            return
        said = f"{_WORDS[kind]} ({event.value})" if event.value else _WORDS[kind]
        self.odd[self._put(_plain(kind, event.value, line), line, said)] = said

    def _put(self, value: Any, line: int, odd: str | None) -> Place:
        """Where the value belongs; a text can be a key, what is told by *odd* can not."""
        if not self._open:
            self.value = value
            self.lines.setdefault((), line)
            return ()
        into = self._open[-1]
        if isinstance(into.value, list):
            place: Place = (*into.place, len(into.value))
            into.value.append(value)
        elif into.key is None:
            if odd is not None:
                raise _not(line, f"{odd} is no key", "Put it in quotes if it is meant as text")
            place = (*into.place, value)
            if value in into.value:
                first = self.lines[place]
                raise _not(line, f"the key {value!r} is there twice, first in line {first}", "Remove one")
            into.key = value
            into.value[value] = None
        else:
            place = (*into.place, into.key)
            into.value[into.key], into.key = value, None
            return place
        self.lines[place] = line
        return place
