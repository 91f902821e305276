"""What runs are to be on: a build that somebody named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.errors import HostError, NotFound, Refused
from pinwheel.core.release.decide import unversioned_remedy
from pinwheel.core.release.rule import Forbidden
from pinwheel.core.release.state import DagState
from pinwheel.services.ingest import faults
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import load_state
from pinwheel.services.release.own_row import Target
from pinwheel.services.release.stands import place_named, stood_another
from pinwheel.services.rules import judging
from pinwheel.store import builds, dags, rules, timelines

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
    :raises Refused: runs of the Dag can not be bound, another build stood there, or a rule forbids single
        runs on another place than new runs take.
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
    found = Target(build=target, version=bundle_version)
    _require_allowed(host, session, state, found, verb=verb)
    return found


def _require_allowed(host: Host, session: Session, state: DagState, target: Target, *, verb: str) -> None:
    """Nothing is asked of what new runs take. It is no release, so that windows and freezes are not asked."""
    if _is_taken(target, state.active_build_id, state.version) or not rules.anything(session, [state.dag_id]):
        return
    rows = dags.rows(session, [state.dag_id])
    standing = judging.load(session, rows)
    subject = judging.subjects(host, session, standing, rows)[state.dag_id]
    forbidding = standing.forbidding(subject, Forbidden.RUNS_BY_HAND)
    if not forbidding:
        return
    present = timelines.covering(session, host.unit.now(), [state.dag_id]).get(state.dag_id)
    if present is not None and _is_taken(target, present.era.build_id, present.era.bundle_version):
        return
    raise Refused(
        f"Cannot {verb} {state.dag_id} on build {target.build.build}",
        found=f"rule {forbidding[0].name} forbids single runs on another place than new runs take",
        remedy="Release it first, or run what is active: leave the build and the bundle version out",
        problem="rule-forbids",
        dag_id=state.dag_id,
        build=target.build.build,
        rule=forbidding[0].name,
    )


def _is_taken(target: Target, build_id: int | None, version: str | None) -> bool:
    return target.build.id == build_id and target.version in (None, version)
