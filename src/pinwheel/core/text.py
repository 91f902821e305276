"""Text and dates from outside, made fit to be stored and shown: the one door for what commits and users say.

Anybody who can push chooses an author's name, a date, a tag, a file's name and what an exception says. Such
text may be longer than its column, hold NUL (PostgreSQL refuses it) or lone surrogates (no encoding takes
them), and git lets dates lie where no calendar reaches. None of that is a reason to refuse a commit.
"""

from __future__ import annotations

import re
import shlex
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
_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9]+", re.IGNORECASE)
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


def without_numbers(text: str) -> str:
    """The text with ``#`` for each number: equal for errors that differ in a time or an address."""
    return _NUMBER.sub("#", text)


def instant(seconds: int) -> datetime:
    """Seconds since 1970 as an aware UTC instant, clamped to what a calendar and every database can hold."""
    try:
        found = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST if seconds > 0 else _EARLIEST
    return min(max(found, _EARLIEST), _LATEST)


_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_UNSEEN = re.compile(
    # Controls, and what formats without being seen: a terminal obeys them, or shows other text than is there.
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f\ud800-\udfff]"
    # The joiner, but for that of an emoji made of several.
    f"|(?<![{_EMOJI}\ufe0f])\u200d|\u200d(?![{_EMOJI}])"
)
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def visible(text: str, keep: str = "") -> str:
    """The text with escapes (as in Python and YAML) for what a terminal would obey or not show.

    These are all control, formatting and separator characters, but those of *keep*, and lone surrogates.
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(letter: str) -> str:
    code = ord(letter)
    size = "x02" if code < 0x100 else "u04" if code < 0x10000 else "U08"
    return _SHORT.get(letter) or f"\\{size[0]}{code:{size[1:]}x}"


def visible_json(document: str) -> str:
    """A JSON document that means the same, with JSON's own escapes for what :func:`visible` escapes."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else _units(found[0]), document)


def _units(letter: str) -> str:
    """The UTF-16 code units of a character, as JSON escapes them."""
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def shell_word(text: str) -> str:
    """One word for a shell, which means the text and holds nothing that :func:`visible` escapes but ``\\n``.

    Where it would, the word is written ``$'…'`` (POSIX 2024; bash, zsh, ksh), byte by byte in octal: the one
    form that all of them end after three digits, in every locale.
    """
    if visible(text, keep="\n") == text:
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace("'", r"\047")
    return "$'" + _UNSEEN.sub(lambda found: _SHORT.get(found[0]) or _octal(found[0]), quoted) + "'"


def _octal(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogatepass"))
