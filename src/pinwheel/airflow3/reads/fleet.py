"""What the fleet page shows of Airflow's own: names, owners, tags, and runs by active version."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import and_, func, or_, select, union_all
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads import outcomes
from pinwheel.airflow3.reads.bound import VERSION
from pinwheel.core.chunks import chunks
from pinwheel.services.ports.deployment import AirflowBundle
from pinwheel.services.ports.reads import DagCard
from pinwheel.store import tables as t
from pinwheel.store.holders import itself_and_around, lies_in


def matching(
    session: Session,
    *,
    tags: Collection[str],
    all_tags: bool = False,
    owner: str | None,
    text: str | None,
) -> set[str] | None:
    """Ids of the Dags with any (or all) of the tags, that owner, and the text in id or name; None: all."""
    if not tags and owner is None and text is None:
        return None
    query = select(DagModel.dag_id)
    if tags:
        names = sorted(set(tags))
        tagged = select(DagTag.dag_id).where(DagTag.name.in_(names))
        if all_tags:
            tagged = tagged.group_by(DagTag.dag_id).having(func.count(DagTag.name.distinct()) == len(names))
        query = query.where(DagModel.dag_id.in_(tagged))
    if owner is not None:
        query = query.where(DagModel.owners.icontains(owner, autoescape=True))
    if text is not None:
        query = query.where(
            or_(
                DagModel.dag_id.icontains(text, autoescape=True),
                DagModel.dag_display_name.icontains(text, autoescape=True),
            )
        )
    found: Iterable[Any] = session.execute(query.add_columns(DagModel.owners))
    return {row.dag_id for row in found if owner is None or owner in _names(row.owners)}


def cards(session: Session, dag_ids: Collection[str]) -> dict[str, DagCard]:
    """What Airflow's rows say of these Dags, by id; those that it lost are left out."""
    found: dict[str, DagCard] = {}
    for chunk in chunks(sorted(dag_ids)):
        tags: dict[str, list[str]] = {}
        for row in session.execute(
            select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(chunk)).order_by(DagTag.name)
        ):
            tags.setdefault(row.dag_id, []).append(row.name)
        for dag in session.execute(
            select(
                DagModel.dag_id,
                DagModel.dag_display_name.label("display_name"),
                DagModel.owners,
                DagModel.is_paused,
            ).where(DagModel.dag_id.in_(chunk))
        ):
            found[dag.dag_id] = DagCard(
                display_name=dag.display_name,
                owners=tuple(_names(dag.owners)),
                tags=tuple(tags.get(dag.dag_id, ())),
                paused=bool(dag.is_paused),
            )
    return found


def in_files(session: Session, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], set[str]]:
    """By bundle and path: the Dags that Airflow's rows place in the file or, a zip, below it."""
    found: dict[tuple[str, str], set[str]] = {place: set() for place in places}
    for chunk in chunks(sorted({path for _, path in found})):
        for row in session.execute(
            select(DagModel.dag_id, DagModel.bundle_name, DagModel.relative_fileloc).where(
                lies_in(DagModel.relative_fileloc, chunk)
            )
        ):
            for path in itself_and_around(row.relative_fileloc):
                if (row.bundle_name, path) in found:
                    found[row.bundle_name, path].add(row.dag_id)
    return found


def bundles(session: Session) -> dict[str, AirflowBundle]:
    """All bundles that Airflow has a row of, by name."""
    rows = session.execute(select(DagBundleModel.name, DagBundleModel.active, DagBundleModel.last_refreshed))
    return {row.name: AirflowBundle(active=bool(row.active), refreshed_at=row.last_refreshed) for row in rows}


def dags_of_bundles(session: Session) -> dict[str, dict[str, bool]]:
    """By name of the bundle: the Dags that Airflow's rows place in it, and whether each is active."""
    found: dict[str, dict[str, bool]] = {}
    for row in session.execute(select(DagModel.dag_id, DagModel.bundle_name, DagModel.is_stale)):
        if row.bundle_name is not None:
            found.setdefault(row.bundle_name, {})[row.dag_id] = not row.is_stale
    return found


def active_with_failures(session: Session) -> dict[UUID, datetime | None]:
    """Active versions, and those made for dates of active builds, on which a run has failed and was not run
    again since, with when the first did.
    """
    active = union_all(
        select(t.dag.c.dag_version_id).where(t.dag.c.dag_version_id.is_not(None)),
        select(t.segment.c.dag_version_id)
        .join(t.dag, t.dag.c.active_build_id == t.segment.c.build_id)
        .where(t.segment.c.dag_version_id.is_not(None)),
    )
    return outcomes.first_ends(
        session,
        of_runs=and_(
            DagRun.dag_id.in_(select(t.dag.c.dag_id)),
            DagRun.state == DagRunState.FAILED,
            VERSION.in_(active),
        ),
        of_outcomes=and_(t.outcome.c.state == "failed", t.outcome.c.dag_version_id.in_(active)),
    )


def counts_by_version(session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """How many runs came to what on each of these versions, or are under way on it."""
    found: dict[UUID, dict[str, int]] = {}
    for chunk in chunks(sorted(ids, key=str)):
        of_versions = select(DagVersion.dag_id).where(DagVersion.id.in_(chunk))
        counted = outcomes.counts(
            session,
            of_runs=and_(DagRun.dag_id.in_(of_versions), VERSION.in_(chunk)),
            of_outcomes=t.outcome.c.dag_version_id.in_(chunk),
        )
        found.update({version: states for version, states in counted.items() if version is not None})
    return found


def owners_and_tags(session: Session, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
    """All owners and all tags of these Dags, sorted."""
    wanted = set(dag_ids)
    owners = session.execute(select(DagModel.dag_id, DagModel.owners))
    tags = session.execute(select(DagTag.dag_id, DagTag.name))
    return (
        sorted({name for row in owners if row.dag_id in wanted for name in _names(row.owners)}),
        sorted({row.name for row in tags if row.dag_id in wanted}),
    )


def tags_of(session: Session, dag_ids: Collection[str]) -> dict[str, set[str]]:
    """The tags of these Dags; Dags without any are left out."""
    found: dict[str, set[str]] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        for row in session.execute(select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(chunk))):
            found.setdefault(row.dag_id, set()).add(row.name)
    return found


def busy(session: Session, dag_ids: Collection[str]) -> set[str]:
    """Those of these Dags with a run that is queued or running."""
    active = (DagRunState.QUEUED, DagRunState.RUNNING)
    found: set[str] = set()
    for chunk in chunks(sorted(set(dag_ids))):
        query = select(DagRun.dag_id).where(DagRun.dag_id.in_(chunk), DagRun.state.in_(active))
        found.update(session.scalars(query.distinct()))
    return found


def _names(owners: str | None) -> list[str]:
    return [name for part in (owners or "").split(",") if (name := part.strip())]
