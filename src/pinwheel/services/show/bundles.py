"""Where each bundle stands: what was taken from it, what was refused, and what fails.

Reasons and errors are None for whoever may not see them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.errors import NotFound
from pinwheel.core.parse.verify import Outlook
from pinwheel.core.records import Head, RefusedHead
from pinwheel.services.ingest.faults import MAKE, PROCESSOR, REFRESH
from pinwheel.services.ports.deployment import AirflowBundle
from pinwheel.services.ports.host import Host
from pinwheel.services.show.links import Links
from pinwheel.services.show.words import plain_version
from pinwheel.store import faults as fault_store
from pinwheel.store import standings as store
from pinwheel.store import verification

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_REFUSED = 20
"""So many of a bundle's refused versions are shown."""

OK, REFUSED, FAILING, CANNOT_BE_MADE, NOT_CONFIGURED = (
    *("ok", "refused", "failing"),
    *("cannot_be_made", "not_configured"),
)


@frozen(kw_only=True)
class HeadOfBundle:
    """The version in use."""

    version: str
    label: str | None
    author: str | None
    message: str | None
    committed_at: datetime | None
    since: datetime
    settled: bool
    """Each of its files is known: parsed, taken over or broken."""
    url: str | None


@frozen(kw_only=True)
class RefusedVersion:
    """A version that was not taken. It may be one of long ago: ``state`` of the bundle says what is now."""

    version: str
    label: str | None
    author: str | None
    message: str | None
    reason: str | None
    at: datetime | None


@frozen(kw_only=True)
class BundleFault:
    """What failed and has not worked since."""

    place: str
    error: str | None
    version: str | None
    since: datetime


@frozen(kw_only=True)
class LeftOut:
    """An entry of the head that is not part of the version, and why."""

    path: str
    reason: str


@frozen(kw_only=True)
class Unverified:
    """Files of the head that were judged unchanged, and that nobody has parsed in its tree yet."""

    files: int
    since: datetime
    """When the longest unverified one was last parsed or verified."""
    version: str | None
    """The oldest version that is not verified for it: the first after that."""
    done_at: datetime
    """When all are verified, if nothing changes, by the budget and what a verification takes."""


@frozen(kw_only=True)
class Problem:
    """Why the state of a bundle is not ok, in one text."""

    reason: str | None
    version: str | None
    since: datetime | None


@frozen(kw_only=True)
class Standing:
    """Where one bundle stands."""

    name: str
    state: str
    """``ok``; ``refused``: its newest version was not taken; ``failing``: something else of it does not work;
    ``cannot_be_made``: its entry in the configuration gives no bundle; ``not_configured``: it has none."""
    problem: Problem | None
    head: HeadOfBundle | None
    """None of a bundle from which no version was taken: its Dags are Airflow's alone."""
    looked_at: datetime | None
    """When Airflow last looked for a newer version."""
    dags: int
    """Active Dags of it."""
    refused: tuple[RefusedVersion, ...]
    """The newest first."""
    faults: tuple[BundleFault, ...]
    left_out: tuple[LeftOut, ...] | None
    """None: whoever asks may not know them."""
    unverified: Unverified | None = None
    """None: there are none, or verification is off."""


@frozen(kw_only=True)
class Troubled:
    """What is said of a bundle beside Dags, when its state is not ok."""

    name: str
    state: str
    problem: Problem


@frozen(kw_only=True)
class Standings:
    """Bundles by name, and what fails of the Dag processor itself."""

    bundles: tuple[Standing, ...]
    faults: tuple[BundleFault, ...]

    def only(self, names: Collection[str]) -> Standings:
        """Those of these names; without names: all.

        :raises NotFound: there is no bundle of one of the names.
        """
        known = {standing.name: standing for standing in self.bundles}
        for name in names:
            if name not in known:
                raise unknown_bundle(name)
        return evolve(self, bundles=tuple(known[name] for name in sorted(set(names)))) if names else self


@frozen(kw_only=True)
class Holdings:
    """Which Dags Airflow's rows place in which bundle, for whoever decides who may see the texts."""

    by_bundle: Mapping[str, frozenset[str]]
    every: frozenset[str]

    def of(self, bundle: str) -> frozenset[str]:
        return self.by_bundle.get(bundle, frozenset())


def standings(host: Host) -> Standings:
    """Where every bundle stands. The number of statements does not depend on how many there are."""
    return standings_and_holdings(host)[0]


