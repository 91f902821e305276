"""The fleet: what runs in each Dag, what waits and why, what is broken, and how it goes since the release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.lookup import named
from pinwheel.core.records import DagFile, FleetDag
from pinwheel.core.release.behind import Behind, Lag, behind
from pinwheel.core.release.why_held import waits, why_held
from pinwheel.core.request import States
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Rollout, Slot
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import DagCard
from pinwheel.services.release import holding, watched
from pinwheel.services.release.holding import Ruled
from pinwheel.services.release.watched import UnderWatch
from pinwheel.services.show import for_dates
from pinwheel.services.show.links import Links
from pinwheel.services.show.status import BrokenView, everybodys, present_eras
from pinwheel.services.show.words import plain_version
from pinwheel.store import builds, rejections, stands
from pinwheel.store import fleet as store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ERROR_TAIL = 20_000
"""So many of the last characters of a broken file's error are shown."""

COUNTED = ("held", "pinned", "broken", "failing")
"""States of which the page says how many Dags are in them."""


@frozen(kw_only=True)
class Wish:
    """Which Dags to show, in which order. All that is given must hold."""

    held: bool | None = None
    pinned: bool | None = None
    broken: bool | None = None
    failing: bool | None = None
    behind: bool | None = None
    """These five as in :class:`pinwheel.core.request.States`."""
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    """Whether a Dag must have all of the tags, not any of them."""
    pinned_days: int | None = None
    """Only Dags that have been pinned for so many days."""
    bundle: str | None = None
    owner: str | None = None
    text: str | None = None
    retired: bool = False
    order_by: str = "dag_id"
    limit: int = 50
    offset: int = 0

    @property
    def states(self) -> States:
        return States(
            held=self.held,
            pinned=self.pinned,
            broken=self.broken,
            failing=self.failing,
            behind=self.behind,
        )


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
    watch: UnderWatch | None
    """Its active release, where that is under watch."""
    retired: bool
    pin: PinView | None
    broken: BrokenView | None
    waits_since: datetime | None
    """When what waits for it came, or was held, if that was later; None: it is not held."""
    failing_since: datetime | None
    """When the first of the runs that failed on the active release did; None: none has, or may be told of."""
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
    broken_files: int
    """How many files the broken Dags are of."""


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
    states: States
    waits_since: datetime | None
    broken_since: datetime | None
    failing_since: datetime | None
    watched: Rollout | None

    @property
    def place(self) -> tuple[str, str]:
        return self.row.bundle_name, self.row.relative_fileloc

    @property
    def rank(self) -> int:
        """How much it needs attention: the lower, the more."""
        if self.row.retired:
            return 5
        asks = self.watched is not None and self.watched.paused
        urgent = (self.states.failing, asks, self.states.broken, self.states.held)
        return next((rank for rank, is_so in enumerate(urgent) if is_so), 4)

    @property
    def since(self) -> datetime | None:
        """Since when it needs attention, for the first reason that it has."""
        asks_since = self.watched.paused_at if self.watched is not None else None
        found = (self.failing_since, asks_since, self.broken_since, self.waits_since, None, None)
        return found[self.rank]


def _oldest(at: datetime | None) -> tuple[bool, float]:
    return at is None, at.timestamp() if at is not None else 0.0


def _newest(at: datetime | None) -> tuple[bool, float]:
    none, seconds = _oldest(at)
    return none, -seconds


ORDERS: dict[str, Callable[[_Line], tuple[int | bool | float, ...]]] = {
    "attention": lambda line: (line.rank, *_newest(line.since)),
    "dag_id": lambda line: (),
    "-last_change": lambda line: _newest(_changed_at(line.row)),
    "waits_since": lambda line: _oldest(line.waits_since),
    "pinned_since": lambda line: _oldest(line.row.track_since if line.row.pinned else None),
    "failing_since": lambda line: (not line.states.failing, *_oldest(line.failing_since)),
}
"""What comes first; of those alike the one whose id does. Those of which there is nothing to say are last."""


def fleet(
    host: Host,
    wish: Wish,
    readable: Callable[[], Collection[str]],
    sees_runs: Callable[[Collection[str]], set[str]] = everybodys,
) -> FleetPage:
    """One page of the fleet. The number of statements does not depend on the number of Dags.

    ``sees_runs`` tells of which Dags whoever asks may know how their runs went: no other is failing.
    """

    def work(session: Session) -> FleetPage:
        ruled = holding.of_all(host, session)
        lines = _lines(host, session, wish, set(readable()), sees_runs, ruled)
        since = host.unit.now() - timedelta(days=wish.pinned_days) if wish.pinned_days is not None else None
        found = [
            line
            for line in lines
            if wish.states.admit(line.states) and (since is None or _pinned_before(line.row, since))
        ]
        found.sort(key=ORDERS[wish.order_by])
        page = found[wish.offset : wish.offset + wish.limit]
        counts = {state: sum(getattr(line.states, state) for line in lines) for state in COUNTED}
        files = {line.place for line in lines if line.states.broken}
        return FleetPage(
            dags=_page(host, session, page, ruled),
            total_entries=len(found),
            counts=FleetCounts(all=len(lines), **counts, broken_files=len(files)),
        )

    return host.unit.run(work)


