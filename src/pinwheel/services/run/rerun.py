"""The failed runs of what is rolled back: which they are, what running them again does, and doing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.records import ReleaseRecord
from pinwheel.core.release.follow import plain
from pinwheel.core.run.binding import FAILED, BoundBy
from pinwheel.core.run.mark import is_marked
from pinwheel.core.run.timeline import Era, era_at
from pinwheel.core.structure.layout import layout
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import Act, Outcome
from pinwheel.services.release.own_row import Target
from pinwheel.services.run.by_date import dates_of, variant_of
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


@frozen(kw_only=True)
class Eras:
    """Those of a Dag, as they were before it was rolled back."""

    every: tuple[Era, ...]
    replaced: Era | None = None
    """The one that is for the build that is rolled back to, afterwards."""


def planned(
    host: Host,
    session: Session,
    acts: Sequence[Act],
    outcomes: Sequence[Outcome],
    how: How,
    eras: Mapping[str, Eras],
) -> list[Outcome]:
    """The outcomes of these acts with the failed runs, and with what would run again of them.

    ``eras`` are those of the Dags that have any. Runs of data that stays with its era are left as they are.
    """
    found = _failed_runs(host, session, acts, eras)
    return _planned(
        host, session, acts, outcomes, how, {dag_id: tuple(runs) for dag_id, runs in found.items()}
    )


def _planned(
    host: Host,
    session: Session,
    acts: Sequence[Act],
    outcomes: Sequence[Outcome],
    how: How,
    failed: Mapping[str, tuple[str, ...]],
) -> list[Outcome]:
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
    host: Host,
    session: Session,
    acts: Sequence[Act],
    outcomes: Sequence[Outcome],
    eras: Mapping[str, Eras],
    *,
    whole: bool,
) -> list[Outcome]:
    """Clear the failed runs of the releases that were rolled back, bound to those rolled back to; by their
    dates where they are of the era that was replaced.
    """
    found = _failed_runs(host, session, acts, eras)
    failed = {dag_id: tuple(runs) for dag_id, runs in found.items()}
    expected = _planned(host, session, acts, outcomes, How.WHOLE if whole else How.FAILED, failed)
    return [
        _cleared(host, session, act, outcome, one, found.get(act.state.dag_id, {}), whole=whole)
        for act, outcome, one in zip(acts, outcomes, expected, strict=True)
    ]


def _cleared(
    host: Host,
    session: Session,
    act: Act,
    outcome: Outcome,
    expected: Outcome,
    by_date: Mapping[str, bool],
    *,
    whole: bool,
) -> Outcome:
    step, dag_id = act.decision.release, act.state.dag_id
    if step is None:
        return outcome
    cleared = []
    for dated in (False, True):
        run_ids = [run_id for run_id in expected.rerun if by_date[run_id] is dated]
        if dated:
            for run_id in run_ids:
                # What it is bound to is there then: nothing of this transaction is to wait for the keeper.
                variant_of(host, session, dag_id, run_id, step.build)
        cleared += clear_each(
            host,
            session,
            dag_id,
            run_ids,
            None if dated else Target(build=step.build, version=step.version),
            only_failed=not whole,
            task_ids=None,
            actor=act.actor,
            reason=act.reason,
            by_date=dated,
        )
    order = {run_id: place for place, run_id in enumerate(expected.rerun)}
    return evolve(
        outcome,
        rerun=tuple(sorted((run.run_id for run in cleared), key=order.__getitem__)),
        rerun_tasks=sum(run.cleared for run in cleared),
        rerun_mixed=expected.rerun_mixed,
    )


def _failed_runs(
    host: Host, session: Session, acts: Sequence[Act], eras: Mapping[str, Eras]
) -> dict[str, dict[str, bool]]:
    """By Dag, of those that have any: the failed runs of what its act takes off, oldest first, each with
    whether it runs again on what its date says.
    """
    left = {
        act.state.dag_id: act.state.active_build.id
        for act in acts
        if act.decision.release is not None and act.state.active_build is not None
    }
    ledger = releases.of_builds(session, left)
    found = {}
    for act in acts:
        dag_id = act.state.dag_id
        own = eras.get(dag_id)
        failed = _failed(host, session, act, ledger.get(dag_id, ()))
        runs = dict.fromkeys(failed, False)
        if own is not None:
            more = _of_replaced(host, session, dag_id, own)
            said = _as_eras_say(host, session, dag_id, list(dict.fromkeys([*failed, *more])), own)
            runs = {run_id: by_date for run_id, by_date in said.items() if by_date or run_id in runs}
        if runs:
            found[dag_id] = runs
    return found


def _of_replaced(host: Host, session: Session, dag_id: str, eras: Eras) -> list[str]:
    """Failed runs of the build that the replaced era was for, which need not be the one that was active."""
    if eras.replaced is None:
        return []
    build_id = eras.replaced.build_id
    ids = [row.dag_version_id for row in releases.rows_of(session, [build_id]).get(build_id, ())]
    return host.reads.failed_runs(session, dag_id, [*ids, *segments.versions_of(session, build_id)])


def _as_eras_say(
    host: Host, session: Session, dag_id: str, failed: Sequence[str], eras: Eras
) -> dict[str, bool]:
    """Those of the failed runs that do not stay where they are, each with whether its date is asked."""
    bound = bindings.of_runs(session, dag_id, failed)
    last = {run_id: rows[-1] for run_id, rows in bound.items() if rows}
    dates = dates_of(host, session, dag_id, failed, bound)
    found = {}
    for run_id in failed:
        binding = last.get(run_id)
        by_hand = binding is not None and binding.bound_by in (BoundBy.HAND, BoundBy.TRIAL)
        era = era_at(eras.every, dates[run_id].at)
        of_era = binding is not None and binding.bound_by is BoundBy.ERA
        if era is not None and era == eras.replaced and not by_hand:
            found[run_id] = True
        elif by_hand or (era is None and not of_era):
            found[run_id] = False
        # Else its data is for an era's build, whatever was rolled back; where it is not on that, to let it
        # run there is a step of its own.
    return found


def _failed(host: Host, session: Session, act: Act, ledger: Sequence[ReleaseRecord]) -> list[str]:
    """Failed runs of what this act takes off: bound to releases of that build, which are given, or, where the
    same build is taken from an older version, those in a later one."""
    left = act.state.active_build
    step = act.decision.release
    if step is None or left is None:
        return []
    ids = [row.dag_version_id for row in ledger if row.release <= (act.state.active_release or 0)]
    if left.windowed or is_marked(act.dag.row_version):
        # Without task windows too: where its own dates would leave tasks out of an era
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
