"""The managed Dags: one row each, the row that a release locks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Result, bindparam, func, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.state import Track
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing, lock_dags


def rows(session: Session, dag_ids: Collection[str] | None = None) -> dict[str, ManagedDag]:
    """Managed Dags by id; all when no ids are given."""
    if dag_ids is None:
        return _by_id(session.execute(select(t.dag)))
    found: dict[str, ManagedDag] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        found |= _by_id(session.execute(select(t.dag).where(t.dag.c.dag_id.in_(chunk))))
    return found


def of_bundle(session: Session, bundle_name: str) -> dict[str, ManagedDag]:
    """The managed Dags of a bundle, by id."""
    return _by_id(session.execute(select(t.dag).where(t.dag.c.bundle_name == bundle_name)))


def bundle_names(session: Session) -> list[str]:
    """The bundles that managed Dags are of, retired ones left out; sorted."""
    query = select(t.dag.c.bundle_name).where(t.dag.c.retired.is_(False)).distinct()
    return sorted(session.scalars(query))


def _by_id(rows: Result[Any]) -> dict[str, ManagedDag]:
    return {row.dag_id: ManagedDag.from_row(row._mapping) for row in rows}


def living(session: Session, dag_ids: Collection[str]) -> set[str]:
    """Those of these Dags that are managed and not retired."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(dag_ids))):
        query = select(t.dag.c.dag_id).where(t.dag.c.dag_id.in_(chunk), t.dag.c.retired.is_(False))
        found.update(session.scalars(query))
    return found


def add(
    session: Session, dag_id: str, *, bundle_name: str, relative_fileloc: str, track: Track = Track.AUTO
) -> bool:
    """Start to manage a Dag; False when it already is."""
    return bool(add_all(session, {dag_id: (bundle_name, relative_fileloc)}, track=track))


def add_all(session: Session, places: Mapping[str, tuple[str, str]], *, track: Track = Track.AUTO) -> int:
    """Start to manage those of these Dags that are not, given bundle and file of each; return how many."""
    return insert_missing(
        session,
        t.dag,
        [
            {
                "dag_id": dag_id,
                "bundle_name": bundle_name,
                "relative_fileloc": relative_fileloc,
                "track": track.value,
                "newest_seq": 0,
                "retired": False,
            }
            for dag_id, (bundle_name, relative_fileloc) in sorted(places.items())
        ],
        ["dag_id"],
    )


def lock(
    session: Session, dag_ids: Collection[str], places: Mapping[str, tuple[str, str]]
) -> dict[str, ManagedDag]:
    """Lock these Dags and those of *places*, of which unmanaged ones are managed from now on."""
    found = lock_dags(session, {*dag_ids, *places})
    new = {dag_id: place for dag_id, place in places.items() if dag_id not in found}
    if new:
        add_all(session, new)
        found |= lock_dags(session, new)
    return found


def change(session: Session, dag_id: str, **values: Any) -> None:
    session.execute(update(t.dag).where(t.dag.c.dag_id == dag_id).values(**values))


def write(session: Session, rows: Iterable[ManagedDag], columns: Sequence[str]) -> None:
    """Write these columns of Dags' rows as the values have them: one statement."""
    values = [
        {"of_dag": row.dag_id, **{f"new_{name}": getattr(row, name) for name in columns}} for row in rows
    ]
    if values:
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
        session.execute(update(t.dag).where(t.dag.c.dag_id == bindparam("of_dag")).values(new), values)


def put_policy(session: Session, dag_ids: Collection[str], policy_id: int | None) -> None:
    """Note which revision of a repository's policy is in force for these Dags; None: none is."""
    for chunk in chunks(sorted(set(dag_ids))):
        session.execute(update(t.dag).where(t.dag.c.dag_id.in_(chunk)).values(policy_id=policy_id))


def last_unpinned(session: Session) -> dict[str, datetime]:
    """When a Dag of each bundle was last unpinned; without bundles of which none ever was."""
    query = (
        select(t.dag.c.bundle_name, func.max(t.dag.c.track_since))
        .where(t.dag.c.track == Track.AUTO.value, t.dag.c.track_since.is_not(None))
        .group_by(t.dag.c.bundle_name)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def mark_asserted(session: Session, dag_ids: Collection[str], now: datetime) -> None:
    """Note when Airflow's rows of these Dags were last written anew."""
    for chunk in chunks(sorted(dag_ids)):
        session.execute(update(t.dag).where(t.dag.c.dag_id.in_(chunk)).values(asserted_at=now))


def ids_of_bundle(session: Session, bundle_name: str) -> list[str]:
    return list(session.scalars(select(t.dag.c.dag_id).where(t.dag.c.bundle_name == bundle_name)))


def ids_of_files(session: Session, bundle_name: str, paths: Collection[str]) -> dict[str, set[str]]:
    """By file, the Dags whose newest build came from it; without files that have none."""
    found: dict[str, set[str]] = {}
    for chunk in chunks(sorted(paths)):
        rows = session.execute(
            select(t.dag.c.relative_fileloc, t.dag.c.dag_id).where(
                t.dag.c.bundle_name == bundle_name, t.dag.c.relative_fileloc.in_(chunk)
            )
        )
        for path, dag_id in rows:
            found.setdefault(path, set()).add(dag_id)
    return found
