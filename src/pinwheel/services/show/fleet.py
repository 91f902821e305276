"""The fleet: what runs in each Dag, what waits and why, what is broken, and how it goes since the release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.lookup import named
from pinwheel.core.records import DagFile, FleetDag
from pinwheel.core.release.behind import Behind, Lag, behind
from pinwheel.core.release.why_held import Hold, waits, why_held
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import DagCard
from pinwheel.services.show.links import Links
from pinwheel.services.show.status import BrokenView
from pinwheel.services.show.words import plain_version
from pinwheel.store import builds, rejections, stands
from pinwheel.store import fleet as store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ERROR_TAIL = 20_000
"""So many of the last characters of a broken file's error are shown."""

STATES = ("held", "pinned", "broken", "failing")


def _by_change(row: FleetDag) -> tuple[bool, float]:
    at = _changed_at(row)
    return at is not None, at.timestamp() if at is not None else 0.0


ORDERS: dict[str, tuple[Callable[[FleetDag], str | tuple[bool, float]], bool]] = {
    "dag_id": (lambda row: row.dag_id, False),
    "-last_change": (_by_change, True),
}


@frozen(kw_only=True)
class Wish:
    """Which Dags to show. All that is given must hold; of ``tags`` any."""

    held: bool | None = None
    pinned: bool | None = None
    broken: bool | None = None
    failing: bool | None = None
    """Whether a run on the active release has failed."""
    tags: tuple[str, ...] = ()
    bundle: str | None = None
    owner: str | None = None
    text: str | None = None
    retired: bool = False
    order_by: str = "dag_id"
    limit: int = 50
    offset: int = 0


@frozen(kw_only=True)
class FleetBuild:
    """The active or the newest build of a Dag."""

    build: int
    label: str | None
    bundle_version: str | None
    url: str | None
    """Where its commit can be looked at."""
    author: str | None
    message: str | None
    created_at: datetime
    committed_at: datetime | None


@frozen(kw_only=True)
class PinView:
    """Who pinned a Dag, why and when."""

    actor: str | None
    reason: str | None
    since: datetime | None


@frozen(kw_only=True)
class LastChange:
    """The newer of the active release and of the last pin or unpin."""

    kind: str
    actor: str | None
    reason: str | None
    at: datetime | None


@frozen(kw_only=True)
class FleetDagView:
    """One Dag at a glance."""

    dag_id: str
    display_name: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    paused: bool | None
    bundle: str
    path: str
    active_release: int | None
    released_at: datetime | None
    active: FleetBuild | None
    newest: FleetBuild | None
    behind: Behind | None
    """How far its new runs are behind what its bundle shows; None: they take that."""
    held: bool
    holds: tuple[Hold, ...]
    """What holds it, the first to be shown."""
    retired: bool
    pin: PinView | None
    broken: BrokenView | None
    runs: Mapping[str, int] | None
    """Runs on the active release, by state; None: whoever asks may not see them."""
    last_change: LastChange | None


@frozen(kw_only=True)
class FleetCounts:
    """How many Dags are in each state, before its filter."""

    all: int
    held: int
    pinned: int
    broken: int
    failing: int


@frozen(kw_only=True)
class FleetPage:
    """One page of the fleet."""

    dags: tuple[FleetDagView, ...]
    total_entries: int
    """How many there are on all pages."""
    counts: FleetCounts


@frozen(kw_only=True)
class Choices:
    """What the filters can be set to."""

    bundles: tuple[str, ...]
    owners: tuple[str, ...]
    tags: tuple[str, ...]


@frozen(kw_only=True)
class _Line:
    """One Dag with what the filters ask for."""

    row: FleetDag
    holds: tuple[Hold, ...]
    held: bool
    pinned: bool
    broken: bool
    failing: bool


def fleet(host: Host, wish: Wish, readable: Callable[[], Collection[str]]) -> FleetPage:
    """One page of the fleet. The number of statements does not depend on the number of Dags."""

    def work(session: Session) -> FleetPage:
        lines = _lines(host, session, wish, set(readable()))
        wanted = {state: getattr(wish, state) for state in STATES}
        found = [
            line
            for line in lines
            if all(value in (None, getattr(line, state)) for state, value in wanted.items())
        ]
        key, down = ORDERS[wish.order_by]
        found.sort(key=lambda line: key(line.row), reverse=down)
        page = found[wish.offset : wish.offset + wish.limit]
        counts = {state: sum(getattr(line, state) for line in lines) for state in STATES}
        return FleetPage(
            dags=_page(host, session, page),
            total_entries=len(found),
            counts=FleetCounts(all=len(lines), **counts),
        )

    return host.unit.run(work)


