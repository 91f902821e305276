"""Where commits can be looked at, when their bundle says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.ports.host import Host
from pinwheel.services.show.words import plain_version

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class Links:
    """Web addresses of commits, by bundle and version."""

    _urls: dict[tuple[str, str | None], str]

    @classmethod
    def to(cls, host: Host, session: Session, places: Iterable[tuple[str | None, str | None]]) -> Links:
        """Those of all these bundles and versions, asked for together."""
        known = {(bundle, plain_version(version)) for bundle, version in places if bundle and version}
        return cls(host.reads.view_urls(session, known) if known else {})

    def of(self, bundle: str | None, version: str | None) -> str | None:
        return self._urls.get((bundle, plain_version(version))) if bundle else None
