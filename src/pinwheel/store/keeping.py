"""What decides which bundle versions stay fetchable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true, union
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


def live_builds(session: Session, dag_ids: Sequence[str]) -> dict[str, set[int]]:
    """By Dag, builds that its rollouts name which have not ended: what is on its way, and where that would go
    back to."""
    c = t.rollout.c
    found: dict[str, set[int]] = {}
    for chunk in chunks(dag_ids):
        query = select(c.dag_id, c.build_id, c.proven_build_id).where(
            c.dag_id.in_(chunk), c.slot.is_not(None)
        )
        for dag_id, *build_ids in session.execute(query):
            found.setdefault(dag_id, set()).update(i for i in build_ids if i is not None)
    return found


def released_versions(session: Session, bundle_name: str, numbers: Mapping[str, Collection[int]]) -> set[str]:
    """The versions of this bundle that these releases, numbers by Dag, are of, or that they stood in last."""
    found: set[str] = set()
    last = _last_versions(bundle_name)
    for chunk in chunks(sorted(numbers)):
        rows = session.execute(
            select(t.release.c.dag_id, t.release.c.release, t.release.c.bundle_version, last.c.last_version)
            .join(t.build, t.build.c.id == t.release.c.build_id)
            .outerjoin(last, last.c.build_id == t.release.c.build_id)
            .where(t.release.c.dag_id.in_(chunk), t.build.c.bundle_name == bundle_name)
        )
        for dag_id, number, *versions in rows:
            if number in numbers[dag_id]:
                found.update(version for version in versions if version)
    return found


def _last_versions(bundle_name: str) -> Any:
    """By build, the versions in which its spans in this bundle ended."""
    return (
        select(t.stand.c.build_id, t.stand.c.last_version)
        .where(t.stand.c.bundle_name == bundle_name, t.stand.c.last_version.is_not(None))
        .subquery()
    )


def other_versions(session: Session, bundle_name: str, *, since: datetime) -> set[str]:
    """The versions of this bundle that are needed whatever was released.

    Those that trials and the newest builds are of, that Dags follow to and followed to before, that eras
    name, that are on their way or were proven, and all that it showed *since*, or that somebody asked about.
    """
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
    of_dags = [
        select(column).where(t.dag.c.bundle_name == bundle_name)
        for column in (t.dag.c.follow_version, t.dag.c.follow_before)
    ]
    places = (
        (t.rollout, t.rollout.c.build_id, t.rollout.c.bundle_version, t.rollout.c.slot.is_not(None)),
        (t.rollout, t.rollout.c.proven_build_id, t.rollout.c.proven_version, t.rollout.c.slot.is_not(None)),
        (t.dag, t.dag.c.proven_build_id, t.dag.c.proven_version, true()),
    )
    on_their_way = [
        select(version)
        .select_from(table.join(t.build, t.build.c.id == build_id))
        .where(t.build.c.bundle_name == bundle_name, only)
        for table, build_id, version, only in places
    ]
    shown = select(t.bundle_version.c.version).where(
        t.bundle_version.c.bundle_name == bundle_name,
        t.bundle_version.c.seq > 0,
        t.bundle_version.c.first_seen_at >= since,
    )
    head = select(t.bundle.c.head_version).where(t.bundle.c.name == bundle_name)
    eras = (
        select(t.era.c.bundle_version)
        .join(t.build, t.build.c.id == t.era.c.build_id)
        .where(t.build.c.bundle_name == bundle_name, in_newest_revision())
    )
    asked = (
        select(t.trial_parse.c.bundle_version)
        .join(t.build, t.build.c.id == t.trial_parse.c.build_id)
        .where(t.build.c.bundle_name == bundle_name, t.trial_parse.c.asked_at >= since)
    )
    every = union(tried, newest, *of_dags, *on_their_way, shown, head, eras, asked)
    return {row[0] for row in session.execute(every) if row[0]}


def in_newest_revision() -> Any:
    """Whether an era stands in its Dag's timeline as it is."""
    newest = t.timeline.alias("newest")
    last = (
        select(func.max(newest.c.revision))
        .where(newest.c.dag_id == t.era.c.dag_id)
        .correlate(t.era)
        .scalar_subquery()
    )
    return t.era.c.revision == last


def mark(session: Session, bundle_name: str) -> tuple[Any, ...]:
    """What changes with each release, trial, build, version of the bundle, timeline, and begin or end of a
    rollout: cheap to compare."""
    return (
        session.scalar(select(t.bundle.c.head_seq).where(t.bundle.c.name == bundle_name)),
        *session.execute(select(func.max(t.release.c.id), func.max(t.release.c.created_at))).one(),
        session.scalar(select(func.max(t.build.c.id))),
        session.scalar(select(func.max(t.trial.c.created_at))),
        session.scalar(select(func.max(t.timeline.c.at))),
        session.scalar(select(func.max(t.trial_parse.c.asked_at))),
        *session.execute(select(func.max(t.rollout.c.id), func.max(t.rollout.c.ended_at))).one(),
    )
