"""What a model of a file finds wrong, told by line and with what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from pinwheel.core.parse.lined_yaml import Document, Place, Wrong
from pinwheel.core.release.notation import LATER
from pinwheel.core.text import fit, visible

MOST_TOLD = 20
LONGEST_TOLD = 500
File = TypeVar("File", bound=BaseModel)


def checked(
    model: type[File], document: Document, value: Any, *, but: Collection[Place] = ()
) -> tuple[File | None, tuple[Wrong, ...]]:
    """The file as its model, or all that is wrong with it.

    What holds one of the places in *but* misses what was taken out there, which is told elsewhere.
    """
    holders = {place[:-1] for place in but}
    try:
        return model.model_validate(value), ()
    except ValidationError as error:
        errors = error.errors(include_url=False)
        return None, tuple(_wrong(model, document, each) for each in errors if each["loc"] not in holders)


def in_order(found: Sequence[Wrong]) -> tuple[Wrong, ...]:
    """By line, and not without end."""
    told = sorted(found, key=lambda wrong: wrong.line)
    if len(told) > MOST_TOLD:
        rest = len(told) - MOST_TOLD
        told[MOST_TOLD:] = [Wrong(told[MOST_TOLD].line, f"and {rest} more are wrong from here on")]
    return tuple(told)


def _wrong(model: type[BaseModel], document: Document, error: Mapping[str, Any]) -> Wrong:
    context = error.get("ctx", {})
    place = _in_file(document, (*error["loc"], *context.get("at", ())))
    line = document.line(place)
    where = words(place)
    match error["type"]:
        case "extra_forbidden":
            known = _keys_at(model, place[:-1])
            near = get_close_matches(str(place[-1]), known, n=1)
            meant = f"Write {near[0]!r}, if that is meant" if near else "Remove it"
            return Wrong(
                line, f"{_quoted(place[-1])} is no key {_in(place)}; known: {', '.join(known)}", meant
            )
        case "missing":
            return Wrong(line, f"{_quoted(place[-1])} is missing {_in(place)}", "Add it")
        case "pattern":
            return Wrong(line, f"{where} is {_quoted(error['input'])}: {context['found']}", context["remedy"])
        case "unreadable":
            return Wrong(line, fit(visible(f"{where}: {context['found']}"), LONGEST_TOLD), context["remedy"])
        case "too_short" | "string_too_short" | "string_pattern_mismatch":
            return Wrong(line, f"{where} is empty", "Fill it, or remove it")
        case "too_long" | "string_too_long":
            most = context["max_length"]
            return Wrong(line, f"{where} is too long: there can be {most} in it", "Make it shorter")
        case "string_type":
            quotes = "Put it in quotes" if place in document.odd else "Write a text there"
            return Wrong(line, f"{where} is {_what(document, place, error)}, and has to be text", quotes)
        case "list_type":
            return Wrong(
                line,
                f"{where} is {_what(document, place, error)}, and has to be a list",
                "Begin each of its items with '- ', or put them in brackets",
            )
        case "literal_error":
            return Wrong(
                line,
                f"{where} is {_what(document, place, error)}, and has to be {context['expected']}",
                _meant(error["input"], context["expected"]),
            )
        case "int_type":
            return Wrong(
                line, f"{where} is {_what(document, place, error)}, and has to be a whole number", "Write one"
            )
        case "bool_type":
            return Wrong(
                line, f"{where} is {_what(document, place, error)}, and has to be true or false", "Write one"
            )
        case "greater_than_equal":
            return Wrong(
                line, f"{where} is {error['input']}, and has to be {context['ge']} at least", "Raise it"
            )
        case "less_than_equal":
            return Wrong(line, f"{where} is {error['input']}, and can be {context['le']}", "Lower it")
        case _:
            return Wrong(
                line,
                f"{where} is {_what(document, place, error)}, and has to be a mapping",
                f"Give it keys: {', '.join(_keys_at(model, place))}",
            )


def _meant(value: object, expected: str) -> str:
    near = get_close_matches(str(value), expected.split("'")[1::2], n=1)
    return f"Write {near[0]!r}, if that is meant" if near else "Write one of these"


def _in_file(document: Document, place: Place) -> Place:
    """The place without what the model adds to it, where one item may stand for a list of them."""
    found: Place = ()
    for at, part in enumerate(place):
        if (*found, part) in document.lines or (at == len(place) - 1 and isinstance(part, str)):
            found = (*found, part)
    return found


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that there are at a place."""
    for part in place:
        if isinstance(part, str):
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = _model_in(fields.get(part)) or model
    return [
        name
        for name in (field.alias or name for name, field in model.model_fields.items())
        if name not in LATER
    ]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _what(document: Document, place: Place, error: Mapping[str, Any]) -> str:
    if place in document.odd:
        return document.odd[place]
    value = error["input"]
    if isinstance(value, str):
        return f"the text {_quoted(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _in(place: Place) -> str:
    return f"of {words(place[:-1])}" if place[:-1] else "of this file"


def words(place: Place) -> str:
    """A place as it is told."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.lstrip(".") or "the file"


def _quoted(value: object) -> str:
    return repr(fit(visible(str(value)), 100))
