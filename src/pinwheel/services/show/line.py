"""The line of a Dag: its builds and releases over time, and what the runs on them came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, field, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput
from pinwheel.core.lookup import named
from pinwheel.core.records import BrokenBuild, KnownVersion, ManagedDag, NumberedRelease
from pinwheel.core.release.newer import is_newer
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.rollout.state import Rollout, Slot, State
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import PlacedRun
from pinwheel.services.release import keeping, watched
from pinwheel.services.release.stands import last_shown
from pinwheel.services.rules import facts
from pinwheel.services.show.builds import BuildView, ReleaseView, by_time
from pinwheel.services.show.links import Links
from pinwheel.services.show.status import managed
from pinwheel.store import builds, outcomes, rejections, releases, rollouts
from pinwheel.store.rollouts import Wanted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RUNS = 1000
"""So many runs are listed one by one; the numbers count all."""

ERROR_TAIL = 2000
"""So many of the last characters of a broken build's error are shown on the line."""


@frozen(kw_only=True)
class WatchOfRelease:
    """How the watch of a release stands, or how it ended."""

    rollout: int
    state: State
    words: str
    """How far it is; else why it is paused, or ended as it did."""


@frozen(kw_only=True)
class LineRelease(ReleaseView):
    """A release, and from when (``created_at``) to when it was active."""

    url: str | None = None
    """Where its commit can be looked at."""
    until: datetime | None = None
    message: str | None = None
    author: str | None = None
    runs: Mapping[str, int] = field(factory=dict)
    """How many runs on it are in which state."""
    run_again_on: Mapping[str, int] = field(factory=dict)
    """How many of those that failed were run again on which other release."""
    newer: bool = False
    """Its build is newer than the active one: promote leads there, else rollback."""
    watch: WatchOfRelease | None = None
    """Of one that is, or was, watched."""


@frozen(kw_only=True)
class LineBuild(BuildView):
    """A build; without releases it was never released."""

    url: str | None = None
    runs: Mapping[str, int] = field(factory=dict)
    """How many runs on it are in which state, on its releases or as trials."""
    newer: bool = False
    """As of releases."""


@frozen(kw_only=True)
class LineRun:
    """A run, and what it runs on now; neither release nor build: from before Pinwheel."""

    run_id: str
    state: str
    run_type: str
    at: datetime
    """When it began; of one that has not: when it was queued or made."""
    logical_date: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    release: int | None
    build: int | None
    bound_by: str | None
    earlier: bool = False
    """What it came to before it was run again or removed; it stands where it ended."""


@frozen(kw_only=True)
class WayBack:
    """Where a rollback without a target goes."""

    build: int
    bundle_version: str | None = None
    """Of the active build: the older version of its bundle."""


@frozen(kw_only=True)
class Line:
    """One page of the line, all of it newest first."""

    dag_id: str
    since: datetime | None
    """The page goes back to here; an older one is asked for with this as ``before``. None: the beginning."""
    before: datetime | None
    """Up to here; None: now."""
    releases: tuple[LineRelease, ...]
    in_force: LineRelease | None
    """The release that was active when the page begins."""
    builds: tuple[LineBuild, ...]
    runs: tuple[LineRun, ...]
    """The newest of those that began in the page's time."""
    more_runs: bool
    runs_before_pinwheel: Mapping[str, int]
    way_back: WayBack | None = None
    """None: there is none."""


