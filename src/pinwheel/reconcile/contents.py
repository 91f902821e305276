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
from sqlalchemy import Connection

from pinwheel.reconcile.history import release_of

_NEW_FORM_SINCE = (3, 2, 0)
_OLD_TYPE, _OLD_VALUE = "__type", "__var"
_CLASS, _DATA = "__classname__", "__data__"
_COLUMNS = (("trigger", "kwargs", True), ("task_instance", "next_kwargs", False))
"""Table, column, and whether it is encrypted. Both tables have the key ``id``."""


class Unreadable(ValueError):
    """The older Airflow has no way to write a value of this class."""


@frozen
class Contents:
    """What is to be written anew, and what can not be."""

    rewritten: dict[str, int]
    """``trigger.kwargs`` -> number of rows."""
    unreadable: dict[str, tuple[str, ...]]
    """``trigger.kwargs`` -> the classes that the older Airflow can not read."""


def crosses(from_version: str, to_version: str) -> bool:
    return release_of(from_version) >= _NEW_FORM_SINCE > release_of(to_version)


def inspect(connection: Connection, keys: Sequence[str]) -> Contents:
    """Which rows :func:`rewrite` would change."""
    return _each(connection, keys, None)


def rewrite(connection: Connection, keys: Sequence[str]) -> Contents:
    """Write every row that can be in the old form, in the caller's transaction. Safe to repeat."""

    def store(table: sa.Table, key: Any, column: str, value: Any) -> None:
        connection.execute(table.update().where(table.c.id == key).values({column: value}))

    return _each(connection, keys, store)


def _each(
    connection: Connection, keys: Sequence[str], store: Callable[[sa.Table, Any, str, Any], None] | None
) -> Contents:
    rewritten: dict[str, int] = {}
    unreadable: dict[str, tuple[str, ...]] = {}
    metadata = sa.MetaData()
    for name, column, encrypted in _COLUMNS:
        table = sa.Table(name, metadata, autoload_with=connection, resolve_fks=False)
        rows = connection.execute(
            sa.select(table.c.id, table.c[column]).where(table.c[column].is_not(None))
        ).all()
        for key, stored in rows:
            try:
                value = _decrypted(stored, keys) if encrypted else stored
                value = json.loads(value) if isinstance(value, str) else value
                if not value or _is_old(value):
                    continue
                old = to_old_form(value)
            except ValueError as error:
                place = f"{name}.{column}"
                unreadable[place] = tuple(sorted({*unreadable.get(place, ()), str(error)}))
                continue
            rewritten[f"{name}.{column}"] = rewritten.get(f"{name}.{column}", 0) + 1
            if store:
                store(table, key, column, _encrypted(json.dumps(old), keys) if encrypted else old)
    return Contents(rewritten, unreadable)


def to_old_form(value: Any) -> Any:
    """A value as ``airflow.sdk.serde`` encodes it -> as Airflow 3.1's ``BaseSerialization`` does.

    :raises Unreadable: it has no old form.
    """
    if isinstance(value, list):
        return [to_old_form(item) for item in value]
    if not isinstance(value, dict) or _is_old(value):
        return value
    if _CLASS not in value:
        return {_OLD_TYPE: "dict", _OLD_VALUE: {key: to_old_form(item) for key, item in value.items()}}
    name: str = value[_CLASS]
    data: Any = value.get(_DATA)
    if name in ("datetime.datetime", "pendulum.datetime.DateTime"):
        return {_OLD_TYPE: "datetime", _OLD_VALUE: float(data["timestamp"])}
    if name == "datetime.timedelta":
        return {_OLD_TYPE: "timedelta", _OLD_VALUE: float(data)}
    if name == "builtins.tuple":
        return {_OLD_TYPE: "tuple", _OLD_VALUE: [to_old_form(item) for item in data]}
    if name in ("builtins.set", "builtins.frozenset"):
        return {_OLD_TYPE: "set", _OLD_VALUE: [to_old_form(item) for item in data]}
    raise Unreadable(str(name))


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
