"""``pinwheel.yaml``: read strictly, each error with its line and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from attrs import frozen
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from pinwheel.core.parse.declared import FILE, Rule, why_no_pattern
from pinwheel.core.parse.lined_yaml import Document, NotReadable, Place, Wrong, load
from pinwheel.core.selector import Selector
from pinwheel.core.text import fit, visible

_MOST_RULES = 500
_MOST_NAMES = 500
_MOST_PATTERNS = 200
_MOST_TOLD = 20


def _pattern(value: str) -> str:
    if why := why_no_pattern(value):
        raise PydanticCustomError("pattern", "{found}", {"found": why[0], "remedy": why[1]})
    return value


_Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
_Names = Annotated[list[_Name], Field(min_length=1, max_length=_MOST_NAMES)]
_Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    AfterValidator(_pattern),
    Field(examples=["dbt/**", "conf/*.yaml"]),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DagsOfRule(_Strict):
    """Which Dags. Ids and globs add up; tags (any of them) narrow what these give. At least one is needed."""

    model_config = ConfigDict(
        title="Which Dags",
        json_schema_extra={"anyOf": [{"required": [key]} for key in ("ids", "globs", "tags")]},
    )

    ids: _Names = Field(default_factory=list, description="Dag ids. There has to be a Dag of each.")
    globs: _Names = Field(
        default_factory=list, description="Shell patterns of Dag ids, case-sensitive: sales_*"
    )
    tags: _Names = Field(default_factory=list, description="Tags, as the Dags have them.")


class DeclaredRule(_Strict):
    """Files of the repository that some Dags depend on, though no parse reads them."""

    model_config = ConfigDict(title="Declared inputs")

    dags: DagsOfRule = Field(description="The Dags that depend on the files.")
    files: Annotated[list[_Pattern], Field(min_length=1, max_length=_MOST_PATTERNS)] = Field(
        description="Paths from the repository's root. * and ? stand for letters of one name, [ab] for one "
        "of these letters, ** for any number of folders; at the end, for all files below."
    )


class PinwheelYaml(_Strict):
    """What a repository tells Pinwheel, in the file pinwheel.yaml at its root."""

    model_config = ConfigDict(title=FILE)

    inputs: Annotated[list[DeclaredRule], Field(max_length=_MOST_RULES)] = Field(
        default_factory=list,
        description="Declared inputs: a change of such a file is a new build of the Dags.",
    )


@frozen
class Read:
    """The rules of a ``pinwheel.yaml``, or what is wrong with it; never both."""

    rules: tuple[Rule, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def read(data: bytes) -> Read:
    """Read a ``pinwheel.yaml``. Raises nothing, whatever it holds; all that is wrong is told, by line."""
    try:
        document = load(data)
    except NotReadable as error:
        return Read(wrong=(error.wrong,))
    value = {} if document.value is None else document.value
    try:
        parsed = PinwheelYaml.model_validate(value)
    except ValidationError as error:
        return Read(wrong=_told(document, error.errors(include_url=False)))
    empty = [
        Wrong(
            document.line(("inputs", at, "dags")),
            f"inputs[{at}].dags names no Dags",
            "Give it ids, globs or tags",
        )
        for at, rule in enumerate(parsed.inputs)
        if not (rule.dags.ids or rule.dags.globs or rule.dags.tags)
    ]
    if empty:
        return Read(wrong=tuple(empty[:_MOST_TOLD]))
    return Read(rules=tuple(_rule(document, at, rule) for at, rule in enumerate(parsed.inputs)))


def schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PinwheelYaml.model_json_schema()}


def _rule(document: Document, at: int, rule: DeclaredRule) -> Rule:
    place: Place = ("inputs", at, "dags", "ids")
    return Rule(
        dags=Selector(ids=tuple(rule.dags.ids), globs=tuple(rule.dags.globs), tags=tuple(rule.dags.tags)),
        files=tuple(rule.files),
        lines={dag_id: document.line((*place, number)) for number, dag_id in enumerate(rule.dags.ids)},
        line=document.line(("inputs", at)),
    )


def _told(document: Document, errors: Sequence[Mapping[str, Any]]) -> tuple[Wrong, ...]:
    found = [_wrong(document, error) for error in errors]
    found.sort(key=lambda wrong: wrong.line)
    if len(found) > _MOST_TOLD:
        rest = len(found) - _MOST_TOLD
        found[_MOST_TOLD:] = [Wrong(found[_MOST_TOLD].line, f"and {rest} more are wrong from here on")]
    return tuple(found)


def _wrong(document: Document, error: Mapping[str, Any]) -> Wrong:
    place: Place = tuple(error["loc"])
    line = document.line(place)
    where = _words(place)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = list(_keys_at(place[:-1]))
            near = get_close_matches(str(place[-1]), known, n=1)
            meant = f"Write {near[0]!r}, if that is meant" if near else "Remove it"
            return Wrong(
                line, f"{_quoted(place[-1])} is no key {_in(place)}; known: {', '.join(known)}", meant
            )
        case "missing":
            return Wrong(line, f"{_quoted(place[-1])} is missing {_in(place)}", "Add it")
        case "pattern":
            return Wrong(line, f"{where} is {_quoted(error['input'])}: {context['found']}", context["remedy"])
        case "too_short" | "string_too_short":
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
        case _:
            return Wrong(
                line,
                f"{where} is {_what(document, place, error)}, and has to be a mapping",
                f"Give it keys: {', '.join(_keys_at(place))}",
            )


def _keys_at(place: Place) -> Sequence[str]:
    """The keys that there are at a place."""
    model: type[BaseModel] = PinwheelYaml
    if place and place[0] == "inputs":
        model = DagsOfRule if place[-1] == "dags" else DeclaredRule
    return list(model.model_fields)


def _what(document: Document, place: Place, error: Mapping[str, Any]) -> str:
    if place in document.odd:
        return document.odd[place]
    value = error["input"]
    if isinstance(value, str):
        return f"the text {_quoted(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _in(place: Place) -> str:
    return f"of {_words(place[:-1])}" if place[:-1] else "of this file"


def _words(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.lstrip(".") or "the file"


def _quoted(value: object) -> str:
    return repr(fit(visible(str(value)), 100))
