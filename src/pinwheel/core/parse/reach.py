"""What a live Dag object reaches: a digest of its values and code, and the files that decide its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

_SHORT = 64


@frozen(kw_only=True)
class Reach:
    """What decides the content of one Dag, by a walk of its object after the parse."""

    objects: str = ""
    """Digest of the values that it holds and the code that it reaches; empty: it could not be walked."""
    files: tuple[str, ...] = ()
    """Its own file, those of the code that it reaches, and what these name. Sorted."""
    unread: tuple[str, ...] = ()
    """What could not be read of it, in words: then all that its file's parse used decides its content."""

    def to_json(self) -> dict[str, Any]:
        return {"objects": self.objects, "files": list(self.files), "unread": list(self.unread)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reach:
        return cls(
            objects=value.get("objects", ""),
            files=tuple(value.get("files", ())),
            unread=tuple(value.get("unread", ())),
        )


def digest_of_parts(kind: str, parts: Iterable[str]) -> str:
    """One short text for an object of this kind with these parts, in this order."""
    joined = hashlib.blake2b(kind.encode("utf-8", "surrogatepass"), digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        joined.update(b"%d:" % len(data))
        joined.update(data)
    return joined.hexdigest()


def plain_part(kind: str, text: str) -> str:
    """A plain value of this kind as a part of what holds it."""
    return f"{kind} {text}" if len(text) <= _SHORT else f"{kind} {len(text)} {digest_of_parts(kind, [text])}"
