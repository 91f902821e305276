"""Keeping Airflow's rows as they were released: repairing drift, and doing what a parse does by the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from pinwheel.core.event import EventKind
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Decision, Release
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.run.mark import is_marked
from pinwheel.services.ports.host import Host
from pinwheel.services.release.carry_out import carry_out, record_drift
from pinwheel.services.release.dated import mark_restored
from pinwheel.services.release.follow import Followed, follow
from pinwheel.services.release.loading import load, managed
from pinwheel.services.release.outcome import ACTOR, Act
from pinwheel.services.release.projecting import projections_for, released_location
from pinwheel.services.release.same_build import release_again
from pinwheel.store import builds, bundles, dags, rules
from pinwheel.store.locking import begin_write, lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def follow_again(host: Host) -> int:
    """Let Dags follow whose rows were held when their bundle moved on, and release those that can not follow
    to a newer version of it; how many took one.
    """

    def one(bundle_name: str, session: Session) -> Followed:
        begin_write(session)
        return follow(host, session, bundle_name)

    taken = 0
    for name in host.unit.run(bundles.names):
        followed = host.unit.run(partial(one, name))
        taken += followed.moved + (len(release_again(host, name)) if followed.with_data else 0)
    return taken


@define
class FollowRuled:
    """Lets Dags follow that a rule, a policy or a rollout held; where there is none, nothing is looked at."""

    host: Host
    _ruled: bool = field(default=True, init=False)
    """There was one at the last look: what it held may follow now. A new keeper does not know."""

    def look(self) -> None:
        ruled = self.host.unit.run(lambda session: rules.anything(session, None))
        if ruled or self._ruled:
            follow_again(self.host)
        self._ruled = ruled


def repair_drift(host: Host) -> list[Drift]:
    """Put back what another writer changed, and record what it was. Returns the drift that was found.

    Raises the first fault when all that can be repaired is.
    """
    suspects = host.unit.run(lambda session: [drift.dag_id for drift in host.rows.drifted(session)])
    repaired: list[Drift] = []
    faults: list[Exception] = []
    for dag_id in suspects:
        # One Dag a transaction: a row that somebody holds delays no other, and a fault stops no other.
        try:
            repaired += host.unit.run(partial(_repair, host, dag_id))
        except Exception as error:
            error.add_note(f"Dag {dag_id}")
            faults.append(error)
    host.unit.announce([{"kind": "drift", "dag_id": d.dag_id, "found": d.summary} for d in repaired])
    if faults:
        raise faults[0]
    return repaired


def _repair(host: Host, dag_id: str, session: Session) -> list[Drift]:
    rows = lock_dags(session, [dag_id])
    found = host.rows.drifted(session, [dag_id])
    if not found:
        return []
    drift = found[0]
    now = host.unit.now()
    kept = set(drift.foreign_versions) - host.rows.delete_unused_versions(session, drift.foreign_versions)
    row = rows[dag_id]
    state = load(host, session, managed(host, session, [dag_id], rows)).states[dag_id]
    build = state.active_build
    assert build is not None and row.active_release is not None
    if kept:
        # Runs use what somebody else wrote: that stays, as history, and the release is made anew above it.
        kind = Kind.PIN if state.track is Track.PINNED else Kind.AUTO
        decision = Decision(
            steps=(Release(build=build, kind=kind, version=state.version),),
            reason="made anew above a foreign version",
        )
        carry_out(
            host,
            session,
            [Act(dag=row, state=state, decision=decision, verb="repair", actor=ACTOR, reason=drift.summary)],
            now=now,
        )
    else:
        location = released_location(row)
        wanted = (row.active_release, None, build, location, row.dag_version_id)
        projections = projections_for(session, [wanted], written=row, row_versions={dag_id: row.row_version})
        host.rows.reassert(session, projections)
        written = host.rows.restore(session, projections)[dag_id]
        dags.change(
            session,
            dag_id,
            projected_hash=written.serialized_hash,
            projected_code_hash=written.code_hash,
            asserted_at=now,
        )
    if _lost_mark(row, drift):
        mark_restored(
            host, session, {dag_id: drift.found["dag.bundle_version"]}, bundle_name=state.bundle_name
        )
        drift = evolve(drift, found={k: v for k, v in drift.found.items() if k != "dag.bundle_version"})
        if not drift.found and not drift.foreign_versions:
            return []
    record_drift(host, session, drift, bundle_name=state.bundle_name, now=now)
    return [drift]


def _lost_mark(row: ManagedDag, drift: Drift) -> bool:
    return is_marked(row.row_version) and "dag.bundle_version" in drift.found


def restore_marks(host: Host) -> list[str]:
    """Put back the marks that somebody took off rows of Dags whose runs are judged by date; of which Dags.

    To be done each second: a run that is born meanwhile has the commit of the active release. Raises the
    first fault when all is done that can be.
    """

    def one(dag_id: str, session: Session) -> bool:
        row = lock_dags(session, [dag_id]).get(dag_id)
        lost = [drift.found for drift in host.rows.drifted(session, [dag_id])]
        if row is None or not is_marked(row.row_version) or row.row_version is None:
            return False
        found = lost[0] if lost else {}
        if "dag.bundle_version" not in found:
            return False
        host.rows.mark_rows(session, {dag_id: row.row_version})
        mark_restored(host, session, {dag_id: found["dag.bundle_version"]}, bundle_name=row.bundle_name)
        return True

    restored, faults = [], []
    for dag_id in host.unit.run(host.rows.lost_marks):
        try:
            if host.unit.run(partial(one, dag_id)):
                restored.append(dag_id)
        except Exception as error:
            error.add_note(f"Dag {dag_id}")
            faults.append(error)
    host.unit.announce([{"kind": EventKind.MARK_RESTORED, "dag_id": dag_id} for dag_id in restored])
    if faults:
        raise faults[0]
    return restored


def reassert(host: Host, dag_ids: Collection[str]) -> int:
    """Write the Dag rows of active releases anew, as each parse does in stock Airflow.

    That heals the run limit flag, the next run, asset watchers, and keeps `db clean` away. Versions are
    not touched. Returns how many Dags were written.
    """

    def work(session: Session) -> int:
        rows = {
            row.active_build_id: row
            for row in lock_dags(session, dag_ids).values()
            if row.active_build_id is not None and not row.retired
        }
        found = builds.by_ids(session, rows.keys())
        wanted = [
            (
                row.active_release,
                None,
                found[build_id],
                released_location(row),
                row.dag_version_id,
            )
            for build_id, row in rows.items()
            if row.active_release is not None
        ]
        row_versions = {row.dag_id: row.row_version for row in rows.values()}
        host.rows.reassert(session, projections_for(session, wanted, row_versions=row_versions))
        dags.mark_asserted(session, [row.dag_id for row in rows.values()], host.unit.now())
        return len(rows)

    return host.unit.run(work) if dag_ids else 0


def keep_asserted(host: Host, dag_ids: Sequence[str], seen: dict[str, str]) -> int:
    """As :func:`reassert`, but only for Dags whose rows changed since this was last called with *seen*.

    A scheduler that makes a run changes them, a person who deletes one too. Returns how many were written.
    """
    if not dag_ids:
        return 0
    before = host.unit.run(lambda session: host.rows.standing(session, dag_ids))
    same = [dag_id for dag_id in dag_ids if dag_id in before and seen.get(dag_id) == before[dag_id]]

    def touch(session: Session) -> None:
        lock_dags(session, same)
        host.rows.touch(session, same)
        dags.mark_asserted(session, same, host.unit.now())

    if same:
        host.unit.run(touch)
    changed = sorted(set(dag_ids) - set(same))
    written = reassert(host, changed)
    if changed:
        for dag_id in changed:
            seen.pop(dag_id, None)
        seen |= host.unit.run(lambda session: host.rows.standing(session, changed))
    return written
