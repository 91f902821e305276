"""Dags whose runs are judged when they start: what the scheduler reads of each run that it starts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.record import Record
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing


class RuleKind(StrEnum):
    """Why a Dag's runs are judged."""

    DATED = "dated"
    """It has eras, or its active build has task windows: its row carries the mark."""
    CANARY = "canary"
    """A rollout counts its runs."""


@frozen(kw_only=True)
class StartRule(Record):
    """Runs of a Dag are judged when they start, since then."""

    dag_id: str
    kind: RuleKind = field(converter=RuleKind)
    patience: float | None
    """Seconds that a run waits to be judged; None: without end."""
    since: datetime


def of_dags(session: Session, dag_ids: Collection[str]) -> dict[str, list[StartRule]]:
    """By Dag, its rules; Dags without any are left out."""
    found: dict[str, list[StartRule]] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        for row in session.execute(select(t.start_rule).where(t.start_rule.c.dag_id.in_(chunk))).mappings():
            found.setdefault(row["dag_id"], []).append(StartRule.from_row(row))
    return found


def dated(session: Session, dag_ids: Collection[str] | None = None) -> set[str]:
    """The Dags (of these, or all) whose runs are judged by their dates."""
    query = select(t.start_rule.c.dag_id).where(t.start_rule.c.kind == RuleKind.DATED.value)
    if dag_ids is None:
        return set(session.scalars(query))
    return {
        dag_id
        for chunk in chunks(sorted(set(dag_ids)))
        for dag_id in session.scalars(query.where(t.start_rule.c.dag_id.in_(chunk)))
    }


def dated_since(session: Session, since: datetime) -> set[str]:
    """The Dags whose runs are judged by their dates since then, or later."""
    c = t.start_rule.c
    return set(session.scalars(select(c.dag_id).where(c.kind == RuleKind.DATED.value, c.since >= since)))


def add(
    session: Session,
    dag_ids: Collection[str],
    kind: RuleKind,
    *,
    now: datetime,
    patience: float | None = None,
) -> None:
    """Judge runs of these Dags from now on; what is there already stays."""
    rows = [
        {"dag_id": dag_id, "kind": kind.value, "patience": patience, "since": now}
        for dag_id in sorted(dag_ids)
    ]
    for chunk in chunks(rows):
        insert_missing(session, t.start_rule, list(chunk), ("dag_id", "kind"))


def remove(session: Session, dag_ids: Collection[str], kind: RuleKind) -> None:
    """Judge runs of these Dags by this no longer."""
    for chunk in chunks(sorted(set(dag_ids))):
        session.execute(
            delete(t.start_rule).where(t.start_rule.c.dag_id.in_(chunk), t.start_rule.c.kind == kind.value)
        )
