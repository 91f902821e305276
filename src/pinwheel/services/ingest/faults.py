"""What could not be taken of a bundle, and what a processor caught: told once, until it works."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core import text
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import bundles, events, faults
from pinwheel.store.faults import PROCESSOR

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["PROCESSOR", "clear", "record", "refuse"]

REFRESH = "refresh"
"""The place of faults of fetching and taking in a version."""
MAKE = "make"
"""The place of the fault of a configured bundle that cannot be made."""


def refuse(
    host: Host,
    *,
    bundle_name: str,
    version: str,
    reason: str,
    about: Mapping[str, str | datetime | None] | None = None,
) -> bool:
    """Record that a bundle's newest version was not taken; one event per version and reason.

    *about* is what is known of the version: author, message, committed_at, label.

    The version in use stays. Returns whether this is news. Safe to repeat and from several processors.
    """

    def work(session: Session) -> bool:
        now = host.unit.now()
        faults.record(session, bundle_name=bundle_name, place=REFRESH, error=reason, version=version, now=now)
        news = bundles.refuse(session, bundle_name, version, reason, now=now, about=about)
        if news:
            _tell(session, EventKind.REFUSED, bundle_name, reason, now=now, bundle_version=version)
        return news

    return host.unit.run(work)


def record(
    host: Host, *, bundle_name: str, place: str, error: str, version: str | None = None, tell: bool = True
) -> bool:
    """Record what was caught at a place; one event per text and bundle version, if it is to be told.

    Returns whether this is news. Safe to repeat and from several processors.
    """

    def work(session: Session) -> bool:
        now = host.unit.now()
        news = faults.record(
            session, bundle_name=bundle_name, place=place, error=error, version=version, now=now
        )
        if news and tell:
            _tell(session, EventKind.FAULT, bundle_name, error, now=now, bundle_version=version, place=place)
        return news

    return host.unit.run(work)


def clear(host: Host, *, bundle_name: str, places: Collection[str]) -> bool:
    """Forget what was caught at these places: it works again. False when nothing was."""
    return host.unit.run(lambda session: faults.clear(session, bundle_name=bundle_name, places=places))


def forget_removed(host: Host, configured: Collection[str]) -> None:
    """Forget what was caught of bundles other than these: they are gone."""
    host.unit.run(lambda session: faults.clear_others(session, {*configured, PROCESSOR}))


def unmade(session: Session, bundle_names: Collection[str | None]) -> dict[str, str]:
    """Why those of the bundles can not be made that can not, as the Dag processor found it."""
    return faults.errors_at(session, MAKE, {name for name in bundle_names if name})


def _tell(
    session: Session, kind: EventKind, bundle_name: str, reason: str, *, now: datetime, **details: Json
) -> None:
    events.add(
        session,
        kind,
        now=now,
        actor=ACTOR,
        bundle_name=bundle_name or None,
        reason=text.fit_end(reason, text.EVENT),
        details=details,
    )
