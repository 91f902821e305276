"""Row contents that an older Airflow cannot read, written anew in the form that it can.

Airflow 3.2 stores the arguments of triggers and of deferred tasks in another form than 3.0 and 3.1, which
fail on it (``KeyError: '__var'``, airflow#68317). Newer ones read both forms, so the old one is written
before the walk: if the walk then fails, nothing is broken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import Connection

from pinwheel.reconcile.revisions import release_of

_NEW_FORM_SINCE = (3, 2, 0)
_OLD_TYPE, _OLD_VALUE = "__type", "__var"
_CLASS, _DATA = "__classname__", "__data__"
_ZONES = ("pendulum.tz.timezone.Timezone", "pendulum.tz.timezone.FixedTimezone", "zoneinfo.ZoneInfo")
_COLUMNS = (
    ("trigger", "kwargs", True),
    ("task_instance", "next_kwargs", False),
    ("task_instance_history", "next_kwargs", False),
)
"""Table, column, and whether it is encrypted. Airflow 3.4 has no table of the history."""


class Unreadable(ValueError):
    """What is stored can not be read here either."""


@frozen
class Contents:
    """What is to be written anew, and what can not be."""

    rewritten: dict[str, int]
    """``trigger.kwargs`` -> number of rows."""
    unreadable: dict[str, tuple[str, ...]]
    """``trigger.kwargs`` -> the classes that the older Airflow can not read."""


def crosses(from_version: str, to_version: str) -> bool:
    """Whether the older Airflow may find the new form. A version that nobody here knows is a newer one."""
    newer = release_of(from_version)
    return release_of(to_version) < _NEW_FORM_SINCE and (newer >= _NEW_FORM_SINCE or newer == (0, 0, 0))


def inspect(connection: Connection, keys: Sequence[str]) -> Contents:
    """Which rows :func:`rewrite` would change."""
    return _each(connection, keys, None)


def rewrite(connection: Connection, keys: Sequence[str]) -> Contents:
    """Write every row in the old form, in the caller's transaction. Safe to repeat.

    One value that it can not read would keep the whole older scheduler or triggerer from starting, so what
    has no old form becomes text.
    """

    def store(table: sa.Table, key: Any, column: str, value: Any) -> None:
        [own] = list(table.primary_key.columns)
        connection.execute(table.update().where(own == key).values({column: value}))

    return _each(connection, keys, store)


def _each(
    connection: Connection, keys: Sequence[str], store: Callable[[sa.Table, Any, str, Any], None] | None
) -> Contents:
    rewritten: dict[str, int] = {}
    unreadable: dict[str, tuple[str, ...]] = {}
    metadata = sa.MetaData()
    there = set(sa.inspect(connection).get_table_names())
    for name, column, encrypted in _COLUMNS:
        if name not in there:
            continue
        place = f"{name}.{column}"
        table = sa.Table(name, metadata, autoload_with=connection, resolve_fks=False)
        [own] = list(table.primary_key.columns)
        rows = connection.execute(sa.select(own, table.c[column]).where(table.c[column].is_not(None))).all()
        for key, stored in rows:
            unknown: set[str] = set()
            old = None
            try:
                value = _decrypted(stored, keys) if encrypted else stored
                value = json.loads(value) if isinstance(value, str) else value
                if value is None or _is_old(value):
                    continue
                old = to_old_form(value, unknown)
            except ValueError as error:
                unknown.add(str(error))
            if unknown:
                unreadable[place] = tuple(sorted({*unreadable.get(place, ()), *unknown}))
            else:
                rewritten[place] = rewritten.get(place, 0) + 1
            if store and old is not None:
                store(table, key, column, _encrypted(json.dumps(old), keys) if encrypted else old)
    return Contents(rewritten, unreadable)


def to_old_form(value: Any, unknown: set[str]) -> Any:
    """A value as ``airflow.sdk.serde`` encodes it -> as Airflow 3.1's ``BaseSerialization`` does.

    What has no old form becomes text, as Airflow 3.1 itself writes it; its class is put into ``unknown``.
    """
    if isinstance(value, list):
        return [to_old_form(item, unknown) for item in value]
    if not isinstance(value, dict) or _is_old(value):
        return value
    if _CLASS not in value:
        return _old("dict", {key: to_old_form(item, unknown) for key, item in value.items()})
    name: str = value[_CLASS]
    data: Any = value.get(_DATA)
    if name in ("datetime.datetime", "pendulum.datetime.DateTime"):
        return _old("datetime", float(data["timestamp"]))
    if name == "datetime.timedelta":
        return _old("timedelta", float(data))
    if name in _ZONES:
        return _old("timezone", data)
    if name == "builtins.tuple":
        return _old("tuple", [to_old_form(item, unknown) for item in data])
    if name in ("builtins.set", "builtins.frozenset"):
        return _old("set", [to_old_form(item, unknown) for item in data])
    unknown.add(str(name))
    return data if isinstance(data, str) else json.dumps(data)


def _old(kind: str, content: Any) -> dict[str, Any]:
    return {_OLD_TYPE: kind, _OLD_VALUE: content}


def _is_old(value: Any) -> bool:
    return isinstance(value, dict) and _OLD_TYPE in value and _OLD_VALUE in value


def _fernet(keys: Sequence[str]) -> Any:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key.encode()) for key in keys])


def _decrypted(text: str, keys: Sequence[str]) -> str:
    from cryptography.fernet import InvalidToken

    if text.startswith("{") or not text:
        return text
    if not keys:
        return text
    try:
        return str(_fernet(keys).decrypt(text.encode()).decode())
    except InvalidToken:
        raise Unreadable("something encrypted with another Fernet key") from None


def _encrypted(text: str, keys: Sequence[str]) -> str:
    return str(_fernet(keys).encrypt(text.encode()).decode()) if keys else text
