"""Releases under watch, for every place that shows them: how far, and what becomes of one that is worse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.records import ManagedDag
from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.decide import way_back
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.state import Cause, Rollout, Slot, State
from pinwheel.core.rollout.waiting import awaits
from pinwheel.core.rollout.watch_words import PlaceNamed, compared_with, way_back_words
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import load
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Known, OfRuns
from pinwheel.store import builds

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class WatchView:
    """What the runs of a watched release are judged by."""

    release: int | None
    compared_with: str | None
    """In words; None: that was not kept."""
    goes_back_to: PlaceNamed | None
    """The proven place; None: there is none, or its watch has ended."""
    back: str | None
    """What becomes of it if it is worse, as part of a sentence; None: its watch has ended."""


@frozen(kw_only=True)
class UnderWatch(WatchView):
    """The release of a Dag that is watched now."""

    rollout: int
    build: int | None
    state: State
    """``watching``, or ``paused``: a person has to go on with it."""
    cause: Cause | None
    """Why it is paused."""
    words: str
    """How far it is; of one that is paused why."""
    until: datetime | None
    """When that is over by itself."""


def of_rows(
    host: Host, session: Session, known: Known, rows: Mapping[str, ManagedDag]
) -> dict[str, UnderWatch]:
    """By Dag, its release under watch; Dags without one are left out, and cost nothing.

    A fixed number of statements for all of them.
    """
    some = {dag_id: row for dag_id, row in rows.items() if known.live(dag_id, Slot.WATCHED) is not None}
    if not some:
        return {}
    now = host.unit.now()
    loaded = load(host, session, some, others=known.build_ids)
    found = facts.find(host, session, known, loaded, now=now, runs=OfRuns.WATCHED)
    told = {dag_id: (each.facts.watched, each.facts) for dag_id, each in found.items()}
    named = names(session, {dag_id: of for dag_id, (_, of) in told.items()}, loaded.builds)
    views = {}
    for dag_id, (rollout, of) in told.items():
        if rollout is None:
            continue
        waits, view = awaits(rollout, of, now), view_of(rollout, of, named)
        build = named.get(rollout.place.build_id)
        views[dag_id] = UnderWatch(
            **asdict(view, recurse=False),
            rollout=rollout.id,
            build=build.build if build is not None else None,
            state=rollout.state,
            cause=rollout.cause,
            words=(rollout.why or waits.words) if rollout.paused else waits.words,
            until=waits.until,
        )
    return views


def names(session: Session, of: Mapping[str, Facts], known: Mapping[int, Build]) -> Mapping[int, Build]:
    """The builds of all places that watches go back to, with those that are *known*."""
    places = [way_back(each.watched, each) for each in of.values() if each.watched is not None]
    missing = {place.build_id for place in places if place is not None and place.build_id not in known}
    return {**known, **(builds.by_ids(session, missing) if missing else {})}


def view_of(rollout: Rollout, of: Facts, named: Mapping[int, Build]) -> WatchView:
    """What a release that is, or was, watched is judged by; *named* are the builds of the places."""
    view = WatchView(
        release=rollout.release,
        compared_with=compared_with(rollout.before) if rollout.before is not None else None,
        goes_back_to=None,
        back=None,
    )
    if rollout.slot is not Slot.WATCHED:
        return view
    place = way_back(rollout, of)
    back = None
    if place is not None:
        build = named.get(place.build_id)
        back = PlaceNamed(build=build.build if build is not None else None, bundle_version=place.version)
    said = way_back_words(rollout.plan.rollback, rollout.before or Before(), back)
    return evolve(view, goes_back_to=back, back=said)
