"""Rules of the platform. None is ever changed: one that is in force no more is lifted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import exists, insert, or_, select, true, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.rule import Rule
from pinwheel.core.release.serialized import rule_from_json, rule_to_json
from pinwheel.store import tables as t


@frozen(kw_only=True)
class StoredRule:
    """A rule, who made it and, if it is not in force any more, who lifted it."""

    id: int
    rule: Rule
    document: str | None
    """The name of the platform's document that has it; None: somebody made it alone."""
    actor: str
    reason: str | None
    at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_reason: str | None = None


def live(session: Session) -> tuple[StoredRule, ...]:
    """All that were not lifted, those of documents first, each document in its order."""
    c = t.rule.c
    query = select(t.rule).where(c.lifted_at.is_(None)).order_by(c.document.is_(None), c.position, c.id)
    return tuple(_stored(row) for row in session.execute(query))


def anything(session: Session, dag_ids: Collection[str] | None, *, former: bool = True) -> bool:
    """Whether a rule or a policy is in force, or one of these Dags (None: any) ever had a rollout: one
    statement for as many as one takes.

    With *former* also whether one of them is still judged by a policy that is retired.
    """
    rollouts, judged = t.rollout.c.dag_id, t.dag.c.dag_id
    standing = [exists().where(t.rule.c.lifted_at.is_(None)), exists().where(t.policy.c.retired_at.is_(None))]
    parts = [None] if dag_ids is None else list(chunks(sorted(set(dag_ids)))) or [()]
    for part in parts:
        own = [true(), true()] if part is None else [rollouts.in_(part), judged.in_(part)]
        wanted = [*standing, exists().where(own[0], rollouts.is_not(None))]
        if former:
            wanted.append(exists().where(own[1], t.dag.c.policy_id.is_not(None)))
        if session.scalar(select(or_(*wanted))):
            return True
    return False


def one(session: Session, rule_id: int) -> StoredRule | None:
    row = session.execute(select(t.rule).where(t.rule.c.id == rule_id)).one_or_none()
    return None if row is None else _stored(row)


def add(
    session: Session,
    rules: Sequence[Rule],
    *,
    document: str | None,
    actor: str,
    reason: str | None,
    now: datetime,
    first: int = 0,
) -> list[int]:
    """Put rules in force; their ids, in this order. *first* is the position of the first in its document."""
    return [
        _id(
            session.execute(
                insert(t.rule).values(
                    name=rule.name,
                    kind=rule.kind.value,
                    document=document,
                    position=first + at,
                    body=rule_to_json(rule),
                    actor=actor,
                    reason=reason,
                    at=now,
                )
            )
        )
        for at, rule in enumerate(rules)
    ]


def add_by_hand(session: Session, rule: Rule, *, actor: str, reason: str, now: datetime) -> StoredRule:
    """Put one rule in force that nobody has named: its name is made of its kind and its id."""
    (rule_id,) = add(session, [rule], document=None, actor=actor, reason=reason, now=now)
    rule = evolve(rule, name=f"{rule.kind}-{rule_id}")
    named = {"name": rule.name, "body": rule_to_json(rule)}
    session.execute(update(t.rule).where(t.rule.c.id == rule_id).values(**named))
    return StoredRule(
        id=rule_id,
        rule=rule,
        document=None,
        actor=actor,
        reason=reason,
        at=now,
    )


def replace(
    session: Session, document: str, rules: Sequence[Rule], *, actor: str, reason: str | None, now: datetime
) -> tuple[list[str], list[str]]:
    """Let these be all the rules of a document, in this order; names of the added and of the lifted ones.

    One that says what it said before stays as it is. One that says something else is both.
    """
    c = t.rule.c
    query = select(t.rule).where(c.document == document, c.lifted_at.is_(None))
    former = {row.name: row for row in session.execute(query)}
    stays = {
        rule.name for rule in rules if rule.name in former and rule_from_json(former[rule.name].body) == rule
    }
    gone = [row for name, row in former.items() if name not in stays]
    lift(session, [row.id for row in gone], actor=actor, reason=reason, now=now)
    for at, rule in enumerate(rules):
        if rule.name not in stays:
            add(session, [rule], document=document, actor=actor, reason=reason, now=now, first=at)
        elif former[rule.name].position != at:
            session.execute(update(t.rule).where(c.id == former[rule.name].id).values(position=at))
    return [rule.name for rule in rules if rule.name not in stays], [row.name for row in gone]


def lift(session: Session, ids: Collection[int], *, actor: str, reason: str | None, now: datetime) -> int:
    """End rules; the record of them stays. How many were in force until now."""
    lifted = 0
    for chunk in chunks(sorted(set(ids))):
        done = session.execute(
            update(t.rule)
            .where(t.rule.c.id.in_(chunk), t.rule.c.lifted_at.is_(None))
            .values(lifted_at=now, lifted_by=actor, lifted_reason=reason)
        )
        lifted += int(getattr(done, "rowcount", 0))
    return lifted


def _id(done: Any) -> int:
    return int(done.inserted_primary_key[0])


def _stored(row: Any) -> StoredRule:
    return StoredRule(
        id=row.id,
        rule=rule_from_json(row.body),
        document=row.document,
        actor=row.actor,
        reason=row.reason,
        at=row.at,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        lifted_reason=row.lifted_reason,
    )
