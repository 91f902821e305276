"""Plain values, and containers of nothing else, as what they say: looked at once in a parse."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pinwheel.core.digest import PATH_PLACEHOLDER, without_place
from pinwheel.core.parse.reach import digest_of_parts, plain_part

_MOST_VALUES = 2_000_000
_MOST_OBJECTS = 500_000
_MOST_MET = 5_000_000
"""Of all Dags of a file: some seconds. A limit of time would tell other contents on a slower machine."""
_SHORT_DATA = 64

PLAIN: dict[type, Callable[[Any], str]] = {
    int: hex,
    float: float.__repr__,
    complex: complex.__repr__,
    bool: repr,
    type(None): repr,
    type(...): repr,
    type(NotImplemented): repr,
    range: repr,
    datetime.date: datetime.date.isoformat,
    datetime.timedelta: datetime.timedelta.__repr__,
    datetime.timezone: datetime.timezone.__repr__,
    decimal.Decimal: decimal.Decimal.__repr__,
}
"""How the values of these classes are told; texts have a rule of their own."""
CONTAINERS = frozenset([list, tuple, dict, set, frozenset])

Told = tuple[str, frozenset[str]]
"""What a value says, and the texts in it."""


class WalkTooLarge(Exception):
    """The object holds too much, or too deep, to be walked."""


class PlainValues:
    """Tells plain values of a bundle version. A table that all Dags of a file hold is read once."""

    def __init__(self, roots: Iterable[str]) -> None:
        self.roots = sorted(set(roots), key=len, reverse=True)
        self._known: dict[int, tuple[Any, Told | None]] = {}
        self._texts: dict[str, Told] = {}
        self._data: dict[int, tuple[bytes | bytearray, str]] = {}
        self._open: set[int] = set()
        self._count = 0
        self._objects = 0
        self._met = 0

    def count_object(self) -> None:
        """One more object is walked that is no plain value.

        :raises WalkTooLarge: the Dags of this file hold too many.
        """
        self._objects += 1
        if self._objects > _MOST_OBJECTS:
            raise WalkTooLarge

    def count_value(self) -> None:
        """One more plain value is met in an object, be it one that was told before.

        :raises WalkTooLarge: the Dags of this file hold too many.
        """
        self._met += 1
        if self._met > _MOST_MET:
            raise WalkTooLarge

    def text(self, text: str) -> str:
        """A text with the placeholder for the bundle's directory."""
        for root in self.roots:
            text = text.replace(root, PATH_PLACEHOLDER)
        return text

    def data(self, found: bytes | bytearray) -> str:
        """What bytes say, with the placeholder for the bundle's directory. Large ones are read once."""
        known = self._data.get(id(found))
        if known is not None:
            return known[1]
        data = b"".join([found])
        for root in self.roots:
            data = data.replace(os.fsencode(root), PATH_PLACEHOLDER.encode())
        if len(data) <= _SHORT_DATA:
            return data.hex()
        told = f"{len(data)} {hashlib.blake2b(data, digest_size=16).hexdigest()}"
        self._data[id(found)] = (found, told)
        return told

    def of(self, found: Any) -> Told | None:
        """What a plain value, or a container of such, says; None: it holds something else, or itself.

        :raises WalkTooLarge: the Dags of this file hold too many.
        """
        kind = type(found)
        if kind is str:
            return self.of_text(found)
        plain = PLAIN.get(kind)
        if plain is not None:
            return plain_part(kind.__name__, plain(found)), frozenset()
        return self.of_container(found, kind) if kind in CONTAINERS else None

    def of_text(self, found: str) -> Told:
        """What a text says. One that many Dags hold, or that is held in many places, is looked at once."""
        known = self._texts.get(found)
        if known is None:
            text = self.text(found)
            known = self._texts[found] = plain_part("str", without_place(text)), frozenset([text])
        return known

    def of_container(self, found: Any, kind: type) -> Told | None:
        known = self._known.get(id(found))
        if known is None:
            if id(found) in self._open:
                return None
            self._open.add(id(found))
            try:
                # It is kept with it: the id of what is gone may be given to something else
                known = self._known[id(found)] = (found, self._told(found, kind))
            finally:
                self._open.discard(id(found))
        return known[1]

    def _told(self, found: Any, kind: type) -> Told | None:
        parts: list[str] = []
        texts: set[str] = set()
        for item in _items(found) if kind is dict else found:
            self._count += 1
            if self._count > _MOST_VALUES:
                raise WalkTooLarge
            if type(item) is str:
                text = self.text(item)
                parts.append(plain_part("str", without_place(text)))
                texts.add(text)
                continue
            told = self.of(item)
            if told is None:
                return None
            parts.append(told[0])
            texts |= told[1]
        if kind in (set, frozenset):
            parts.sort()
        return digest_of_parts(f"plain {kind.__name__}", parts), frozenset(texts)


def _items(found: dict[Any, Any]) -> Iterator[Any]:
    for key, value in found.items():
        yield key
        yield value
