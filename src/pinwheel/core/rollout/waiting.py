"""What a rollout waits for, how far it has come, and what each act would do now: for whoever looks at it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from attrs import frozen

from pinwheel.core.errors import PinwheelError
from pinwheel.core.rollout.acts import act
from pinwheel.core.rollout.decide import holds
from pinwheel.core.rollout.facts import Facts, GoesOn
from pinwheel.core.rollout.gate import Waits, judge
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.refusals import Deed
from pinwheel.core.rollout.state import Rollout, Slot, State
from pinwheel.core.rollout.steps import Approve, Check, Gate
from pinwheel.core.rollout.steps import Wait as WaitGate
from pinwheel.core.rollout.table import No, Verb


class Awaited(StrEnum):
    """For whom or what a rollout waits."""

    PERSON = "person"
    """Somebody approves it, goes on with it, asks for it, or ends what holds it."""
    CHECK = "check"
    """An external verdict comes."""
    TIME = "time"
    """An instant is reached."""
    RUNS = "runs"
    """Runs of the Dag end."""
    NOBODY = "nobody"
    """It has ended, or goes on at the keeper's next look."""


@frozen(kw_only=True)
class Awaits:
    """What a rollout waits for."""

    kind: Awaited
    words: str
    until: datetime | None = None
    """When that is over by itself; None: never, or nobody knows."""


def awaits(rollout: Rollout, facts: Facts, now: datetime) -> Awaits:
    """What the rollout waits for now; *facts* are of its Dag, in which it is the one ahead or watched."""
    if not rollout.live:
        return Awaits(kind=Awaited.NOBODY, words=rollout.why or rollout.state.value)
    if rollout.paused:
        return Awaits(kind=Awaited.PERSON, words=f"somebody to go on: {rollout.why}")
    if rollout.slot is Slot.WATCHED:
        says = facts.watch
        if isinstance(says, GoesOn):
            return Awaits(kind=Awaited.RUNS, words=says.said, until=says.until)
        return Awaits(kind=Awaited.RUNS, words="the runs that are watched")
    gate = rollout.at_gate
    if gate is not None:
        said = judge(gate, rollout, facts.gates, now)
        if isinstance(said, Waits):
            return Awaits(kind=_of_gate(gate), words=said.said, until=said.until)
        return Awaits(kind=Awaited.NOBODY, words=said.said)
    held = holds(rollout, facts, now)
    if not held:
        return Awaits(kind=Awaited.NOBODY, words="it is about to be released")
    first = next((each for each in held if _of_hold(each) is Awaited.PERSON), held[0])
    return Awaits(kind=_of_hold(first), words=first.said, until=first.until)


def _of_gate(gate: Gate) -> Awaited:
    match gate:
        case Approve():
            return Awaited.PERSON
        case Check():
            return Awaited.CHECK
        case WaitGate(idle=idle):
            return Awaited.RUNS if idle else Awaited.TIME
        case _:
            assert_never(gate)


def _of_hold(hold: Hold) -> Awaited:
    if hold.kind in (HoldKind.WATCH, HoldKind.QUEUE):
        return Awaited.RUNS
    return Awaited.PERSON if hold.until is None else Awaited.TIME


class Reached(StrEnum):
    """How a step of a plan stands."""

    PASSED = "passed"
    SKIPPED = "skipped"
    """A person went past it."""
    HERE = "here"
    """The rollout is at it, or ended at it."""
    AHEAD = "ahead"


def reached(rollout: Rollout, skipped: Collection[int]) -> tuple[Reached, ...]:
    """Each step of its plan; *skipped* are the numbers, from 0 on, of those that were."""
    passed = rollout.step + (rollout.state in (State.PROVEN, State.RELEASED))
    found = []
    for at in range(len(rollout.plan.steps)):
        if at in skipped:
            found.append(Reached.SKIPPED)
        elif at < passed:
            found.append(Reached.PASSED)
        else:
            found.append(Reached.HERE if at == rollout.step else Reached.AHEAD)
    return tuple(found)


OF_ROLLOUTS = (
    Verb.APPROVE,
    Verb.REJECT,
    Verb.PAUSE,
    Verb.RESUME,
    Verb.RETRY,
    Verb.SKIP,
    Verb.RESTART,
    Verb.ABORT,
)
"""The acts of persons that are about a rollout and nothing else."""
REASONED = frozenset((Verb.REJECT, Verb.SKIP, Verb.ABORT))
"""Those that need a reason."""


@frozen(kw_only=True)
class Answered:
    """What an act would be answered with now, for somebody who may."""

    verb: str
    problem: str | None
    """Why it would be refused; None: it would not."""
    words: str
    """What it would do, or what stands in its way."""


def answers(rollout: Rollout, facts: Facts, now: datetime) -> tuple[Answered, ...]:
    """What each act on this rollout would do. Of one that has ended none but a restart is left, where the
    Dag's place is held since."""
    if rollout.live:
        # What is promoted at once is asked for beside these: it is what most rollouts wait for in the end.
        verbs: tuple[Verb, ...] = (*OF_ROLLOUTS, Verb.PROMOTE, Verb.PROMOTE_NOW)
    else:
        held = facts.stopped is not None and facts.stopped.id == rollout.id
        verbs = (Verb.RESTART,) if held and facts.ahead is None and facts.watched is None else ()
    watched = rollout.slot is Slot.WATCHED
    return tuple(_answered(verb, facts, now, watched=watched) for verb in verbs)


def _answered(verb: Verb, facts: Facts, now: datetime, *, watched: bool) -> Answered:
    deed = Deed(verb=verb, by="", reason=verb.value, watched=watched)
    try:
        return Answered(verb=verb.value, problem=None, words=act(deed, facts, now).said)
    except PinwheelError as error:
        problem = str(error.facts["problem"])
        if problem == No.MAY_NOT_APPROVE:
            return Answered(verb=verb.value, problem=None, words="who may is said when somebody does")
        return Answered(verb=verb.value, problem=problem, words=error.found)