def choices(host: Host, readable: Callable[[], Collection[str]]) -> Choices:
    """What the filters can be set to, of the Dags that may be read."""

    def work(session: Session) -> Choices:
        allowed = set(readable())
        shown = [row for row in store.rows(session) if row.dag_id in allowed]
        owners, tags = host.reads.owners_and_tags(session, [row.dag_id for row in shown])
        bundles = sorted({row.bundle_name for row in shown})
        return Choices(bundles=tuple(bundles), owners=tuple(owners), tags=tuple(tags))

    return host.unit.run(work)


def _lines(host: Host, session: Session, wish: Wish, readable: set[str]) -> list[_Line]:
    matching = host.reads.matching(session, tags=wish.tags, owner=wish.owner, text=wish.text)
    broken = store.broken_files(session)
    failing = host.reads.active_with_failures(session)
    rejected = rejections.of_newest(session)
    rows = [
        row
        for row in store.rows(session, bundle=wish.bundle, retired=wish.retired)
        if row.dag_id in readable and (matching is None or row.dag_id in matching)
    ]
    # Of the others a version that waits is taken by itself, or a rejection tells.
    still = [row.dag_id for row in rows if row.pinned and not waits(row) and not row.retired]
    later = {dag_id for dag_id, lag in stands.lags(session, still).items() if lag.later}
    return [
        _Line(
            row=row,
            holds=(holds := why_held(row, rejected.get(row.dag_id), later=row.dag_id in later)),
            held=bool(holds),
            pinned=row.pinned,
            broken=(row.bundle_name, row.relative_fileloc) in broken,
            failing=row.dag_version_id in failing,
        )
        for row in rows
    ]


def _page(host: Host, session: Session, page: list[_Line]) -> tuple[FleetDagView, ...]:
    rows = [line.row for line in page]
    ids = {row.active_build_id for row in rows} | {row.newest_build_id for row in rows}
    found = builds.by_ids(session, ids)
    errors = store.errors(session, {(r.bundle_name, r.relative_fileloc) for r in rows})
    links = Links.to(host, session, [(build.bundle_name, build.bundle_version) for build in found.values()])
    cards = host.reads.cards(session, [row.dag_id for row in rows])
    lags = stands.lags(session, [row.dag_id for row in rows])
    counts = host.reads.counts_by_version(session, [row.dag_version_id for row in rows if row.dag_version_id])
    return tuple(
        _view(
            line,
            active=_build(named(found, line.row.active_build_id), links),
            newest=_build(named(found, line.row.newest_build_id), links),
            broken=errors.get((line.row.bundle_name, line.row.relative_fileloc)),
            card=cards.get(line.row.dag_id),
            lag=lags.get(line.row.dag_id),
            runs=counts.get(line.row.dag_version_id, {}) if line.row.dag_version_id else {},
        )
        for line in page
    )


def _view(
    line: _Line,
    *,
    active: FleetBuild | None,
    newest: FleetBuild | None,
    broken: DagFile | None,
    card: DagCard | None,
    lag: Lag | None,
    runs: Mapping[str, int],
) -> FleetDagView:
    row = line.row
    return FleetDagView(
        dag_id=row.dag_id,
        display_name=card.display_name if card else row.dag_id,
        owners=card.owners if card else (),
        tags=card.tags if card else (),
        paused=card.paused if card else None,
        bundle=row.bundle_name,
        path=row.relative_fileloc,
        active_release=row.active_release,
        released_at=row.released_at,
        active=active,
        newest=newest,
        behind=None if row.retired else behind(lag, waits=waits(row)),
        held=line.held,
        holds=line.holds,
        retired=row.retired,
        pin=PinView(actor=row.track_actor, reason=row.track_reason, since=row.track_since)
        if line.pinned
        else None,
        broken=_broken(broken) if broken is not None else None,
        runs=runs,
        last_change=_last_change(row),
    )


def _broken(file: DagFile) -> BrokenView:
    view = BrokenView.of(file)
    return evolve(view, error=(view.error or "")[-ERROR_TAIL:])


def _build(build: Build | None, links: Links) -> FleetBuild | None:
    if build is None:
        return None
    return FleetBuild(
        build=build.build,
        label=build.label,
        bundle_version=plain_version(build.bundle_version),
        url=links.of(build.bundle_name, build.bundle_version),
        author=build.author,
        message=build.message,
        created_at=build.created_at,
        committed_at=build.committed_at,
    )


def _pin_is_newer(row: FleetDag) -> bool:
    return row.track_since is not None and (row.released_at is None or row.track_since > row.released_at)


def _changed_at(row: FleetDag) -> datetime | None:
    return row.track_since if _pin_is_newer(row) else row.released_at


def _last_change(row: FleetDag) -> LastChange | None:
    if _pin_is_newer(row):
        kind = "pin" if row.pinned else "unpin"
        return LastChange(kind=kind, actor=row.track_actor, reason=row.track_reason, at=row.track_since)
    if row.released_at is None:
        return None
    return LastChange(
        kind=row.release_kind or "",
        actor=row.release_actor,
        reason=row.release_reason,
        at=row.released_at,
    )
