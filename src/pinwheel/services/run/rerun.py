"""The failed runs of what is rolled back: which they are, what running them again does, and doing it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core.release.follow import plain
from pinwheel.core.structure.layout import layout
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import Act, Outcome
from pinwheel.services.run.clear import clear_each
from pinwheel.services.run.target import Target
from pinwheel.store import bindings, builds, bundles, releases

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_FAILED = frozenset({"failed", "upstream_failed"})


class How(Enum):
    """What of a failed run runs again."""

    NOT = "nothing"
    FAILED = "what failed"
    """The rest stays as it ran, so that the run has tasks of two versions."""
    WHOLE = "all of it"

    @classmethod
    def of(cls, *, failed: bool, whole: bool) -> How:
        return cls.WHOLE if whole else cls.FAILED if failed else cls.NOT


def planned(host: Host, session: Session, act: Act, outcome: Outcome, how: How) -> Outcome:
    """The outcome with the failed runs, and with what would run again of them."""
    failed = tuple(_failed_runs(host, session, act))
    step = act.decision.release
    if not failed or step is None or how is How.NOT:
        return evolve(outcome, failed_runs=failed)
    fitting = layout(builds.serialized(session, [step.build.id])[step.build.id]).task_ids
    tasks, mixed = 0, 0
    for present in host.reads.present(session, act.state.dag_id, failed).values():
        there = [one for one in present if one.task_id in fitting]
        again = [one for one in there if how is How.WHOLE or one.state in _FAILED]
        tasks += len(again)
        mixed += bool(again) and any(one.state is not None and one not in again for one in there)
    return evolve(outcome, failed_runs=failed, rerun=failed, rerun_tasks=tasks, rerun_mixed=mixed)


def carried_out(host: Host, session: Session, act: Act, outcome: Outcome, *, whole: bool) -> Outcome:
    """Clear the failed runs of the release that was rolled back, bound to the one rolled back to."""
    step = act.decision.release
    if step is None:
        return outcome
    how = How.WHOLE if whole else How.FAILED
    expected = planned(host, session, act, outcome, how)
    cleared = clear_each(
        host,
        session,
        act.state.dag_id,
        expected.rerun,
        Target(build=step.build, version=step.version),
        only_failed=not whole,
        task_ids=None,
        actor=act.actor,
        reason=act.reason,
    )
    return evolve(
        outcome,
        rerun=tuple(run.run_id for run in cleared),
        rerun_tasks=sum(run.cleared for run in cleared),
        rerun_mixed=expected.rerun_mixed,
    )


def _failed_runs(host: Host, session: Session, act: Act) -> list[str]:
    """Failed runs of what this act takes off, oldest first: bound to releases of that build, or, where the
    same build is taken from an older version, those in a later one."""
    left = act.state.active_build
    step = act.decision.release
    if step is None or left is None:
        return []
    ids = [
        row.dag_version_id
        for row in releases.of_dag(session, act.state.dag_id)
        if row.build_id == left.id and row.release <= (act.state.active_release or 0)
    ]
    failed = host.reads.failed_runs(session, act.state.dag_id, ids)
    if step.version is None or step.build.id != left.id:
        return failed
    name = act.state.bundle_name
    bound = bindings.of_runs(session, act.state.dag_id, failed)
    versions = {
        run_id: plain(version)
        for run_id in failed
        if (rows := bound.get(run_id)) and (version := rows[-1].bundle_version) is not None
    }
    heads = bundles.versions(session, {(name, version) for version in (step.version, *versions.values())})
    back = heads.get((name, step.version))
    later = {version for (_, version), head in heads.items() if back is not None and head.seq > back.seq}
    return [run_id for run_id in failed if versions.get(run_id) in later]
