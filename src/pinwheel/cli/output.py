"""How answers look: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPED_WIDTH = 160
"""Columns of a table that goes to a file or another program, where nothing says how wide it may be."""


def emit(value: Any, form: str, render: Callable[[Console], None], stream: TextIO) -> None:
    """Write *value* as ``json`` or ``yaml``, or let *render* draw it."""
    if form == "json":
        stream.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    elif form == "yaml":
        import yaml

        yaml.safe_dump(value, stream, sort_keys=False, allow_unicode=True)
    else:
        render(console_for(stream))
    stream.flush()


def console_for(stream: TextIO) -> Console:
    """A console that draws colours on a terminal only."""
    import os

    from rich.console import Console

    width = None
    if not is_terminal(stream):
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdigit() and int(columns) > 20 else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def table(*columns: str | tuple[str, dict[str, Any]]) -> Table:
    """An open table; a column is its heading, or heading and options of rich's ``add_column``."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold", show_edge=False)
    for column in columns:
        name, options = column if isinstance(column, tuple) else (column, {})
        made.add_column(name, **{"overflow": "fold", **options})
    return made


def text(value: Any, style: str = "") -> Text:
    from rich.text import Text

    return Text("" if value is None else str(value), style=style)


def badges(items: Iterable[tuple[str, str]], otherwise: tuple[str, str] = ("ok", "green")) -> Text:
    """Words side by side, each in its own style."""
    from rich.text import Text

    shown = list(items) or [otherwise]
    return Text(" ").join(Text(word, style=style) for word, style in shown)


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
    print(message, file=sys.stderr)
