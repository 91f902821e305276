"""Verdicts: what a check or a person said of a place, a bundle version or a digest. None is ever changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import frozen
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.state import Place
from pinwheel.store import tables as t


@frozen(kw_only=True)
class StoredVerdict:
    """A verdict, and where whoever gave it says more."""

    id: int
    verdict: Verdict
    dag_id: str | None
    """Of a place, and of what a person said."""
    url: str | None


def add(session: Session, verdict: Verdict, *, dag_id: str | None = None, url: str | None = None) -> int:
    """Note what was said; its id."""
    row: dict[str, Any] = {
        "name": verdict.name,
        "answer": verdict.answer.value,
        "dag_id": dag_id,
        "rollout_id": verdict.rollout,
        "step": verdict.step,
        "attempt": verdict.attempt,
        "actor": verdict.actor,
        "reason": verdict.reason,
        "url": url,
        "at": verdict.at,
        "expires_at": verdict.expires_at,
    }
    match verdict.subject:
        case Place(build_id=build_id, version=version):
            row |= {"build_id": build_id, "bundle_version": version}
        case OfVersion(bundle=bundle, version=version):
            row |= {"bundle_name": bundle, "bundle_version": version}
        case OfDigest(digest=digest):
            row["digest"] = digest
    done: Any = session.execute(insert(t.verdict).values(**row))
    return int(done.inserted_primary_key[0])


def about(
    session: Session,
    *,
    rollouts: Collection[int] = (),
    build_ids: Collection[int] = (),
    versions: Collection[str] = (),
    digests: Collection[str] = (),
) -> list[StoredVerdict]:
    """All that may count for places of these builds, versions and digests, and what persons said at these
    rollouts; in the order in which they were stored. Four statements at most, whatever is asked."""
    c = t.verdict.c
    found: dict[int, StoredVerdict] = {}
    for column, values in (
        (c.rollout_id, sorted(set(rollouts))),
        (c.build_id, sorted(set(build_ids))),
        (c.bundle_version, sorted(set(versions))),
        (c.digest, sorted(set(digests))),
    ):
        for chunk in chunks(list(values)):
            for row in session.execute(select(t.verdict).where(column.in_(chunk))):
                found[row.id] = _stored(row)
    return [found[key] for key in sorted(found)]


def _stored(row: Any) -> StoredVerdict:
    return StoredVerdict(
        id=row.id,
        verdict=Verdict(
            subject=_subject(row),
            name=row.name,
            answer=Answer(row.answer),
            actor=row.actor,
            at=row.at,
            expires_at=row.expires_at,
            reason=row.reason,
            rollout=row.rollout_id,
            step=row.step,
            attempt=row.attempt,
        ),
        dag_id=row.dag_id,
        url=row.url,
    )


def _subject(row: Any) -> Place | OfVersion | OfDigest:
    if row.build_id is not None:
        return Place(build_id=row.build_id, version=row.bundle_version)
    if row.bundle_name is not None:
        return OfVersion(bundle=row.bundle_name, version=row.bundle_version)
    return OfDigest(digest=row.digest)
