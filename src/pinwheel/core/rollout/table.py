"""What each act of a person means in each state of a Dag's rollouts, as a table.

A cell is what is done, or the reason of a refusal. Each verb has a row and each row all its cells, else
importing this fails: a new verb or a new place on the way can not be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

from attrs import frozen

from pinwheel.core.rollout.state import Rollout, Slot


class Verb(StrEnum):
    """What a person does, or what comes over a Dag from outside its rollouts."""

    APPROVE = "approve"
    REJECT = "reject"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    RESTART = "restart"
    ABORT = "abort"
    PROMOTE = "promote"
    PROMOTE_AT = "promote --at"
    PROMOTE_NOW = "promote --now"
    PIN = "pin"
    UNPIN = "unpin"
    ROLLBACK = "rollback"
    LIFT = "reject --lift"
    FREEZE = "freeze"
    CLOSE = "window closes"
    ERA = "era over the present"


class Where(StrEnum):
    """Where a live rollout is."""

    GATE = "at a gate"
    RELEASE = "at its release"
    PAUSED = "paused ahead"
    WATCHED = "watched"
    WATCH_PAUSED = "paused under watch"
    NOTHING = "nothing live"


class Do(StrEnum):
    """What an act does."""

    STAYS = "nothing changes"
    AS_TODAY = "as without rollouts"
    COUNT = "the approval is counted"
    REJECT = "rejected"
    PAUSE = "paused"
    PAUSE_FOR_ERA = "paused by the era"
    TAKE_OVER = "the pause is a person's"
    RESUME = "judged anew"
    RETRY = "the step again"
    SKIP = "the next step"
    PROVE = "proven by hand"
    RESTART = "superseded by the newest place"
    BEGIN = "the newest place sets out"
    ABORT = "aborted"
    ASK = "asked for"
    ASK_AT = "asked for, not before an instant"
    PROMOTE = "the newest place is asked for, or released"
    PROMOTE_AT = "the newest place is asked for, not before an instant"
    RELEASE = "released, past gates and rules"
    OVERTAKE = "the newest place is released past gates and rules, this one superseded"
    RELEASE_NEWEST = "the newest place is released past gates and rules"
    WITHDRAW = "withdrawn"
    ROLL_BACK = "rolled back"
    UNPIN_AHEAD = "an ask under a pin is withdrawn"
    UNPIN = "unpinned, the newest place sets out"
    LIFT = "lifted"
    LIFT_AND_GO = "lifted, the newest place sets out"
    HOLD = "held"


class No(StrEnum):
    """Why an act is refused."""

    NOT_ASKED = "not-asked"
    NOT_PAUSED = "not-paused"
    NOT_RETRIED = "not-retried"
    NOT_SKIPPED = "not-skipped"
    UNDER_WAY = "under-way"
    PAUSED = "paused"
    RELEASED = "released"
    NOTHING_LIVE = "nothing-live"
    PINNED = "pinned"
    REJECTED = "rejected"
    ACTIVE = "active"
    NO_BUILD = "no-build"
    GONE = "gone"
    CLOSED_THEN = "closed-then"
    OTHER_AHEAD = "other-ahead"
    RULE_CLOSED = "rule-closed"
    STALE_GENERATION = "stale-generation"
    MAY_NOT_APPROVE = "may-not-approve"
    MAY_NOT_PROMOTE = "may-not-promote"


Cell = Do | No


@frozen
class Row:
    """The cells of a verb, one for each :class:`Where`."""

    gate: Cell
    release: Cell
    paused: Cell
    watched: Cell
    watch_paused: Cell
    nothing: Cell

    def at(self, where: Where) -> Cell:
        match where:
            case Where.GATE:
                return self.gate
            case Where.RELEASE:
                return self.release
            case Where.PAUSED:
                return self.paused
            case Where.WATCHED:
                return self.watched
            case Where.WATCH_PAUSED:
                return self.watch_paused
            case Where.NOTHING:
                return self.nothing
            case _:
                assert_never(where)


TABLE: Mapping[Verb, Row] = {
    Verb.APPROVE: Row(Do.COUNT, No.NOT_ASKED, No.PAUSED, No.RELEASED, No.RELEASED, No.NOTHING_LIVE),
    Verb.REJECT: Row(Do.REJECT, Do.REJECT, Do.REJECT, No.RELEASED, No.RELEASED, Do.AS_TODAY),
    Verb.PAUSE: Row(Do.PAUSE, Do.PAUSE, Do.TAKE_OVER, Do.PAUSE, Do.TAKE_OVER, No.NOTHING_LIVE),
    Verb.RESUME: Row(No.NOT_PAUSED, No.NOT_PAUSED, Do.RESUME, No.NOT_PAUSED, Do.RESUME, No.NOTHING_LIVE),
    Verb.RETRY: Row(No.UNDER_WAY, No.NOT_RETRIED, Do.RETRY, No.NOT_RETRIED, No.NOT_RETRIED, No.NOTHING_LIVE),
    Verb.SKIP: Row(Do.SKIP, No.NOT_SKIPPED, Do.SKIP, Do.PROVE, Do.PROVE, No.NOTHING_LIVE),
    Verb.RESTART: Row(Do.RESTART, Do.RESTART, Do.RESTART, No.RELEASED, No.RELEASED, Do.BEGIN),
    Verb.ABORT: Row(Do.ABORT, Do.ABORT, Do.ABORT, Do.ABORT, Do.ABORT, No.NOTHING_LIVE),
    Verb.PROMOTE: Row(Do.ASK, Do.ASK, No.PAUSED, No.RELEASED, No.RELEASED, Do.PROMOTE),
    Verb.PROMOTE_AT: Row(Do.ASK_AT, Do.ASK_AT, No.PAUSED, No.RELEASED, No.RELEASED, Do.PROMOTE_AT),
    Verb.PROMOTE_NOW: Row(Do.RELEASE, Do.RELEASE, Do.RELEASE, Do.OVERTAKE, Do.OVERTAKE, Do.RELEASE_NEWEST),
    Verb.PIN: Row(Do.WITHDRAW, Do.WITHDRAW, Do.WITHDRAW, Do.WITHDRAW, Do.WITHDRAW, Do.AS_TODAY),
    Verb.UNPIN: Row(Do.UNPIN_AHEAD, Do.UNPIN_AHEAD, Do.UNPIN_AHEAD, Do.STAYS, Do.STAYS, Do.UNPIN),
    Verb.ROLLBACK: Row(Do.WITHDRAW, Do.WITHDRAW, Do.WITHDRAW, Do.ROLL_BACK, Do.ROLL_BACK, Do.AS_TODAY),
    Verb.LIFT: Row(Do.LIFT, Do.LIFT, Do.LIFT, Do.LIFT, Do.LIFT, Do.LIFT_AND_GO),
    Verb.FREEZE: Row(Do.HOLD, Do.HOLD, Do.HOLD, Do.STAYS, Do.STAYS, Do.HOLD),
    Verb.CLOSE: Row(Do.HOLD, Do.HOLD, Do.HOLD, Do.STAYS, Do.STAYS, Do.HOLD),
    Verb.ERA: Row(Do.HOLD, Do.HOLD, Do.STAYS, Do.PAUSE_FOR_ERA, Do.STAYS, Do.HOLD),
}
if missing := set(Verb) - set(TABLE):
    raise ValueError(f"no row for {', '.join(sorted(missing))}")

ON_BOTH = frozenset((Verb.PIN, Verb.ROLLBACK, Verb.FREEZE, Verb.CLOSE, Verb.ERA))
"""What acts on both rollouts of a Dag, the one ahead and the one that is watched."""
ON_THE_DAG = frozenset((Verb.UNPIN, Verb.LIFT))
"""What acts on the Dag: the one ahead is asked first, and nobody chooses another."""


def where(rollout: Rollout | None) -> Where:
    """Where a Dag's live rollout is; None: it has none."""
    if rollout is None:
        return Where.NOTHING
    if rollout.slot is Slot.WATCHED:
        return Where.WATCH_PAUSED if rollout.paused else Where.WATCHED
    if rollout.paused:
        return Where.PAUSED
    return Where.GATE if rollout.at_gate is not None else Where.RELEASE
