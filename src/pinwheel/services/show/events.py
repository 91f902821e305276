"""The audit trail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from attrs import fields, frozen

from pinwheel.core import records
from pinwheel.core.errors import InvalidInput
from pinwheel.core.event import EventKind
from pinwheel.services.ports.host import Host
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.store import events as store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class EventView:
    """An entry of the audit trail: what all have, and the details that its kind has."""

    id: int
    at: datetime
    kind: EventKind | str
    """A word of a later version of Pinwheel stays as it is."""
    dag_id: str | None
    bundle: str | None
    actor: str
    reason: str | None

    # Releases and changes of the track
    verb: Sometimes[str] = ABSENT
    release: Sometimes[int | None] = ABSENT
    build: Sometimes[int | None] = ABSENT
    from_release: Sometimes[int | None] = ABSENT
    from_build: Sometimes[int | None] = ABSENT
    track: Sometimes[str] = ABSENT
    message: Sometimes[str] = ABSENT
    replaced: Sometimes[bool] = ABSENT
    """The release was written anew: nothing had run on it."""
    rejected: Sometimes[int | None] = ABSENT
    """The build that is never released by itself again."""
    lifted: Sometimes[bool] = ABSENT
    """A rejection was taken back."""

    # Runs
    run_id: Sometimes[str] = ABSENT
    cleared: Sometimes[int] = ABSENT
    """Of a clear: so many task instances run again; of a backfill: so many dates."""

    # Backfills
    backfill: Sometimes[int | None] = ABSENT
    from_date: Sometimes[str] = ABSENT
    to_date: Sometimes[str] = ABSENT
    max_active_runs: Sometimes[int] = ABSENT
    run_backwards: Sometimes[bool] = ABSENT
    reprocess_behavior: Sometimes[str] = ABSENT
    new: Sometimes[int] = ABSENT
    skipped: Sometimes[int] = ABSENT

    # Builds, files and bundles
    bundle_version: Sometimes[str | None] = ABSENT
    dags: Sometimes[int] = ABSENT
    """How many Dags follow to the version."""
    path: Sometimes[str] = ABSENT
    error: Sometimes[str | None] = ABSENT
    """The last line of what made a build broken."""
    digest: Sometimes[str] = ABSENT
    replaced_digest: Sometimes[str] = ABSENT
    attributes: Sometimes[Sequence[str]] = ABSENT
    """Of an unstable Dag: what differs at each parse; of a missed dependency: what differs since."""
    paths: Sometimes[Sequence[str]] = ABSENT
    """Of a missed dependency: some of what changed since the file was last parsed or verified."""
    changed: Sometimes[int] = ABSENT
    """How many paths that are in all."""
    count: Sometimes[int] = ABSENT
    """Of a folded build: so often another parse of the same inputs gave another Dag."""
    last_at: Sometimes[str] = ABSENT
    rewritten_at: Sometimes[str] = ABSENT
    """When the build was last written anew."""
    owner: Sometimes[str] = ABSENT
    """Of a duplicate: the place that the Dag stays with."""
    place: Sometimes[str] = ABSENT
    """Of a fault: where it was caught."""

    # Drift
    found: Sometimes[Mapping[str, str]] = ABSENT
    foreign_versions: Sometimes[Sequence[str]] = ABSENT
    repaired: Sometimes[bool] = ABSENT

    @classmethod
    def of(cls, row: records.Event) -> Self:
        """A stored event. Details that only a later version of Pinwheel knows are left out."""
        return cls(
            id=row.id,
            at=row.at,
            kind=row.kind,
            dag_id=row.dag_id,
            bundle=row.bundle_name,
            actor=row.actor,
            reason=row.reason,
            **{name: value for name, value in row.details.items() if name in DETAILS},
        )


DETAILS = frozenset(each.name for each in fields(EventView) if each.default is ABSENT)


def events(
    host: Host,
    *,
    dag_ids: Collection[str] | None = None,
    limit: int = 100,
    kinds: Collection[str] | None = None,
    actor: str | None = None,
    before_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[EventView]:
    """The audit trail, newest first. ``dag_ids`` leaves out what happened to other Dags.

    ``before_id`` pages on: only events older than that one. ``since`` is included, ``until`` is not.
    """
    if limit < 1:
        raise InvalidInput("Cannot list events", found=f"limit {limit}", remedy="Give a limit of 1 or more")

    def work(session: Session) -> list[EventView]:
        rows = store.listed(
            session,
            dag_ids=dag_ids,
            kinds=kinds,
            actor=actor,
            limit=limit,
            before_id=before_id,
            since=since,
            until=until,
        )
        return [EventView.of(row) for row in rows]

    return host.unit.run(work)
