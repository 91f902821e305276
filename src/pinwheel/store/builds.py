"""Builds, the content of their files, and broken builds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Result, Row, case, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from pinwheel.core.build import Build, BuildContent
from pinwheel.core.chunks import chunks
from pinwheel.core.records import BrokenBuild
from pinwheel.core.release.stand import Head
from pinwheel.store import stands
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_all, insert_missing
from pinwheel.store.types import as_packed

_COLUMNS = [column for column in t.build.c if column.name not in {"serialized", "files", "reach"}]
_ITS_VERSION = (t.bundle_version.c.bundle_name == t.build.c.bundle_name) & (
    t.bundle_version.c.version == t.build.c.bundle_version
)


_WITH_VERSION = t.build.outerjoin(t.bundle_version, _ITS_VERSION)
_DESCRIBED = (
    *_COLUMNS,
    t.bundle_version.c.author,
    t.bundle_version.c.message,
    t.bundle_version.c.committed_at,
    t.bundle_version.c.label.label("git_label"),
    exists().where(t.segment.c.build_id == t.build.c.id, t.segment.c.stretch).label("windowed"),
)


def _selected() -> Any:
    return select(*_DESCRIBED).select_from(_WITH_VERSION)


def _build(row: Row[Any]) -> Build:
    return Build(
        id=row.id,
        dag_id=row.dag_id,
        build=row.build,
        digest=row.digest,
        serialized_digest=row.serialized_digest,
        inputs_digest=row.inputs_digest,
        bundle_name=row.bundle_name,
        bundle_version=row.bundle_version,
        relative_fileloc=row.relative_fileloc,
        created_at=row.created_at,
        label=row.label or row.git_label,
        author=row.author,
        message=row.message,
        committed_at=row.committed_at,
        runtime=row.runtime,
        parse_seconds=row.parse_seconds,
        pure=row.pure,
        versioned=row.versioned,
        unstable=tuple(row.unstable or ()),
        adopted=row.adopted,
        windowed=bool(row.windowed),
    )


def by_ids(session: Session, ids: Collection[int | None]) -> dict[int, Build]:
    """The builds with these ids, by id. Unknown ids, and None, are left out."""
    found: dict[int, Build] = {}
    for chunk in chunks(sorted({build_id for build_id in ids if build_id is not None})):
        found.update(
            {row.id: _build(row) for row in session.execute(_selected().where(t.build.c.id.in_(chunk)))}
        )
    return found


@frozen(kw_only=True)
class StoredContent:
    """What a build holds, and what its bundle version says of where it lay."""

    serialized: Mapping[str, Any]
    """With the placeholder for the bundle's directory still in it."""
    files: Mapping[str, str]
    bundle_path: str | None
    version_data: Mapping[str, Any] | None


@frozen(kw_only=True)
class Placed:
    """Some builds, by id, and where they stand."""

    builds: Mapping[int, Build]
    contents: Mapping[int, StoredContent]
    """Of those of which it was asked."""
    versions: Mapping[int, str]
    """The newest bundle version in which each stands; its own where no head showed it."""
    heads: Mapping[int, Head]
    """The same with its place in order, of those that a head showed."""


def placed(
    session: Session,
    ids: Collection[int],
    *,
    numbered: tuple[str, int] | None = None,
    contents_of: Collection[int] = (),
) -> Placed:
    """The builds with these ids, and that of a Dag and number; unknown ones are left out.

    Together with the contents of some of them, of the numbered one always: no table is read twice.
    """
    found: dict[int, Build] = {}
    content: dict[int, StoredContent] = {}
    versions: dict[int, str] = {}
    heads: dict[int, Head] = {}
    for chunk in [*chunks(sorted(set(ids)), size=200)] or [()]:
        wanted: Any = t.build.c.id.in_(chunk)
        full: Any = t.build.c.id.in_(sorted(set(contents_of) & set(chunk)))
        if numbered is not None and not found:
            named = (t.build.c.dag_id == numbered[0]) & (t.build.c.build == numbered[1])
            wanted, full = wanted | named, full | named
        columns = (
            case((full, column)).label(column.name) for column in (t.build.c.serialized, t.build.c.files)
        )
        query: Any = select(
            *_DESCRIBED,
            *stands.PLACE,
            *columns,
            t.bundle_version.c.path,
            t.bundle_version.c.version_data,
        ).select_from(stands.joined(_WITH_VERSION))
        for row in session.execute(query.where(wanted)):
            found[row.id] = _build(row)
            versions[row.id] = stands.newest_version(row)
            if (head := stands.newest(row)) is not None:
                heads[row.id] = head
            if row.serialized is not None:
                content[row.id] = _content(row)
    return Placed(builds=found, contents=content, versions=versions, heads=heads)


