"""What somebody does, and the words of each refusal: what was found, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import frozen

from pinwheel.core.errors import Conflict, PinwheelError, Refused
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Place
from pinwheel.core.rollout.table import No, Verb


@frozen(kw_only=True)
class Deed:
    """What somebody does."""

    verb: Verb
    by: str
    reason: str | None = None
    watched: bool = False
    """On the rollout that is watched, although another is ahead."""
    at: datetime | None = None
    """Of ``promote --at``: the instant."""
    place: Place | None = None
    """Of ``reject --lift``: whose rejections are lifted."""
    takes: bool = False
    """Of a pin: another place takes effect with it."""
    expected_generation: int | None = None
    """That of the rollout that was seen."""

    def said(self) -> str:
        """What is told of a rollout that somebody acted on."""
        return f"{self.verb} by {self.by}" + (f": {self.reason}" if self.reason else "")


def not_before_words(at: datetime) -> str:
    """What is told of a release that somebody asked for at an instant."""
    return f"asked for, not before {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


SPOKEN = {
    Verb.ROLLBACK: "roll back",
    Verb.LIFT: "lift a rejection of",
    Verb.PROMOTE_AT: "promote",
    Verb.PROMOTE_NOW: "promote",
}
"""Verbs that stand otherwise in a sentence."""

SHOW = "See what it waits for: pinwheel rollout show {dag}"
WORDS: dict[No, tuple[str, str]] = {
    No.NOT_ASKED: (
        "it is at no step that asks for approvals",
        "See what it waits for: pinwheel rollout show {dag}. What a rule requires since then is asked of a "
        "rollout that begins anew: pinwheel rollout restart {dag}",
    ),
    No.NOT_PAUSED: ("it is not paused", SHOW),
    No.NOT_RETRIED: ("only a gate is tried again", "To begin anew: pinwheel rollout restart {dag}"),
    No.NOT_SKIPPED: (
        "the release itself is not skipped",
        "To release it past gates and rules: pinwheel promote {dag} --now",
    ),
    No.UNDER_WAY: ("the gate is under way", "Pause it first: pinwheel rollout pause {dag}"),
    No.PAUSED: ("its rollout is paused", "Go on with it first: pinwheel rollout resume {dag}"),
    No.RELEASED: ("its place is released, and watched", "To take it back: pinwheel rollback {dag}"),
    No.NOTHING_LIVE: (
        "nothing of it is on its way",
        "To hold it all the same: pinwheel pin {dag}, or a freeze",
    ),
    No.PINNED: ("it is pinned", "Unpin it: pinwheel unpin {dag}"),
    No.REJECTED: (
        "its newest place is rejected",
        "If it is right after all: pinwheel reject {dag} --lift, with a reason",
    ),
    No.ACTIVE: ("its newest place is in force", "There is nothing to release until the next build"),
    No.NO_BUILD: ("it has no good build yet", "See why: pinwheel builds {dag}"),
    No.GONE: ("none of its places can be held", "See why: pinwheel status {dag}"),
    No.CLOSED_THEN: (
        "the window is closed then",
        "Name an instant at which it is open: pinwheel windows {dag}",
    ),
    No.OTHER_AHEAD: (
        "another build is on its way",
        "Promote that one (pinwheel promote {dag}), or abort it first: pinwheel rollout abort {dag}",
    ),
    No.RULE_CLOSED: (
        "a rule does not let it be released now",
        "Let it roll out as soon as rules do (pinwheel promote {dag} --at WHEN; see pinwheel windows {dag}), "
        "or release it past them: pinwheel promote {dag} --now",
    ),
    No.STALE_GENERATION: ("it has moved since you looked", "Look again: pinwheel rollout show {dag}"),
    No.MAY_NOT_PROMOTE: (
        "you approved it, and who approves it does not promote it",
        "Let somebody else do it",
    ),
    No.MAY_NOT_APPROVE: ("your approval does not count", "Somebody else has to approve it"),
}


def refused(no: No, deed: Deed, facts: Facts, found: str = "") -> PinwheelError:
    """The error of a refusal; *found* says more exactly what was found."""
    kind = Refused if no in (No.MAY_NOT_APPROVE, No.MAY_NOT_PROMOTE) else Conflict
    said, remedy = WORDS[no]
    return kind(
        f"Cannot {SPOKEN.get(deed.verb, deed.verb.value)} {facts.dag_id}",
        found=found or said,
        remedy=remedy.format(dag=facts.dag_id),
        dag_id=facts.dag_id,
        problem=no.value,
    )


def refused_by_rules(no: No, deed: Deed, facts: Facts, closed: tuple[Hold, ...]) -> PinwheelError:
    """A refusal by rules: which, and when they open if each of them does by itself."""
    return refused(no, deed, facts, what_is_closed(closed))


def what_is_closed(closed: Sequence[Hold]) -> str:
    """Which rules are, and when they open if each of them does by itself."""
    edges = [held.until for held in closed]
    opens = None if None in edges else max(edge for edge in edges if edge is not None)
    found = "; ".join(held.said for held in closed)
    return found if opens is None else f"{found}; it opens at {opens:%Y-%m-%d %H:%M} UTC"


if missing := set(No) - set(WORDS):
    raise ValueError(f"no words for {', '.join(sorted(missing))}")
