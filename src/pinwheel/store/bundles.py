"""Bundles and their versions, in the order in which each was the newest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from attrs import fields, frozen
from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core import text
from pinwheel.core.chunks import chunks
from pinwheel.core.record import Record
from pinwheel.core.records import BundleVersion
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

_SHOWN = tuple(t.bundle_version.c[column.name] for column in fields(BundleVersion))
"""What is told of a version: not who changed what in it, which is large."""


def names(session: Session) -> list[str]:
    """All bundles of which a version was taken in."""
    query = select(t.bundle.c.name).where(t.bundle.c.head_version.is_not(None))
    return list(session.scalars(query.order_by(t.bundle.c.name)))


def head(session: Session, bundle_name: str) -> tuple[str | None, int, int]:
    """Return ``(version, seq, settled_seq)`` of a bundle; ``(None, 0, 0)`` when it was never seen."""
    row = session.execute(
        select(t.bundle.c.head_version, t.bundle.c.head_seq, t.bundle.c.settled_seq).where(
            t.bundle.c.name == bundle_name
        )
    ).one_or_none()
    return (row.head_version, row.head_seq, row.settled_seq) if row else (None, 0, 0)


@frozen(kw_only=True)
class Heads(Record):
    """What a bundle shows, and showed before."""

    head_version: str | None
    head_seq: int
    before_version: str | None


def shown(session: Session, bundle_name: str, *, hold: bool) -> Heads | None:
    """What the bundle shows. Held, nobody changes that until the transaction ends; others may hold it too."""
    columns = (t.bundle.c.head_version, t.bundle.c.head_seq, t.bundle.c.before_version)
    query = select(*columns).where(t.bundle.c.name == bundle_name)
    row = session.execute(query.with_for_update(read=True) if hold else query).one_or_none()
    return Heads.from_row(row._mapping) if row is not None else None


def with_data(session: Session, bundle_name: str, versions: Collection[str]) -> set[str]:
    """Those of these versions with which the bundle's class gave data of its own."""
    found: set[str] = set()
    for chunk in chunks(sorted(versions)):
        query = select(t.bundle_version.c.version).where(
            t.bundle_version.c.bundle_name == bundle_name,
            t.bundle_version.c.version.in_(chunk),
            t.bundle_version.c.version_data.is_not(None),
        )
        found.update(session.scalars(query))
    return found


def declared(session: Session, bundle_name: str) -> dict[str, Any]:
    """The rules for declared inputs that are in force, with the version that they are of; or nothing."""
    query = select(t.bundle.c.declared).where(t.bundle.c.name == bundle_name)
    return dict(session.scalar(query) or {})


def declare(session: Session, bundle_name: str, rules: Mapping[str, Any]) -> None:
    """Put other rules for declared inputs into force."""
    session.execute(update(t.bundle).where(t.bundle.c.name == bundle_name).values(declared=dict(rules)))


def declare_at(session: Session, bundle_name: str, seq: int, rules: Mapping[str, Any]) -> bool:
    """As :func:`declare`, while the bundle's head has this seq; False when it has moved on."""
    query = update(t.bundle).where(t.bundle.c.name == bundle_name, t.bundle.c.head_seq == seq)
    return bool(session.execute(query.values(declared=dict(rules))).rowcount)  # type: ignore[attr-defined]


def hold(session: Session, bundle_name: str, *, now: datetime) -> None:
    """Nobody else reads what the bundle shows to hold it, or changes it, until the transaction ends."""
    row = {"name": bundle_name, "head_seq": 0, "settled_seq": 0, "updated_at": now}
    insert_missing(session, t.bundle, row, ["name"])
    session.execute(select(t.bundle.c.name).where(t.bundle.c.name == bundle_name).with_for_update())


def advance(
    session: Session,
    bundle_name: str,
    version: str,
    *,
    expected_seq: int,
    now: datetime,
    path: str | None = None,
    info: dict[str, Any] | None = None,
) -> int | None:
    """Make *version* the bundle's newest one and return its seq.

    Compare-and-set: None is returned, and nothing changed, when another process moved the bundle on
    since the caller read ``expected_seq``. A version that comes back (a force-push to an older commit)
    gets a new, higher seq. Safe to repeat: the same version twice keeps its seq.
    """
    insert_missing(
        session, t.bundle, {"name": bundle_name, "head_seq": 0, "settled_seq": 0, "updated_at": now}, ["name"]
    )
    current, seq, _ = head(session, bundle_name)
    if current == version:
        _describe(session, bundle_name, version, seq, now=now, path=path, info=info)
        return seq
    changed = session.execute(
        update(t.bundle)
        .where(t.bundle.c.name == bundle_name, t.bundle.c.head_seq == expected_seq)
        .values(head_version=version, head_seq=expected_seq + 1, before_version=current, updated_at=now)
    )
    if changed.rowcount == 0:  # type: ignore[attr-defined]
        return None
    _describe(session, bundle_name, version, expected_seq + 1, now=now, path=path, info=info)
    return expected_seq + 1


