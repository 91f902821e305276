"""In which heads of its bundle each build stood."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from attrs import asdict
from sqlalchemy import FromClause, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.release.behind import Lag
from pinwheel.core.release.follow import plain
from pinwheel.core.release.stand import Head, Span, Standing
from pinwheel.store import tables as t


def last_of(session: Session, bundle_name: str, dag_ids: Collection[str]) -> dict[str, Span]:
    """The newest span of each of these Dags in this bundle, whichever build it is of."""
    found: dict[str, Span] = {}
    for chunk in chunks(sorted(set(dag_ids))):
        of = (t.stand.c.bundle_name == bundle_name, t.stand.c.dag_id.in_(chunk))
        last = (
            select(t.stand.c.dag_id, func.max(t.stand.c.first_seq).label("first_seq"))
            .where(*of)
            .group_by(t.stand.c.dag_id)
            .subquery()
        )
        rows = session.execute(
            select(t.stand)
            .join(last, (last.c.dag_id == t.stand.c.dag_id) & (last.c.first_seq == t.stand.c.first_seq))
            .where(*of)
        )
        found.update({row.dag_id: Span.from_row(row._mapping) for row in rows})
    return found


def of_builds(session: Session, bundle_name: str, build_ids: Collection[int]) -> dict[int, Span]:
    """The newest span of each of these builds in this bundle; builds that no head showed are left out."""
    found: dict[int, Span] = {}
    for chunk in chunks(sorted(set(build_ids))):
        rows = session.execute(
            select(t.stand)
            .where(t.stand.c.bundle_name == bundle_name, t.stand.c.build_id.in_(chunk))
            .order_by(t.stand.c.first_seq)
        )
        found.update({row.build_id: Span.from_row(row._mapping) for row in rows})
    return found


_other = t.stand.alias("other")
_LAST = (
    select(func.max(_other.c.first_seq))
    .where(
        _other.c.dag_id == t.build.c.dag_id,
        _other.c.bundle_name == t.build.c.bundle_name,
        _other.c.build_id == t.build.c.id,
    )
    .correlate(t.build)
    .scalar_subquery()
)
PLACE = (
    t.stand.c.first_seq,
    t.stand.c.last_seq,
    t.stand.c.last_version,
    t.stand.c.verified_seq,
    t.bundle.c.head_seq,
    t.bundle.c.head_version,
    t.bundle.c.before_version,
    t.file.c.pending_seq,
)
"""What :func:`newest` asks of a row of builds."""


def joined(builds: FromClause) -> FromClause:
    """Builds with what :data:`PLACE` selects."""
    newest = and_(
        t.stand.c.dag_id == t.build.c.dag_id,
        t.stand.c.bundle_name == t.build.c.bundle_name,
        t.stand.c.first_seq == _LAST,
    )
    its_file = and_(
        t.file.c.bundle_name == t.build.c.bundle_name,
        t.file.c.relative_fileloc == t.build.c.relative_fileloc,
    )
    return (
        builds.outerjoin(t.stand, newest)
        .outerjoin(t.bundle, t.bundle.c.name == t.build.c.bundle_name)
        .outerjoin(t.file, its_file)
    )


def newest(row: Any) -> Head | None:
    """The newest head of its bundle in which the build of this row stands; None: none showed it."""
    if row.first_seq is None or row.head_version is None:
        return None
    head = Head(seq=row.head_seq, version=row.head_version)
    standing = Standing(
        spans=(
            Span(
                build_id=row.id,
                first_seq=row.first_seq,
                last_seq=row.last_seq,
                last_version=row.last_version,
                verified_seq=row.verified_seq,
            ),
        ),
        head=head,
        before=head.before(row.before_version),
        pending=row.pending_seq is not None,
    )
    return standing.newest(row.id)


def newest_version(row: Any) -> str:
    """The newest bundle version in which the build of this row stands; its own where no head showed it."""
    head = newest(row)
    own: str = row.bundle_version
    return head.version if head is not None else own


def newest_versions(session: Session, build_ids: Collection[int]) -> dict[int, str]:
    """By id of the build, the newest bundle version in which it stands; its own where no head showed it."""
    return {row.id: newest_version(row) for row in _placed(session, build_ids)}


def newest_heads(session: Session, build_ids: Collection[int]) -> dict[int, Head]:
    """By id of the build, the newest head in which it stands, of those that a head showed."""
    return {row.id: head for row in _placed(session, build_ids) if (head := newest(row)) is not None}


def count_of(session: Session, build_id: int, bundle_name: str, newest_seq: int) -> int:
    """In how many heads of a bundle a build stood, up to this one."""
    c = t.stand.c
    rows = session.execute(
        select(c.first_seq, c.last_seq).where(
            c.build_id == build_id, c.bundle_name == bundle_name, c.first_seq <= newest_seq
        )
    )
    return sum(
        min(newest_seq, newest_seq if row.last_seq is None else row.last_seq) - row.first_seq + 1
        for row in rows
    )


def _placed(session: Session, build_ids: Collection[int]) -> Iterator[Any]:
    for chunk in chunks(sorted(set(build_ids))):
        query = (
            select(t.build.c.id, t.build.c.bundle_version, *PLACE)
            .select_from(joined(t.build))
            .where(t.build.c.id.in_(chunk))
        )
        yield from session.execute(query)


def lags(session: Session, dag_ids: Collection[str]) -> dict[str, Lag]:
    """What new runs of these Dags take, beside where their newest builds stand; of those with builds."""
    found: dict[str, Lag] = {}
    own = t.bundle_version.alias("own")
    taken = func.coalesce(t.dag.c.follow_version, t.dag.c.released_version)
    taken_one = (own.c.bundle_name == t.dag.c.bundle_name) & (own.c.version == taken)
    builds = t.dag.join(t.build, t.build.c.id == t.dag.c.newest_build_id).outerjoin(own, taken_one)
    for chunk in chunks(sorted(set(dag_ids))):
        query: Any = (
            select(
                t.dag.c.dag_id,
                taken.label("taken"),
                own.c.seq,
                t.build.c.id,
                t.build.c.bundle_version,
                *PLACE,
            )
            .select_from(joined(builds))
            .where(t.dag.c.dag_id.in_(chunk))
        )
        for row in session.execute(query):
            found[row.dag_id] = Lag(
                version=plain(row.taken) if row.taken is not None else None,
                seq=row.seq or None,
                head_seq=row.head_seq or 0,
                newest_version=newest_version(row),
                at_head=row.first_seq is not None and row.last_seq is None and row.pending_seq is None,
            )
    return found


def build_at(session: Session, dag_id: str, bundle_name: str, seq: int) -> int | None:
    """The build of a Dag that stood in this head of its bundle; None: none did."""
    return session.scalar(
        select(t.stand.c.build_id).where(
            t.stand.c.dag_id == dag_id,
            t.stand.c.bundle_name == bundle_name,
            t.stand.c.first_seq <= seq,
            or_(t.stand.c.last_seq.is_(None), t.stand.c.last_seq >= seq),
        )
    )


def write(
    session: Session,
    bundle_name: str,
    before: Mapping[str, Span | None],
    after: Mapping[str, Collection[Span]],
) -> None:
    """Write what became of the newest span of each Dag: *before* is it as it stands in the table.

    *after* are the spans in its place, none where it never was; the caller has locked the Dags.
    """
    gone: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for dag_id, spans in sorted(after.items()):
        old = before.get(dag_id)
        if old is not None and all(span.first_seq != old.first_seq for span in spans):
            gone.append({"of_dag": dag_id, "at": old.first_seq})
        for span in spans:
            if old is None or span.first_seq != old.first_seq:
                added.append({"dag_id": dag_id, "bundle_name": bundle_name, **asdict(span)})
            elif span != old:
                changed.append({"of_dag": dag_id, "at": old.first_seq, **_new(span)})
    at = (
        t.stand.c.dag_id == bindparam("of_dag"),
        t.stand.c.bundle_name == bundle_name,
        t.stand.c.first_seq == bindparam("at"),
    )
    if gone:
        session.execute(delete(t.stand).where(*at), gone)
    if changed:
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CHANGES}
        session.execute(update(t.stand).where(*at).values(values), changed)
    if added:
        session.execute(insert(t.stand), added)


_CHANGES = ("build_id", "last_seq", "last_version", "verified_seq")


def _new(span: Span) -> dict[str, Any]:
    return {f"new_{name}": getattr(span, name) for name in _CHANGES}


def close(
    session: Session, bundle_name: str, dag_ids: Collection[str], *, last_seq: int, last_version: str | None
) -> None:
    """End what these Dags' newest builds stood in with this head."""
    for chunk in chunks(sorted(dag_ids)):
        session.execute(
            update(t.stand)
            .where(
                t.stand.c.bundle_name == bundle_name,
                t.stand.c.dag_id.in_(chunk),
                t.stand.c.last_seq.is_(None),
                t.stand.c.first_seq <= last_seq,
            )
            .values(last_seq=last_seq, last_version=last_version)
        )


def remove(session: Session, build_ids: Iterable[int]) -> None:
    """Forget where these builds stood."""
    for chunk in chunks(sorted(build_ids)):
        session.execute(delete(t.stand).where(t.stand.c.build_id.in_(chunk)))
