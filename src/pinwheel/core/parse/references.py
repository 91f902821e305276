"""What may be paths in a text, or in a value that a Dag holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pinwheel.core.parse.named_places import (
    folder_pieces,
)

_EXTENSION = re.compile(r"[^/]\.[A-Za-z]\w{0,9}$")


_PLAIN_NAME = re.compile(r"[A-Za-z_][\w-]{2,63}")
"""A file without an extension, or a folder."""


_NOT_IN_A_PATH = re.compile(r"[^\w\-./+@]+")


_NEVER_IN_A_NAME = re.compile(r"[\n\r\t*?\[\]{}<>|\"'\\]")


_LONGEST_REFERENCE = 255


_LONGEST_COMMAND = 10_000


_DOT_FILE = re.compile(r"\.[A-Za-z][\w.-]{1,40}")


def text_references(text: str) -> tuple[str, ...]:
    """What may be paths in a text (a template, YAML), sorted; that of a folder has a slash at its end."""
    return tuple(sorted({*_references(text), *_folders(text)}))


def value_references(text: str) -> tuple[str, ...]:
    """What may be paths in a value that a Dag holds, sorted; that of a folder has a slash at its end."""
    return tuple(sorted({*_constant_references(text), *_folders(text)}))


def _folders(text: str) -> Iterator[str]:
    return (piece for piece in folder_pieces(text) if piece.endswith("/"))


def _references(text: str) -> Iterator[str]:
    if "." not in text:
        return
    for piece in _NOT_IN_A_PATH.split(text):
        if "." in piece and 2 < len(piece) <= _LONGEST_REFERENCE and not piece.startswith("//"):
            piece = piece.rstrip(".")
            if _EXTENSION.search(piece):
                yield piece.lstrip("/")


def _constant_references(text: str) -> Iterator[str]:
    yield from _references(text)
    if "/" in text and len(text) < _LONGEST_COMMAND:
        for piece in _NOT_IN_A_PATH.split(text):
            piece = piece.rstrip("/")  # what is a folder, the places tell
            if "/" in piece and 2 < len(piece) <= _LONGEST_REFERENCE and not piece.startswith("//"):
                yield piece.lstrip("/")
    if _DOT_FILE.fullmatch(text):
        yield text
    if (
        2 < len(text) <= _LONGEST_REFERENCE
        and not text.startswith("//")
        and "://" not in text
        and not _NEVER_IN_A_NAME.search(text)
        and ("/" in text or _EXTENSION.search(text) or _PLAIN_NAME.fullmatch(text))
    ):
        yield text.strip().strip("/")
