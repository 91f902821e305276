"""Which errors of Dag files a user may read: the one place where every route that shows some asks.

An error quotes lines of its file, and so of all Dags in it. The rule and the words are Airflow's own (3.3,
3.4: ``core_api/routes/public/import_error.py``), so that Pinwheel shows nobody what Airflow hides:

* who may not see import errors gets none, as for Airflow's page of them;
* who may not read all Dags of the file is told so in place of the error.

Airflow has no permission on bundles. What is refused of a bundle, and what fails of it, may quote any of its
files, and a missed dependency names some that changed, so the same rule holds with all Dags that are or were
of the bundle; of the Dag processor, with all Dags there are. A bundle is shown to whoever may read a Dag of
it, and one without Dags to whoever may see import errors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from attrs import evolve, frozen

from pinwheel.api.access import Access, unreadable
from pinwheel.core.event import TOLD_OF_BUNDLES
from pinwheel.services.ingest.errors_of_files import told_of, told_of_bundles
from pinwheel.services.ports.host import Host
from pinwheel.services.show import bundles
from pinwheel.services.show.builds import BuildView
from pinwheel.services.show.bundles import BundleFault, Holdings, Standing, Standings
from pinwheel.services.show.events import EventView
from pinwheel.services.show.fleet import FleetDagView
from pinwheel.services.show.plain import ABSENT
from pinwheel.services.show.status import StatusView
from pinwheel.services.timeline.quotes import Quoted, Reads

REDACTED = "REDACTED - you do not have read permission on all Dags in the file"
REDACTED_BUNDLE = "REDACTED - you do not have read permission on all Dags in the bundle"

B = TypeVar("B", bound=BuildView)
D = TypeVar("D", StatusView, FleetDagView)


@frozen
class _Quoted:
    """The error of a Dag file in a version of its bundle."""

    bundle: str | None
    bundle_version: str | None
    path: str | None
    error: str | None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.bundle or "", self.bundle_version or "", self.path or ""


def readable_builds(access: Access, host: Host, builds: Sequence[B]) -> list[B]:
    """The builds, without what the user may not read of their errors."""
    told = _errors(
        access, host, [_Quoted(view.bundle, view.bundle_version, view.path, view.error) for view in builds]
    )
    return [evolve(view, error=error) for view, error in zip(builds, told, strict=True)]


def readable_events(access: Access, host: Host, events: Sequence[EventView]) -> list[EventView]:
    """The events, without what the user may not read of the errors and reasons that they quote."""
    quoted = [
        _Quoted(event.bundle, _text_of(event.bundle_version), _text_of(event.path), _text_of(event.error))
        for event in events
    ]
    told = _errors(access, host, quoted)
    return _readable_reasons(
        access,
        host,
        [
            event if quote.error is None else evolve(event, error=error)
            for event, quote, error in zip(events, quoted, told, strict=True)
        ],
    )


def readable_broken(access: Access, host: Host, dags: Sequence[D]) -> list[D]:
    """The Dags, those that are ``broken`` now without what the user may not read of the error."""
    quoted = [
        _Quoted(view.bundle, view.broken.bundle_version, view.broken.path, view.broken.error)
        if view.broken is not None
        else _Quoted(view.bundle, None, None, None)
        for view in dags
    ]
    told = _errors(access, host, quoted)
    return [
        view if view.broken is None else evolve(view, broken=evolve(view.broken, error=error))
        for view, error in zip(dags, told, strict=True)
    ]


def reads(access: Access) -> Reads:
    """What lets a service tell of errors that it meets only what the user may read."""

    def told(quoted: Quoted) -> str | None:
        if not access.may_read_import_errors():
            return None
        if unreadable(access, quoted.dag_ids):
            return REDACTED_BUNDLE if quoted.of_bundle else REDACTED
        return quoted.text

    return told


def _errors(access: Access, host: Host, quoted: Sequence[_Quoted]) -> list[str | None]:
    """What the user may read of each."""
    places = {quote.place for quote in quoted if quote.error is not None}
    if not places or not access.may_read_import_errors():
        return [None] * len(quoted)
    told = told_of(host, places)
    hidden = set(unreadable(access, {dag_id for dag_ids in told.values() for dag_id in dag_ids}))
    return [
        REDACTED if quote.error is not None and told[quote.place] & hidden else quote.error
        for quote in quoted
    ]


def readable_standings(access: Access, host: Host, *, names: Collection[str] = ()) -> Standings:
    """Where those bundles stand that the user may know of, and what fails of the processor; texts as allowed.

    :raises NotFound: there is no bundle of one of these names, or the user may not know of it.
    """
    found, held = bundles.standings_and_holdings(host)
    readable, with_errors = access.readable(), access.may_read_import_errors()
    known = tuple(
        standing
        for standing in found.bundles
        if held.of(standing.name) & readable or (with_errors and not held.of(standing.name))
    )
    shown = evolve(found, bundles=known).only(names)
    quoting = {bundle.name: _has_texts(bundle) for bundle in shown.bundles}
    hidden = _hidden(access, host, held, quoting)
    readers = _Texts(with_errors=with_errors, hidden=hidden, processor=not held.every <= readable)
    return evolve(
        shown,
        bundles=tuple(map(readers.standing, shown.bundles)),
        faults=readers.faults(shown.faults, partly=readers.processor),
    )


def _readable_reasons(access: Access, host: Host, events: Sequence[EventView]) -> list[EventView]:
    """The events, those that tell of a bundle with what the user may know of it."""
    told = [event for event in events if _tells_of_bundle(event)]
    if not told:
        return list(events)
    _, held = bundles.standings_and_holdings(host)
    readers = _Texts(
        with_errors=access.may_read_import_errors(),
        hidden=_hidden(access, host, held, {event.bundle: True for event in told if event.bundle}),
        processor=not held.every <= access.readable(),
    )
    return [readers.event(event) if _tells_of_bundle(event) else event for event in events]


def _tells_of_bundle(event: EventView) -> bool:
    return _names_paths(event) or (event.kind in TOLD_OF_BUNDLES and event.reason is not None)


def _names_paths(event: EventView) -> bool:
    """Whether it names files of the bundle that need not be its Dag's."""
    return event.paths is not ABSENT and bool(event.paths)


