"""Requests that were carried out, and what was answered: so that a repeat changes nothing again."""

from __future__ import annotations

from attrs import asdict
from attrs.filters import exclude
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from pinwheel.core.json import Json
from pinwheel.core.records import AnsweredRequest
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing


def claim(session: Session, key: str, request: AnsweredRequest) -> bool:
    """Note a request that is about to be carried out; False when one stands under the key.

    Waits for another transaction that is about to note the same key: it is there, or it never was.
    """
    values = asdict(request, filter=exclude("answer"))
    return bool(insert_missing(session, t.request, {"request_id": key, **values}, ["request_id"]))


def add(session: Session, key: str, request: AnsweredRequest) -> None:
    """Note a request, under a key that nobody else can have, with what was answered."""
    session.execute(insert(t.request).values(request_id=key, **asdict(request, recurse=False)))


def answer(session: Session, key: str, answer: Json) -> None:
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
