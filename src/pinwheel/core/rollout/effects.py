"""What a decision about rollouts is made of.

Effects are carried out in order, in one transaction. Whoever carries them out matches each kind.
"""

from __future__ import annotations

from datetime import datetime

from attrs import evolve, field, frozen

from pinwheel.core.rollout.gate import Verdict
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Place, Rollout


def _first(rollout: Rollout) -> Rollout:
    return evolve(rollout, generation=1)


@frozen(kw_only=True)
class Begin:
    """A rollout that is not stored yet: whatever it went through before, it is at its first generation."""

    rollout: Rollout = field(converter=_first)


@frozen(kw_only=True)
class Save:
    """A rollout that has moved; what is stored must have the generation before this one."""

    rollout: Rollout


@frozen(kw_only=True)
class Take:
    """New runs take the place, whose Dag must have this active release."""

    place: Place
    expected_release: int | None
    by: str | None = None
    """Who released it; None: nobody did."""
    past_rules: bool = False
    """Who released it did so past gates and rules."""


@frozen(kw_only=True)
class GoBack:
    """New runs take the place that was proven, whatever rules say."""

    place: Place
    expected_release: int | None
    reason: str


@frozen(kw_only=True)
class PinDag:
    reason: str


@frozen(kw_only=True)
class UnpinDag:
    by: str


@frozen(kw_only=True)
class RejectPlace:
    """The build; where *instead* is the same build, the versions after that one up to this place's."""

    place: Place
    instead: Place | None = None
    reason: str
    by: str | None = None
    """Who rejected it; None: a gate or a watch did."""


@frozen(kw_only=True)
class LiftPlace:
    """Take back all rejections that hold for its build."""

    place: Place
    by: str
    reason: str | None


@frozen(kw_only=True)
class Prove:
    """The place is the Dag's proven one."""

    place: Place


@frozen(kw_only=True)
class Record:
    """A verdict of a person."""

    verdict: Verdict


@frozen(kw_only=True)
class AsToday:
    """What was asked, as :mod:`pinwheel.core.release.decide` decides without rollouts."""


@frozen(kw_only=True)
class Next:
    """The Dag's newest place as if it had just arrived: read what is known then, and ask
    :func:`~pinwheel.core.rollout.decide.arrive`."""


Effect = (
    Begin
    | Save
    | Take
    | GoBack
    | PinDag
    | UnpinDag
    | RejectPlace
    | LiftPlace
    | Prove
    | Record
    | AsToday
    | Next
)


@frozen(kw_only=True)
class Advance:
    """The rollout moves, and nothing else happens."""

    rollout: Rollout
    said: str

    @property
    def effects(self) -> tuple[Effect, ...]:
        return (Save(rollout=self.rollout),)


@frozen(kw_only=True)
class Wait:
    """Nothing happens; ``until`` is the next instant at which it may, without news before it."""

    said: str
    until: datetime | None = None
    held: tuple[Hold, ...] = ()

    @property
    def effects(self) -> tuple[Effect, ...]:
        return ()


@frozen(kw_only=True)
class Act:
    effects: tuple[Effect, ...] = field(default=())
    said: str


Decision = Advance | Wait | Act
