"""How answers look: tables for people, JSON and YAML for programs.

All text in them is from outside: whoever can push, start a run or give a reason wrote it. What a terminal
would obey or hide is escaped here, in tables by a form that shows it, in JSON and YAML by their own, so that
what is read back is the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from attrs import frozen

from pinwheel.core.text import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 10_000
"""A table that goes to a file or another program is cut nowhere, unless $COLUMNS says how wide it may be."""


def emit(value: Any, form: str, render: Callable[[Console], None], stream: TextIO) -> None:
    """Write *value* as ``json`` or ``yaml``, or let *render* draw it."""
    if form == "json":
        stream.write(as_json(value, indent=2) + "\n")
    elif form == "yaml":
        stream.write(_as_yaml(value))
    else:
        render(console_for(stream))
    stream.flush()


def as_json(value: Any, **how: Any) -> str:
    """JSON that can be shown; *how* as for ``json.dumps``."""
    return visible_json(json.dumps(value, ensure_ascii=False, **how))


def _as_yaml(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def represent(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        quoted = '"' if visible(data, keep="\n") != data else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=quoted)

    Dumper.add_representer(str, represent)
    Dumper.add_multi_representer(StrEnum, lambda dumper, word: represent(dumper, word.value))
    # Only double-quoted text holds what is escaped here, and there YAML has the same escapes.
    return visible(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True), keep="\n")


def console_for(stream: TextIO) -> Console:
    """A console that draws colours on a terminal only."""
    import os

    from pinwheel.cli.terminal import make_console

    width = None
    if not is_terminal(stream):
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdigit() and int(columns) > 20 else PIPED_WIDTH
    return make_console(file=stream, width=width, soft_wrap=False, emoji=False, markup=False)


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


@frozen
class Column:
    """One column of a table."""

    heading: str
    right: bool = False
    cut: bool = False
    """May be cut short, with an ellipsis, down to a few words."""
    least: int = 14
    """Of one that may be cut: other columns are left out before it is cut to less."""
    spare: int = 0
    """Cut, and then left out, where the terminal is too narrow, the highest number first; 0: always shown."""
    fold: bool = False
    """Broken into lines where nothing else helps; without one, the first column is."""
    time: bool = False
    """Holds times: its heading names their zone."""

    @property
    def head(self) -> str:
        return f"{self.heading} ({_zone()})" if self.time else self.heading


def show_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    """Draw a table that fits the console.

    Where it would be too wide, cells that may be cut are cut, then columns that can be spared are left out,
    and at last one column is folded.
    """
    from rich import box
    from rich.table import Table

    kept, widths = _fitted(columns, rows, console.width)
    folded = _folded(columns, kept)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold", show_edge=False)
    for place in kept:
        column = columns[place]
        made.add_column(
            column.head,
            justify="right" if column.right else "left",
            width=widths[place],
            no_wrap=place != folded,
            overflow="fold" if place == folded else "ellipsis",
        )
    for row in rows:
        made.add_row(*(row[place] for place in kept))
    console.print(made)


def _folded(columns: Sequence[Column], kept: Sequence[int]) -> int:
    return next((place for place in kept if columns[place].fold), kept[0])


def _fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], available: int
) -> tuple[list[int], dict[int, int]]:
    from rich.cells import cell_len

    widths = {
        place: max([cell_len(column.head), *(row[place].cell_len for row in rows)])
        for place, column in enumerate(columns)
    }
    least = {
        place: min(width, columns[place].least) if columns[place].cut else width
        for place, width in widths.items()
    }
    kept = list(widths)

    def needed(of: dict[int, int]) -> int:
        return sum(of[place] for place in kept) + _GAP * (len(kept) - 1)

    def narrow(place: int, to: int) -> None:
        widths[place] = max(min(to, widths[place]), widths[place] - max(0, needed(widths) - available))

    while needed(least) > available and any(columns[place].spare for place in kept):
        kept.remove(max(kept, key=lambda place: columns[place].spare))
    cut = sorted(
        (place for place in kept if columns[place].cut), key=lambda place: columns[place].spare, reverse=True
    )
    for place in cut:
        narrow(place, least[place])
    narrow(_folded(columns, kept), _LEAST)
    for place in cut:
        narrow(place, _LEAST)
    return kept, widths


_LEAST = 14
_GAP = 3
"""Blanks between two columns, as rich draws them with one blank on each side of its separator."""


def text(value: Any, style: str = "", *, keep: str = "") -> Text:
    """A value as it is shown, on one line; *keep* as in :func:`pinwheel.core.text.visible`."""
    from rich.text import Text

    return Text("" if value is None else visible(str(value), keep), style=style)


def badges(items: Iterable[tuple[str, str]], otherwise: tuple[str, str] = ("ok", "green")) -> Text:
    """Words side by side, each in its own style."""
    shown = list(items) or [otherwise]
    return text(" ").join(text(word, style) for word, style in shown)


def short_time(value: str | None, *, now: datetime | None = None) -> str:
    """An ISO instant in local time, with the year where it is another one.

    For a table, whose heading names the zone; what summer time makes another one is named with the time.
    """
    if not value:
        return ""
    at, today = datetime.fromisoformat(value).astimezone(), (now or datetime.now().astimezone()).astimezone()
    shown = at.strftime("%d %b %H:%M:%S" if at.year == today.year else "%d %b %Y %H:%M")
    return shown if at.tzname() == today.tzname() else f"{shown} {at.tzname()}"


def time_and_zone(value: str | None) -> str:
    """The same for a sentence."""
    if not value:
        return ""
    shown, zone = short_time(value), datetime.fromisoformat(value).astimezone().tzname()
    return shown if shown.endswith(f" {zone}") else f"{shown} {zone}"


def _zone() -> str:
    return datetime.now().astimezone().tzname() or "local"


def short_version(version: str | None) -> str:
    """The first eight characters of a commit id; other versions as they are."""
    if not version:
        return ""
    if len(version) >= 40 and all(c in "0123456789abcdef" for c in version[:40]):
        return version[:8]
    return version


def first_line(value: str | None, limit: int = 60) -> str:
    lines = (value or "").strip().splitlines()
    if not lines:
        return ""
    return lines[0] if len(lines[0]) <= limit else lines[0][: limit - 1].rstrip() + "…"


def last_line(value: str | None, limit: int = 100) -> str:
    """Where a traceback says what happened."""
    lines = (value or "").strip().splitlines()
    return first_line(lines[-1], limit) if lines else ""


def version_of(view: dict[str, Any]) -> str:
    """Label and short bundle version of a view that has both."""
    return " ".join(part for part in (view.get("label"), short_version(view.get("bundle_version"))) if part)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def names(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in values)


def some(values: Sequence[Any], limit: int = 3) -> str:
    """The first few by name, the others counted."""
    more = len(values) - limit
    return names(values) if more <= 0 else f"{names(values[:limit])} and {more} more"


def warn(message: str) -> None:
    """A line on standard error."""
    print(visible(message), file=sys.stderr, flush=True)
