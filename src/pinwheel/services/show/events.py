"""The audit trail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from attrs import evolve, fields, frozen

from pinwheel.core import records
from pinwheel.core.errors import InvalidInput
from pinwheel.core.event import EventKind
from pinwheel.services.ports.host import Host
from pinwheel.services.show.links import Links
from pinwheel.services.show.plain import ABSENT, Sometimes
from pinwheel.services.show.words import plain_version
from pinwheel.store import builds, bundles
from pinwheel.store import events as store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class AlikeView:
    """The events of one batch and kind, as far as they were asked for."""

    events: int
    dags: int
    """How many Dags they are of."""
    first_at: datetime
    """When the oldest of them was."""
    paths: int | None
    """Of broken builds: how many files they are of. None: of another kind, or of more than were looked at."""


@frozen(kw_only=True)
class CommitView:
    """The bundle version that an event is about: the one that it names, else the one of its build."""

    version: str
    url: str | None
    """Where it can be looked at."""
    author: str | None


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
    batch: str | None
    """What it belongs to: one change, or what one bundle version brought. None: from before this was kept."""
    commit: CommitView | None = None
    alike: Sometimes[AlikeView] = ABSENT
    """Where events are folded: those that this one stands for."""

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
    overrides: Sometimes[Sequence[str]] = ABSENT
    """The rules, and the policy, past which it was released."""

    # Rollouts
    rollout: Sometimes[int | None] = ABSENT
    state: Sometimes[str] = ABSENT
    step: Sometimes[str | int | None] = ABSENT
    """Of a rollout: what it is at; of what a person said: the number of the step."""
    policy: Sometimes[str | None] = ABSENT
    cause: Sometimes[str | None] = ABSENT
    said: Sometimes[str | None] = ABSENT
    """Why it is paused, or ended as it did."""
    not_before: Sometimes[str | None] = ABSENT
    name: Sometimes[str] = ABSENT
    verdict: Sometimes[str] = ABSENT
    attempt: Sometimes[int | None] = ABSENT
    url: Sometimes[str | None] = ABSENT

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

    # Timelines
    revision: Sometimes[int | None] = ABSENT
    changes: Sometimes[Sequence[str]] = ABSENT
    """What the revision changes, a sentence a stretch of dates."""

    # Freezes
    rule: Sometimes[str] = ABSENT
    # Rules and policies
    document: Sometimes[str | None] = ABSENT
    """The platform's; None: a repository's changed."""
    policies: Sometimes[Sequence[str]] = ABSENT
    rules_added: Sometimes[Sequence[str]] = ABSENT
    rules_lifted: Sometimes[Sequence[str]] = ABSENT

    # Drift
    clear_number: Sometimes[int] = ABSENT
    jobs: Sometimes[Sequence[str]] = ABSENT
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
            batch=row.batch,
            **{name: value for name, value in row.details.items() if name in DETAILS},
        )


DETAILS = frozenset(each.name for each in fields(EventView) if each.default is ABSENT) - {"alike"}

MOST_LOOKED_AT = 1000
"""So many events of one line are looked at for their files."""
MOST_OF_A_PAGE = 10_000
"""So many of all lines of a page, those of the first lines before others."""


def events(
    host: Host,
    *,
    dag_ids: Collection[str] | None = None,
    limit: int = 100,
    kinds: Collection[str] | None = None,
    actor: str | None = None,
    search: str | None = None,
    batch: str | None = None,
    before_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    fold: bool = False,
) -> list[EventView]:
    """The audit trail, newest first. ``dag_ids`` leaves out what happened to other Dags.

    ``search`` is a part of the reason; what tells of a bundle is not searched. ``before_id`` pages on: only
    events older than that one. ``since`` is included, ``until`` is not. With ``fold`` each batch and kind is
    one event, its newest, which says in ``alike`` for how many it stands, and ``limit`` counts these; all of
    one are listed by its ``batch`` and kind.
    """
    if limit < 1:
        raise InvalidInput("Cannot list events", found=f"limit {limit}", remedy="Give a limit of 1 or more")
    wanted = store.Wanted(
        dag_ids=dag_ids,
        kinds=kinds,
        actor=actor,
        search=search,
        batch=batch,
        since=since,
        until=until,
    )

    def work(session: Session) -> list[EventView]:
        rows = store.listed(session, wanted, limit=limit, before_id=before_id, fold=fold)
        commits = _commits(host, session, rows)
        views = [evolve(EventView.of(row), commit=commits.get(row.id)) for row in rows]
        if not fold:
            return views
        told = _alike(session, wanted, rows)
        return [evolve(view, alike=told[view.id]) for view in views]

    return host.unit.run(work)


def _alike(session: Session, wanted: store.Wanted, rows: Sequence[records.Event]) -> dict[int, AlikeView]:
    found = store.alike(session, wanted, rows)
    paths = _paths(session, wanted, [row for row in rows if row.kind == EventKind.BROKEN], found)
    views = {}
    for row in rows:
        one = found.get(row.id) or store.Alike(events=1, dags=int(row.dag_id is not None), first_at=row.at)
        views[row.id] = AlikeView(
            events=one.events,
            dags=one.dags,
            first_at=one.first_at,
            paths=paths.get(row.id),
        )
    return views


def _paths(
    session: Session,
    wanted: store.Wanted,
    broken: Sequence[records.Event],
    alike: Mapping[int, store.Alike],
) -> dict[int, int]:
    """By id of these events: of how many files those told with it are; not of more than are looked at."""
    paths: dict[int, int] = {}
    batches: dict[str, int] = {}
    looked_at = 0
    for row in broken:
        events = alike[row.id].events if row.id in alike else 1
        if events == 1 or row.batch is None:
            paths[row.id] = 1
        elif events <= MOST_LOOKED_AT and looked_at + events <= MOST_OF_A_PAGE:
            batches[row.batch] = row.id
            looked_at += events
    for batch, number in store.paths(session, wanted, batches).items():
        paths[batches[batch]] = number
    return paths


def _commits(host: Host, session: Session, rows: Sequence[records.Event]) -> dict[int, CommitView]:
    """By id of the event, the bundle version that it is about."""
    places: dict[int, tuple[str, str]] = {}
    numbers: dict[int, tuple[str, int]] = {}
    for row in rows:
        version, build = row.details.get("bundle_version"), row.details.get("build")
        if version and row.bundle_name:
            places[row.id] = row.bundle_name, version
        elif build is not None and row.dag_id is not None:
            numbers[row.id] = row.dag_id, build
    made = builds.by_numbers(session, numbers.values())
    for event_id, number in numbers.items():
        if (found := made.get(number)) is not None:
            places[event_id] = found.bundle_name, found.bundle_version
    known = bundles.versions(
        session, {(name, plain_version(version) or "") for name, version in places.values()}
    )
    links = Links.to(host, session, places.values())
    commits = {}
    for event_id, (name, version) in places.items():
        plain = plain_version(version) or version
        info = known.get((name, plain))
        commits[event_id] = CommitView(
            version=plain, url=links.of(name, version), author=info.author if info is not None else None
        )
    return commits
