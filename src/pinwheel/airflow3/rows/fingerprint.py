"""A cheap look at the rows that an assertion writes, so that only what changed since is written anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.models.dag import DagModel, DagOwnerAttributes, DagTag
from airflow.models.dagrun import DagRun
from airflow.sdk import timezone
from airflow.utils.types import DagRunType
from sqlalchemy import func, literal, null, select, union_all, update
from sqlalchemy.orm import Session

from pinwheel.airflow3.rows.projection import REFERENCES
from pinwheel.core.chunks import chunks
from pinwheel.core.digest import digest_of

_MOVING = frozenset({"last_parsed_time", "bundle_version"})
"""Columns that change while nothing is to be written: with each look at a Dag, and as it follows."""


def standing(session: Session, dag_ids: Sequence[str]) -> dict[str, str]:
    """By Dag, a digest of all that an assertion writes or depends on.

    While it stays the same, writing the rows anew would change nothing but the time of the last parse. Left
    out are Dags with a run due that nobody made (paused ones, mostly): a parse may move their next run on.
    """
    found: dict[str, str] = {}
    now = timezone.utcnow()
    for chunk in chunks(dag_ids):
        columns = [column for column in DagModel.__table__.columns if column.name not in _MOVING]
        newest = (
            select(func.max(DagRun.logical_date))
            .where(
                DagRun.dag_id == DagModel.dag_id,
                DagRun.run_type.in_((DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)),
            )
            .correlate(DagModel)
            .scalar_subquery()
        )
        related = _related(session, chunk)
        for row in session.execute(
            select(*columns, newest.label("newest_run")).where(DagModel.dag_id.in_(chunk))
        ).mappings():
            due = row["next_dagrun_create_after"]
            if due is None or due > now:
                dag_id = row["dag_id"]
                found[dag_id] = digest_of([dict(row), sorted(related.get(dag_id, ()))])
    return found


def _related(session: Session, dag_ids: Sequence[str]) -> dict[str, list[str]]:
    """By Dag, what stands in the tables beside its row."""
    kinds: list[Any] = [
        select(literal(table).label("kind"), model.dag_id, null().label("what"), func.count().label("n"))
        .where(model.dag_id.in_(dag_ids))
        .group_by(model.dag_id)
        for table, model in sorted(REFERENCES.items())
    ]
    kinds += [
        select(literal(kind), model.dag_id, name, literal(1)).where(model.dag_id.in_(dag_ids))
        for kind, model, name in (
            ("tag", DagTag, DagTag.name),
            ("owner", DagOwnerAttributes, DagOwnerAttributes.owner + " " + DagOwnerAttributes.link),
        )
    ]
    found: dict[str, list[str]] = {}
    for kind, dag_id, what, count in session.execute(union_all(*kinds)):
        found.setdefault(dag_id, []).append(f"{kind} {what} {count}")
    return found


def touch(session: Session, dag_ids: Sequence[str]) -> None:
    """Note on the Dag rows that they were looked at, as a parse does; `db clean` goes by that time."""
    for chunk in chunks(dag_ids):
        session.execute(
            update(DagModel)
            .where(DagModel.dag_id.in_(chunk))
            .values(last_parsed_time=timezone.utcnow())
            .execution_options(synchronize_session=False)
        )
