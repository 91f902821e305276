"""The failed runs of what is rolled back: which they are, what running them again does, and doing it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core.records import ReleaseRecord
from pinwheel.core.release.follow import plain
from pinwheel.core.run.binding import FAILED
from pinwheel.core.structure.layout import layout
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import Act, Outcome
from pinwheel.services.release.own_row import Target
from pinwheel.services.run.clear import clear_each
from pinwheel.store import bindings, builds, bundles, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class How(Enum):
    """What of a failed run runs again."""

    NOT = "nothing"
    FAILED = "what failed"
    """The rest stays as it ran, so that the run has tasks of two versions."""
    WHOLE = "all of it"

    @classmethod
    def of(cls, *, failed: bool, whole: bool) -> How:
        return cls.WHOLE if whole else cls.FAILED if failed else cls.NOT


def planned(
    host: Host, session: Session, acts: Sequence[Act], outcomes: Sequence[Outcome], how: How
) -> list[Outcome]:
    """The outcomes of these acts with the failed runs, and with what would run again of them."""
    failed = _failed_runs(host, session, acts)
    if how is How.NOT:
        return [evolve(outcome, failed_runs=failed.get(outcome.dag_id, ())) for outcome in outcomes]
    back = {
        act.state.dag_id: act.decision.release.build.id
        for act in acts
        if act.decision.release is not None and act.state.dag_id in failed
    }
    serialized = builds.serialized(session, back.values())
    return [
        _with_runs(
            host,
            session,
            outcome,
            failed[outcome.dag_id],
            layout(serialized[back[outcome.dag_id]]).task_ids,
            how,
        )
        if outcome.dag_id in back
        else outcome
        for outcome in outcomes
    ]


def _with_runs(
    host: Host,
    session: Session,
    outcome: Outcome,
    failed: tuple[str, ...],
    fitting: Collection[str],
    how: How,
) -> Outcome:
    """With what would run again of these runs; ``fitting`` are the tasks of what they run on then."""
    tasks, mixed = 0, 0
    for present in host.reads.present(session, outcome.dag_id, failed).values():
        tasks += sum(one.task_id in fitting and (how is How.WHOLE or one.state in FAILED) for one in present)
        mixed += how is How.FAILED and any(
            one.state is not None and one.state not in FAILED for one in present
        )
    return evolve(outcome, failed_runs=failed, rerun=failed, rerun_tasks=tasks, rerun_mixed=mixed)


def carried_out(
    host: Host, session: Session, acts: Sequence[Act], outcomes: Sequence[Outcome], *, whole: bool
) -> list[Outcome]:
    """Clear the failed runs of the releases that were rolled back, bound to those rolled back to."""
    expected = planned(host, session, acts, outcomes, How.WHOLE if whole else How.FAILED)
    return [
        _cleared(host, session, act, outcome, one, whole=whole)
        for act, outcome, one in zip(acts, outcomes, expected, strict=True)
    ]


def _cleared(
    host: Host, session: Session, act: Act, outcome: Outcome, expected: Outcome, *, whole: bool
) -> Outcome:
    step = act.decision.release
    if step is None:
        return outcome
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


def _failed_runs(host: Host, session: Session, acts: Sequence[Act]) -> dict[str, tuple[str, ...]]:
    """By Dag, of those that have any: the failed runs of what its act takes off, oldest first."""
    left = {
        act.state.dag_id: act.state.active_build.id
        for act in acts
        if act.decision.release is not None and act.state.active_build is not None
    }
    ledger = releases.of_builds(session, left)
    found = {act.state.dag_id: _failed(host, session, act, ledger.get(act.state.dag_id, ())) for act in acts}
    return {dag_id: tuple(runs) for dag_id, runs in found.items() if runs}


def _failed(host: Host, session: Session, act: Act, ledger: Sequence[ReleaseRecord]) -> list[str]:
    """Failed runs of what this act takes off: bound to releases of that build, which are given, or, where the
    same build is taken from an older version, those in a later one."""
    left = act.state.active_build
    step = act.decision.release
    if step is None or left is None:
        return []
    ids = [row.dag_version_id for row in ledger if row.release <= (act.state.active_release or 0)]
    if left.windowed:
        ids += segments.versions_of(session, left.id)
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
