"""Rollouts: the places of Dags on their way, and those that were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, fields, frozen
from sqlalchemy import ColumnElement, case, func, insert, literal, null, or_, select, true, tuple_, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.errors import Conflict
from pinwheel.core.release.serialized import plan_from_json, plan_to_json
from pinwheel.core.rollout.frozen import before_from_json, before_to_json
from pinwheel.core.rollout.state import Contributor, Place, Rollout, Slot, State
from pinwheel.core.rollout.steps import Party, kind_of
from pinwheel.store import tables as t
from pinwheel.store.locking import begin_write

_PLAIN = tuple(
    column.name
    for column in fields(Rollout)
    if column.name not in ("id", "place", "plan", "authors", "proven", "promoters", "before")
)
"""Attributes of a rollout that are columns as they are."""
_MOVES = (
    *(name for name in _PLAIN if name not in ("dag_id", "policy", "revision", "began_at")),
    *("slot", "at_step", "at_name", "promoters", "next_at", "before", "proven_build_id", "proven_version"),
)
"""Columns that change after it has begun."""


@frozen(kw_only=True)
class Due:
    """A live rollout that is to be looked at."""

    id: int
    dag_id: str
    bundle_name: str
    slot: str
    generation: int
    next_at: datetime | None
    """Since when; None: nobody has woken it."""


@frozen(kw_only=True)
class Wanted:
    """Which rollouts. All that is given must hold."""

    dag_ids: frozenset[str] | None = None
    live: bool | None = None
    states: frozenset[State] = frozenset()
    step: str | None = None
    """At this kind of step: ``approve``, ``check``, ``wait``, ``release`` or ``soak``."""
    name: str | None = None
    """At the check of this name."""
    for_person: bool = False
    """Paused, at an approval or at its release: where a person may be waited for."""
    version: str | None = None


def of_dags(
    session: Session, dag_ids: Collection[str] | None, *, hold: bool = False
) -> dict[str, tuple[Rollout, ...]]:
    """By Dag (of these, or all), those that have not ended, and its newest one whatever became of it; in the
    order of their ids.

    Dags that never had one are left out. With *hold* they are locked, by a caller who holds their Dags:
    whoever wakes many waits then for none that this one waits for.
    """
    c = t.rollout.c
    found: dict[str, tuple[Rollout, ...]] = {}
    parts = [true()] if dag_ids is None else [c.dag_id.in_(part) for part in chunks(sorted(set(dag_ids)))]
    for own in parts:
        newest = select(func.max(c.id)).where(own).group_by(c.dag_id)
        query = select(t.rollout).where(own, or_(c.slot.is_not(None), c.id.in_(newest))).order_by(c.id)
        for row in session.execute(query.with_for_update() if hold else query):
            found[row.dag_id] = (*found.get(row.dag_id, ()), _rollout(row))
    return found


def one(session: Session, rollout_id: int) -> Rollout | None:
    row = session.execute(select(t.rollout).where(t.rollout.c.id == rollout_id)).one_or_none()
    return None if row is None else _rollout(row)


def by_ids(session: Session, ids: Collection[int]) -> list[Rollout]:
    """These, in the order of their ids; unknown ids are left out."""
    found: list[Rollout] = []
    for chunk in chunks(sorted(set(ids))):
        query = select(t.rollout).where(t.rollout.c.id.in_(chunk)).order_by(t.rollout.c.id)
        found += [_rollout(row) for row in session.execute(query)]
    return found


def listed(session: Session, wanted: Wanted, *, limit: int, before_id: int | None = None) -> list[Rollout]:
    """The newest first, of those with an id below *before_id*."""
    c = t.rollout.c
    query = select(t.rollout).where(*_all_of(wanted))
    if before_id is not None:
        query = query.where(c.id < before_id)
    return [_rollout(row) for row in session.execute(query.order_by(c.id.desc()).limit(limit))]


def live(session: Session) -> int:
    """How many have not ended."""
    return session.scalar(select(func.count()).where(t.rollout.c.slot.is_not(None))) or 0


def watching(session: Session) -> bool:
    """Whether a release of any Dag is under watch."""
    query = select(t.rollout.c.id).where(t.rollout.c.slot == Slot.WATCHED.value).limit(1)
    return session.scalar(query) is not None


def _all_of(wanted: Wanted) -> list[ColumnElement[bool]]:
    c = t.rollout.c
    found: list[ColumnElement[bool]] = []
    if wanted.dag_ids is not None:
        parts = [c.dag_id.in_(chunk) for chunk in chunks(sorted(wanted.dag_ids))]
        found.append(or_(*parts) if parts else c.id < 0)
    if wanted.live is not None:
        found.append(c.slot.is_not(None) if wanted.live else c.slot.is_(None))
    if wanted.states:
        found.append(c.state.in_(sorted(state.value for state in wanted.states)))
    if wanted.step is not None:
        found += [c.at_step == wanted.step, c.slot.is_not(None)]
    if wanted.name is not None:
        found.append(c.at_name == wanted.name)
    if wanted.for_person:
        at = or_(c.state == State.PAUSED.value, c.at_step.in_(("approve", "release")))
        found += [at, c.slot.is_not(None)]
    if wanted.version is not None:
        found.append(c.bundle_version == wanted.version)
    return found


def add(session: Session, rollout: Rollout, *, next_at: datetime | None) -> Rollout:
    """Store one that begins; as it is stored."""
    row = {
        **_moving(rollout),
        "dag_id": rollout.dag_id,
        "build_id": rollout.place.build_id,
        "bundle_version": rollout.place.version,
        "plan": plan_to_json(rollout.plan),
        "policy": rollout.policy,
        "revision": rollout.revision,
        "authors": None
        if rollout.authors is None
        else [[each.party.value, each.name, each.user] for each in rollout.authors],
        "began_at": rollout.began_at,
        "next_at": next_at,
    }
    done: Any = session.execute(insert(t.rollout).values(**row))
    return evolve(rollout, id=int(done.inserted_primary_key[0]))


def save(session: Session, rollout: Rollout, *, next_at: datetime | None) -> None:
    """Store one that has moved.

    :raises Conflict: what is stored does not have the generation before this one. The caller holds its Dag's
        lock, and has read it under that: then this can not be.
    """
    done: Any = session.execute(
        update(t.rollout)
        .where(t.rollout.c.id == rollout.id, t.rollout.c.generation == rollout.generation - 1)
        .values(**_moving(rollout), next_at=next_at)
    )
    if done.rowcount != 1:
        raise Conflict(
            f"Cannot move the rollout of {rollout.dag_id}",
            found="it has moved since it was read",
            remedy=f"Look again: pinwheel rollout show {rollout.dag_id}",
            dag_id=rollout.dag_id,
            problem="stale-generation",
        )


def due(session: Session, now: datetime, *, limit: int) -> list[Due]:
    """Live ones whose time has come, the longest due first. Locks nothing."""
    c = t.rollout.c
    return _due(session, [c.next_at <= now], [c.next_at, c.id], limit)


def first_due(session: Session, *, after: datetime, until: datetime) -> datetime | None:
    """When the first live one is due, of those that are between these instants."""
    c = t.rollout.c
    query = select(func.min(c.next_at)).where(c.next_at > after, c.next_at <= until, c.slot.is_not(None))
    first: datetime | None = session.scalar(query)
    return first


def next_ones(session: Session, after: tuple[str, str], *, limit: int) -> list[Due]:
    """Live ones, due or not, after that with this Dag and slot, in the order of these. Locks nothing."""
    c = t.rollout.c
    return _due(session, [tuple_(c.dag_id, c.slot) > tuple_(*after)], [c.dag_id, c.slot], limit)


def _due(
    session: Session, which: list[ColumnElement[bool]], order: list[ColumnElement[Any]], limit: int
) -> list[Due]:
    c = t.rollout.c
    query = (
        select(c.id, c.dag_id, c.slot, c.generation, c.next_at, t.dag.c.bundle_name)
        .join(t.dag, t.dag.c.dag_id == c.dag_id)
        .where(*which, c.slot.is_not(None))
        .order_by(*order)
        .limit(limit)
    )
    return [
        Due(
            id=row.id,
            dag_id=row.dag_id,
            bundle_name=row.bundle_name,
            slot=row.slot,
            generation=row.generation,
            next_at=row.next_at,
        )
        for row in session.execute(query)
    ]


def put_off(session: Session, until: Mapping[Due, datetime | None]) -> None:
    """When those that were due are to be looked at next: two statements, however many they are.

    One that has moved since, or that somebody has woken since, stays due: what was seen of it is old. So does
    one that somebody holds, who is about to move or to wake it: nobody is waited for.
    """
    if not until:
        return
    begin_write(session)
    c = t.rollout.c
    seen = {due.id: due for due in until}
    held = select(c.id, c.generation, c.next_at).where(c.id.in_(sorted(seen))).order_by(c.id)
    later = {
        row.id: until[seen[row.id]]
        for row in session.execute(held.with_for_update(skip_locked=True))
        if (row.generation, row.next_at) == (seen[row.id].generation, seen[row.id].next_at)
    }
    if later:
        instants = {rollout_id: literal(at, c.next_at.type) for rollout_id, at in later.items() if at}
        new = case(instants, value=c.id) if instants else null()
        session.execute(update(t.rollout).where(c.id.in_(sorted(later))).values(next_at=new))


def wake(session: Session, now: datetime, dag_ids: Collection[str] | None = None) -> None:
    """Let the live rollouts of these Dags, or all, be looked at at once, or at a later instant."""
    c = t.rollout.c
    if dag_ids is None:
        _wake(session, now)
        return
    for chunk in chunks(sorted(set(dag_ids))):
        _wake(session, now, c.dag_id.in_(chunk))


def wake_about(
    session: Session,
    now: datetime,
    *,
    build_id: int | None = None,
    version: str | None = None,
    digest: str | None = None,
) -> None:
    """Let the live rollouts be looked at that are of a build, of a version, or of builds with a digest; of
    several all that is given must hold."""
    _wake(session, now, *_about(build_id, version, digest))


def live_about(
    session: Session, *, build_id: int | None = None, version: str | None = None, digest: str | None = None
) -> list[Rollout]:
    """The live rollouts that :func:`wake_about` wakes, in the order of their ids."""
    query = select(t.rollout).where(*_about(build_id, version, digest)).order_by(t.rollout.c.id)
    return [_rollout(row) for row in session.execute(query)]


def _about(build_id: int | None, version: str | None, digest: str | None) -> list[ColumnElement[bool]]:
    c = t.rollout.c
    about: list[ColumnElement[bool]] = [c.slot.is_not(None)]
    if build_id is not None:
        about.append(c.build_id == build_id)
    if version is not None:
        about.append(c.bundle_version == version)
    if digest is not None:
        about.append(c.build_id.in_(select(t.build.c.id).where(t.build.c.digest == digest)))
    return about


def _wake(session: Session, at: datetime, *about: ColumnElement[bool]) -> None:
    """In the order of their ids, as others lock them: nobody waits for what this one has."""
    c = t.rollout.c
    query = select(c.id).where(c.slot.is_not(None), *about).order_by(c.id).with_for_update().subquery()
    session.execute(update(t.rollout).where(c.id.in_(select(query.c.id))).values(next_at=at))


def _moving(rollout: Rollout) -> dict[str, Any]:
    kind, name = kind_of(rollout.at)
    values = {name: getattr(rollout, name) for name in _PLAIN if name in _MOVES}
    return values | {
        "state": rollout.state.value,
        "cause": rollout.cause.value if rollout.cause is not None else None,
        "slot": rollout.slot.value if rollout.slot is not None else None,
        "at_step": kind,
        "at_name": name,
        "promoters": sorted(rollout.promoters),
        "before": before_to_json(rollout.before) if rollout.before is not None else None,
        "proven_build_id": rollout.proven.build_id if rollout.proven else None,
        "proven_version": rollout.proven.version if rollout.proven else None,
    }


def _rollout(row: Any) -> Rollout:
    values = {name: getattr(row, name) for name in _PLAIN}
    proven = None
    if row.proven_build_id is not None and row.proven_version is not None:
        proven = Place(build_id=row.proven_build_id, version=row.proven_version)
    return Rollout(
        id=row.id,
        place=Place(build_id=row.build_id, version=row.bundle_version),
        plan=plan_from_json(row.plan),
        authors=_authors(row.authors),
        proven=proven,
        promoters=frozenset(row.promoters),
        before=before_from_json(row.before) if row.before is not None else None,
        **values,
    )


def _authors(stored: Sequence[Sequence[str]] | None) -> tuple[Contributor, ...] | None:
    if stored is None:
        return None
    return tuple(Contributor(party=Party(party), name=name, user=user) for party, name, user in stored)
