"""What decides which bundle versions stay fetchable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, union
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.retention import ReleaseFact
from pinwheel.store import tables as t


def dags_of_bundle(session: Session, bundle_name: str) -> list[str]:
    """Dags of which a build from this bundle was released, in order of id."""
    query = (
        select(t.release.c.dag_id)
        .join(t.build, t.build.c.id == t.release.c.build_id)
        .where(t.build.c.bundle_name == bundle_name)
    )
    return list(session.scalars(query.distinct().order_by(t.release.c.dag_id)))


def ledgers(session: Session, dag_ids: Sequence[str]) -> dict[str, list[ReleaseFact]]:
    """All releases of these Dags, by Dag."""
    r = t.release.c
    found: dict[str, list[ReleaseFact]] = {}
    for chunk in chunks(dag_ids):
        rows = session.execute(
            select(r.dag_id, r.release, r.build_id, r.dag_version_id, r.created_at).where(r.dag_id.in_(chunk))
        )
        for dag_id, number, build_id, version_id, at in rows:
            fact = ReleaseFact(number=number, build_id=build_id, dag_version_id=version_id, at=at)
            found.setdefault(dag_id, []).append(fact)
    return found


def tried_builds(session: Session, dag_ids: Sequence[str]) -> dict[str, set[int]]:
    """Builds of these Dags that have a version for trials, by Dag."""
    found: dict[str, set[int]] = {}
    for chunk in chunks(dag_ids):
        query = select(t.trial.c.dag_id, t.trial.c.build_id).where(t.trial.c.dag_id.in_(chunk))
        for dag_id, build_id in session.execute(query):
            found.setdefault(dag_id, set()).add(build_id)
    return found


def released_versions(session: Session, bundle_name: str, numbers: Mapping[str, Collection[int]]) -> set[str]:
    """The versions of this bundle that these releases, numbers by Dag, are of."""
    found: set[str] = set()
    for chunk in chunks(sorted(numbers)):
        rows = session.execute(
            select(t.release.c.dag_id, t.release.c.release, t.release.c.bundle_version)
            .join(t.build, t.build.c.id == t.release.c.build_id)
            .where(t.release.c.dag_id.in_(chunk), t.build.c.bundle_name == bundle_name)
        )
        found |= {row[2] for row in rows if row[2] and row[1] in numbers[row[0]]}
    return found


def other_versions(session: Session, bundle_name: str) -> set[str]:
    """The versions of this bundle that trials and the newest builds are of."""
    tried = (
        select(t.trial.c.bundle_version)
        .join(t.build, t.build.c.id == t.trial.c.build_id)
        .where(t.build.c.bundle_name == bundle_name)
    )
    newest = (
        select(t.build.c.bundle_version)
        .join(t.dag, t.dag.c.newest_build_id == t.build.c.id)
        .where(t.build.c.bundle_name == bundle_name)
    )
    return {row[0] for row in session.execute(union(tried, newest)) if row[0]}


def mark(session: Session, bundle_name: str) -> tuple[Any, ...]:
    """What changes with each release, trial, build and version of the bundle: cheap to compare."""
    return (
        session.scalar(select(t.bundle.c.head_seq).where(t.bundle.c.name == bundle_name)),
        *session.execute(select(func.max(t.release.c.id), func.max(t.release.c.created_at))).one(),
        session.scalar(select(func.max(t.build.c.id))),
        session.scalar(select(func.max(t.trial.c.created_at))),
    )