def contents(session: Session, build_ids: Collection[int]) -> dict[int, StoredContent]:
    """What these builds hold, by id."""
    found: dict[int, StoredContent] = {}
    for chunk in chunks(sorted(set(build_ids)), size=200):
        query = (
            select(
                t.build.c.id,
                t.build.c.serialized,
                t.build.c.files,
                t.bundle_version.c.path,
                t.bundle_version.c.version_data,
            )
            .outerjoin(t.bundle_version, _ITS_VERSION)
            .where(t.build.c.id.in_(chunk))
        )
        rows: Result[Any] = session.execute(query)
        found |= {row.id: _content(row) for row in rows}
    return found


def _content(row: Row[Any]) -> StoredContent:
    return StoredContent(
        serialized=row.serialized, files=row.files, bundle_path=row.path, version_data=row.version_data
    )


def by_number(session: Session, dag_id: str, number: int) -> Build | None:
    row = session.execute(
        _selected().where(t.build.c.dag_id == dag_id, t.build.c.build == number)
    ).one_or_none()
    return _build(row) if row else None


def by_numbers(session: Session, numbers: Collection[tuple[str, int]]) -> dict[tuple[str, int], Build]:
    """Builds by Dag and number; unknown ones are left out."""
    found: dict[tuple[str, int], Build] = {}
    for chunk in chunks(sorted(set(numbers)), 250):
        query = _selected().where(tuple_(t.build.c.dag_id, t.build.c.build).in_(chunk))
        for row in session.execute(query):
            build = _build(row)
            found[build.dag_id, build.build] = build
    return found


def alike(session: Session, contents: Sequence[BuildContent]) -> dict[str, list[Build]]:
    """By Dag, newest first, the builds to compare these contents with.

    Those of the same digest or of the same inputs, and the adopted ones.
    """
    found: dict[str, list[Build]] = {}
    for chunk in chunks(contents):
        rows = session.execute(
            _selected()
            .where(
                t.build.c.dag_id.in_([content.dag_id for content in chunk]),
                or_(
                    t.build.c.digest.in_(sorted({d for content in chunk for d in content.digests})),
                    t.build.c.inputs_digest.in_(sorted({content.inputs_digest for content in chunk})),
                    t.build.c.adopted.is_(True),
                ),
            )
            .order_by(t.build.c.dag_id, t.build.c.build.desc())
        )
        for row in rows:
            found.setdefault(row.dag_id, []).append(_build(row))
    return found


def of_dag(
    session: Session, dag_id: str, *, before: datetime | None = None, limit: int | None = None
) -> list[Build]:
    """Builds of a Dag, newest first: so many of those made before an instant."""
    query = _selected().where(t.build.c.dag_id == dag_id).order_by(t.build.c.build.desc()).limit(limit)
    if before is not None:
        query = query.where(t.build.c.created_at < before)
    return [_build(row) for row in session.execute(query)]


