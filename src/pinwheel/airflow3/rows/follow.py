"""New runs of Dags that follow take a newer bundle version: one compare-and-write over a bundle's Dags."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airflow.models.dag import DagModel
from airflow.utils.sqlalchemy import with_row_locks
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.follow import Follower, Step
from pinwheel.core.release.state import Track
from pinwheel.core.run.mark import MARK
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind

_AT_ONCE = 500


def due_to_follow(
    session: Session, bundle_name: str, version: str, dag_ids: Collection[str] | None = None
) -> list[Follower]:
    """Dags of the bundle (these, or all) that may follow and whose new runs do not take the newest version in
    which their active build stands, as far as that can be told without their files; or whose row in Airflow
    says another.

    *version* is the head. Rows that a scheduler or a release holds are left out: it waits for nobody. The
    others are held until the transaction ends.
    """
    p, s = t.dag.c, t.stand.c
    of_same = t.stand.alias("of_same")
    newest = (
        select(func.max(of_same.c.first_seq))
        .where(
            of_same.c.dag_id == p.dag_id,
            of_same.c.bundle_name == p.bundle_name,
            of_same.c.build_id == p.active_build_id,
        )
        .correlate(t.dag)
        .scalar_subquery()
    )
    query = (
        select(
            p.dag_id,
            p.active_build_id,
            p.relative_fileloc,
            s.first_seq,
            s.last_seq,
            s.last_version,
            p.stable_bundle,
            p.stable_fileloc,
            p.released_version,
            p.follow_version,
            p.row_version,
            DagModel.bundle_version.label("found"),
        )
        .select_from(t.dag)
        .join(DagModel, DagModel.dag_id == p.dag_id)
        .join(
            t.stand,
            and_(s.dag_id == p.dag_id, s.bundle_name == p.bundle_name, s.first_seq == newest),
        )
        .where(
            p.bundle_name == bundle_name,
            p.track == Track.AUTO.value,
            p.retired.is_(False),
            p.active_release.is_not(None),
            or_(
                p.follow_version.is_distinct_from(func.coalesce(s.last_version, version)),
                DagModel.bundle_version.is_distinct_from(p.row_version),
            ),
        )
        .order_by(p.dag_id)
    )
    queries = [query] if dag_ids is None else [query.where(p.dag_id.in_(c)) for c in chunks(sorted(dag_ids))]
    found: list[Follower] = []
    for each in queries:
        locked = with_row_locks(each, session=session, of=[t.dag, DagModel], skip_locked=True)
        found += [Follower(**row._mapping) for row in session.execute(locked)]
    return found


def follow(session: Session, steps: Sequence[Step]) -> None:
    """Let these Dags' rows, Airflow's and ours, name the version that they follow to."""
    alike: dict[tuple[str, str | None, str | None], list[str]] = {}
    for step in steps:
        alike.setdefault((step.follow_version, step.follow_before, step.row_version), []).append(step.dag_id)
    for (follow_version, follow_before, row_version), dag_ids in alike.items():
        moved = {"follow_before": follow_before} if follow_before is not None else {}
        named = {"row_version": row_version} if row_version is not None else {}
        for chunk in chunks(dag_ids, _AT_ONCE):
            if row_version is not None:
                _name(session, chunk, row_version)
            session.execute(
                update(t.dag)
                .where(t.dag.c.dag_id.in_(chunk))
                .values(follow_version=follow_version, **named, **moved)
            )


def mark_rows(session: Session, row_versions: Mapping[str, str]) -> None:
    """Let these Dags' rows, Airflow's and ours, name these versions."""
    alike: dict[str, list[str]] = {}
    for dag_id, row_version in sorted(row_versions.items()):
        alike.setdefault(row_version, []).append(dag_id)
    for row_version, dag_ids in alike.items():
        for chunk in chunks(dag_ids, _AT_ONCE):
            _name(session, chunk, row_version)
            session.execute(update(t.dag).where(t.dag.c.dag_id.in_(chunk)).values(row_version=row_version))


def lost_marks(session: Session) -> list[str]:
    """Dags whose row in Airflow is to have the mark, and has it no longer."""
    query = (
        select(t.dag.c.dag_id)
        .join(t.start_rule, t.start_rule.c.dag_id == t.dag.c.dag_id)
        .join(DagModel, DagModel.dag_id == t.dag.c.dag_id)
        .where(
            t.start_rule.c.kind == RuleKind.DATED.value,
            t.dag.c.retired.is_(False),
            t.dag.c.row_version.endswith(MARK, autoescape=True),
            DagModel.bundle_version.is_distinct_from(t.dag.c.row_version),
        )
        .order_by(t.dag.c.dag_id)
    )
    return list(session.scalars(query))


def _name(session: Session, dag_ids: Sequence[str], version: str) -> None:
    session.execute(
        update(DagModel)
        .where(DagModel.dag_id.in_(dag_ids))
        .values(bundle_version=version)
        .execution_options(synchronize_session=False)
    )
