"""What a walk down would drop, in a file; and back from it after the next walk up.

The file is gzipped lines of JSON: a header, one line for each row, and a last line with their number and a
signature over all before it. A file without that last line was cut off, and is not restored.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pinwheel.core.errors import HostError, InvalidInput, Refused
from pinwheel.reconcile.installed import open_path, path_exists
from pinwheel.reconcile.losses import Loss
from pinwheel.reconcile.signing import ALTERED, Keys, same, unknown_key
from pinwheel.reconcile.strategy import Downgrade

_FORMAT = 1
_BATCH = 1000


@frozen
class Restored:
    """What came back, by table or column, and what did not: its row is gone, or holds something newer."""

    back: dict[str, int]
    left: dict[str, int]


def require_new(path: str) -> None:
    """
    :raises Refused: something is there: an older snapshot is never overwritten.
    """
    if path_exists(path):
        raise Refused(
            "Cannot write the snapshot",
            found=f"{path} exists",
            remedy="Name another path; a snapshot is never overwritten",
        )


def write(connection: Connection, path: str, walk: Downgrade, losses: Sequence[Loss], keys: Keys) -> int:
    """Save every row that a loss counts; the number of rows. The file is complete when this returns.

    :raises Refused: there is no Fernet key to sign it with.
    """
    key = keys.first
    stream = key.stream()
    number = 0
    with open_path(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:

        def line(value: Any) -> None:
            data = json.dumps(value, separators=(",", ":")).encode() + b"\n"
            stream.update(data)
            packed.write(data)

        line(
            {
                "pinwheel_snapshot": _FORMAT,
                "key_id": key.id,
                "from_revision": walk.from_revision,
                "from_version": walk.from_version,
                "to_revision": walk.to_revision,
                "to_version": walk.to_version,
            }
        )
        for loss in losses:
            if not loss.counts:
                continue
            for row in _rows(connection, loss):
                line({"table": loss.table, "column": loss.column, "row": row})
                number += 1
        packed.write(json.dumps({"end": number, "signature": stream.hexdigest()}).encode() + b"\n")
    return number


def _rows(connection: Connection, loss: Loss) -> Iterator[dict[str, Any]]:
    table = sa.Table(loss.table, sa.MetaData(), autoload_with=connection, resolve_fks=False)
    wanted: list[Any] = list(table.columns)
    if loss.column:
        wanted = [*table.primary_key.columns, table.c[loss.column]]
    query = sa.select(*dict.fromkeys(wanted))
    if loss.where:
        query = query.where(sa.text(loss.where.replace(":", "\\:")))
    found = connection.execution_options(stream_results=True, yield_per=_BATCH).execute(query)
    for row in found.mappings():
        yield {name: _plain(value) for name, value in row.items()}


def restore(connection: Connection, path: str, keys: Keys) -> Restored:
    """Put the rows of a snapshot back, in the caller's transaction. Safe to repeat.

    A row that is there is left alone, and so is a column that holds something by now.

    :raises Refused: the file is not what this deployment wrote, or the schema has no place for it.
    """
    header = _verified(path, keys)
    metadata = sa.MetaData()
    tables: dict[str, sa.Table] = {}
    back: dict[str, int] = {}
    left: dict[str, int] = {}
    existing = set(sa.inspect(connection).get_table_names())
    with _unpacked(path) as lines:
        for line in lines:
            told = json.loads(line)
            if "row" not in told:
                continue
            name, column = told["table"], told["column"]
            if name not in tables:
                if name not in existing:
                    raise _too_old(header, name)
                tables[name] = sa.Table(name, metadata, autoload_with=connection, resolve_fks=False)
            table = tables[name]
            if column and column not in table.c:
                raise _too_old(header, f"{name}.{column}")
            row = {
                key: _typed(table.c[key].type, value) for key, value in told["row"].items() if key in table.c
            }
            done = _put_column(connection, table, column, row) if column else _put_row(connection, table, row)
            place = f"{name}.{column}" if column else name
            counts = back if done else left
            counts[place] = counts.get(place, 0) + 1
    return Restored(back, left)


def dump(url: str, path: str) -> None:
    """A full ``pg_dump`` of the database, in its own compressed format.

    :raises Refused: it is no PostgreSQL, or there is no ``pg_dump`` here.
    """
    parsed = sa.make_url(url)
    program = shutil.which("pg_dump")
    if parsed.get_backend_name() != "postgresql" or program is None:
        raise Refused(
            "Cannot write a full dump",
            found="there is no pg_dump in this image" if program is None else "the database is no PostgreSQL",
            remedy="Make a backup with the tools of your database, and leave --full out",
        )
    env = {**os.environ, "PGPASSWORD": parsed.password or ""}
    command = [program, "--format=custom", "--no-password"]
    for option, value in (
        ("--host", parsed.host),
        ("--port", parsed.port),
        ("--username", parsed.username),
        ("--dbname", parsed.database),
    ):
        if value:
            command.append(f"{option}={value}")
    with tempfile.TemporaryDirectory(prefix="pinwheel-dump-") as folder:
        file = Path(folder) / "dump"
        done = subprocess.run(
            [*command, f"--file={file}"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise HostError(
                "Cannot write a full dump",
                found=(done.stderr.strip().splitlines() or ["pg_dump failed"])[-1][:300],
                remedy="Use a pg_dump at least as new as the server, or leave --full out",
            )
        with file.open("rb") as source, open_path(path, "wb") as target:
            shutil.copyfileobj(source, target)


def _verified(path: str, keys: Keys) -> dict[str, Any]:
    """The header of a file that one of our keys signed and that is whole."""

    def refuse(found: str) -> Refused:
        return Refused(
            "Cannot restore the snapshot",
            found=found,
            remedy="Name the file that pinwheel db reconcile --snapshot wrote for this deployment",
        )

    if not path_exists(path):
        raise InvalidInput("Cannot restore the snapshot", found=f"there is no file {path}")
    keys.require()
    try:
        with _unpacked(path) as lines:
            first = lines.readline()
            header = json.loads(first)
            if not isinstance(header, dict) or header.get("pinwheel_snapshot") != _FORMAT:
                raise refuse("the file is no snapshot of Pinwheel")
            key_id = str(header.get("key_id"))
            key = keys.named(key_id)
            if key is None:
                raise refuse(unknown_key(key_id))
            stream, line = key.stream(), first
            while following := lines.readline():
                stream.update(line)
                line = following
            last = json.loads(line)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise refuse(f"it can not be read: {error}") from error
    if not isinstance(last, dict) or "signature" not in last:
        raise refuse("it has no end: writing it was cut off")
    if not same(stream.hexdigest(), str(last["signature"])):
        raise refuse(ALTERED)
    return header


@contextlib.contextmanager
def _unpacked(path: str) -> Iterator[gzip.GzipFile]:
    with open_path(path, "rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as lines:
        yield lines


def _put_row(connection: Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    same = [table.c[key.name] == row[key.name] for key in table.primary_key.columns if key.name in row]
    if same and connection.execute(sa.select(sa.literal(1)).select_from(table).where(*same)).first():
        return False
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(row))
    except IntegrityError:
        # What it belongs to is gone: a run was deleted, an asset removed.
        return False
    return True


def _put_column(connection: Connection, table: sa.Table, column: str, row: dict[str, Any]) -> bool:
    same = [table.c[key.name] == row[key.name] for key in table.primary_key.columns]
    now = connection.execute(sa.select(table.c[column]).where(*same)).first()
    if now is None:
        return False
    default = table.c[column].server_default
    empty = now[0] in (None, False, "") or (
        default is not None and str(now[0]) in str(getattr(default, "arg", "")).strip("()'")
    )
    if not empty:
        return bool(now[0] == row[column])
    try:
        with connection.begin_nested():
            connection.execute(table.update().where(*same).values({column: row[column]}))
    except IntegrityError:
        return False
    return True


def _too_old(header: dict[str, Any], place: str) -> Refused:
    return Refused(
        "Cannot restore the snapshot",
        found=f"this schema has no {place}",
        remedy=f"Bring the schema back to Airflow {header['from_version']} first: airflow db migrate",
    )


def _plain(value: Any) -> Any:
    """A value of a row as JSON has it."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Decimal):
        return str(value)
    return value


def _typed(kind: Any, value: Any) -> Any:
    """Back from :func:`_plain`, by the type of the column."""
    if value is None:
        # In a column of JSON, None would be stored as JSON's null.
        return sa.null() if isinstance(kind, sa.JSON) else None
    if isinstance(kind, sa.JSON):
        return value
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, sa.Date):
        return date.fromisoformat(value)
    if isinstance(kind, sa.Interval):
        return timedelta(seconds=value)
    if isinstance(kind, sa.Uuid):
        return UUID(value)
    if isinstance(kind, sa.LargeBinary):
        return base64.b64decode(value)
    if isinstance(kind, sa.Numeric) and isinstance(value, str):
        return Decimal(value)
    return value
