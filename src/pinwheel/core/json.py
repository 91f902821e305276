"""The values that JSON has, and an object of JSON whose fields are read as what they have to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias, TypeVar

from attrs import frozen

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
T = TypeVar("T")


@frozen
class JsonObject:
    """An object of JSON. Every reader raises ValueError for a field that is missing or something else."""

    fields: Mapping[str, Json]

    @classmethod
    def of(cls, value: Json) -> Self:
        """:raises ValueError: the value is no object."""
        if isinstance(value, Mapping):
            return cls(value)
        raise ValueError(f"Not a JSON object: {value!r}")

    @classmethod
    def all_of(cls, value: Json) -> tuple[Self, ...]:
        """:raises ValueError: the value is no list of objects."""
        return tuple(cls.of(one) for one in _list(value))

    def __getitem__(self, name: str) -> Json:
        if name in self.fields:
            return self.fields[name]
        raise ValueError(f"No field {name}, only {', '.join(sorted(self.fields))}")

    def text(self, name: str) -> str:
        return self._read(name, str)

    def text_or_none(self, name: str) -> str | None:
        return None if self[name] is None else self.text(name)

    def number(self, name: str) -> int:
        if isinstance(self[name], bool):
            raise ValueError(f"Field {name} is no number: {self[name]!r}")
        return self._read(name, int)

    def number_or_none(self, name: str) -> int | None:
        return None if self[name] is None else self.number(name)

    def flag(self, name: str) -> bool:
        return self._read(name, bool)

    def texts(self, name: str) -> tuple[str, ...]:
        found = _list(self[name])
        if wrong := [one for one in found if not isinstance(one, str)]:
            raise ValueError(f"Field {name} has what is no text: {wrong[0]!r}")
        return tuple(one for one in found if isinstance(one, str))

    def numbers(self, name: str) -> tuple[int, ...]:
        found = _list(self[name])
        if wrong := [one for one in found if not isinstance(one, int) or isinstance(one, bool)]:
            raise ValueError(f"Field {name} has what is no number: {wrong[0]!r}")
        return tuple(one for one in found if isinstance(one, int))

    def floats_or_none(self, name: str) -> tuple[float | None, ...]:
        """Each a number, whole or not, or None where nobody knows it."""
        found = _list(self[name])
        if wrong := [one for one in found if one is not None and not _is_number(one)]:
            raise ValueError(f"Field {name} has what is no number: {wrong[0]!r}")
        return tuple(float(one) if isinstance(one, int | float) else None for one in found)

    def objects(self, name: str) -> tuple[JsonObject, ...]:
        return JsonObject.all_of(self[name])

    def _read(self, name: str, kind: type[T]) -> T:
        value = self[name]
        if isinstance(value, kind):
            return value
        raise ValueError(f"Field {name} is no {kind.__name__}: {value!r}")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list(value: Json) -> Sequence[Json]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    raise ValueError(f"Not a JSON list: {value!r}")