def serialized(session: Session, build_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Serialized Dags by build id, with the placeholder for the bundle's directory still in them."""
    found: dict[int, dict[str, Any]] = {}
    for chunk in chunks(sorted(set(build_ids)), size=200):
        rows = session.execute(select(t.build.c.id, t.build.c.serialized).where(t.build.c.id.in_(chunk)))
        found.update({row.id: row.serialized for row in rows})
    return found


def as_stored(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """A serialized Dag as :func:`serialized` would give it back: what is written from both is the same."""
    return dict(as_packed(serialized))


def files(session: Session, build_id: int) -> dict[str, str]:
    """The files that a build used: path in the bundle to content digest."""
    return session.scalar(select(t.build.c.files).where(t.build.c.id == build_id)) or {}


def files_of(session: Session, build_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """The files that each of these builds used, by build id."""
    found: dict[int, dict[str, str]] = {}
    for chunk in chunks(sorted(set(build_ids))):
        rows = session.execute(select(t.build.c.id, t.build.c.files).where(t.build.c.id.in_(chunk)))
        found.update({row.id: row.files for row in rows})
    return found


@frozen(kw_only=True)
class NewBuild:
    """A build to be stored under its Dag's next number."""

    content: BuildContent
    versioned: bool = True
    adopted: bool = False
    unstable: tuple[str, ...] = ()


def add(session: Session, new: Sequence[NewBuild], *, now: datetime) -> list[Build]:
    """Store new builds, of as many Dags, in the same order. The caller holds the Dags' locks."""
    numbers = _highest(session, [item.content.dag_id for item in new])
    ids = insert_all(
        session,
        t.build,
        [
            {
                "dag_id": item.content.dag_id,
                "build": numbers.get(item.content.dag_id, 0) + 1,
                "digest": item.content.digest,
                "serialized_digest": item.content.serialized_digest,
                "inputs_digest": item.content.inputs_digest,
                "bundle_name": item.content.bundle_name,
                "bundle_version": item.content.bundle_version,
                "relative_fileloc": item.content.relative_fileloc,
                "label": item.content.label,
                "runtime": item.content.runtime,
                "parse_seconds": item.content.parse_seconds,
                "pure": item.content.pure,
                "versioned": item.versioned,
                "adopted": item.adopted,
                "unstable": list(item.unstable) or None,
                "serialized": dict(item.content.serialized),
                "files": dict(item.content.files),
                "reach": as_reach(item.content),
                "created_at": now,
            }
            for item in new
        ],
    )
    added = by_ids(session, ids)
    return [added[build_id] for build_id in ids]


@frozen(kw_only=True)
class HowTold:
    """How the content of a build was told."""

    unread: tuple[str, ...] = ()
    """What could not be read of the Dag's object: all that the parse of its file used decides the content."""
    read_at_parse: frozenset[str] = frozenset()
    """Files of the build that the parse read and that do not decide its content."""


def how_told(session: Session, build_ids: Collection[int]) -> dict[int, HowTold]:
    """How the content of these builds was told, by id."""
    found: dict[int, HowTold] = {}
    for chunk in chunks(sorted(set(build_ids))):
        rows = session.execute(select(t.build.c.id, t.build.c.reach).where(t.build.c.id.in_(chunk)))
        for build_id, reach in rows:
            told = reach or {}
            found[build_id] = HowTold(
                unread=tuple(told.get("unread", ())), read_at_parse=frozenset(told.get("read_at_parse", ()))
            )
    return found


def as_reach(content: BuildContent) -> dict[str, list[str]] | None:
    """What is kept of how a build's content was told, beside what its files say."""
    told = {"unread": list(content.unread), "read_at_parse": list(content.read_at_parse)}
    return {name: found for name, found in told.items() if found} or None


def _highest(session: Session, dag_ids: Sequence[str]) -> dict[str, int]:
    """The highest build number of each Dag that has builds."""
    found: dict[str, int] = {}
    for chunk in chunks(dag_ids):
        rows = session.execute(
            select(t.build.c.dag_id, func.max(t.build.c.build))
            .where(t.build.c.dag_id.in_(chunk))
            .group_by(t.build.c.dag_id)
        )
        found.update({dag_id: number for dag_id, number in rows})
    return found


def amend(session: Session, build_id: int, **values: Any) -> None:
    """Fill in what was not known of a build: the traced inputs of an adopted one, that it is unstable."""
    session.execute(update(t.build).where(t.build.c.id == build_id).values(**values))


def missing_sources(session: Session, digests: Collection[str]) -> set[str]:
    """Those of the digests whose content is not stored yet. Whoever prunes waits for those that are."""
    wanted = set(digests)
    for chunk in chunks(sorted(wanted)):
        there = select(t.source.c.digest).where(t.source.c.digest.in_(chunk)).order_by(t.source.c.digest)
        wanted -= set(session.scalars(there.with_for_update(read=True)))
    return wanted


def add_sources(session: Session, contents: Mapping[str, bytes]) -> None:
    for chunk in chunks(sorted(contents.items()), size=50):
        rows = [{"digest": digest, "content": content, "size": len(content)} for digest, content in chunk]
        insert_missing(session, t.source, rows, ["digest"])


def source(session: Session, digest: str) -> bytes | None:
    return session.scalar(select(t.source.c.content).where(t.source.c.digest == digest))


def sources(session: Session, digests: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for chunk in chunks(sorted(set(digests))):
        rows = session.execute(
            select(t.source.c.digest, t.source.c.content).where(t.source.c.digest.in_(chunk))
        )
        found.update({row.digest: row.content for row in rows})
    return found


def remember_runtime(
    session: Session, fingerprint: str, details: Mapping[str, Any], *, now: datetime
) -> None:
    """What a fingerprint stands for; what is known already is kept, and what it lacks is added."""
    of = t.runtime.c.fingerprint == fingerprint
    known = session.scalar(select(t.runtime.c.details).where(of))
    if known is None:
        row = {"fingerprint": fingerprint, "details": dict(details), "first_seen_at": now}
        insert_missing(session, t.runtime, row, ["fingerprint"])
    elif details.keys() - known.keys():
        session.execute(update(t.runtime).where(of).values(details={**details, **known}))


def runtimes(session: Session, fingerprints: Collection[str]) -> dict[str, dict[str, Any]]:
    """What these fingerprints stand for; unknown ones are left out."""
    c = t.runtime.c
    rows = session.execute(select(c.fingerprint, c.details).where(c.fingerprint.in_(set(fingerprints))))
    return {row.fingerprint: row.details for row in rows}


def add_broken(
    session: Session,
    dag_id: str,
    bundle_name: str,
    bundle_version: str,
    relative_fileloc: str,
    error: str,
    *,
    now: datetime,
) -> bool:
    """Record a broken build; False when this bundle version was known to be broken for the Dag."""
    return bool(
        insert_missing(
            session,
            t.broken_build,
            {
                "dag_id": dag_id,
                "bundle_name": bundle_name,
                "bundle_version": bundle_version,
                "relative_fileloc": relative_fileloc,
                "error": error,
                "created_at": now,
            },
            ["dag_id", "bundle_name", "bundle_version"],
        )
    )


def broken_of_dag(
    session: Session, dag_id: str, *, before: datetime | None = None, limit: int | None = None
) -> list[BrokenBuild]:
    """Broken builds of a Dag with author and message of the bundle version, newest first."""
    query = (
        select(
            t.broken_build,
            t.bundle_version.c.author,
            t.bundle_version.c.message,
            t.bundle_version.c.label,
        )
        .outerjoin(
            t.bundle_version,
            (t.bundle_version.c.bundle_name == t.broken_build.c.bundle_name)
            & (t.bundle_version.c.version == t.broken_build.c.bundle_version),
        )
        .where(t.broken_build.c.dag_id == dag_id)
        .order_by(t.broken_build.c.created_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(t.broken_build.c.created_at < before)
    return [BrokenBuild.from_row(row._mapping) for row in session.execute(query)]


def sizes(session: Session, digests: Collection[str]) -> dict[str, int]:
    """Bytes of each content that is kept, by its digest."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(digests))):
        rows = session.execute(select(t.source.c.digest, t.source.c.size).where(t.source.c.digest.in_(chunk)))
        found.update({row.digest: row.size for row in rows})
    return found


def ids_by_number(session: Session, dag_id: str, numbers: Collection[int]) -> dict[int, int]:
    """Ids of builds of a Dag by number."""
    found: dict[int, int] = {}
    for chunk in chunks(sorted(set(numbers))):
        rows = session.execute(
            select(t.build.c.build, t.build.c.id).where(
                t.build.c.dag_id == dag_id, t.build.c.build.in_(chunk)
            )
        )
        found.update({row.build: row.id for row in rows})
    return found
