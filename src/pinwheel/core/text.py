"""Text and dates from outside, made fit to be stored: the one door for what a commit, a tag or an error says.

Anybody who can push chooses an author's name, a date, a tag, a file's name and what an exception says. Such
text may be longer than its column, hold NUL (PostgreSQL refuses it) or lone surrogates (no encoding takes
them), and git lets dates lie where no calendar reaches. None of that is a reason to refuse a commit.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

MARK = "…"
"""Stands at the end of what was cut."""

AUTHOR = 500
LABEL = 250
MESSAGE = 16_000
"""As bytes of four each it still fits MySQL's TEXT."""
ERROR = 16_000
EVENT = 500
"""A reason or a line of an error, in an event."""
FILE_PATH = 500
"""Of a Dag file, below its bundle: with the bundle's name it is a key, and MySQL keeps 3,072 bytes of one."""
PATH = 1000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
"""A day off the calendar's ends: the reader's time zone must not lead beyond them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def storable(text: str) -> str:
    """The text without what no database takes: NUL becomes ``␀``, a lone surrogate ``�``."""
    return _UNSTORABLE.sub(lambda found: "␀" if found[0] == "\x00" else "�", text)


def fit(text: str, most: int) -> str:
    """The text in at most *most* characters that every database takes; what was cut ends with ``…``."""
    text = storable(text)
    return text if len(text) <= most else text[: most - len(MARK)] + MARK


def fit_end(text: str, most: int) -> str:
    """As :func:`fit`, but keeps the end: of a traceback that is the error itself."""
    text = storable(text)
    return text if len(text) <= most else MARK + text[len(text) - most + len(MARK) :]


def instant(seconds: int) -> datetime:
    """Seconds since 1970 as an aware UTC instant, clamped to what a calendar and every database can hold."""
    try:
        found = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST if seconds > 0 else _EARLIEST
    return min(max(found, _EARLIEST), _LATEST)
