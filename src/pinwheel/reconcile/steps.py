"""How far a migration step came, on a database that cannot take one back: MySQL and MariaDB.

There each change of the schema is final at once, so a walk that dies leaves half of a step behind. The child
process therefore writes down every changing statement of the step that it is in, on the same connection:

- a statement that changes rows is committed, or lost, together with its note;
- one that changes the schema commits all before it, so at most its own note can be missing.

When the step is run again, the statements that were noted are passed over. The first that was not may have
happened all the same; if the database then says that there is nothing left to do, it has.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

TABLE = "pinwheel_walk"
"""Only there while a walk is under way, or after one died."""
_JOURNAL = "pinwheel_reconcile"
_BEGUN = -1

_READS = re.compile(r"\s*(SELECT|SHOW|DESCRIBE|DESC|EXPLAIN|SET|SAVEPOINT|RELEASE|ROLLBACK|COMMIT)\b", re.I)
_CHANGES_SCHEMA = re.compile(r"\s*(ALTER|CREATE|DROP|RENAME)\b", re.I)
# Exists: 1022 key, 1050 table, 1060 column, 1061 index, 1068 primary key, 1304 procedure, 1826 and 1005
# foreign key, 3822 check. Is gone: 1051 and 1146 table, 1054 column, 1091 anything dropped, 1305 procedure,
# 3821 and 3940 check.
_NOTHING_TO_DO = {1022, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146, 1304, 1305, 1826, 3821, 3822, 3940}
_FOREIGN_KEY_EXISTS = (1005, "errno: 121")


class StepChanged(Exception):
    """Run again, the step does something else than before: it looked at what it had changed."""

    remedy = "Restore the database from a backup, and repeat"


class Steps:
    """Notes what the steps of one walk do, and passes over what was noted by one that died."""

    def __init__(self, connection: Any, undone: list[str]) -> None:
        self._connection = connection
        self._undone = undone
        self._walk = ""
        self._done: list[str] = []
        self._again = False
        self._next = 0
        self._number = 0

    def begin(self) -> int | None:
        """How many statements of the first step are done already; None: no walk died inside of it."""
        import sqlalchemy as sa

        c = self._connection
        c.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (walk VARCHAR(64) NOT NULL, revision VARCHAR(64) NOT NULL, "
            "number INTEGER NOT NULL, statement CHAR(64) NOT NULL, PRIMARY KEY (revision, number)) "
            "COMMENT = 'What the step under way has done; gone when the walk has ended.'"
        )
        # This walk's entry, and the one that it took up. Notes of any other are of another time: of before
        # a backup was restored, say.
        known: list[str] = []
        if sa.inspect(c).has_table(_JOURNAL):
            rows = c.exec_driver_sql(
                f"SELECT id, UNIX_TIMESTAMP(started_at) FROM {_JOURNAL} ORDER BY id DESC LIMIT 2"
            )
            known = [f"{row[0]} {row[1]}" for row in rows]
        self._walk = known[0] if known else "0"
        step = self._undone[0]
        rows = c.execute(
            sa.text(f"SELECT number, statement, walk FROM {TABLE} WHERE revision = :step ORDER BY number"),
            {"step": step},
        ).all()
        rows = [row for row in rows if row.walk in (known or ["0"])]
        self._again = bool(rows)
        self._done = [row.statement for row in rows if row.number != _BEGUN]
        if self._again:
            c.execute(sa.text(f"UPDATE {TABLE} SET walk = :walk"), {"walk": self._walk})
        else:
            c.exec_driver_sql(f"DELETE FROM {TABLE}")
            self._note(c.connection.cursor(), step, _BEGUN, "")
        c.commit()
        sa.event.listen(c.engine, "do_execute", self._execute)
        sa.event.listen(c.engine, "do_executemany", self._execute_many)
        return len(self._done) if self._again else None

    def ended(self, number: int) -> None:
        """The walk's first so many steps are done; in the transaction that writes the version down."""
        cursor = self._connection.connection.cursor()
        cursor.execute(f"DELETE FROM {TABLE}")
        self._done, self._again, self._next = [], False, 0
        if number < len(self._undone):
            self._note(cursor, self._undone[number], _BEGUN, "")
        self._number = number

    def close(self) -> None:
        """The walk has reached its target."""
        self._connection.connection.cursor().execute(f"DROP TABLE {TABLE}")

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        return self._run(cursor, cursor.execute, statement, parameters, context)

    def _execute_many(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        return self._run(cursor, cursor.executemany, statement, parameters, context)

    def _run(self, cursor: Any, execute: Any, statement: str, parameters: Any, context: Any) -> bool:
        """True: the statement was dealt with, here or before the death."""
        if context.root_connection is not self._connection or _READS.match(statement):
            return False
        if self._number >= len(self._undone):
            return False
        digest = hashlib.sha256(f"{statement}\0{parameters!r}".encode()).hexdigest()
        number = self._next
        self._next += 1
        if number < len(self._done):
            if self._done[number] != digest:
                raise StepChanged(
                    f"migration {self._undone[self._number]} was cut off after {len(self._done)} statements, "
                    f"and its statement {number + 1} is now another: {' '.join(statement.split())[:150]}"
                )
            return True
        try:
            execute(statement, parameters)
        except Exception as error:
            unsure = self._again and number == len(self._done)
            if not (unsure and _CHANGES_SCHEMA.match(statement) and _says_nothing_to_do(error)):
                raise
        self._note(cursor.connection.cursor(), self._undone[self._number], number, digest)
        return True

    def _note(self, cursor: Any, revision: str, number: int, digest: str) -> None:
        # Not through SQLAlchemy: its events are ours. The values need no escape.
        cursor.execute(f"INSERT INTO {TABLE} VALUES ('{self._walk}', '{revision}', {number}, '{digest}')")


def _says_nothing_to_do(error: Exception) -> bool:
    code = error.args[0] if error.args else None
    return code in _NOTHING_TO_DO or (
        code == _FOREIGN_KEY_EXISTS[0] and _FOREIGN_KEY_EXISTS[1] in str(error).lower()
    )
