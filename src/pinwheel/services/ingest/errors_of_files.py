"""Whose errors they are: an error of a Dag file tells of all Dags in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pinwheel.services.ports.host import Host
from pinwheel.store import holders
from pinwheel.store.holders import Place

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def told_of(host: Host, places: Collection[Place]) -> dict[Place, set[str]]:
    """By bundle, version and path of a Dag file: the Dags that its error in that version may tell of.

    These are the Dags that it has now, as Airflow asks for them (3.3, 3.4:
    ``core_api/routes/public/import_error.py``), and those that it had then: an error is kept with the
    version. Of a file that never gave a Dag they are none.
    """
    return host.unit.run(lambda session: told_in(host, session, places)) if places else {}


def told_in(host: Host, session: Session, places: Collection[Place]) -> dict[Place, set[str]]:
    """As :func:`told_of`, in a transaction of the caller."""
    found = holders.held(session, places)
    now = host.reads.in_files(session, {(bundle_name, path) for bundle_name, _, path in found})
    return {place: dag_ids | now.get((place[0], place[2]), set()) for place, dag_ids in found.items()}


def told_of_bundles(host: Host, bundle_names: Collection[str]) -> dict[str, set[str]]:
    """By bundle: the Dags of which its errors of former times may tell, wherever those Dags are now."""
    return host.unit.run(lambda session: holders.ever_in(session, bundle_names)) if bundle_names else {}


def told_of_bundle(host: Host, session: Session, bundle_name: str) -> set[str]:
    """The Dags of which what fails of a bundle may tell: all that it has, or ever had."""
    now = host.reads.dags_of_bundles(session).get(bundle_name, {})
    return {*now, *holders.ever_in(session, [bundle_name])[bundle_name]}
