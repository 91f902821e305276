"""Requests that were carried out, and what was answered: so that a repeat changes nothing again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from pinwheel.core.records import AnsweredRequest
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing


def claim(
    session: Session,
    key: str,
    *,
    actor: str,
    fingerprint: str,
    verb: str,
    dag_ids: Collection[str],
    now: datetime,
) -> bool:
    """Note a request that is about to be carried out; False when one stands under the key.

    Waits for another transaction that is about to note the same key: it is there, or it never was.
    """
    values = _values(key, actor, fingerprint, verb, dag_ids, now)
    return bool(insert_missing(session, t.request, values, ["request_id"]))


def add(
    session: Session,
    key: str,
    *,
    actor: str,
    fingerprint: str,
    verb: str,
    dag_ids: Collection[str],
    now: datetime,
    answer: Any,
) -> None:
    """Note a request, under a key that nobody else can have, with what was answered."""
    values = _values(key, actor, fingerprint, verb, dag_ids, now)
    session.execute(insert(t.request).values(**values, answer=answer))


def _values(
    key: str, actor: str, fingerprint: str, verb: str, dag_ids: Collection[str], now: datetime
) -> dict[str, Any]:
    return {
        "request_id": key,
        "actor": actor,
        "fingerprint": fingerprint,
        "verb": verb,
        "dag_ids": sorted(set(dag_ids)),
        "at": now,
    }


def answer(session: Session, key: str, answer: Any) -> None:
    """Keep what was answered to a request that was claimed."""
    session.execute(update(t.request).where(t.request.c.request_id == key).values(answer=answer))


def one(session: Session, key: str) -> AnsweredRequest | None:
    """The request of a key, held until the transaction ends: of two that go on with it one waits."""
    query = select(t.request).where(t.request.c.request_id == key).with_for_update()
    row = session.execute(query).one_or_none()
    return AnsweredRequest.from_row(row._mapping) if row else None


def forget_unanswered(session: Session, key: str) -> None:
    """Drop the claim of a request that failed."""
    session.execute(delete(t.request).where(t.request.c.request_id == key, t.request.c.answer.is_(None)))
