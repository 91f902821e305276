"""What is told apart when a database raises: a value that it never takes, and trouble of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import exc

from pinwheel.core.digest import unstorable_values
from pinwheel.core.errors import HostError
from pinwheel.store.refusals import is_hopeless, is_locked, may_pass, said
from pinwheel.wiring import translated


class Driver(Exception):
    """An error of a driver."""

    def __init__(self, *args: Any, pgcode: str | None = None) -> None:
        super().__init__(*args)
        self.pgcode = pgcode


def raised(
    kind: type[exc.DBAPIError], *args: Any, statement: str = "x", params: Any = None, **kw: Any
) -> exc.DBAPIError:
    return kind(statement, params or {}, Driver(*args, **kw))


PASSING = [
    raised(exc.OperationalError, "server closed the connection unexpectedly"),
    raised(exc.OperationalError, "deadlock detected", pgcode="40P01"),
    raised(exc.OperationalError, "canceling statement due to lock timeout", pgcode="55P03"),
    raised(exc.OperationalError, "could not serialize access", pgcode="40001"),
    raised(exc.OperationalError, "could not extend file: No space left on device", pgcode="53100"),
    raised(exc.InternalError, "cannot execute INSERT in a read-only transaction", pgcode="25006"),
    raised(exc.ProgrammingError, 'relation "dag" does not exist', pgcode="42P01"),
    raised(exc.ProgrammingError, "permission denied for table dag", pgcode="42501"),
    raised(exc.OperationalError, 1205, "Lock wait timeout exceeded; try restarting transaction"),
    raised(exc.OperationalError, 2006, "MySQL server has gone away"),
    raised(exc.OperationalError, "database is locked"),
    raised(exc.OperationalError, "no such table: pinwheel_file"),
    exc.TimeoutError("QueuePool limit reached"),
    HostError("Cannot reach the metadata database"),
    ConnectionResetError("reset"),
]
LOCKED = [
    raised(exc.OperationalError, "database is locked"),
    raised(exc.OperationalError, "database table is locked: pinwheel_dag"),
    raised(exc.OperationalError, 'deadlock detected\nCONTEXT: of relation "pinwheel_dag"', pgcode="40P01"),
    raised(exc.OperationalError, "could not serialize access", pgcode="40001"),
    raised(exc.OperationalError, "could not obtain lock on row", pgcode="55P03"),
    raised(exc.OperationalError, 1205, "Lock wait timeout exceeded; try restarting transaction"),
    raised(exc.OperationalError, 1213, "Deadlock found when trying to get lock"),
]
REFUSED = [
    raised(exc.DataError, "value too long for type character varying(2000)", pgcode="22001"),
    raised(exc.DataError, "unsupported Unicode escape sequence", pgcode="22P05"),
    raised(exc.IntegrityError, "violates foreign key constraint", pgcode="23503"),
    raised(exc.OperationalError, "index row size exceeds btree maximum", pgcode="54000"),
    raised(exc.DataError, 1406, "Data too long for column 'name' at row 1"),
    raised(exc.OperationalError, 1366, "Incorrect string value: '\\xED' for column 'name'"),
    raised(exc.OperationalError, "too many SQL variables"),
    raised(exc.ProgrammingError, "Error binding parameter 3: type 'object' is not supported"),
    raised(exc.DataError, "string or blob too big"),
    exc.StatementError("(builtins.TypeError)", "x", {}, TypeError("not JSON serializable")),
    ValueError("A string literal cannot contain NUL (0x00) characters."),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    RecursionError("maximum recursion depth exceeded"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_trouble_of_the_database_may_pass(error: Exception) -> None:
    assert may_pass(error)
    assert not is_hopeless(error)


@pytest.mark.parametrize("error", REFUSED, ids=str)
def test_a_value_that_is_refused_would_be_again(error: Exception) -> None:
    assert not may_pass(error)


@pytest.mark.parametrize("error", LOCKED, ids=str)
def test_of_what_others_were_writing_too_it_is_said_to_try_again(error: Exception) -> None:
    said = translated(error)
    assert is_locked(error) and isinstance(said, HostError)
    assert said.message.startswith("Cannot use Airflow's database: ")
    assert said.remedy == "Try again in a few seconds: others write to it"


@pytest.mark.parametrize("error", [*PASSING, *REFUSED], ids=str)
def test_nothing_else_is_taken_for_that(error: Exception) -> None:
    words = ("deadlock", "lock timeout", "serialize access", "Lock wait", "is locked")
    assert is_locked(error) == any(word in str(error) for word in words)


def test_a_lost_connection_may_pass_whatever_the_driver_calls_it() -> None:
    error = exc.DBAPIError("x", {}, Driver("odd"), connection_invalidated=True)
    assert may_pass(error)
    assert may_pass(exc.InterfaceError("x", {}, Driver("closed"), connection_invalidated=True))


def test_only_where_two_write_the_same_row_a_refusal_is_tried_again_at_once() -> None:
    assert not is_hopeless(raised(exc.IntegrityError, "duplicate key value", pgcode="23505"))
    assert is_hopeless(raised(exc.DataError, "value too long", pgcode="22001"))


def test_what_was_wrong_is_told_with_its_place_but_without_the_value() -> None:
    error = raised(
        exc.DataError,
        "value too long for type character varying(10)\nDETAIL: secret\n",
        statement="INSERT INTO dag_tag (name, dag_id) VALUES (%(name__0)s, %(dag_id__0)s)",
        params=[{"name__0": "secret-of-many-letters", "dag_id__0": "a"}],
    )
    assert said(error) == (
        "the database said: value too long for type character varying(10) (column name of table dag_tag)"
    )
    assert said(raised(exc.DataError, 1406, "Data too long")) == "the database said: Data too long"
    assert said(ValueError("no")) == "ValueError: no"
    assert said(KeyError()) == "KeyError: KeyError"


def test_odd_values_of_a_dag_are_found_where_they_stand() -> None:
    task = {"__type": "operator", "__var": {"task_id": "t", "retries": math.inf, "doc_md": "\x00"}}
    data = {"dag": {"tags": ["a\ud800"], "tasks": [task], "params": {"x\x00": 1}, "fine": 1.5}}
    assert list(unstorable_values(data)) == [
        ("tags[0]", "half of a surrogate pair"),
        ("tasks[t].retries", "the number inf"),
        ("tasks[t].doc_md", "a NUL character"),
        ("params", "a NUL character"),
    ]