def standings_and_holdings(host: Host) -> tuple[Standings, Holdings]:
    """As :func:`standings`, and the Dags of each bundle, of the same moment."""

    def work(session: Session) -> tuple[Standings, Holdings]:
        heads = store.heads(session)
        refused = store.refused(session, MOST_REFUSED)
        faults: dict[str, list[BundleFault]] = {}
        for fault in fault_store.listed(session):
            faults.setdefault(fault.bundle_name, []).append(
                BundleFault(place=fault.place, error=fault.error, version=fault.version, since=fault.since)
            )
        configured = host.deployment.bundles(session)
        dags = host.reads.dags_of_bundles(session)
        active = {name for name, bundle in configured.items() if bundle.active}
        names = active | heads.keys() | refused.keys() | (faults.keys() - {PROCESSOR})
        links = Links.to(host, session, [(name, row.head_version) for name, row in heads.items()])
        shown = Standings(
            bundles=tuple(
                _standing(
                    name,
                    airflow=configured.get(name),
                    head=_head(heads.get(name), links),
                    refused=tuple(map(_refused, refused.get(name, ()))),
                    faults=tuple(faults.get(name, ())),
                    left_out=_left_out(heads.get(name)),
                    dags=dags.get(name, {}),
                )
                for name in sorted(names)
            ),
            faults=tuple(faults.get(PROCESSOR, ())),
        )
        unverified = _unverified(session, host.unit.now())
        shown = evolve(
            shown,
            bundles=tuple(evolve(each, unverified=unverified.get(each.name)) for each in shown.bundles),
        )
        by_bundle = {name: frozenset(of_bundle) for name, of_bundle in dags.items()}
        return shown, Holdings(by_bundle=by_bundle, every=frozenset().union(*by_bundle.values()))

    return host.unit.run(work)


TAKES = 0.1
"""CPU seconds that a verification is thought to take before any was done."""


def _unverified(session: Session, now: datetime) -> dict[str, Unverified]:
    budget = verification.budget(session)
    if budget is None or budget.share <= 0:
        return {}
    waiting = verification.waiting(session)
    versions = verification.first_after(
        session, {name: row.seq for name, row in waiting.items() if row.seq is not None}
    )
    # They share one budget: which bundle's turn it is depends on each file.
    seconds = Outlook.of(
        sum(row.files for row in waiting.values()),
        mean=budget.mean if budget.mean is not None else TAKES,
        share=budget.share,
        level=budget.level,
    ).seconds
    return {
        name: Unverified(
            files=row.files,
            since=row.since,
            version=plain_version(versions.get(name)),
            done_at=now + timedelta(seconds=seconds or 0.0),
        )
        for name, row in waiting.items()
    }


def troubled(standing: Standing) -> Troubled | None:
    """What is said of it beside Dags; None when it is ok."""
    if standing.problem is None:
        return None
    return Troubled(name=standing.name, state=standing.state, problem=standing.problem)


def unknown_bundle(name: str) -> NotFound:
    return NotFound(
        f"Cannot find bundle {name}",
        found="neither Airflow's configuration names it, nor was a version of it ever taken",
        remedy="List what there is with: pinwheel bundles",
        bundle=name,
    )


def _standing(
    name: str,
    *,
    airflow: AirflowBundle | None,
    head: HeadOfBundle | None,
    refused: tuple[RefusedVersion, ...],
    faults: tuple[BundleFault, ...],
    left_out: tuple[LeftOut, ...],
    dags: Mapping[str, bool],
) -> Standing:
    active = sum(dags.values())
    configured = airflow is not None and airflow.active
    state, problem = _state(configured=configured, refused=refused, faults=faults, dags=active)
    return Standing(
        name=name,
        state=state,
        problem=problem,
        head=head,
        looked_at=airflow.refreshed_at if airflow else None,
        dags=active,
        refused=refused,
        faults=faults,
        left_out=left_out,
    )


def _state(
    *,
    configured: bool,
    refused: tuple[RefusedVersion, ...],
    faults: tuple[BundleFault, ...],
    dags: int,
) -> tuple[str, Problem | None]:
    by_place = {fault.place: fault for fault in faults}
    if made := by_place.get(MAKE):
        return CANNOT_BE_MADE, _problem(made)
    if not configured:
        # Of a bundle that was taken away together with its Dags nothing is wrong.
        reason = "Airflow's configuration does not name it: nothing new is taken from it"
        return NOT_CONFIGURED, Problem(reason=reason, version=None, since=None) if dags else None
    fetched = by_place.get(REFRESH)
    if fetched and any(version.version == fetched.version for version in refused):
        return REFUSED, _problem(fetched)
    if faults:
        return FAILING, _problem(fetched or faults[0])
    return OK, None


def _problem(fault: BundleFault) -> Problem:
    return Problem(reason=fault.error, version=fault.version, since=fault.since)


def _head(row: Head | None, links: Links) -> HeadOfBundle | None:
    if row is None or row.head_version is None:
        return None
    return HeadOfBundle(
        version=plain_version(row.head_version) or "",
        label=row.label,
        author=row.author,
        message=row.message,
        committed_at=row.committed_at,
        since=row.updated_at,
        settled=row.settled_seq == row.head_seq,
        url=links.of(row.name, row.head_version),
    )


def _refused(row: RefusedHead) -> RefusedVersion:
    return RefusedVersion(
        version=row.version,
        label=row.label,
        author=row.author,
        message=row.message,
        reason=row.reason or "",
        at=row.refused_at,
    )


def _left_out(row: Head | None) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(path=item["path"], reason=item["reason"])
        for item in (row.left_out if row is not None else None) or ()
    )
