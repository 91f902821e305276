"""A rollout: one place of one Dag on its way, and what is known of its Dag at the moment of a decision.

A Dag has at most one rollout *ahead* (not released yet) and one *watched* (released, not proven yet). Values
only: :mod:`decide` says what follows by itself, :mod:`acts` what follows from an act of a person.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen
from attrs.converters import optional

from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.steps import Gate, Party, Plan, Release, Step, Watch


class State(StrEnum):
    """Where a rollout is; those after ``paused`` are ends."""

    WAITING = "waiting"
    """At a gate, or at the release."""
    WATCHING = "watching"
    """Released; its first runs are looked at."""
    PAUSED = "paused"
    """At a gate, at the release or under watch: nothing goes on until a person says so."""
    PROVEN = "proven"
    RELEASED = "released"
    """In force; its plan has no watch."""
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    """Taken off its way by a person: held, not rejected. Of a watched one: the watch ended."""
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    """Its Dag was pinned or rolled back, retired, or can not be held any more."""


LIVE = frozenset((State.WAITING, State.WATCHING, State.PAUSED))


class Slot(StrEnum):
    """Which of the two live rollouts of a Dag it is."""

    AHEAD = "ahead"
    WATCHED = "watched"


class Cause(StrEnum):
    """Why a rollout is paused."""

    PERSON = "person"
    """Somebody paused it: this goes over to the rollout that supersedes it."""
    INCONCLUSIVE = "inconclusive"
    """A verdict said neither yes nor no."""
    ERROR = "error"
    """A verdict could not be found; no failure."""
    TIMEOUT = "timeout"
    """Nobody answered in time."""
    STALE = "stale"
    """What the watch found is too old to act on by itself."""
    NO_WAY_BACK = "no way back"
    """No other place is proven, or that one is rejected."""
    NOT_ALONE = "not alone"
    """Dags that were not released failed as often."""
    NO_RUNS = "no runs"
    """None came within the time of the watch."""
    ERA = "era"
    """An era over the present decides what runs take."""


@frozen(kw_only=True, order=False)
class Place:
    """A build at a bundle version: what rolls out."""

    build_id: int
    version: str


@frozen(kw_only=True)
class Contributor:
    """Who wrote or committed something between the place in force and the one that rolls out."""

    party: Party
    name: str
    """As the repository names them: ``Name <mail>``."""
    user: str | None
    """The user that they are; None: nobody knows which."""


@frozen(kw_only=True)
class Rollout:
    """One place on its way. What it was begun with never changes; ``generation`` counts writes."""

    id: int = 0
    """0: not stored yet."""
    dag_id: str
    place: Place
    plan: Plan
    policy: str | None = None
    revision: int | None = None
    """The policy that the plan is of, and its revision; None: it is built in."""
    authors: tuple[Contributor, ...] | None = ()
    """None: nobody can say who they are."""
    proven: Place | None = None
    """The way back that was proven when it began."""
    began_at: datetime
    generation: int = 1

    state: State = field(default=State.WAITING, converter=State)
    step: int = 0
    attempt: int = 1
    since: datetime
    """When the step began, or was taken up again after a pause: its times count from here."""
    cause: Cause | None = field(default=None, converter=optional(Cause))
    why: str | None = None
    """In words: why it is paused, or why it ended as it did."""
    set_aside: datetime | None = None
    """Verdicts up to here neither pause it nor end it: somebody has seen them and goes on."""
    paused_by: str | None = None
    paused_at: datetime | None = None

    asked_by: str | None = None
    """Somebody wants it released."""
    asked_at: datetime | None = None
    not_before: datetime | None = None
    """Not before this instant."""
    knows_pin: bool = False
    """It was asked for under a pin, which does not hold it then."""
    promoters: frozenset[str] = frozenset()
    """Who asked for it or skipped a step; unlike the ask this stays."""

    released_at: datetime | None = None
    release: int | None = None
    """The number of that; None: it has not been released, or is of before releases were watched."""
    before: Before | None = None
    """The runs of the build before, as they were when it was released; only where its plan has a watch."""
    ended_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def slot(self) -> Slot | None:
        """Which of the Dag's live rollouts it is; None: it has ended."""
        if not self.live:
            return None
        return Slot.AHEAD if self.released_at is None else Slot.WATCHED

    @property
    def paused(self) -> bool:
        return self.state is State.PAUSED

    @property
    def paused_by_person(self) -> bool:
        return self.paused and self.cause is Cause.PERSON

    @property
    def at(self) -> Step:
        """The step of its plan that it is at; of one that has ended: at which it did."""
        return self.plan.steps[self.step]

    @property
    def at_gate(self) -> Gate | None:
        """The gate that it is at, if it is at one."""
        step = self.at
        return None if isinstance(step, Release | Watch) else step

    def is_set_aside(self, at: datetime) -> bool:
        """Whether somebody has seen what came at this instant, and goes on all the same."""
        return self.set_aside is not None and at <= self.set_aside


