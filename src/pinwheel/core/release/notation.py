"""What the notation of rules and policies is made of: names, durations, instants, and which Dags are meant.

What comes with later parts is refused by name where it is saved (:data:`LATER`), so that nobody takes it for
what is in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pinwheel.core.rollout import window_text
from pinwheel.core.rollout.window_text import Unreadable

MOST_ITEMS = 500
MOST_NAMES = 500
MOST_NAMES_OF_FILE = 2_000
"""Ids, globs and tags of all that is in a file: each is asked for each Dag."""
LONGEST = timedelta(days=366)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9]\d{0,7})([smhdw])")

LATER: Mapping[str, str] = {
    "canary": "canaries",
    "trial": "trials",
    "verify": "Dags that verify",
    "wave": "waves",
    "waves": "waves",
    "notify": "notifications",
}
"""By key of a policy or a step, with what it comes. To switch one on is to remove its line, if a model below
knows it."""


def wrong(found: str, remedy: str, *at: str | int) -> PydanticCustomError:
    """An error of a model: what is found, what to do, and where below the value that is looked at."""
    return PydanticCustomError("unreadable", "{found}", {"found": found, "remedy": remedy, "at": at})


def reader(read: Callable[[str], object], *, lists: bool = False) -> Callable[[Any], Any]:
    """A validator of a text, or of a list of texts that add up."""

    def validate(value: Any) -> Any:
        if lists and isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = ", ".join(value)
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not a text")
        try:
            return read(value)
        except Unreadable as error:
            raise wrong(error.found, error.remedy) from None

    return validate


def duration(text: str) -> timedelta:
    """:raises Unreadable: it is no duration, or longer than a year."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Unreadable(f"{text!r} is no duration", "Write it as 30m, 4h or 14d")
    found = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if found > LONGEST:
        raise Unreadable(f"{text!r} is longer than a year", "Write a shorter one")
    return found


def duration_text(span: timedelta) -> str:
    """A duration as it is written, in the largest unit that divides it."""
    seconds = int(span.total_seconds())
    unit = max((unit for unit in _UNITS if seconds % _UNITS[unit] == 0), key=_UNITS.__getitem__)
    return f"{seconds // _UNITS[unit]}{unit}"


def text_schema(description: str, *examples: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": description, "examples": list(examples)}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


def texts_schema(description: str, *examples: str) -> WithJsonSchema:
    text = {"type": "string", "minLength": 1}
    several = {"type": "array", "items": text, "minItems": 1}
    return WithJsonSchema({"anyOf": [text, several], "description": description, "examples": list(examples)})


Name = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"\S")]
Names = Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMES)]
Duration = Annotated[
    timedelta,
    PlainValidator(reader(duration)),
    text_schema(
        "A number and its unit: s, m, h, d or w.", "30m", "4h", "14d", pattern=f"^{_DURATION.pattern}$"
    ),
]
Instant = Annotated[
    datetime,
    PlainValidator(reader(window_text.instant)),
    text_schema("A date and time with an offset.", "2026-12-20T18:00+01:00"),
]


def unset() -> Any:
    """Stands for a key that is not there: nothing that can be written is that."""
    return None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self, *keys: str) -> list[str]:
        """Which of these fields are there, in this order."""
        return [key for key in keys if key in self.model_fields_set]


# Which Dags


class Dags(Strict):
    """Which Dags. Ids and globs add up; tags (any of them) and the bundle narrow what these give."""

    model_config = ConfigDict(title="Which Dags", json_schema_extra={"minProperties": 1})

    ids: Names = Field(default_factory=list, description="Dag ids.")
    globs: Names = Field(
        default_factory=list, description="Shell patterns of Dag ids, case-sensitive: sales_*"
    )
    tags: Names = Field(default_factory=list, description="Tags, as the active builds of the Dags have them.")
    bundle: Name = Field(default_factory=unset, description="The Dag bundle that they come from.")

    @model_validator(mode="after")
    def _some(self) -> Dags:
        if not self.model_fields_set:
            raise wrong("names no Dags", "Give it ids, globs, tags or a bundle, or write all")
        return self


ALL_DAGS = Dags.model_construct(_fields_set=set())


def _all_or(value: Any, handler: Callable[[Any], Dags]) -> Dags:
    return ALL_DAGS if value == "all" else handler(value)


def or_text(text: str, *, of_items: bool = False) -> Callable[[dict[str, Any]], None]:
    """Lets the JSON schema of a field take a text beside what it is."""

    def extend(schema: dict[str, Any]) -> None:
        inner = schema["items"] if of_items else {"$ref": schema.pop("$ref")}
        both = {"anyOf": [{"const": text}, inner]}
        if of_items:
            schema["items"] = both
        else:
            schema |= both

    return extend


DagsOrAll = Annotated[Dags, WrapValidator(_all_or)]
