"""The steps of a rollout's plan: what must hold, one after the other, before a place is in force and proven.

A plan is frozen when its rollout begins. Whoever reads steps matches each kind, so that none is passed over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from pinwheel.core.rollout.way_back import WayBack


class Party(StrEnum):
    """Who had a part in what is to be approved, and so may not approve it."""

    AUTHOR = "author"
    COMMITTER = "committer"
    PROMOTER = "promoter"
    """Who asked for the release, skipped a step or overrode a rule."""


class OnTimeout(StrEnum):
    """What a check without an answer does to its rollout when its time is over."""

    PAUSE = "pause"
    ABORT = "abort"


class Of(StrEnum):
    """Of what a check takes a verdict."""

    PLACE = "place"
    """Of the place, of its bundle version, or of the build's digest, whichever says something last."""
    VERSION = "version"
    """Of the bundle version, and of nothing else."""


class Newer(StrEnum):
    """What a newer build does to the rollouts of its Dag that are on their way."""

    SUPERSEDE = "supersede"
    """The one ahead ends; while one is watched, the newer one waits at its release."""
    REPLACE = "replace"
    """The one ahead ends; the one that is watched ends when the newer one is released."""
    QUEUE = "queue"
    """The newer build waits until none of the Dag's rollouts is on its way."""


FORTNIGHT = timedelta(days=14)
PATIENCE = timedelta(hours=24)
NO_TIME = timedelta(0)


@frozen(kw_only=True)
class Approve:
    """So many persons approve this place."""

    count: int = field(default=1, validator=ge(1))
    excludes: frozenset[Party] = frozenset(Party)
    """Those who may not; ``not`` in a policy."""
    persons: frozenset[str] = frozenset()
    """Only these may, besides having the right; empty: all who have it."""
    expires: timedelta = field(default=FORTNIGHT, validator=gt(NO_TIME))


@frozen(kw_only=True)
class Check:
    """An external verdict, by this name."""

    name: str
    of: Of = Of.PLACE
    timeout: timedelta | None = field(default=None, validator=optional(gt(NO_TIME)))
    """None: it waits until somebody answers."""
    on_timeout: OnTimeout = OnTimeout.PAUSE


@frozen(kw_only=True)
class Wait:
    """A time goes by, an instant is reached, or no run of the Dag is active: one of the three."""

    span: timedelta | None = field(default=None, validator=optional(gt(NO_TIME)))
    """``for`` in a policy: so long after the step began."""
    until: datetime | None = None
    idle: bool = False
    patience: timedelta = field(default=PATIENCE, validator=gt(NO_TIME))
    """Of ``idle``: so long after the step began it pauses."""

    def __attrs_post_init__(self) -> None:
        if [self.span is not None, self.until is not None, self.idle].count(True) != 1:
            raise ValueError("a wait is for a time, until an instant, or idle: one of the three")


@frozen(kw_only=True)
class Release:
    """New runs take the place."""

    by_hand: bool = False
    """Only when somebody asks (``pinwheel promote``)."""


@frozen(kw_only=True)
class Watch:
    """The release is watched until so many runs and so much time were well; ``soak`` in a policy."""

    runs: int = field(default=5, validator=ge(0))
    at_least: timedelta = field(default=NO_TIME, validator=ge(NO_TIME))
    at_most: timedelta | None = field(default=None, validator=optional(gt(NO_TIME)))
    """None: it goes on until there were so many runs."""


Gate = Approve | Check | Wait
"""What must pass before the next step."""
Step = Gate | Release | Watch


@frozen(kw_only=True)
class Plan:
    """The steps of a rollout in order: gates, one release, perhaps a watch."""

    steps: tuple[Step, ...] = field(default=(Release(),))
    newer: Newer = Newer.SUPERSEDE
    follow: bool = False
    """Its Dag follows to newer versions of the active build although a step comes before the release."""
    rollback: WayBack = field(factory=WayBack)
    """When its watch rolls back."""

    @steps.validator
    def _gates_then_one_release_then_perhaps_a_watch(self, _: object, steps: tuple[Step, ...]) -> None:
        kinds = [_rank(step) for step in steps]
        if kinds.count(1) != 1 or kinds.count(2) > 1 or kinds != sorted(kinds):
            raise ValueError("a plan has its gates first, then one release, then perhaps one watch")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The steps before the release."""
        return tuple(step for step in self.steps if isinstance(step, Approve | Check | Wait))

    @property
    def at_once(self) -> bool:
        """No step comes before its release, which waits for nobody."""
        return not self.gates and not self.release.by_hand

    @property
    def release(self) -> Release:
        return next(step for step in self.steps if isinstance(step, Release))

    @property
    def release_at(self) -> int:
        """Where in the steps the release is."""
        return len(self.gates)

    @property
    def watch(self) -> Watch | None:
        return next((step for step in self.steps if isinstance(step, Watch)), None)


def _rank(step: Step) -> int:
    match step:
        case Approve() | Check() | Wait():
            return 0
        case Release():
            return 1
        case Watch():
            return 2
        case _:
            assert_never(step)


def kind_of(step: Step) -> tuple[str, str | None]:
    """What a step is called in a policy, and the name that it has there."""
    match step:
        case Approve():
            return "approve", None
        case Check(name=name):
            return "check", name
        case Wait():
            return "wait", None
        case Release():
            return "release", None
        case Watch():
            return "soak", None
