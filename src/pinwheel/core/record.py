"""A row of a table as a value."""

from __future__ import annotations

from typing import Any, Protocol, Self

from attrs import fields, frozen


class Row(Protocol):
    """A row by column, as SQLAlchemy's ``RowMapping`` is."""

    def __getitem__(self, column: str, /) -> Any: ...


@frozen(kw_only=True)
class Record:
    """A row with all columns that its class names."""

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """The value of a row by column; columns that the class does not name are left out."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})
