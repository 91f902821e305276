"""Rows, the table and the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

COLUMNS = ("Item", "Target", "Stock Airflow", "Pinwheel", "Verdict")
_STYLES = {"met": "bold green", "missed": "bold red", "error": "bold red"}


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table. ``met``: whether Pinwheel reached the target; None where there is none."""

    item: str
    what: str
    target: str = ""
    stock: str = "-"
    pinwheel: str = "-"
    ratio: str = ""
    met: bool | None = None
    error: str | None = None

    @property
    def verdict(self) -> str:
        word = "error" if self.error else {True: "met", False: "missed", None: ""}[self.met]
        return " · ".join(part for part in (word, self.error or self.ratio) if part)

    def cells(self) -> tuple[str, ...]:
        return (f"({self.item}) {self.what}", self.target, self.stock, self.pinwheel, self.verdict)


def failed(item: str, what: str, error: BaseException) -> Row:
    """An item that could not be measured; the first line says why, the rest went to the screen."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return Row(item=item, what=what, error=text[:160])


def show(rows: Sequence[Row], console: Console, title: str) -> None:
    table = Table(title=title, title_justify="left", show_lines=True)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for row in rows:
        *cells, verdict = row.cells()
        style = _STYLES.get(verdict.split(" ")[0], "")
        table.add_row(*cells, f"[{style}]{verdict}[/]" if style else verdict)
    console.print(table)


def write(
    path: Path, rows: Sequence[Row], *, facts: Mapping[str, Any], options: Mapping[str, Any], raw: Any
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "facts": dict(facts),
        "options": dict(options),
        "rows": [{**attrs.asdict(row), "verdict": row.verdict} for row in rows],
        "measured": raw,
    }
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")


def markdown(documents: Sequence[Mapping[str, Any]]) -> str:
    """The table for README and docs, from the JSON of one run or of several that measured other items."""
    rows = [
        Row(**{name: value for name, value in stored.items() if name != "verdict"})
        for document in documents
        for stored in document["rows"]
    ]
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- | --- | ---: | ---: | --- |"]
    for row in sorted(rows, key=lambda row: row.item):
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells()) + " |")
    facts = documents[0]["facts"]
    version = next((d["facts"]["postgresql"] for d in documents if d["facts"].get("postgresql")), "?")
    lines += [
        "",
        f"{facts['cpus']} cores ({facts['cpu']}), {facts['memory_gb']} GB, {facts['system']}; "
        f"Python {facts['python']}, Airflow {facts['airflow']}, PostgreSQL {version}; {facts['at'][:10]}.",
        *(_sizes(document) for document in documents),
    ]
    return "\n".join(lines)


def _sizes(document: Mapping[str, Any]) -> str:
    items = sorted({row["item"] for row in document["rows"]})
    files = f"{document['options']['files']} Dag files, " if {*items} & {"a", "c", "d"} else ""
    return f"({', '.join(items)}): {files}load of the machine before: {document['facts']['load_before']}."