def _pinned_before(row: FleetDag, at: datetime) -> bool:
    return row.pinned and row.track_since is not None and row.track_since <= at


def choices(host: Host, readable: Callable[[], Collection[str]]) -> Choices:
    """What the filters can be set to, of the Dags that may be read."""

    def work(session: Session) -> Choices:
        allowed = set(readable())
        shown = [row for row in store.rows(session) if row.dag_id in allowed]
        owners, tags = host.reads.owners_and_tags(session, [row.dag_id for row in shown])
        bundles = sorted({row.bundle_name for row in shown})
        return Choices(bundles=tuple(bundles), owners=tuple(owners), tags=tuple(tags))

    return host.unit.run(work)


def _lines(
    host: Host,
    session: Session,
    wish: Wish,
    readable: set[str],
    sees_runs: Callable[[Collection[str]], set[str]],
    ruled: Ruled,
) -> list[_Line]:
    matching = host.reads.matching(
        session, tags=wish.tags, all_tags=wish.all_tags, owner=wish.owner, text=wish.text
    )
    broken = store.broken_files(session)
    failures = host.reads.active_with_failures(session)
    rejected = rejections.of_newest(session)
    eras = present_eras(host, session, None)
    rows = [
        row
        for row in store.rows(session, bundle=wish.bundle, retired=wish.retired)
        if row.dag_id in readable and (matching is None or row.dag_id in matching)
    ]
    failing = for_dates.earliest(failures, for_dates.stand_ins(session, rows) if failures else {})
    told = sees_runs([row.dag_id for row in rows if row.dag_version_id in failing]) if failing else set()
    # Of the others a version that waits is taken by itself, or a rejection or what is ruled tells.
    still = [
        row.dag_id
        for row in rows
        if not row.retired and (wish.behind is not None or (row.pinned and not waits(row)))
    ]
    lags = stands.lags(session, still)
    lines = []
    for row in rows:
        lag = lags.get(row.dag_id)
        later = lag is not None and lag.later and row.pinned and not waits(row)
        holds = why_held(
            row,
            rejected.get(row.dag_id),
            later=later,
            era=eras.get(row.dag_id),
            ruled=ruled.holds.get(row.dag_id, ()),
        )
        fails = row.dag_id in told
        broken_since = broken.get((row.bundle_name, row.relative_fileloc))
        lines.append(
            _Line(
                row=row,
                holds=holds,
                states=States(
                    held=bool(holds),
                    pinned=row.pinned,
                    broken=broken_since is not None,
                    failing=fails,
                    behind=behind(lag, waits=waits(row)) is not None,
                ),
                waits_since=_waits_since(row, holds),
                broken_since=broken_since,
                failing_since=failing.get(row.dag_version_id) if fails and row.dag_version_id else None,
                watched=ruled.known.live(row.dag_id, Slot.WATCHED),
            )
        )
    return lines


def _waits_since(row: FleetDag, holds: Sequence[Hold]) -> datetime | None:
    if not holds:
        return None
    # A build is as old as its content: it may have run before something held it.
    came = (row.newest_at if waits(row) else None, holds[0].since)
    return max((at for at in came if at is not None), default=None)


def _page(host: Host, session: Session, page: list[_Line], ruled: Ruled) -> tuple[FleetDagView, ...]:
    rows = [line.row for line in page]
    ids = {row.active_build_id for row in rows} | {row.newest_build_id for row in rows}
    found = builds.by_ids(session, ids)
    errors = store.errors(session, {(r.bundle_name, r.relative_fileloc) for r in rows})
    links = Links.to(host, session, [(build.bundle_name, build.bundle_version) for build in found.values()])
    cards = host.reads.cards(session, [row.dag_id for row in rows])
    lags = stands.lags(session, [row.dag_id for row in rows])
    stand_for = for_dates.stand_ins(session, rows)
    wanted = [*(row.dag_version_id for row in rows if row.dag_version_id), *stand_for]
    counts = for_dates.counted(host.reads.counts_by_version(session, wanted), stand_for)
    own = {row.dag_id: ruled.rows[row.dag_id] for row in rows if row.dag_id in ruled.rows}
    watches = watched.of_rows(host, session, ruled.known, own)
    return tuple(
        _view(
            line,
            watch=watches.get(line.row.dag_id),
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
    watch: UnderWatch | None,
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
        held=bool(line.holds),
        holds=line.holds,
        watch=watch,
        retired=row.retired,
        pin=PinView(actor=row.track_actor, reason=row.track_reason, since=row.track_since)
        if row.pinned
        else None,
        broken=_broken(broken) if broken is not None else None,
        waits_since=line.waits_since,
        failing_since=line.failing_since,
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
