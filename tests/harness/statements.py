"""The statements that the database of Airflow in this process gets."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from harness.faults import airflow_engine


class Counted:
    """The statements inside, apart: those of Airflow's own bulk write of Dag rows, and all others."""

    def __init__(self) -> None:
        self.own: list[str] = []
        self.airflows: list[str] = []

    def __enter__(self) -> Counted:
        sa.event.listen(airflow_engine(), "before_cursor_execute", self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(airflow_engine(), "before_cursor_execute", self._seen)

    def _seen(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        (self.airflows if _in_bulk_write() else self.own).append(" ".join(statement.split()))

    @property
    def reads(self) -> Counter[str]:
        """Tables by how many statements of ours read them."""
        read = [each for each in self.own if each.startswith("SELECT")]
        return Counter(table for each in read for table in set(re.findall(r"(?:FROM|JOIN) (\w+)", each)))

    @property
    def writes(self) -> Counter[str]:
        """Tables by how many statements, Airflow's too, write them."""
        return Counter(
            found[1]
            for each in (*self.own, *self.airflows)
            if (found := re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", each))
        )


@contextmanager
def transactions() -> Iterator[list[list[str]]]:
    """The statements of each transaction inside, in a list of its own."""
    engine, seen = airflow_engine(), [[]]  # type: ignore[var-annotated]

    def statement(conn: Any, cursor: Any, text: str, *_: Any) -> None:
        seen[-1].append(" ".join(text.split()))

    def begun(*_: Any) -> None:
        seen.append([])

    sa.event.listen(engine, "before_cursor_execute", statement)
    sa.event.listen(engine, "begin", begun)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", statement)
        sa.event.remove(engine, "begin", begun)


def _in_bulk_write() -> bool:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "bulk_write_to_db":
            return True
    return False
