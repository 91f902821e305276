"""What watches of releases are judged by: the runs on them, those before, and those of other Dags.

A fixed number of statements for all Dags together; for the Dags of which a watch is about to roll back one
more for each five minutes in which their deciding runs ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core.records import RunOutcome
from pinwheel.core.rollout.before import MOST_BEFORE, Before
from pinwheel.core.rollout.blame import NOTHING, end_of
from pinwheel.core.rollout.facts import Fired, WatchSays
from pinwheel.core.rollout.gate import GateFacts
from pinwheel.core.rollout.state import Rollout
from pinwheel.core.rollout.verdict import fires_by_runs, says
from pinwheel.core.rollout.watched import A_FEW, Control, Evidence, Run
from pinwheel.core.run.binding import in_force
from pinwheel.core.run.how import How
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import RunEnd
from pinwheel.store import bindings, outcomes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

AROUND = timedelta(hours=1)
"""Runs of other Dags that ended so much before or after the deciding one are compared with it."""
LATELY = timedelta(hours=24)
"""Dags that were released within this time before it are no control."""
_TOGETHER = 300
"""Seconds: of deciding runs that end within so many the others are read once."""
_NOT_COUNTED = 50
"""So many more runs are read than a watch asks for: some do not count."""


def before(
    host: Host, session: Session, active: Mapping[str, int], *, deadlines: Collection[str] = ()
) -> dict[str, tuple[Run, ...]]:
    """The last runs of the builds (ids, by Dag) that are active, oldest first.

    Of *deadlines* it is known too which missed one.
    """
    found = outcomes.of_builds(session, active, most=MOST_BEFORE + A_FEW)
    return _runs(host, session, found, deadlines)


def judged(
    host: Host,
    session: Session,
    watched: Mapping[str, Rollout],
    *,
    builds: Mapping[str, int | None],
    checks: Mapping[str, GateFacts],
    now: datetime,
) -> dict[str, WatchSays]:
    """What the watch of each of these rollouts says, by Dag; *builds* are the numbers of theirs."""
    known = _evidence(host, session, watched, builds=builds, checks=checks)
    found: dict[str, WatchSays] = {}
    controls: dict[int, dict[bool, tuple[int, int]]] = {}
    for dag_id, rollout in sorted(watched.items()):
        evidence, ran_before = known[dag_id], rollout.before or Before()
        said = says(rollout, evidence, ran_before, now)
        if isinstance(said, Fired) and (fired := fires_by_runs(rollout, evidence, ran_before)):
            control = _control(session, fired.at, controls)
            said = says(rollout, evolve(evidence, control=control), ran_before, now)
        found[dag_id] = said
    return found


def _evidence(
    host: Host,
    session: Session,
    watched: Mapping[str, Rollout],
    *,
    builds: Mapping[str, int | None],
    checks: Mapping[str, GateFacts],
) -> dict[str, Evidence]:
    releases = {dag_id: each.release for dag_id, each in watched.items() if each.release is not None}
    most = max((each.plan.watch.runs for each in watched.values() if each.plan.watch), default=0)
    deadlines = [dag_id for dag_id, each in watched.items() if each.plan.rollback.deadline]
    ended = outcomes.of_releases(session, releases, most=most + _NOT_COUNTED)
    runs = _runs(host, session, ended, deadlines)
    early = _early(host, session, {d: r for d, r in releases.items() if watched[d].plan.rollback.early})
    return {
        dag_id: Evidence(
            runs=runs.get(dag_id, ()),
            early=early.get(dag_id, ()),
            build=builds.get(dag_id),
            checks=checks.get(dag_id, GateFacts()),
        )
        for dag_id in watched
    }


def _runs(
    host: Host, session: Session, ended: Iterable[RunOutcome], deadlines: Collection[str]
) -> dict[str, tuple[Run, ...]]:
    """Outcomes, by Dag in the order in which they came, as what a release is judged by."""
    every = list(ended)
    unclear = [each for each in every if not _is_plain(each)]
    keys = {_key(each) for each in unclear}
    failed = {_key(each) for each in unclear if each.state != "success"}
    traces = host.reads.traces(session, keys, failed) if keys else {}
    late = {(each.dag_id, each.run_id) for each in every if each.dag_id in deadlines}
    missed = host.reads.missed_deadlines(session, late) if late else set()
    found: dict[str, list[Run]] = {}
    for each in every:
        found.setdefault(each.dag_id, []).append(
            Run(
                run_id=each.run_id,
                seq=each.seq,
                end=end_of(each, traces.get(_key(each), NOTHING)),
                ended_at=each.ended_at,
                seconds=(each.ended_at - each.started_at).total_seconds() if each.started_at else None,
                missed_deadline=(each.dag_id, each.run_id) in missed,
            )
        )
    return {
        dag_id: tuple(sorted(runs, key=lambda run: (run.ended_at, run.run_id, run.seq)))
        for dag_id, runs in found.items()
    }


def _is_plain(outcome: RunOutcome) -> bool:
    """Whether how it ended is known without Airflow's rows."""
    return outcome.how is How.BY_HAND or (outcome.how is How.BY_TASKS and outcome.state == "success")


def _key(outcome: RunOutcome) -> RunEnd:
    return RunEnd(dag_id=outcome.dag_id, run_id=outcome.run_id, seq=outcome.seq)


def _early(host: Host, session: Session, releases: Mapping[str, int]) -> dict[str, tuple[Run, ...]]:
    """Runs on these releases that go on although a task of them failed for good."""
    if not releases:
        return {}
    failing = host.reads.failing(session, releases)
    bound = bindings.of_each(session, {(end.dag_id, end.run_id) for end in failing})
    on = {end: in_force(bound.get((end.dag_id, end.run_id), ()), end.seq) for end in failing}
    ends = {
        end: at
        for end, at in failing.items()
        if (binding := on[end]) is not None and binding.release == releases[end.dag_id]
    }
    traces = host.reads.traces(session, set(ends), set(ends)) if ends else {}
    found: dict[str, list[Run]] = {}
    for end, at in sorted(ends.items()):
        outcome = RunOutcome(
            dag_id=end.dag_id,
            run_id=end.run_id,
            seq=end.seq,
            state="failed",
            ended_at=at,
            dag_version_id=None,
            started_at=at,
        )
        run = Run(run_id=end.run_id, seq=end.seq, end=end_of(outcome, traces.get(end, NOTHING)), ended_at=at)
        found.setdefault(end.dag_id, []).append(run)
    return {dag_id: tuple(runs) for dag_id, runs in found.items()}


def _control(session: Session, at: datetime, known: dict[int, dict[bool, tuple[int, int]]]) -> Control:
    """What other runs came to at that time; *known* has what this look has read already."""
    part = int(at.timestamp()) // _TOGETHER
    if part not in known:
        known[part] = outcomes.around(
            session, since=at - AROUND, until=at + AROUND, released_since=at - LATELY
        )
    failed, of = known[part].get(False, (0, 0))
    released_failed, released_of = known[part].get(True, (0, 0))
    return Control(failed=failed, of=of, released_failed=released_failed, released_of=released_of)
