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
    spare: int = 0
    """Left out where the terminal is too narrow, the highest number first; 0: always shown."""


def show_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    """Draw a table that fits the console.

    Where it would be too wide, cells that may be cut are cut, then columns that can be spared are left out,
    and at last the first column is folded.
    """
    from rich import box
    from rich.table import Table

    kept, widths = _fitted(columns, rows, console.width)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold", show_edge=False)
    for place in kept:
        column = columns[place]
        made.add_column(
            column.heading,
            justify="right" if column.right else "left",
            width=widths[place],
            no_wrap=place != kept[0],
            overflow="fold" if place == kept[0] else "ellipsis",
        )
    for row in rows:
        made.add_row(*(row[place] for place in kept))
    console.print(made)


def _fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], available: int
) -> tuple[list[int], dict[int, int]]:
    from rich.cells import cell_len

    widths = {
        place: max([cell_len(column.heading), *(row[place].cell_len for row in rows)])
        for place, column in enumerate(columns)
    }
    least = {place: min(width, _LEAST) if columns[place].cut else width for place, width in widths.items()}
    kept = list(widths)

    def needed(of: dict[int, int]) -> int:
        return sum(of[place] for place in kept) + _GAP * (len(kept) - 1)

    while needed(least) > available and any(columns[place].spare for place in kept):
        kept.remove(max(kept, key=lambda place: columns[place].spare))
    for place in kept:
        if columns[place].cut:
            widths[place] = max(least[place], widths[place] - max(0, needed(widths) - available))
    if needed(widths) > available:
        first = kept[0]
        widths[first] = max(_LEAST, widths[first] - (needed(widths) - available))
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
    """An ISO instant in local time, as short as it can be understood: the time today, else the date."""
    if not value:
        return ""
    at = datetime.fromisoformat(value).astimezone()
    today = (now or datetime.now().astimezone()).astimezone()
    if at.date() == today.date():
        return at.strftime("%H:%M:%S")
    if at.year == today.year:
        return at.strftime("%d %b %H:%M")
    return at.strftime("%d %b %Y")


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


def warn(message: str) -> None:
    """A line on standard error."""
    print(visible(message), file=sys.stderr, flush=True)