def _hidden(access: Access, host: Host, held: Holdings, quoting: Mapping[str, bool]) -> set[str]:
    """Those of the bundles that hold a Dag which the user may not read; where it matters, or once held one.

    *quoting* says of each bundle whether there is a text that may quote its files.
    """
    readable = access.readable()
    hidden = {name for name in quoting if not held.of(name) <= readable}
    if not access.may_read_import_errors():
        return hidden
    told = told_of_bundles(host, {name for name, quotes in quoting.items() if quotes} - hidden)
    unread = set(unreadable(access, {dag_id for dag_ids in told.values() for dag_id in dag_ids}))
    return hidden | {name for name, dag_ids in told.items() if dag_ids & unread}


def _has_texts(bundle: Standing) -> bool:
    return bool(bundle.problem or bundle.refused or bundle.faults or bundle.left_out)


@frozen(kw_only=True)
class _Texts:
    """What one user may read of what is told of bundles."""

    with_errors: bool
    hidden: Collection[str]
    """Bundles of which the user may not read all Dags."""
    processor: bool
    """Whether the user may not read all Dags there are."""

    def text(self, text: str | None, bundle: str | None) -> str | None:
        return self._told(text, partly=bundle in self.hidden if bundle else self.processor)

    def standing(self, bundle: Standing) -> Standing:
        problem, name = bundle.problem, bundle.name
        partly = name in self.hidden
        return evolve(
            bundle,
            problem=evolve(problem, reason=self.text(problem.reason, name)) if problem else None,
            refused=tuple(evolve(each, reason=self.text(each.reason, name)) for each in bundle.refused),
            faults=self.faults(bundle.faults, partly=partly),
            left_out=None if partly or not self.with_errors else bundle.left_out,
        )

    def event(self, event: EventView) -> EventView:
        """One that tells of a bundle."""
        if not _names_paths(event):
            return evolve(event, reason=self.text(event.reason, event.bundle))
        return evolve(event, paths=()) if not self.with_errors or event.bundle in self.hidden else event

    def faults(self, faults: Sequence[BundleFault], *, partly: bool) -> tuple[BundleFault, ...]:
        return tuple(evolve(each, error=self._told(each.error, partly=partly)) for each in faults)

    def _told(self, text: str | None, *, partly: bool) -> str | None:
        if not self.with_errors:
            return None
        return REDACTED_BUNDLE if partly and text is not None else text


def _text_of(value: object) -> str | None:
    return value if isinstance(value, str) else None