def _describe(
    session: Session,
    bundle_name: str,
    version: str,
    seq: int,
    *,
    now: datetime,
    path: str | None,
    info: dict[str, Any] | None,
) -> None:
    values = {
        "seq": seq,
        "state": "good",
        "reason": None,
        "refused_at": None,
        **({"path": path} if path else {}),
        **(info or {}),
    }
    where = (t.bundle_version.c.bundle_name == bundle_name, t.bundle_version.c.version == version)
    if session.execute(update(t.bundle_version).where(*where).values(**values)).rowcount:  # type: ignore[attr-defined]
        return
    session.execute(
        insert(t.bundle_version).values(bundle_name=bundle_name, version=version, first_seen_at=now, **values)
    )


def refuse(
    session: Session,
    bundle_name: str,
    version: str,
    reason: str,
    *,
    now: datetime,
    about: Mapping[str, Any] | None = None,
) -> bool:
    """Note that this version was not taken, and why; False when the same is noted already.

    It gets no place in the order of heads. One that was a head before keeps its own: runs may be on it.
    """
    reason = text.fit(reason, text.ERROR)
    refused = {**(about or {}), "state": "refused", "reason": reason, "refused_at": now}
    key = {"bundle_name": bundle_name, "version": version}
    if insert_missing(
        session, t.bundle_version, {**key, "seq": 0, "first_seen_at": now, **refused}, list(key)
    ):
        return True
    changed = session.execute(
        update(t.bundle_version)
        .where(
            t.bundle_version.c.bundle_name == bundle_name,
            t.bundle_version.c.version == version,
            or_(t.bundle_version.c.state != "refused", t.bundle_version.c.reason != reason),
        )
        .values(**refused)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def refused(session: Session, bundle_name: str, *, limit: int = 20) -> list[BundleVersion]:
    """Versions that were not taken, the newest first."""
    of_bundle = select(*_SHOWN).where(
        t.bundle_version.c.bundle_name == bundle_name, t.bundle_version.c.state == "refused"
    )
    newest = of_bundle.order_by(t.bundle_version.c.refused_at.desc()).limit(limit)
    return [BundleVersion.from_row(row._mapping) for row in session.execute(newest)]


def remember(
    session: Session,
    bundle_name: str,
    version: str,
    *,
    now: datetime,
    path: str | None = None,
    info: dict[str, Any] | None = None,
) -> None:
    """Record a bundle version that is not the newest one (adoption), unless it is known."""
    insert_missing(
        session,
        t.bundle_version,
        {
            "bundle_name": bundle_name,
            "version": version,
            "seq": 0,
            "path": path,
            "first_seen_at": now,
            **(info or {}),
        },
        ["bundle_name", "version"],
    )


def contributors(
    session: Session, bundle_name: str, after_seq: int, to_seq: int, *, most: int
) -> dict[int, list[dict[str, Any]] | None]:
    """Who changed what in each version after one, up to another, by seq; at most so many, the newest.

    None: it is not known of that version, or the version came back later and has another seq.
    """
    first = max(after_seq, to_seq - most, 0) + 1
    rows = session.execute(
        select(t.bundle_version.c.seq, t.bundle_version.c.contributors).where(
            t.bundle_version.c.bundle_name == bundle_name,
            t.bundle_version.c.seq >= first,
            t.bundle_version.c.seq <= to_seq,
        )
    )
    found = {row.seq: row.contributors for row in rows}
    return {seq: found.get(seq) for seq in range(first, to_seq + 1)}


def settle(session: Session, bundle_name: str, seq: int) -> None:
    """Note that each file of the version with this seq is known: parsed, reused or broken."""
    session.execute(
        update(t.bundle)
        .where(t.bundle.c.name == bundle_name, t.bundle.c.head_seq == seq)
        .values(settled_seq=seq)
    )


def versions(session: Session, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], BundleVersion]:
    """Versions of the given ``(bundle_name, version)`` pairs, by pair; unknown ones are left out."""
    found = {}
    by_bundle: dict[str, set[str]] = {}
    for name, version in pairs:
        by_bundle.setdefault(name, set()).add(version)
    for name, wanted in by_bundle.items():
        for chunk in chunks(sorted(wanted)):
            rows = session.execute(
                select(*_SHOWN).where(
                    t.bundle_version.c.bundle_name == name, t.bundle_version.c.version.in_(chunk)
                )
            )
            found.update({(name, row.version): BundleVersion.from_row(row._mapping) for row in rows})
    return found
