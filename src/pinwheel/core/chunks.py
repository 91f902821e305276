"""A long sequence in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """The values in their order, in pieces of at most *size*. No piece is empty; no values, no pieces.

    Databases limit the number of bound parameters in one statement (SQLite before 3.32 to 999), and each
    value of an ``IN`` list is one. The default leaves room for those of the rest of the statement.
    """
    for start in range(0, len(values), size):
        yield values[start : start + size]