def line(
    host: Host, dag_id: str, *, before: datetime | None = None, limit: int = 200, runs: bool = True
) -> Line:
    """One page of the line, of the builds, releases and runs from before an instant.

    :raises NotFound: the Dag is not managed.
    """
    if limit < 1:
        raise InvalidInput("Cannot show the line", found=f"limit {limit}", remedy="Give a limit of 1 or more")

    def work(session: Session) -> Line:
        row = managed(session, dag_id)
        ledger = releases.of_dag(session, dag_id, before=before, limit=limit + 1)
        good = builds.of_dag(session, dag_id, before=before, limit=limit + 1)
        bad = builds.broken_of_dag(session, dag_id, before=before, limit=limit + 1)
        moments = [item.created_at for item in ledger] + [item.created_at for item in good]
        moments = sorted(moments + [item.created_at for item in bad], reverse=True)
        since = moments[limit - 1] if len(moments) > limit else None
        shown = [item for item in ledger if since is None or item.created_at >= since]
        earlier = next((item for item in ledger if since is not None and item.created_at < since), None)
        good = [item for item in good if since is None or item.created_at >= since]
        bad = [item for item in bad if since is None or item.created_at >= since]
        if earlier is None and since is not None:
            earlier = next(iter(releases.of_dag(session, dag_id, before=since, limit=1)), None)

        listed = (
            host.reads.placed_runs(session, dag_id, since=since, before=before, limit=RUNS + 1)
            if runs
            else []
        )
        past = (
            host.reads.earlier_ends(session, dag_id, since=since, before=before, limit=RUNS + 1)
            if runs
            else []
        )
        counts = host.reads.run_counts(session, dag_id) if runs else {}
        again = outcomes.run_again_on(session, dag_id) if runs else {}
        versions = {run.dag_version_id for run in (*listed, *past)} | counts.keys()
        known = releases.by_dag_version(session, {version for version in versions if version is not None})
        by_release, by_build, unknown = _counted(counts, known)
        ledgered = [*shown, *([earlier] if earlier else ())]
        released = builds.by_ids(session, {item.build_id for item in ledgered})
        at_hand = {**released, **{build.id: build for build in good}}
        newer = _newer(session, row, at_hand)
        places = [(item.bundle_name, item.bundle_version) for item in good]
        places += [(item.bundle_name, item.bundle_version) for item in bad]
        places += [(released[item.build_id].bundle_name, item.bundle_version) for item in ledgered]
        links = Links.to(host, session, places)
        numbers = releases.numbers_by_build(session, dag_id)
        rejected = rejections.of_dag(session, dag_id)
        told = builds.how_told(session, [build.id for build in good])
        top = shown[0] if shown else earlier
        end = releases.released_after(session, dag_id, top.release) if top is not None and before else None

        watches = _watches(host, session, row, limit)
        fetchable = keeping.fetchable(host, session, {dag_id: row}).get(dag_id, ())

        def release(item: NumberedRelease, until: datetime | None) -> LineRelease:
            build = released[item.build_id]
            return evolve(
                LineRelease.of(
                    item,
                    build,
                    active=item.release == row.active_release,
                    fetchable=item.release in fetchable,
                ),
                url=links.of(build.bundle_name, item.bundle_version),
                until=until,
                message=build.message,
                author=build.author,
                runs=by_release.get(item.release, {}),
                run_again_on={str(on): number for on, number in again.get(item.release, {}).items()},
                newer=build.id in newer,
                watch=watches.get(item.release),
            )

        def made(build: Build) -> LineBuild:
            return evolve(
                LineBuild.of(build, numbers.get(build.id, ()), rejected, told.get(build.id)),
                url=links.of(build.bundle_name, build.bundle_version),
                runs=by_build.get(build.id, {}),
                newer=build.id in newer,
            )

        def broken(row: BrokenBuild) -> LineBuild:
            view = LineBuild.of_broken(row)
            return evolve(view, url=links.of(view.bundle, view.bundle_version), error=_cut(view.error or ""))

        ended = [(run.at, _run(run, known)) for run in listed]
        ended += [(run.at, evolve(_run(run, known), earlier=True)) for run in past]
        ended.sort(key=lambda pair: pair[0], reverse=True)
        ends = [end, *(item.created_at for item in shown[:-1])]
        return Line(
            dag_id=dag_id,
            since=since,
            before=before,
            releases=tuple(release(item, until) for item, until in zip(shown, ends, strict=False)),
            in_force=release(earlier, shown[-1].created_at if shown else end) if earlier else None,
            builds=tuple(by_time([made(build) for build in good], [broken(row) for row in bad])),
            runs=tuple(run for _, run in ended[:RUNS]),
            more_runs=len(ended) > RUNS,
            runs_before_pinwheel=unknown,
            way_back=_way_back(session, row, rejected, at_hand),
        )

    return host.unit.run(work)


