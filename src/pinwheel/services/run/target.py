"""What runs are to be on: a build that somebody named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.errors import HostError, NotFound, Refused
from pinwheel.core.release.decide import unversioned_remedy
from pinwheel.services.ingest import faults
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import load_state
from pinwheel.services.release.own_row import Target
from pinwheel.services.release.stands import place_named, stood_another
from pinwheel.store import builds, dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def target_of(
    host: Host,
    session: Session,
    dag_id: str,
    number: int | None,
    *,
    verb: str,
    bundle_version: str | None = None,
) -> Target:
    """What is asked for: a build, the active one without a number, or the one that stood in a version.

    :raises NotFound: there is none, or no head of the bundle was that version.
    :raises Refused: runs of the Dag can not be bound, or another build stood there.
    """
    state = load_state(host, session, dag_id)
    if not state.versioned:
        raise Refused(
            f"Cannot {verb} {dag_id} on a build",
            found=f"its bundle {state.bundle_name!r} keeps no versions",
            remedy=unversioned_remedy(state.bundle_name),
            dag_id=dag_id,
        )
    target = state.active_build if number is None else builds.by_number(session, dag_id, number)
    if bundle_version is not None:
        row = dags.rows(session, [dag_id])[dag_id]
        _, stood = place_named(session, row, bundle_version, verb=verb)
        there = builds.by_ids(session, [stood])[stood]
        if number is not None and target is not None and target.id != stood:
            raise stood_another(verb, target, there, bundle_version)
        target = target if number is not None else there
    if target is None:
        raise NotFound(
            f"Cannot {verb} {dag_id} on build {number if number is not None else '(active)'}",
            found="it has no good build of that number",
            remedy=f"See its builds: pinwheel builds {dag_id}",
            dag_id=dag_id,
            build=number,
        )
    if not target.versioned:
        raise Refused(
            f"Cannot {verb} {dag_id} on a build",
            found="the Dag sets disable_bundle_versioning=True, so its runs execute whatever is newest",
            remedy="Remove disable_bundle_versioning from the Dag and push again",
            dag_id=dag_id,
        )
    if why := faults.unmade(session, {state.bundle_name, target.bundle_name}):
        # A run needs the files, which a worker gets from the bundle.
        raise HostError(
            f"Cannot {verb} {dag_id} on a build",
            found=next(iter(why.values())).rstrip("."),
            remedy="See: pinwheel bundles",
            dag_id=dag_id,
            bundle=state.bundle_name,
        )
    return Target(build=target, version=bundle_version)
