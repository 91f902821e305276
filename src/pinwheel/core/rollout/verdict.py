"""What the watch of a released place says, from the runs on it and those before it.

Each rule is asked of the runs in the order in which they ended, and fires at the first that makes it so: who
looks late finds what a prompt look would have found. What ended after enough was well, but before anybody
looked, counts too: a place known to fail is not proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import evolve

from pinwheel.core.rollout.comparison import FEW_BEFORE, LIKELY, enough, fisher, most_failures, tolerated
from pinwheel.core.rollout.facts import Enough, Fired, GoesOn, Unclear, WatchSays
from pinwheel.core.rollout.gate import Answer, GateFacts, Verdict, last_verdict
from pinwheel.core.rollout.state import Cause, Rollout
from pinwheel.core.rollout.steps import Check
from pinwheel.core.rollout.watched import A_FEW, MOST_BEFORE, Before, Control, End, Evidence, Run
from pinwheel.core.rollout.way_back import Failures, When
from pinwheel.core.text import fit

SLOW_IN_A_ROW = 3
LAST = 20
"""So many runs before are those with which durations and deadlines are compared."""
OUTAGE = 3
"""Fewer failures of Dags that were not released say nothing."""
MOST_NAMED = 5
_LONGEST_ID = 60


def says(rollout: Rollout, evidence: Evidence, before: Before, now: datetime) -> WatchSays:
    """What the watch says now. What came up to a resume is set aside, but for runs that were well."""
    verdicts = _bad_verdicts(rollout, evidence.checks, now)
    by_check = [_failed(verdict) for verdict in verdicts if verdict.answer is Answer.FAILED]
    by_runs = fires_by_runs(rollout, evidence, before)
    if by_check and by_runs is not None and by_runs.not_alone:
        by_runs = None  # A check says it of this place, whatever happens to others.
    fired = _first(by_runs, *by_check)
    if fired is not None:
        return fired
    unclear = [*map(_unclear, verdicts), *_unknown(rollout, evidence)]
    if unclear:
        return min(unclear, key=lambda each: each.at)
    return _progress(rollout, _counted(rollout, evidence.runs), now)


def fires_by_runs(rollout: Rollout, evidence: Evidence, before: Before) -> Fired | None:
    """The first rule that fires by how runs ended; None: none does, and nobody needs the control group."""
    rules, build = rollout.plan.rollback, evidence.build
    counted = _counted(rollout, evidence.runs)
    fired = _first(
        _failures(rules.when, _with_early(rollout, evidence, counted), build, before),
        _slower(_since_resume(rollout, counted), build, before) if rules.slower else None,
        _deadline(_since_resume(rollout, counted), build, before) if rules.deadline else None,
    )
    if fired is None or evidence.control is None:
        return fired
    return evolve(fired, not_alone=_is_outage(evidence.control))


def proves(runs: Sequence[Run]) -> bool:
    """Whether these runs of the active place, oldest first, make it a way back when a rollout begins."""
    if sum(run.counts for run in runs) < A_FEW:
        return False
    failed = [run.end is not End.WELL for run in _judged(runs)]
    most = min(tolerated(failed[:-A_FEW][-MOST_BEFORE:]), A_FEW // 2)
    return sum(failed[-A_FEW:]) <= most


def frozen_before(runs: Sequence[Run], build: int | None) -> Before:
    """What the runs of a release are compared with: the last runs before it. Both are oldest first."""
    last = _judged(runs)[-MOST_BEFORE:]
    return Before(
        build=build,
        failed=tuple(run.end is not End.WELL for run in last),
        seconds=tuple(run.seconds for run in last),
        missed_deadlines=sum(run.missed_deadline for run in last[-LAST:]),
    )


def _judged(runs: Sequence[Run]) -> list[Run]:
    """Those that say how well a build before does: one that failed, and nobody knows why, failed."""
    return [run for run in runs if run.counts or run.end is End.UNKNOWN]


def _counted(rollout: Rollout, runs: Iterable[Run]) -> list[Run]:
    """Those by which a release is judged. A failure that was set aside is not even one that ended."""
    return [run for run in runs if run.counts and not (run.failed and rollout.is_set_aside(run.ended_at))]


def _since_resume(rollout: Rollout, runs: Iterable[Run]) -> list[Run]:
    """Without all that was set aside: a run that was well may have been slow."""
    return [run for run in runs if not rollout.is_set_aside(run.ended_at)]


def _with_early(rollout: Rollout, evidence: Evidence, counted: list[Run]) -> list[Run]:
    """Together with those that go on and will have failed, each once."""
    if not rollout.plan.rollback.early:
        return counted
    ended = {(run.run_id, run.seq) for run in evidence.runs}
    going_on = [run for run in evidence.early if run.failed and (run.run_id, run.seq) not in ended]
    return sorted([*counted, *_since_resume(rollout, going_on)], key=lambda run: run.ended_at)


def _first(*fired: Fired | None) -> Fired | None:
    return min((each for each in fired if each is not None), key=lambda each: each.at, default=None)


# Rules by runs


def _failures(when: When | Failures, runs: list[Run], build: int | None, before: Before) -> Fired | None:
    fires = enough(when, before.failed)
    if fires is None:
        return None
    least, of = fires
    compared = f"; {_than(before)}" if when is When.WORSE else ""
    for end, run in enumerate(runs, start=1):
        last = runs[max(0, end - of) : end]
        failed = [each for each in last if each.failed]
        if len(failed) >= least:
            share = f"{len(failed)} of {len(last)} runs" if len(last) > 1 else "a run"
            said = f"{share} of {_build(build)} failed ({_named(failed)}){compared}"
            return Fired(said=said, at=run.ended_at)
    return None


def _than(before: Before) -> str:
    """What was before, in words."""
    of, most = len(before.failed), most_failures(before.failed)
    build = "the build before" if before.build is None else _build(before.build)
    if of < FEW_BEFORE:
        return f"{build} had {of} run{'' if of == 1 else 's'}"
    return f"{build}: never more than {most} of {A_FEW} in {of}" if most else f"{build}: none of {of}"


def _slower(runs: list[Run], build: int | None, before: Before) -> Fired | None:
    known = [seconds for seconds in before.seconds if seconds is not None][-LAST:]
    if len(known) < LAST:
        return None
    slowest = max(known)
    slow: list[Run] = []
    for run in runs:
        slow = [*slow, run] if run.seconds is not None and run.seconds > slowest else []
        if len(slow) == SLOW_IN_A_ROW:
            said = (
                f"{SLOW_IN_A_ROW} runs in a row of {_build(build)} ({_named(slow)}) took longer than"
                f" {slowest:.1f} s, the slowest of the {LAST} before"
            )
            return Fired(said=said, at=run.ended_at)
    return None


def _deadline(runs: list[Run], build: int | None, before: Before) -> Fired | None:
    """Where there is no run before, nobody knows whether it would have missed one."""
    if before.missed_deadlines or not before.failed:
        return None
    for run in runs:
        if run.missed_deadline:
            said = (
                f"a run of {_build(build)} missed a deadline ({_named([run])}); "
                f"none of the last {min(LAST, len(before.failed))} before did"
            )
            return Fired(said=said, at=run.ended_at)
    return None


def _is_outage(control: Control) -> bool:
    """Whether Dags that were not released fail too, and about as often."""
    if control.failed < OUTAGE:
        return False
    chance = fisher(control.released_failed, control.released_of, control.failed, control.of)
    return chance > LIKELY


# What else there is


def _bad_verdicts(rollout: Rollout, checks: GateFacts, now: datetime) -> list[Verdict]:
    """Of each check that may roll back what it said last, if that is not well and came since the release."""
    found = []
    for name in sorted(rollout.plan.rollback.also):
        last = last_verdict(Check(name=name), rollout.place, checks, now)
        if last is None or last.answer in (Answer.PASSED, Answer.SKIPPED):
            continue
        if rollout.released_at is not None and last.at < rollout.released_at:
            continue
        if not rollout.is_set_aside(last.at):
            found.append(last)
    return found


def _failed(verdict: Verdict) -> Fired:
    return Fired(said=f"check {verdict.name} failed, says {verdict.said()}", at=verdict.at)


def _unclear(verdict: Verdict) -> Unclear:
    error = verdict.answer is Answer.ERROR
    found = "had an error" if error else "is neither passed nor failed"
    return Unclear(
        said=f"check {verdict.name} {found}, says {verdict.said()}",
        cause=Cause.ERROR if error else Cause.INCONCLUSIVE,
        at=verdict.at,
    )


def _unknown(rollout: Rollout, evidence: Evidence) -> list[Unclear]:
    """The runs that failed, and nothing says why."""
    return [
        Unclear(
            said=f"a run of {_build(evidence.build)} failed, and nothing says why ({_named([run])})",
            cause=Cause.ERROR,
            at=run.ended_at,
        )
        for run in _since_resume(rollout, evidence.runs)
        if run.end is End.UNKNOWN
    ]


def _progress(rollout: Rollout, counted: list[Run], now: datetime) -> WatchSays:
    """How far the watch has come, when nothing is wrong. No run at all is never enough."""
    watch = rollout.plan.watch
    assert watch is not None
    ended, failed = len(counted), sum(run.failed for run in counted)
    earliest = rollout.since + watch.at_least
    latest = None if watch.at_most is None else rollout.since + watch.at_most
    if ended >= max(1, watch.runs) and earliest <= now:
        return Enough(said=_so_far(ended, failed, watch.runs))
    if latest is not None and latest <= now:
        if ended:
            return Enough(said=f"{_so_far(ended, failed, watch.runs)} in {_span(latest - rollout.since)}")
        return _no_runs(latest, latest - rollout.since)
    if not watch.runs and latest is None and earliest <= now:
        return _no_runs(earliest, watch.at_least)
    ahead = {"at least": earliest, "at most": latest}
    edges = {word: edge for word, edge in ahead.items() if edge is not None and edge > now}
    told = [f"{word} until {edge:%Y-%m-%d %H:%M} UTC" for word, edge in edges.items()]
    said = "; ".join([_so_far(ended, failed, watch.runs), *told])
    return GoesOn(said=said, until=min(edges.values(), default=None))


def _no_runs(at: datetime, span: timedelta) -> Unclear:
    return Unclear(said=f"no run ended in {_span(span)}", cause=Cause.NO_RUNS, at=at)


# Words


def _so_far(ended: int, failed: int, of: int) -> str:
    """How many runs ended, of how many that are waited for."""
    share = f"{ended} of {of} runs" if ended <= of and of > 1 else f"{ended} run{'' if ended == 1 else 's'}"
    return f"{share} ended, {failed} of them failed" if failed else f"{share} ended well"


def _build(number: int | None) -> str:
    return "this build" if number is None else f"build {number}"


def _named(runs: Sequence[Run]) -> str:
    names = [fit(run.run_id, _LONGEST_ID) + (" again" if run.seq else "") for run in runs[:MOST_NAMED]]
    more = len(runs) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _span(span: timedelta) -> str:
    return str(span).removesuffix(", 0:00:00")
