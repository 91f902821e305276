"""The ledger of rejections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, evolve
from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.rejection import NewRejection, Rejection
from pinwheel.store import stands
from pinwheel.store import tables as t


def of_dags(session: Session, dag_ids: Collection[str]) -> dict[str, list[Rejection]]:
    """The rejections of these Dags that were not lifted, by Dag, oldest first."""
    parts = (t.rejection.c.dag_id.in_(chunk) for chunk in chunks(sorted(set(dag_ids))))
    return _by_dag(session, [_not_lifted().where(part) for part in parts])


def of_bundle(session: Session, bundle_name: str) -> dict[str, list[Rejection]]:
    """As :func:`of_dags`, of all Dags of a bundle."""
    query = _not_lifted().join(t.dag, t.dag.c.dag_id == t.rejection.c.dag_id)
    return _by_dag(session, [query.where(t.dag.c.bundle_name == bundle_name)])


def _not_lifted() -> Any:
    return select(t.rejection).where(t.rejection.c.lifted_at.is_(None)).order_by(t.rejection.c.id)


def _by_dag(session: Session, queries: Iterable[Any]) -> dict[str, list[Rejection]]:
    found: dict[str, list[Rejection]] = {}
    for query in queries:
        for row in session.execute(query):
            found.setdefault(row.dag_id, []).append(Rejection.from_row(row._mapping))
    return found


def of_dag(session: Session, dag_id: str) -> list[Rejection]:
    """The rejections of one Dag that were not lifted, oldest first."""
    return of_dags(session, [dag_id]).get(dag_id, [])


def of_newest(session: Session, dag_ids: Collection[str] | None = None) -> dict[str, Rejection]:
    """The rejection of the newest build of each of these Dags (all without), of those that have one.

    It is of the build, or of the newest version in which that stands.
    """
    c = t.rejection.c
    query = (
        select(t.rejection)
        .join(t.dag, t.dag.c.dag_id == c.dag_id)
        .join(t.build, t.build.c.id == t.dag.c.newest_build_id)
        .where(_covers(), c.lifted_at.is_(None))
        .order_by(c.id)
    )
    parts = (
        [query] if dag_ids is None else [query.where(c.dag_id.in_(p)) for p in chunks(sorted(set(dag_ids)))]
    )
    found = [Rejection.from_row(row._mapping) for part in parts for row in session.execute(part)]
    of_versions = {each.build_id for each in found if each.of_versions}
    heads = stands.newest_heads(session, of_versions) if of_versions else {}
    return {each.dag_id: each for each in found if each.holds_at(heads.get(each.build_id))}


def build_ids(session: Session, rejections: Mapping[str, Iterable[Rejection]]) -> set[int]:
    """Ids of all builds that these rejections cover wherever they stand."""
    found: set[int] = set()
    ids = [each.id for some in rejections.values() for each in some if each.first_seq is None]
    for chunk in chunks(sorted(ids)):
        query = (
            select(t.build.c.id)
            .join(t.rejection, t.rejection.c.dag_id == t.build.c.dag_id)
            .where(t.rejection.c.id.in_(chunk), _covers())
        )
        found.update(session.scalars(query))
    return found


def _covers() -> Any:
    return or_(
        t.rejection.c.build_id == t.build.c.id,
        and_(
            t.rejection.c.inputs_digest.is_not(None), t.rejection.c.inputs_digest == t.build.c.inputs_digest
        ),
    )


def add_all(session: Session, new: Sequence[NewRejection]) -> None:
    """Add rejections to the ledger."""
    if new:
        session.execute(insert(t.rejection), [asdict(rejection) for rejection in new])


def come_back(session: Session, bundle_name: str, seq: int, new_seq: int) -> None:
    """What is rejected in a version of a bundle, the one with this ``seq``, is so in it under another one."""
    c = t.rejection.c
    rows = session.execute(
        select(t.rejection)
        .join(t.dag, t.dag.c.dag_id == c.dag_id)
        .where(
            t.dag.c.bundle_name == bundle_name, c.lifted_at.is_(None), c.first_seq <= seq, c.last_seq >= seq
        )
        .order_by(c.id)
    )
    add_all(
        session,
        [evolve(NewRejection.from_row(row._mapping), first_seq=new_seq, last_seq=new_seq) for row in rows],
    )


def lift(session: Session, ids: Collection[int], *, actor: str, reason: str | None, now: datetime) -> None:
    """Take rejections back; the record of them stays."""
    for chunk in chunks(sorted(set(ids))):
        session.execute(
            update(t.rejection)
            .where(t.rejection.c.id.in_(chunk))
            .values(lifted_at=now, lifted_by=actor, lifted_reason=reason)
        )
