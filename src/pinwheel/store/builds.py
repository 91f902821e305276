"""Builds, the content of their files, and broken builds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.orm import Session

from pinwheel.core.build import Build, BuildContent
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

_COLUMNS = [column for column in t.build.c if column.name not in {"serialized", "files"}]


def _selected() -> Any:
    return select(
        *_COLUMNS,
        t.bundle_version.c.author,
        t.bundle_version.c.message,
        t.bundle_version.c.committed_at,
        t.bundle_version.c.label.label("git_label"),
    ).outerjoin(
        t.bundle_version,
        (t.bundle_version.c.bundle_name == t.build.c.bundle_name)
        & (t.bundle_version.c.version == t.build.c.bundle_version),
    )


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
        environment=row.environment,
        parse_seconds=row.parse_seconds,
        pure=row.pure,
        versioned=row.versioned,
        unstable=tuple(row.unstable or ()),
        adopted=row.adopted,
    )


def by_ids(session: Session, ids: Collection[int]) -> dict[int, Build]:
    """The builds with these ids, by id. Unknown ids are left out."""
    found: dict[int, Build] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        found.update(
            {row.id: _build(row) for row in session.execute(_selected().where(t.build.c.id.in_(chunk)))}
        )
    return found


def by_number(session: Session, dag_id: str, number: int) -> Build | None:
    row = session.execute(
        _selected().where(t.build.c.dag_id == dag_id, t.build.c.build == number)
    ).one_or_none()
    return _build(row) if row else None


def by_digest(session: Session, dag_id: str, digest: str) -> Build | None:
    row = session.execute(
        _selected().where(t.build.c.dag_id == dag_id, t.build.c.digest == digest)
    ).one_or_none()
    return _build(row) if row else None


def by_inputs(session: Session, dag_id: str, inputs_digest: str, environment: str) -> list[Build]:
    """Builds of the Dag from the same inputs, parsed in the same environment; newest first."""
    rows = session.execute(
        _selected()
        .where(
            t.build.c.dag_id == dag_id,
            t.build.c.inputs_digest == inputs_digest,
            t.build.c.environment == environment,
        )
        .order_by(t.build.c.build.desc())
    )
    return [_build(row) for row in rows]


def of_dag(session: Session, dag_id: str) -> list[Build]:
    """All builds of a Dag, newest first."""
    return [
        _build(row)
        for row in session.execute(
            _selected().where(t.build.c.dag_id == dag_id).order_by(t.build.c.build.desc())
        )
    ]


def serialized(session: Session, build_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Serialized Dags by build id, with the placeholder for the bundle's directory still in them."""
    found: dict[int, dict[str, Any]] = {}
    wanted = sorted(set(build_ids))
    for start in range(0, len(wanted), 200):
        rows = session.execute(
            select(t.build.c.id, t.build.c.serialized).where(t.build.c.id.in_(wanted[start : start + 200]))
        )
        found.update({row.id: row.serialized for row in rows})
    return found


def files(session: Session, build_id: int) -> dict[str, str]:
    """The files that a build used: path in the bundle to content digest."""
    return session.scalar(select(t.build.c.files).where(t.build.c.id == build_id)) or {}


def files_of(session: Session, build_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """The files that each of these builds used, by build id."""
    found: dict[int, dict[str, str]] = {}
    wanted = sorted(set(build_ids))
    for start in range(0, len(wanted), 500):
        rows = session.execute(
            select(t.build.c.id, t.build.c.files).where(t.build.c.id.in_(wanted[start : start + 500]))
        )
        found.update({row.id: row.files for row in rows})
    return found


def add(
    session: Session,
    content: BuildContent,
    *,
    now: datetime,
    versioned: bool = True,
    adopted: bool = False,
) -> Build:
    """Store a new build under the Dag's next number. The caller holds the Dag's lock."""
    number = (
        session.scalar(select(func.max(t.build.c.build)).where(t.build.c.dag_id == content.dag_id)) or 0
    ) + 1
    session.execute(
        insert(t.build).values(
            dag_id=content.dag_id,
            build=number,
            digest=content.digest,
            serialized_digest=content.serialized_digest,
            inputs_digest=content.inputs_digest,
            bundle_name=content.bundle_name,
            bundle_version=content.bundle_version,
            relative_fileloc=content.relative_fileloc,
            label=content.label,
            environment=content.environment,
            parse_seconds=content.parse_seconds,
            pure=content.pure,
            versioned=versioned,
            adopted=adopted,
            serialized=dict(content.serialized),
            files=dict(content.files),
            created_at=now,
        )
    )
    added = by_number(session, content.dag_id, number)
    assert added is not None
    return added


def amend(session: Session, build_id: int, **values: Any) -> None:
    """Fill in what was not known of a build: the traced inputs of an adopted one, that it is unstable."""
    session.execute(update(t.build).where(t.build.c.id == build_id).values(**values))


def remember_version(
    session: Session, build_id: int, bundle_name: str, bundle_version: str, *, now: datetime
) -> None:
    """Note that the same build was found in another bundle version too."""
    insert_missing(
        session,
        t.build_version,
        {
            "build_id": build_id,
            "bundle_name": bundle_name,
            "bundle_version": bundle_version,
            "seen_at": now,
        },
        ["build_id", "bundle_name", "bundle_version"],
    )


def missing_sources(session: Session, digests: Collection[str]) -> set[str]:
    """Those of the digests whose content is not stored yet."""
    wanted = set(digests)
    ordered = sorted(wanted)
    for start in range(0, len(ordered), 500):
        wanted -= set(
            session.scalars(
                select(t.source.c.digest).where(t.source.c.digest.in_(ordered[start : start + 500]))
            )
        )
    return wanted


def add_sources(session: Session, contents: Mapping[str, bytes]) -> None:
    for digest, content in sorted(contents.items()):
        insert_missing(
            session, t.source, {"digest": digest, "content": content, "size": len(content)}, ["digest"]
        )


def source(session: Session, digest: str) -> bytes | None:
    return session.scalar(select(t.source.c.content).where(t.source.c.digest == digest))


def sources(session: Session, digests: Collection[str]) -> dict[str, bytes]:
    ordered = sorted(set(digests))
    found: dict[str, bytes] = {}
    for start in range(0, len(ordered), 500):
        rows = session.execute(
            select(t.source.c.digest, t.source.c.content).where(
                t.source.c.digest.in_(ordered[start : start + 500])
            )
        )
        found.update({row.digest: row.content for row in rows})
    return found


def remember_environment(
    session: Session, fingerprint: str, details: Mapping[str, Any], *, now: datetime
) -> None:
    insert_missing(
        session,
        t.environment,
        {"fingerprint": fingerprint, "details": dict(details), "first_seen_at": now},
        ["fingerprint"],
    )


def environment(session: Session, fingerprint: str) -> dict[str, Any] | None:
    return session.scalar(select(t.environment.c.details).where(t.environment.c.fingerprint == fingerprint))


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


def broken_of_dag(session: Session, dag_id: str) -> list[Row[Any]]:
    """Broken builds of a Dag with author and message of the bundle version, newest first."""
    return list(
        session.execute(
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
        )
    )
