"""Tables of what is expected over a full product of states.

A table's columns are dimensions, a row holds what is expected of all states that its cells name: ``*`` is
any, ``a|b`` are two. A dimension that a table does not name makes no difference.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Set

Dimensions = Mapping[str, tuple[str, ...]]


def product(dimensions: Dimensions) -> Iterator[dict[str, str]]:
    for values in itertools.product(*dimensions.values()):
        yield dict(zip(dimensions, values, strict=True))


def rows_of(
    table: str, dimensions: Dimensions, groups: Mapping[str, Set[str]] | None = None
) -> list[tuple[dict[str, set[str]], str]]:
    """Each row's values by column, and its outcome. A cell may name a group of values."""
    groups = groups or {}
    head, *lines = (line.split(" => ") for line in table.strip().splitlines())
    columns = head[0].split()
    rows = []
    for cells, outcome in lines:
        row = {}
        for column, cell in zip(columns, cells.split(), strict=True):
            known = set(dimensions[column])
            named = [groups[n] & known if n in groups else {n} for n in cell.split("|") if n != "*"]
            row[column] = set().union(*named) if cell != "*" else known
            assert row[column] <= known, f"{cell} is not of {column}"
        rows.append((row, outcome.strip()))
    return rows


class Expected:
    """The rows of a table. Each state has exactly one row, and in the end each row had states."""

    def __init__(self, rows: list[tuple[dict[str, set[str]], str]]) -> None:
        self.rows = rows
        self.unused = set(range(len(rows)))
        self.wrong: list[str] = []

    def compare(
        self, state: Mapping[str, str], answer: str, means: Callable[[str], str] = lambda outcome: outcome
    ) -> None:
        """``means`` gives the answer that an outcome stands for in this state."""
        found = [
            n for n, (row, _) in enumerate(self.rows) if all(state[c] in cell for c, cell in row.items())
        ]
        expected = [means(self.rows[n][1]) for n in found]
        if expected != [answer]:
            self.wrong.append(f"{dict(state)}: {answer}, expected {expected}")
        self.unused -= set(found)

    def verify(self) -> None:
        assert not self.wrong, f"{len(self.wrong)} states, such as\n" + "\n".join(self.wrong[:10])
        assert not self.unused, f"rows without a state: {[self.rows[n] for n in sorted(self.unused)]}"
