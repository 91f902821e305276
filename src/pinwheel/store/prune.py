"""Reading what may be removed, and removing it. What may go is decided in :mod:`pinwheel.core.retention`.

Everything comes in pages, for transactions that stay short however much there is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, case, delete, func, or_, select, union
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.retention import BuildFact, ParseFact
from pinwheel.store import tables as t
from pinwheel.store.keeping import in_newest_revision, live_builds

_AT_ONCE = 200


def dags_after(session: Session, after: str, limit: int) -> list[str]:
    """The next Dags that have builds or broken builds, in order of id."""
    of_builds = select(t.build.c.dag_id).where(t.build.c.dag_id > after)
    of_broken = select(t.broken_build.c.dag_id).where(t.broken_build.c.dag_id > after)
    both = union(of_builds, of_broken).subquery()
    return list(session.scalars(select(both.c.dag_id).order_by(both.c.dag_id).limit(limit)))


def build_facts(session: Session, dag_ids: Sequence[str]) -> dict[str, list[BuildFact]]:
    """All builds of these Dags, by Dag."""
    found: dict[str, list[BuildFact]] = {}
    for chunk in chunks(dag_ids):
        rows = session.execute(
            select(t.build.c.dag_id, t.build.c.id, t.build.c.build).where(t.build.c.dag_id.in_(chunk))
        )
        for dag_id, build_id, number in rows:
            found.setdefault(dag_id, []).append(BuildFact(build_id, number))
    return found


def named_builds(session: Session, dag_ids: Sequence[str]) -> set[int]:
    """Builds of these Dags that a release, a trial, a rejection, a binding, an outcome or the Dag names.

    Those that are on their way, and to which that would go back; and those that its timeline names as it is:
    of earlier revisions their numbers stay.
    """
    found: set[int] = set()
    for chunk in chunks(dag_ids):
        columns = (
            t.release.c.build_id, t.trial.c.build_id, t.binding.c.build_id, t.outcome.c.build_id,
            t.rejection.c.build_id, t.dag.c.active_build_id, t.dag.c.newest_build_id,
            t.dag.c.proven_build_id,
        )  # fmt: skip
        for column in columns:
            rows = session.scalars(select(column).where(column.table.c.dag_id.in_(chunk)).distinct())
            found |= {build_id for build_id in rows if build_id is not None}
        eras = select(t.era.c.build_id).where(t.era.c.dag_id.in_(chunk), in_newest_revision())
        found |= set(session.scalars(eras.distinct()))
    return found | {build_id for some in live_builds(session, dag_ids).values() for build_id in some}


def standing_parses(session: Session) -> dict[int, frozenset[int]]:
    """The parses that files stand on, with the builds that they gave."""
    query = select(t.parse.c.id, t.parse.c.builds).join(t.file, t.file.c.parse_id == t.parse.c.id)
    return {parse_id: frozenset(dict(builds).values()) for parse_id, builds in session.execute(query)}


def remove_builds(session: Session, build_ids: Collection[int]) -> None:
    """Remove builds that nothing names. Raises an IntegrityError for one that another row needs."""
    for chunk in chunks(sorted(build_ids), _AT_ONCE):
        session.execute(delete(t.stand).where(t.stand.c.build_id.in_(chunk)))
        session.execute(delete(t.trial_parse).where(t.trial_parse.c.build_id.in_(chunk)))
        session.execute(delete(t.segment).where(t.segment.c.build_id.in_(chunk)))
        session.execute(delete(t.build).where(t.build.c.id.in_(chunk)))


def old_broken_builds(session: Session, dag_ids: Sequence[str], keep: int) -> list[tuple[str, str, str]]:
    """Keys of broken builds of these Dags that have *keep* newer ones."""
    key = (t.broken_build.c.dag_id, t.broken_build.c.bundle_name, t.broken_build.c.bundle_version)
    place = func.row_number().over(
        partition_by=t.broken_build.c.dag_id, order_by=(t.broken_build.c.created_at.desc(), key[1], key[2])
    )
    found: list[tuple[str, str, str]] = []
    for chunk in chunks(dag_ids):
        ranked = select(*key, place.label("place")).where(key[0].in_(chunk)).subquery()
        rows = session.execute(select(*list(ranked.c)[:3]).where(ranked.c.place > keep))
        found += [(row[0], row[1], row[2]) for row in rows]
    return found


def remove_broken_builds(session: Session, keys: Collection[tuple[str, str, str]]) -> None:
    columns = (t.broken_build.c.dag_id, t.broken_build.c.bundle_name, t.broken_build.c.bundle_version)
    for chunk in chunks(sorted(keys), 100):
        matches = (and_(*(c == value for c, value in zip(columns, key, strict=True))) for key in chunk)
        session.execute(delete(t.broken_build).where(or_(*matches)))


# -- parses -------------------------------------------------------------------------------------------------


def files_after(session: Session, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
    """The next files that have parses, as bundle and path, in order."""
    name, path = t.parse.c.bundle_name, t.parse.c.relative_fileloc
    query = (
        select(name, path)
        .where(or_(name > after[0], and_(name == after[0], path > after[1])))
        .distinct()
        .order_by(name, path)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def parse_facts(session: Session, places: Sequence[tuple[str, str]]) -> list[ParseFact]:
    """All parses of these files."""
    state = (
        t.parse.c.bundle_name, t.parse.c.relative_fileloc, t.parse.c.file_digest,
        t.parse.c.inputs_digest, t.parse.c.runtime,
    )  # fmt: skip
    by_bundle: dict[str, list[str]] = {}
    for bundle_name, path in places:
        by_bundle.setdefault(bundle_name, []).append(path)
    found: list[ParseFact] = []
    for bundle_name, paths in by_bundle.items():
        rows = session.execute(
            select(t.parse.c.id, t.parse.c.builds, *state).where(state[0] == bundle_name, state[1].in_(paths))
        )
        found += [ParseFact(id=row[0], builds=dict(row[1]).values(), state=tuple(row[2:])) for row in rows]
    return found


def standing_among(session: Session, parse_ids: Collection[int]) -> set[int]:
    """Those of these parses that a file stands on."""
    found: set[int] = set()
    for chunk in chunks(sorted(parse_ids)):
        rows = session.scalars(select(t.file.c.parse_id).where(t.file.c.parse_id.in_(chunk)))
        found |= {parse_id for parse_id in rows if parse_id is not None}
    return found


def existing_builds(session: Session, build_ids: Collection[int]) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(sorted(set(build_ids))):
        found |= set(session.scalars(select(t.build.c.id).where(t.build.c.id.in_(chunk))))
    return found


def remove_parses(session: Session, parse_ids: Collection[int]) -> None:
    for chunk in chunks(sorted(parse_ids), _AT_ONCE):
        session.execute(delete(t.parse).where(t.parse.c.id.in_(chunk)))


# -- sources ------------------------------------------------------------------------------------------------


def source_digests(session: Session) -> set[str]:
    return set(session.scalars(select(t.source.c.digest)))


def manifests(session: Session, *, after: int, limit: int) -> list[tuple[int, frozenset[str]]]:
    """The next builds by id, with the digests of their files."""
    query = select(t.build.c.id, t.build.c.files).where(t.build.c.id > after)
    rows = session.execute(query.order_by(t.build.c.id).limit(limit))
    return [(row[0], frozenset(dict(row[1]).values())) for row in rows]


def manifests_since(session: Session, after: int) -> set[str]:
    """The digests of files of builds that were added after that one, or are adopted and so may be amended."""
    query = select(t.build.c.files).where(or_(t.build.c.id > after, t.build.c.adopted.is_(True)))
    return {digest for files in session.scalars(query) for digest in dict(files).values()}


def lock_sources(session: Session, digests: Collection[str]) -> set[str]:
    """Hold these sources, so that no build that is about to name one passes by: it waits, or we do."""
    found: set[str] = set()
    for chunk in chunks(sorted(digests)):
        query = select(t.source.c.digest).where(t.source.c.digest.in_(chunk)).order_by(t.source.c.digest)
        found |= set(session.scalars(query.with_for_update()))
    return found


def remove_sources(session: Session, digests: Collection[str]) -> None:
    for chunk in chunks(sorted(digests), _AT_ONCE):
        session.execute(delete(t.source).where(t.source.c.digest.in_(chunk)))


# -- events, requests, runs ----------------------------------------------------------------------------------


def old_events(session: Session, before: datetime) -> list[int]:
    """Events from before an instant, but for the last of each kind of a Dag (or of a bundle, of no Dag)."""
    of = case((t.event.c.dag_id.is_(None), t.event.c.bundle_name), else_=t.event.c.dag_id)
    whose = case((t.event.c.dag_id.is_(None), 0), else_=1)
    last = select(func.max(t.event.c.id)).group_by(whose, of, t.event.c.kind)
    kept = set(session.scalars(last))
    return [i for i in session.scalars(select(t.event.c.id).where(t.event.c.at < before)) if i not in kept]


def remove_events(session: Session, event_ids: Collection[int]) -> None:
    for chunk in chunks(sorted(event_ids), _AT_ONCE):
        session.execute(delete(t.event).where(t.event.c.id.in_(chunk)))


def old_rollouts(session: Session, before: datetime) -> list[int]:
    """Rollouts that ended before an instant, but for the last of each Dag: that may say why it is held."""
    c = t.rollout.c
    last = set(session.scalars(select(func.max(c.id)).group_by(c.dag_id)))
    ended = select(c.id).where(c.slot.is_(None), c.ended_at < before).order_by(c.id)
    return [i for i in session.scalars(ended) if i not in last]


def remove_rollouts(session: Session, rollout_ids: Collection[int]) -> None:
    """With what persons said at their steps."""
    for chunk in chunks(sorted(rollout_ids), _AT_ONCE):
        session.execute(delete(t.verdict).where(t.verdict.c.rollout_id.in_(chunk)))
        session.execute(delete(t.rollout).where(t.rollout.c.id.in_(chunk)))


def old_verdicts(session: Session, before: datetime) -> list[int]:
    """Verdicts from outside that were given before an instant."""
    c = t.verdict.c
    return list(session.scalars(select(c.id).where(c.rollout_id.is_(None), c.at < before)))


def remove_verdicts(session: Session, verdict_ids: Collection[int]) -> None:
    for chunk in chunks(sorted(verdict_ids), _AT_ONCE):
        session.execute(delete(t.verdict).where(t.verdict.c.id.in_(chunk)))


def old_requests(session: Session, before: datetime) -> list[str]:
    return list(session.scalars(select(t.request.c.request_id).where(t.request.c.at < before)))


def remove_requests(session: Session, request_ids: Collection[str]) -> None:
    for chunk in chunks(sorted(request_ids), _AT_ONCE):
        session.execute(delete(t.request).where(t.request.c.request_id.in_(chunk)))


def old_runs(session: Session, before: datetime, after: str) -> tuple[str, set[str]] | None:
    """The next Dag after *after* with runs that were last bound, and ended, before an instant; those runs."""
    dag_id = session.scalar(
        select(func.min(t.binding.c.dag_id)).where(t.binding.c.dag_id > after, t.binding.c.bound_at < before)
    )
    other = session.scalar(
        select(func.min(t.outcome.c.dag_id)).where(t.outcome.c.dag_id > after, t.outcome.c.ended_at < before)
    )
    dag_id = min((found for found in (dag_id, other) if found is not None), default=None)
    if dag_id is None:
        return None
    runs: set[str] = set()
    recent: set[str] = set()
    for table, at in ((t.binding, t.binding.c.bound_at), (t.outcome, t.outcome.c.ended_at)):
        query = select(table.c.run_id, func.max(at)).where(table.c.dag_id == dag_id).group_by(table.c.run_id)
        for run_id, last in session.execute(query):
            (runs if last < before else recent).add(run_id)
    return dag_id, runs - recent


def count_runs(session: Session, dag_id: str, run_ids: Collection[str]) -> tuple[int, int]:
    """How many bindings and outcomes these runs have."""
    counts = []
    for table in (t.binding, t.outcome):
        counts.append(
            sum(
                session.scalar(
                    select(func.count())
                    .select_from(table)
                    .where(table.c.dag_id == dag_id, table.c.run_id.in_(chunk))
                )
                or 0
                for chunk in chunks(sorted(run_ids))
            )
        )
    return counts[0], counts[1]


def remove_runs(session: Session, dag_id: str, run_ids: Collection[str]) -> None:
    """Forget which version these runs were bound to, and what they came to."""
    for table in (t.binding, t.outcome):
        for chunk in chunks(sorted(run_ids), _AT_ONCE):
            session.execute(delete(table).where(table.c.dag_id == dag_id, table.c.run_id.in_(chunk)))
