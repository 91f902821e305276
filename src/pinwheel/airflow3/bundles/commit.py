"""What a commit object says of itself. Whoever may push writes it freely, so each field may be anything."""

from __future__ import annotations

import codecs
import re

from pinwheel.core.bundle_version import VersionInfo
from pinwheel.core.text import AUTHOR, MESSAGE, fit, instant

COMMIT_BYTES = 1 << 20
"""As much of a commit is read; its parents, signatures and merged tags stand before its message."""

_SECONDS = re.compile(rb"\s*([+-]?\d+)")
_NO_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"}
"""Codecs of Python that no commit means: some take long for hostile text."""
_BEYOND_ALL_CALENDARS = 10**15


def read_commit(raw: bytes) -> VersionInfo:
    """Author, message and time of a commit object, which may be cut off or malformed. Never raises."""
    head, _, body = raw.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        # A line that starts with a space goes on with the one before (a signature)
        if name:
            fields.setdefault(name, value)
    encoding = fields.get(b"encoding", b"").decode("ascii", "replace")
    name, mail, _ = _person(fields.get(b"author", b""))
    _, _, date = _person(fields.get(b"committer", b""))
    author = f"{_text(name, encoding)} <{_text(mail, encoding)}>".strip()
    return VersionInfo(
        author=fit(author, AUTHOR) if name or mail else None,
        message=fit(_text(body, encoding).rstrip("\n"), MESSAGE),
        committed_at=None if (seconds := _seconds(date)) is None else instant(seconds),
    )


def _person(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Name, mail and what stands for the date, as git splits them (ident.c ``split_ident_line``)."""
    name, _, rest = line.partition(b"<")
    mail, _, _ = rest.partition(b">")
    return name.strip(), mail.strip(), line.rpartition(b">")[2]


def _seconds(date: bytes) -> int | None:
    found = _SECONDS.match(date)
    if not found:
        return None
    digits = found[1]
    if len(digits) > 15:
        return -_BEYOND_ALL_CALENDARS if digits.startswith(b"-") else _BEYOND_ALL_CALENDARS
    return int(digits)


def _text(raw: bytes, encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding[:40]).name if encoding else "utf-8"
    except (LookupError, ValueError):
        codec = "utf-8"
    # Text in UTF-16 can not do without NUL: without it the header tells a lie
    if codec not in _NO_CHARSETS and not (codec.startswith(("utf-16", "utf-32")) and b"\0" not in raw):
        try:
            return raw.decode(codec)
        except (LookupError, ValueError):
            pass
    return raw.decode("utf-8", "replace")
