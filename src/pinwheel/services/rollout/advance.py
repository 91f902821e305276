"""Rollouts go on by themselves: what the keeper does in each turn.

Decisions are made from rows, and made again under the locks of their Dags. Nothing is locked before the rows
of Pinwheel's Dags, in the order of their ids: of two keepers one waits there, and finds nothing due then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pinwheel.core.chunks import chunks
from pinwheel.core.records import ManagedDag
from pinwheel.core.rollout.decide import decide
from pinwheel.core.rollout.effects import Act as Acts
from pinwheel.core.rollout.effects import Advance, Decision, Save, Wait
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.core.rollout.state import Rollout, Slot, State
from pinwheel.core.rollout.steps import Wait as WaitGate
from pinwheel.services.ports.host import Host
from pinwheel.services.release.going import act_of, go, verb_of, what_is_carried
from pinwheel.services.release.loading import Loaded, load
from pinwheel.services.release.outcome import ACTOR, Act, Outcome
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Found, Known, OfRuns
from pinwheel.services.run import bindings, rerun
from pinwheel.services.run.rerun import Eras
from pinwheel.store import dags, rollouts, signals, timelines
from pinwheel.store.locking import begin_write, lock_dags
from pinwheel.store.rollouts import Due

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

A_LOOK = 200
"""So many rollouts are looked at in one turn."""
A_BATCH = 50
"""So many Dags go on in one transaction."""
ENOUGH = 0.8
"""Seconds after which a turn ends although more is due."""
LOOK_IDLE = timedelta(seconds=5)
"""After which it is looked again whether a Dag has an active run: nobody tells when one ends."""
LOOK_EARLY = timedelta(seconds=5)
"""The same for a task that failed for good: nobody tells of it before its run ends."""
LOOK_REQUIRED = timedelta(seconds=30)
"""After which it is looked again at a place that waits at its release for what a rule requires since."""
AFTER_FAULT = timedelta(seconds=30)
"""After which a rollout is looked at again that could not go on."""

Faults = list[tuple[str, Exception]]
"""Dags that could not go on, and why."""


@frozen(kw_only=True)
class Turn:
    """What was done."""

    moved: int = 0
    faults: tuple[tuple[str, Exception], ...] = field(default=())
    """Dags that could not go on, and why. The others did."""


def turn(host: Host, clock: Callable[[], float]) -> Turn:
    """Look at what is due, and go on with what can, until nothing is due or time is up."""
    began, moved = clock(), 0
    faults: Faults = []
    host.unit.run(lambda session: signals.take(session, host.unit.now()))
    while True:
        due = host.unit.run(lambda session: rollouts.due(session, host.unit.now(), limit=A_LOOK))
        done, acting = _look_and_go_on(host, due, faults)
        moved += done
        if (len(due) < A_LOOK and not acting) or clock() - began >= ENOUGH:
            return Turn(moved=moved, faults=tuple(faults))


def soon(host: Host, within: timedelta) -> float | None:
    """In so many seconds a rollout is due whose time is known; None: none is within that time."""

    def work(session: Session) -> float | None:
        now = host.unit.now()
        first = rollouts.first_due(session, after=now, until=now + within)
        return None if first is None else (first - now).total_seconds()

    return host.unit.run(work)


@define
class Sweep:
    """Looks at live rollouts that nobody woke, some at a time, and round again.

    So a wake that is lost costs time, no decision: 30 s for each 200 rollouts that live. One look costs the
    same, however many these are. Ends of runs that nobody recorded are, where a release is watched: the Dag
    processor may hang meanwhile.
    """

    host: Host
    _last: tuple[str, str] = field(default=("", ""), init=False)

    def look(self) -> Turn:
        """Look at the next ones, and go on with what can."""
        faults: Faults = []
        if self.host.unit.run(rollouts.watching):
            bindings.record_outcomes(self.host)
        some = self.host.unit.run(lambda session: rollouts.next_ones(session, self._last, limit=A_LOOK))
        self._last = (some[-1].dag_id, some[-1].slot) if len(some) == A_LOOK else ("", "")
        moved, _ = _look_and_go_on(self.host, some, faults)
        return Turn(moved=moved, faults=tuple(faults))


def _look_and_go_on(host: Host, due: Sequence[Due], faults: Faults) -> tuple[int, bool]:
    """How many went on, and whether any were to; what fails is added to *faults*."""
    acting, failed = _looked_at(host, due)
    moved, failed_to_go = _go_on(host, acting)
    faults += [*failed, *failed_to_go]
    return moved, bool(acting)


def _looked_at(host: Host, due: Sequence[Due]) -> tuple[list[Due], Faults]:
    """Those that act, of those that are due; all at once or, where that fails, one by one."""
    acting: list[Due] = []
    faults: Faults = []
    if not due:
        return acting, faults
    try:
        return _look(host, due), faults
    except Exception as error:
        if len(due) == 1:
            return acting, [_fault(host, due[0].dag_id, error)]
    for each in due:
        try:
            acting += _look(host, [each])
        except Exception as alone:
            faults.append(_fault(host, each.dag_id, alone))
    return acting, faults


def _look(host: Host, due: Sequence[Due]) -> list[Due]:
    """Those that act; when the others are to be looked at again is noted, in a transaction of its own."""
    acting: list[Due] = []
    later: dict[Due, datetime | None] = {}

    def work(session: Session) -> None:
        acting.clear()
        later.clear()
        rows, now = dags.rows(session, [each.dag_id for each in due]), host.unit.now()
        known, _, found = _known(host, session, rows, now)
        for each in due:
            rollout = _live(known, each)
            if rollout is None:
                continue
            decided = decide(rollout, found[each.dag_id].facts, now)
            if isinstance(decided, Wait):
                until = _until(decided, rollout, now)
                if until != each.next_at:
                    later[each] = until
            else:
                acting.append(each)

    host.unit.run(work)
    if later:
        host.unit.run(lambda session: rollouts.put_off(session, later))
    return acting


def _live(known: Known, due: Due) -> Rollout | None:
    return next(
        (each for each in known.rollouts.get(due.dag_id, ()) if each.id == due.id and each.live), None
    )


def _known(
    host: Host, session: Session, rows: Mapping[str, ManagedDag], now: datetime, *, acting: bool = False
) -> tuple[Known, Loaded, dict[str, Found]]:
    known = facts.know(session, rows, hold=acting)
    ids = known.build_ids
    loaded = load(host, session, rows, others=ids, contents_of=ids if acting else ())
    return (
        known,
        loaded,
        facts.find(host, session, known, loaded, now=now, runs=OfRuns.ALL if acting else OfRuns.WATCHED),
    )


def _until(wait: Wait, rollout: Rollout, now: datetime) -> datetime | None:
    gate = rollout.at_gate
    edges = [] if wait.until is None else [wait.until]
    if isinstance(gate, WaitGate) and gate.idle and not rollout.paused:
        edges.append(now + LOOK_IDLE)
    if rollout.state is State.WATCHING and rollout.plan.rollback.early:
        edges.append(now + LOOK_EARLY)
    if gate is None and any(hold.kind is HoldKind.GATE for hold in wait.held):
        # A rule requires it since then: that may be a time, or that no run is active.
        edges.append(now + LOOK_REQUIRED)
    return min(edges, default=None)


def _go_on(host: Host, acting: Sequence[Due]) -> tuple[int, Faults]:
    """Batch by batch; where one fails, Dag by Dag."""
    moved = 0
    faults: Faults = []
    by_bundle = sorted(acting, key=lambda each: (each.bundle_name, each.dag_id))
    for _, some in groupby(by_bundle, key=lambda each: each.bundle_name):
        for batch in chunks(sorted({each.dag_id for each in some}), A_BATCH):
            try:
                moved += _batch(host, batch)
            except Exception as error:
                if len(batch) == 1:
                    faults.append(_fault(host, batch[0], error))
                    continue
                for dag_id in batch:
                    try:
                        moved += _batch(host, [dag_id])
                    except Exception as alone:
                        faults.append(_fault(host, dag_id, alone))
    return moved, faults


def _fault(host: Host, dag_id: str, error: Exception) -> tuple[str, Exception]:
    again = host.unit.now() + AFTER_FAULT
    host.unit.run(lambda session: rollouts.wake(session, again, [dag_id]))
    return dag_id, error


def _batch(host: Host, dag_ids: Sequence[str]) -> int:
    outcomes = host.unit.run(partial(_advance, host, dag_ids))
    host.unit.announce([{"kind": o.kind or "rollout", "dag_id": o.dag_id} for o in outcomes if o.changed])
    return len(outcomes)


def _advance(host: Host, dag_ids: Sequence[str], session: Session) -> list[Outcome]:
    begin_write(session)
    rows, now = lock_dags(session, dag_ids), host.unit.now()
    known, loaded, found = _known(host, session, rows, now, acting=True)
    acts = []
    for dag_id, row in sorted(rows.items()):
        decided = _first(known, found[dag_id], now)
        if decided is None:
            continue
        rollout, decision = decided
        state = loaded.states[dag_id]
        made = what_is_carried(session, decision.effects, state, loaded, said=decision.said)
        verb = verb_of(decision.effects)
        asked = f"asked for by {rollout.asked_by}: " if rollout.asked_by and made.decision.release else ""
        acts.append(act_of(row, state, made, verb=verb.value, actor=ACTOR, reason=f"{asked}{decision.said}"))
    outcomes = go(host, session, acts, known, loaded, now=now)
    return _rerun(host, session, acts, outcomes)


def _rerun(host: Host, session: Session, acts: Sequence[Act], outcomes: list[Outcome]) -> list[Outcome]:
    """Let what failed on a release that was just rolled back run again, where its policy asks for that."""
    again = [act for act in acts if _reruns(act)]
    if not again:
        return outcomes
    own = {act.state.dag_id for act in again}
    eras = {dag_id: Eras(every=found.eras) for dag_id, found in timelines.newest(session, own).items()}
    done = {
        outcome.dag_id: outcome
        for outcome in rerun.carried_out(
            host,
            session,
            again,
            [outcome for outcome in outcomes if outcome.dag_id in own],
            eras,
            whole=False,
        )
    }
    return [done.get(outcome.dag_id, outcome) for outcome in outcomes]


def _reruns(act: Act) -> bool:
    return any(
        isinstance(move, Save)
        and move.rollout.state is State.ROLLED_BACK
        and move.rollout.plan.rollback.rerun_failed
        for move in act.moves
    )


def _first(known: Known, found: Found, now: datetime) -> tuple[Rollout, Decision] | None:
    """The rollout of a Dag that goes on now, that ahead before that under watch: the other one is next."""
    for slot in (Slot.AHEAD, Slot.WATCHED):
        rollout = known.live(found.facts.dag_id, slot)
        if rollout is None:
            continue
        decided = decide(rollout, found.facts, now)
        if isinstance(decided, Acts | Advance):
            return rollout, decided
    return None