_UNPAUSED: dict[str, None] = {"cause": None, "why": None, "paused_by": None, "paused_at": None}
_UNASKED: dict[str, None] = {"asked_by": None, "asked_at": None, "not_before": None}
"""What a rollout has that nobody, and nothing, pauses; and what one has for which nobody asks."""


def moved(rollout: Rollout, **changes: Any) -> Rollout:
    """The rollout after a write."""
    return evolve(rollout, generation=rollout.generation + 1, **changes)


def paused(rollout: Rollout, cause: Cause, why: str, now: datetime, *, by: str | None = None) -> Rollout:
    """The rollout where it is, until a person goes on. A person's pause ends what was asked for."""
    unasked = _UNASKED if cause is Cause.PERSON else {}
    return moved(rollout, state=State.PAUSED, cause=cause, why=why, paused_by=by, paused_at=now, **unasked)


def resumed(rollout: Rollout, now: datetime) -> Rollout:
    """The rollout where it was, judged anew: what paused it is set aside, unless a person did."""
    return moved(
        rollout,
        state=State.WAITING if rollout.slot is Slot.AHEAD else State.WATCHING,
        since=now,
        set_aside=rollout.set_aside if rollout.paused_by_person else now,
        **_UNPAUSED,
    )


def at_step(
    rollout: Rollout,
    step: int,
    now: datetime,
    *,
    attempt: int = 1,
    set_aside: datetime | None = None,
    **changes: Any,
) -> Rollout:
    """The rollout at the beginning of a step. What was set aside at another is not at this one."""
    return moved(
        rollout,
        state=State.WAITING,
        step=step,
        attempt=attempt,
        since=now,
        set_aside=set_aside,
        **_UNPAUSED,
        **changes,
    )


def in_force(
    rollout: Rollout, now: datetime, *, before: Before | None = None, proven: Place | None = None
) -> Rollout:
    """The rollout whose place is released: watched if its plan has a watch, else at its end.

    *before* are the runs of the build before it, and *proven* is the way back from now on.
    """
    watches = rollout.plan.watch is not None
    return moved(
        rollout,
        state=State.WATCHING if watches else State.RELEASED,
        step=rollout.plan.release_at + watches,
        attempt=1,
        since=now,
        set_aside=None,
        **_UNPAUSED,
        released_at=now,
        before=before if watches else None,
        proven=proven or rollout.proven,
        ended_at=None if watches else now,
    )


def ended(rollout: Rollout, state: State, why: str, now: datetime) -> Rollout:
    """The rollout at its end; what was asked for is asked no more."""
    assert state not in LIVE
    return moved(
        rollout,
        state=state,
        **(_UNPAUSED | {"why": why}),
        **_UNASKED,
        ended_at=now,
    )


@frozen(kw_only=True)
class Candidate:
    """A place that may begin to roll out, with what its rollout would begin with."""

    place: Place
    plan: Plan = field(factory=Plan)
    """Of the policy that selects the Dag, with the gates that rules require."""
    required: tuple[Gate, ...] = ()
    """Only those that rules require."""
    policy: str | None = None
    revision: int | None = None
    authors: tuple[Contributor, ...] | None = ()
    proven: Place | None = None


def begun(
    dag_id: str, candidate: Candidate, now: datetime, *, plan: Plan | None = None, **values: Any
) -> Rollout:
    """A rollout of the candidate at its first step."""
    return Rollout(
        dag_id=dag_id,
        place=candidate.place,
        plan=plan or candidate.plan,
        policy=candidate.policy,
        revision=candidate.revision,
        authors=candidate.authors,
        proven=candidate.proven,
        began_at=now,
        since=now,
        **values,
    )
