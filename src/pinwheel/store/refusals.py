"""Told apart: a database that does not take a value, now or ever, and one that will take it later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import exc

from pinwheel.core.errors import HostError

_OF_VALUES = ("21", "22", "23", "54")
"""Classes of SQLSTATE that speak of what was to be written: cardinality, data, constraints, limits."""

_OF_VALUES_MYSQL = frozenset(
    {1048, 1062, 1118, 1153, 1264, 1265, 1292, 1300, 1301, 1364, 1366, 1406, 1451, 1452, 3140, 3141}
)
"""As mysqlclient gives many of these as OperationalError, which elsewhere is the database's own trouble."""

_OF_VALUES_SQLITE = ("too many SQL variables", "too many columns", "too large", "too big", "too long")


_OF_LOCKS = ("40001", "40P01", "55P03")
"""SQLSTATEs of what two did at once: serialization, deadlock, a lock that was not to be had."""

_OF_LOCKS_MYSQL = frozenset({1205, 1213, 3572})


def may_pass(error: BaseException) -> bool:
    """Whether the same may work later: the database was away, busy, locked, or not as it should be.

    Any other error is one of what was to be written: it would come again each time.
    """
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or not _of_values(error)
    if isinstance(error, exc.StatementError):
        return False
    # A pool without a free connection, a row that somebody else changed.
    return isinstance(error, (exc.SQLAlchemyError, HostError, OSError))


def is_hopeless(error: BaseException) -> bool:
    """Whether not even a repetition at once is of use, as it is where two write the same row."""
    return (
        isinstance(error, exc.StatementError)
        and not isinstance(error, exc.IntegrityError)
        and not may_pass(error)
    )


def is_locked(error: BaseException) -> bool:
    """Whether others were writing the same at the same time: it was undone, and works in a moment."""
    if not isinstance(error, exc.DBAPIError):
        return False
    state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return (
        state in _OF_LOCKS
        or (isinstance(number, int) and number in _OF_LOCKS_MYSQL)
        or (isinstance(number, str) and re.match(r"database( table| schema)? is locked", number) is not None)
    )


def is_of_content(error: BaseException) -> bool:
    """Whether what was to be written is at fault: neither time nor a repetition changes anything."""
    if isinstance(error, exc.SQLAlchemyError):
        return is_hopeless(error)
    return not may_pass(error)


def _of_values(error: exc.DBAPIError) -> bool:
    state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_OF_VALUES)
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if isinstance(number, int) and number in _OF_VALUES_MYSQL:
        return True
    if isinstance(error, exc.OperationalError):
        return any(part in str(error.orig) for part in _OF_VALUES_SQLITE)
    if isinstance(error, exc.ProgrammingError):
        # Of SQLite: a value of a type that it does not know. Elsewhere a table or a right that is missing.
        return "binding parameter" in str(error.orig)
    return isinstance(error, (exc.DataError, exc.IntegrityError, exc.InterfaceError, exc.NotSupportedError))


def said(error: BaseException) -> str:
    """What was wrong, in one clause, with the place if the error tells it. Never a value that was refused."""
    original = error.orig if isinstance(error, exc.StatementError) and error.orig is not None else error
    arguments = original.args
    # MySQL: number and text.
    first = arguments[1] if len(arguments) == 2 and isinstance(arguments[0], int) else str(original)
    lines = str(first).strip().splitlines()
    text = (lines[0] if lines else type(original).__name__).rstrip(". ")
    if isinstance(error, exc.DBAPIError):
        text = f"the database said: {text}"
    else:
        text = f"{type(original).__name__}: {text}"
    return text + _place(error, text)


def _place(error: BaseException, text: str) -> str:
    if not isinstance(error, exc.StatementError) or not error.statement:
        return ""
    table = re.match(
        r'\s*(?:INSERT\s+(?:IGNORE\s+)?INTO|UPDATE)\s+["`]?(\w+)', error.statement, re.IGNORECASE
    )
    if table is None:
        return ""
    longest = re.search(r"\((\d+)\)", text)
    most = int(longest[1]) if longest else None
    columns = {
        re.sub(r"__\d+$", "", name)
        for name, value in _values(error.params)
        if isinstance(value, str) and ((most is not None and len(value) > most) or "\x00" in value)
    }
    of_column = f"column {' or '.join(sorted(columns))} of " if columns else ""
    return f" ({of_column}table {table[1]})"


def _values(params: Any) -> Iterator[tuple[str, Any]]:
    for item in params if isinstance(params, (list, tuple)) else [params]:
        if isinstance(item, Mapping):
            yield from ((str(name), value) for name, value in item.items())