def _watches(host: Host, session: Session, row: ManagedDag, limit: int) -> dict[int, WatchOfRelease]:
    """By number of the release, of the last so many rollouts of the Dag those that were watched."""
    found = rollouts.listed(session, Wanted(dag_ids=frozenset((row.dag_id,))), limit=limit)
    own = {each.release: each for each in found if each.release is not None and each.plan.watch is not None}
    live: dict[str, str] = {}
    if any(each.slot is Slot.WATCHED for each in own.values()):
        rows = {row.dag_id: row}
        under = watched.of_rows(host, session, facts.know(session, rows), rows)
        live = {dag_id: each.words for dag_id, each in under.items()}
    return {release: _watch(each, live.get(row.dag_id)) for release, each in own.items()}


def _watch(rollout: Rollout, now: str | None) -> WatchOfRelease:
    words = rollout.why if rollout.slot is None or rollout.paused else now
    return WatchOfRelease(rollout=rollout.id, state=rollout.state, words=words or rollout.state.value)


def _way_back(
    session: Session, row: ManagedDag, rejected: Sequence[Rejection], at_hand: Mapping[int, Build]
) -> WayBack | None:
    """As ``decide`` takes it for a rollback without a target."""
    if row.active_build_id is None or row.active_release is None:
        return None
    passed_over = rejections.build_ids(session, {row.dag_id: rejected})
    follows = row.follow_before is not None and not row.retired and row.active_build_id not in passed_over
    active = {row.dag_id: (row.active_release, row.active_build_id)}
    back = (
        row.active_build_id
        if follows
        else releases.previous_build_ids(session, active, passed_over=passed_over).get(row.dag_id)
    )
    if back is None:
        return None
    build = at_hand.get(back) or builds.by_ids(session, [back])[back]
    return WayBack(build=build.build, bundle_version=row.follow_before if follows else None)


def _newer(session: Session, row: ManagedDag, at_hand: Mapping[int, Build]) -> set[int]:
    """Ids of those of these builds that are newer than the active one; all, when none is active."""
    wanted = [build_id for build_id in (row.active_build_id, row.newest_build_id) if build_id is not None]
    missing = [build_id for build_id in wanted if build_id not in at_hand]
    known = {**at_hand, **(builds.by_ids(session, missing) if missing else {})}
    asked = at_hand.values()
    active = named(known, row.active_build_id)
    if active is None:
        return {build.id for build in asked}
    shown = last_shown(session, row.bundle_name, {active.id, *(build.id for build in asked)})
    newest = named(known, row.newest_build_id)
    return {build.id for build in asked if is_newer(build, active, newest=newest, shown=shown)}


def _counted(
    counts: Mapping[UUID | None, Mapping[str, int]], known: Mapping[UUID, KnownVersion]
) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]], dict[str, int]]:
    """Numbers of runs by state: by release, by id of the build, and of versions that nobody knows."""
    by_release: dict[int, dict[str, int]] = {}
    by_build: dict[int, dict[str, int]] = {}
    unknown: dict[str, int] = {}
    for version, states in counts.items():
        row = known.get(version) if version is not None else None
        places = [unknown] if row is None else [by_build.setdefault(row.build_id, {})]
        if row is not None and row.release is not None:
            places.append(by_release.setdefault(row.release, {}))
        for place in places:
            for state, number in states.items():
                place[state] = place.get(state, 0) + number
    return by_release, by_build, unknown


def _cut(error: str) -> str:
    return error if len(error) <= ERROR_TAIL else f"…{error[-ERROR_TAIL:]}"


def _run(run: PlacedRun, known: Mapping[UUID, KnownVersion]) -> LineRun:
    row = known.get(run.dag_version_id) if run.dag_version_id is not None else None
    return LineRun(
        run_id=run.run_id,
        state=run.state,
        run_type=run.run_type,
        at=run.at,
        logical_date=run.logical_date,
        start_date=run.start_date,
        end_date=run.end_date,
        release=row.release if row is not None else None,
        build=row.build if row is not None else None,
        bound_by=run.bound_by,
    )
