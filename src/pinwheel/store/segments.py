"""When which tasks of a build are absent, and the version rows made for that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import field, frozen
from sqlalchemy import delete, exists, func, insert, or_, select, union, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.record import Record
from pinwheel.core.structure.windows import Segment
from pinwheel.store import tables as t


@frozen(kw_only=True)
class StoredSegment(Record):
    """A stretch of dates of a build, or (``stretch`` False) all its tasks without their own dates."""

    dag_id: str
    build_id: int
    position: int
    """From 1 on, never changed."""
    stretch: bool
    starts_at: datetime | None
    absent: frozenset[str] = field(converter=frozenset)
    number: int | None
    """Of its version row."""
    dag_version_id: UUID | None
    """None: none was made yet; or, where nothing is absent in a stretch, its runs take the build's own
    version row, or that of all its tasks without their own dates, where there is such a segment."""

    @property
    def segment(self) -> Segment:
        return Segment(self.starts_at, self.absent)


def add(session: Session, dag_id: str, build_id: int, found: Sequence[Segment]) -> None:
    """Note the stretches of a new build, oldest first."""
    session.execute(
        insert(t.segment),
        [
            _row(dag_id, build_id, position, stretch=True, segment=segment)
            for position, segment in enumerate(found, start=1)
        ],
    )


def add_whole(session: Session, dag_id: str, build_id: int) -> int:
    """Note that a build needs a row of all its tasks without their own dates; the position that it has."""
    c = t.segment.c
    known = session.scalar(select(c.position).where(c.build_id == build_id, c.stretch.is_(False)))
    if known is not None:
        return int(known)
    position = (session.scalar(select(func.max(c.position)).where(c.build_id == build_id)) or 0) + 1
    row = _row(dag_id, build_id, position, stretch=False, segment=Segment(None, frozenset()))
    session.execute(insert(t.segment).values(**row))
    return position


def _row(dag_id: str, build_id: int, position: int, *, stretch: bool, segment: Segment) -> dict[str, object]:
    return {
        "dag_id": dag_id,
        "build_id": build_id,
        "position": position,
        "stretch": stretch,
        "starts_at": segment.starts_at,
        "absent": sorted(segment.absent),
        "number": None,
        "dag_version_id": None,
    }


def of_builds(session: Session, build_ids: Collection[int]) -> dict[int, list[StoredSegment]]:
    """By build, its rows in the order of their positions; builds without any are left out."""
    found: dict[int, list[StoredSegment]] = {}
    for chunk in chunks(sorted(set(build_ids))):
        rows = session.execute(
            select(t.segment)
            .where(t.segment.c.build_id.in_(chunk))
            .order_by(t.segment.c.build_id, t.segment.c.position)
        )
        for row in rows.mappings():
            found.setdefault(row["build_id"], []).append(StoredSegment.from_row(row))
    return found


def stretches_of(session: Session, build_ids: Collection[int]) -> dict[int, list[Segment]]:
    """By build, its segments in order, without rows of all its tasks; builds without any row are left out."""
    return {
        build_id: [row.segment for row in rows if row.stretch]
        for build_id, rows in of_builds(session, build_ids).items()
    }


def builds_of(session: Session, dag_version_ids: Collection[UUID]) -> dict[UUID, int]:
    """By version row that was made for dates: the build that it is of."""
    found: dict[UUID, int] = {}
    c = t.segment.c
    for chunk in chunks(sorted(set(dag_version_ids), key=str)):
        rows = session.execute(select(c.dag_version_id, c.build_id).where(c.dag_version_id.in_(chunk)))
        found.update({row.dag_version_id: row.build_id for row in rows})
    return found


def versions_of(session: Session, build_id: int) -> list[UUID]:
    """The version rows that were made for a build."""
    query = select(t.segment.c.dag_version_id).where(
        t.segment.c.build_id == build_id, t.segment.c.dag_version_id.is_not(None)
    )
    return list(session.scalars(query.distinct()))


def of_active(session: Session, build_ids: Collection[int]) -> dict[UUID, UUID]:
    """By version row that was made for dates of these active builds: that of the active release."""
    found: dict[UUID, UUID] = {}
    for chunk in chunks(sorted(set(build_ids))):
        rows = session.execute(
            select(t.segment.c.dag_version_id, t.dag.c.dag_version_id.label("active"))
            .join(t.dag, t.dag.c.active_build_id == t.segment.c.build_id)
            .where(t.segment.c.build_id.in_(chunk), t.segment.c.dag_version_id.is_not(None))
        )
        found.update({row.dag_version_id: row.active for row in rows if row.active is not None})
    return found


def with_versions(session: Session, build_ids: Collection[int]) -> set[int]:
    """Those of these builds of which a version row was made that something still needs."""
    found: set[int] = set()
    for chunk in chunks(sorted(set(build_ids))):
        query = select(t.segment.c.build_id).where(
            t.segment.c.build_id.in_(chunk), t.segment.c.dag_version_id.is_not(None)
        )
        found.update(session.scalars(query))
    return found


def forget(session: Session, build_ids: Collection[int]) -> None:
    """Keep nothing of these builds, which are removed or whose content becomes another one."""
    for chunk in chunks(sorted(set(build_ids))):
        session.execute(delete(t.segment).where(t.segment.c.build_id.in_(chunk)))


def in_use(session: Session) -> list[StoredSegment]:
    """The rows of all active builds and of those that an era in force names, by build and position."""
    active = select(t.dag.c.active_build_id).where(
        t.dag.c.retired.is_(False), t.dag.c.active_build_id.is_not(None)
    )
    query = (
        select(t.segment)
        .where(or_(t.segment.c.build_id.in_(active), t.segment.c.build_id.in_(_of_eras())))
        .order_by(t.segment.c.build_id, t.segment.c.position)
    )
    return [StoredSegment.from_row(row) for row in session.execute(query).mappings()]


def superseded(session: Session, dag_ids: Collection[str]) -> set[UUID]:
    """The version rows of builds of these Dags that are neither active nor of an era in force, and that no
    binding names.
    """
    found: set[UUID] = set()
    c = t.segment.c
    for chunk in chunks(sorted(set(dag_ids))):
        query = (
            select(c.dag_version_id)
            .join(t.dag, t.dag.c.dag_id == c.dag_id)
            .where(
                c.dag_id.in_(chunk),
                c.dag_version_id.is_not(None),
                t.dag.c.active_build_id.is_distinct_from(c.build_id),
                c.build_id.not_in(_of_eras()),
                ~exists().where(
                    t.binding.c.dag_id == c.dag_id, t.binding.c.dag_version_id == c.dag_version_id
                ),
            )
        )
        found.update(session.scalars(query))
    return found


def versions_of_eras(session: Session) -> set[UUID]:
    """The version rows, own and made for dates, of builds that an era in force names, but for active ones."""
    active = exists().where(t.dag.c.active_build_id == t.build.c.id)
    wanted = select(t.build.c.id).where(t.build.c.id.in_(_of_eras()), ~active)
    parts = [
        select(table.c.dag_version_id).where(
            table.c.build_id.in_(wanted), table.c.dag_version_id.is_not(None)
        )
        for table in (t.release, t.trial, t.segment)
    ]
    return {row[0] for row in session.execute(union(*parts))}


def _of_eras() -> Any:
    """The builds that the newest revisions of timelines name."""
    newest = (
        select(t.timeline.c.dag_id, func.max(t.timeline.c.revision).label("revision"))
        .group_by(t.timeline.c.dag_id)
        .subquery()
    )
    return select(t.era.c.build_id).join(
        newest, (newest.c.dag_id == t.era.c.dag_id) & (newest.c.revision == t.era.c.revision)
    )


def unmade(session: Session, dag_version_ids: Collection[UUID]) -> None:
    """Note that these version rows are gone: who needs one again has it made."""
    for chunk in chunks(sorted(set(dag_version_ids), key=str)):
        session.execute(
            update(t.segment)
            .where(t.segment.c.dag_version_id.in_(chunk))
            .values(number=None, dag_version_id=None)
        )


def windowed(session: Session, build_ids: Collection[int]) -> set[int]:
    """Those of these builds that have task windows."""
    found: set[int] = set()
    for chunk in chunks(sorted(set(build_ids))):
        found.update(
            session.scalars(
                select(t.segment.c.build_id).where(t.segment.c.build_id.in_(chunk), t.segment.c.stretch)
            )
        )
    return found


def made(session: Session, build_id: int, rows: Mapping[int, tuple[int, UUID]]) -> None:
    """Note the version rows that were made: number and id, by position."""
    for position, (number, dag_version_id) in sorted(rows.items()):
        session.execute(
            update(t.segment)
            .where(t.segment.c.build_id == build_id, t.segment.c.position == position)
            .values(number=number, dag_version_id=dag_version_id)
        )
