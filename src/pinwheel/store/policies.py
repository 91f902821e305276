"""Policies as revisions: none is ever changed, and one that is in force no more is retired."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.policy import Offered, Policy
from pinwheel.core.release.serialized import policy_from_json, policy_to_json
from pinwheel.store import tables as t


class PolicySource(StrEnum):
    PLATFORM = "platform"
    REPOSITORY = "repository"


@frozen(kw_only=True)
class StoredPolicy:
    """One revision of a policy."""

    id: int
    source: PolicySource
    document: str
    """The name of the platform's document, or of the bundle whose repository has it."""
    revision: int
    """From 1 on, among those of this name in its document."""
    policy: Policy
    bundle_version: str | None
    """Of a repository's: the version that brought it."""
    actor: str
    created_at: datetime
    retired_at: datetime | None = None

    @property
    def offered(self) -> Offered:
        bundle = self.document if self.source is PolicySource.REPOSITORY else None
        return Offered(policy=self.policy, bundle=bundle)


def live(session: Session, bundles: Collection[str] | None = None) -> tuple[StoredPolicy, ...]:
    """All that were not retired, each document in its order; of repositories those of these bundles, None: of
    all."""
    c = t.policy.c
    query = select(t.policy).where(c.retired_at.is_(None)).order_by(c.source, c.document, c.position, c.id)
    if bundles is not None:
        # A deployment names its bundles one by one: so many that they need chunks there are not.
        own = c.document.in_(sorted(set(bundles)))
        query = query.where(or_(c.source == PolicySource.PLATFORM.value, own))
    return tuple(_stored(row) for row in session.execute(query))


def of_document(session: Session, source: PolicySource, document: str) -> tuple[StoredPolicy, ...]:
    """Those of one document that were not retired, in its order."""
    c = t.policy.c
    query = select(t.policy).where(c.source == source.value, c.document == document, c.retired_at.is_(None))
    return tuple(_stored(row) for row in session.execute(query.order_by(c.position, c.id)))


def by_ids(session: Session, ids: Collection[int]) -> dict[int, StoredPolicy]:
    """These revisions, retired ones too."""
    found: dict[int, StoredPolicy] = {}
    for chunk in chunks(sorted(set(ids))):
        for row in session.execute(select(t.policy).where(t.policy.c.id.in_(chunk))):
            found[row.id] = _stored(row)
    return found


def replace(
    session: Session,
    source: PolicySource,
    document: str,
    policies: Sequence[Policy],
    *,
    actor: str,
    now: datetime,
    bundle_version: str | None = None,
) -> tuple[str, ...]:
    """Let these be all the policies of a document, in this order; names of those that changed, came or went.

    One that says what it said before keeps its revision, although its place among them may be another.
    """
    c = t.policy.c
    own = (c.source == source.value, c.document == document)
    query = select(t.policy).where(*own, c.retired_at.is_(None))
    rows = session.execute(query).all()
    former = {row.name: _stored(row) for row in rows}
    stood = {row.name: row.position for row in rows}
    wanted = {policy.name: policy for policy in policies}
    changed = [name for name, policy in wanted.items() if name not in former or former[name].policy != policy]
    gone = [name for name in former if name not in wanted]
    for chunk in chunks(sorted({former[name].id for name in {*changed, *gone} & former.keys()})):
        session.execute(update(t.policy).where(c.id.in_(chunk)).values(retired_at=now))
    last = _last_revisions(session, own, changed) if changed else {}
    places = {name: at for at, name in enumerate(wanted)}
    if changed:
        session.execute(
            insert(t.policy),
            [
                {
                    "source": source.value,
                    "document": document,
                    "name": name,
                    "revision": last.get(name, 0) + 1,
                    "position": places[name],
                    "body": policy_to_json(wanted[name]),
                    "bundle_version": bundle_version,
                    "actor": actor,
                    "created_at": now,
                    "retired_at": None,
                }
                for name in changed
            ],
        )
    for name in sorted(name for name in wanted.keys() - set(changed) if stood[name] != places[name]):
        session.execute(update(t.policy).where(c.id == former[name].id).values(position=places[name]))
    return tuple(sorted({*changed, *gone}))


def _last_revisions(session: Session, own: Sequence[Any], names: Collection[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(sorted(names)):
        query = (
            select(t.policy.c.name, func.max(t.policy.c.revision))
            .where(*own, t.policy.c.name.in_(chunk))
            .group_by(t.policy.c.name)
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def _stored(row: Any) -> StoredPolicy:
    return StoredPolicy(
        id=row.id,
        source=PolicySource(row.source),
        document=row.document,
        revision=row.revision,
        policy=policy_from_json(row.body),
        bundle_version=row.bundle_version,
        actor=row.actor,
        created_at=row.created_at,
        retired_at=row.retired_at,
    )
