"""From the values that are shown to JSON: the one door, for the API and the CLI alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import TypeAlias, TypeVar

from attrs import AttrsInstance, fields

from pinwheel.core.json import Json


class Absent(Enum):
    """In a field of a view: there is nothing to say, not even that it is none."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
T = TypeVar("T")
Sometimes: TypeAlias = T | Absent
"""The type of a field that some of the answers lack."""

Shown: TypeAlias = "Json | Absent | datetime | Enum | AttrsInstance | Iterable[Shown] | Mapping[str, Shown]"
"""What a field of a view may hold."""


def plain(view: AttrsInstance) -> dict[str, Json]:
    """A view by field, as JSON has it.

    Instants are ISO 8601 in UTC, enums their values, collections lists. A field that is ``ABSENT`` is left
    out. A name that Python keeps for itself is a field with ``_`` at its end: ``from_`` becomes ``from``.
    """
    return {
        key: _value(value) for name, key in _names(type(view)) if (value := getattr(view, name)) is not ABSENT
    }


def plain_all(views: Iterable[AttrsInstance]) -> list[dict[str, Json]]:
    """As :func:`plain`, for each of them."""
    return [plain(view) for view in views]


@cache
def _names(kind: type[AttrsInstance]) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, each.name.removesuffix("_")) for each in fields(kind))


_PLAIN = (str, int, float, type(None))


def _value(value: Shown) -> Json:
    if isinstance(value, Enum):
        worth: Json = value.value
        return worth
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _value(inner) for name, inner in value.items()}
    if isinstance(value, Iterable):
        return [_value(inner) for inner in value]
    return plain(value)
