"""Does an answer hold what the OpenAPI document declares, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def undeclared(document: Document, schema: Mapping[str, Any], value: Any, where: str = "") -> list[str]:
    """Places in a JSON value of which the schema says nothing: ``dags[].holds[].kind``.

    An object whose schema names no fields and no type of their values says nothing of them.
    """
    found = [list(_undeclared(document, each, value, where)) for each in _fitting(document, schema, value)]
    return sorted(set(min(found, key=len)))


def _undeclared(document: Document, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            place = f"{where}.{name}".lstrip(".")
            if name in properties:
                yield from undeclared(document, properties[name], inner, place)
            elif isinstance(others, dict) and others:
                yield from undeclared(document, others, inner, f"{where}.*".lstrip("."))
            elif not _anything(schema):
                yield place
    elif isinstance(value, list):
        if "items" not in schema and not _anything(schema):
            yield f"{where}[]"
        for inner in value if "items" in schema else ():
            yield from undeclared(document, schema["items"], inner, f"{where}[]")


def lacking(document: Document, schema: Mapping[str, Any], value: Any, where: str = "") -> list[str]:
    """Places that the schema requires and the JSON value lacks."""
    found = [list(_lacking(document, each, value, where)) for each in _fitting(document, schema, value)]
    return sorted(set(min(found, key=len)))


def _lacking(document: Document, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}.{name}".lstrip(".")
        for name, inner in value.items():
            place = f"{where}.{name}".lstrip(".")
            of = schema.get("properties", {}).get(name, schema.get("additionalProperties") or _ANYTHING)
            yield from lacking(document, of if isinstance(of, dict) else _ANYTHING, inner, place)
    elif isinstance(value, list):
        for inner in value:
            yield from lacking(document, schema.get("items", _ANYTHING), inner, f"{where}[]")


def told_of(document: Document, schema: Mapping[str, Any], value: Any) -> set[str]:
    """The named schemas of all objects that an answer holds."""
    best = min(
        _variants(document, schema), key=lambda each: len(list(_undeclared(document, each, value, "")))
    )
    found = {best["$name"]} if "$name" in best and value is not None else set()
    if isinstance(value, dict):
        for name, inner in value.items():
            of = best.get("properties", {}).get(name, best.get("additionalProperties"))
            found |= told_of(document, of, inner) if isinstance(of, dict) else set()
    elif isinstance(value, list):
        for inner in value:
            found |= told_of(document, best.get("items", _ANYTHING), inner)
    return found


def named_in(document: Document, schema: Any) -> set[str]:
    """The named schemas that a schema refers to, directly or not."""
    found, waiting = set[str](), [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(document["components"]["schemas"][name])
            waiting += each.values()
    return found


_ANYTHING: dict[str, Any] = {}


def _anything(schema: Mapping[str, Any]) -> bool:
    return not schema.keys() - {"$name"}


_TYPES = {"object": dict, "array": list, "null": type(None), "string": str, "boolean": bool}


def _fitting(document: Document, schema: Mapping[str, Any], value: Any) -> list[Mapping[str, Any]]:
    """Those of the variants that such a value may be; all, when it is none of them."""
    every = list(_variants(document, schema))
    fitting = [each for each in every if isinstance(value, _TYPES.get(each.get("type", ""), object))]
    return fitting or every


def _variants(document: Document, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema without references; each of those of which it may be one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        for each in _variants(document, document["components"]["schemas"][name]):
            yield {**each, "$name": name}
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _variants(document, each)
    else:
        yield {name: inner for name, inner in schema.items() if name not in ("title", "description")}
