"""Whether one plan holds less than another: such a change of a repository's policy waits itself.

A plan is at least as strict as another if it is that one with steps added, or with values that are stricter:
more approvals, more who may not give them, a longer wait, only verdicts of the version, a release by hand,
more watched runs and a longer watch; and if a newer build replaces nothing any more, or the Dag ceases to
follow. All else loosens, also what nobody can compare: other persons, another time until a step pauses.
This is a partial order of plans, in which equal ones are those that are written alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from pinwheel.core.release.rule import named
from pinwheel.core.rollout.steps import Approve, Check, Newer, Of, Plan, Release, Step, Wait, Watch


def loosens(old: Plan, new: Plan) -> tuple[str, ...]:
    """What *new* holds less than *old*, each as part of a sentence; empty: it is at least as strict."""
    return tuple(_loosened(old, new))


def _loosened(old: Plan, new: Plan) -> Iterator[str]:
    places = {named(step): at for at, step in enumerate(new.steps)}
    last = -1
    for step in old.steps:
        at = places.get(named(step))
        if at is None:
            yield f"{spoken(step)} is gone"
            continue
        if at < last:
            yield f"{spoken(step)} comes earlier"
        last = max(at, last)
        yield from _less(step, new.steps[at])
    if new.newer is not old.newer and (old.newer, new.newer) != (Newer.REPLACE, Newer.SUPERSEDE):
        yield f"newer is {new.newer}, and was {old.newer}"
    if new.follow and not old.follow:
        yield "the Dag follows to newer commits by itself"
    if new.rollback.holds_less_than(old.rollback):
        yield "rollback is weaker, or another"


def _less(old: Step, new: Step) -> Iterator[str]:
    """What a step holds less than the step of the same name did."""
    match old, new:
        case Approve(), Approve():
            if new.count < old.count:
                yield f"count of {spoken(old)} is {new.count}, and was {old.count}"
            if missing := old.excludes - new.excludes:
                yield f"{' and '.join(sorted(missing))} may approve"
            if new.expires != old.expires:
                yield f"expires of {spoken(old)} is another"
        case Check(), Check():
            if old.of is Of.VERSION and new.of is not Of.VERSION:
                yield f"{spoken(old)} takes verdicts of other versions too"
            if new.timeout != old.timeout:
                yield f"timeout of {spoken(old)} is another"
            if new.on_timeout is not old.on_timeout:
                yield f"on_timeout of {spoken(old)} is {new.on_timeout}, and was {old.on_timeout}"
        case Wait(), Wait():
            if old.span is not None and new.span is not None and new.span < old.span:
                yield f"{spoken(old)} is shorter"
            if old.until is not None and new.until is not None and new.until < old.until:
                yield f"{spoken(old)} ends earlier"
            if new.patience != old.patience:
                yield f"patience of {spoken(old)} is another"
        case Release(), Release():
            if old.by_hand and not new.by_hand:
                yield "the release does not wait for anybody"
        case Watch(), Watch():
            if new.runs < old.runs:
                yield f"runs of {spoken(old)} is {new.runs}, and was {old.runs}"
            if new.at_least < old.at_least:
                yield f"at_least of {spoken(old)} is shorter"
            if new.at_most != old.at_most:
                yield f"at_most of {spoken(old)} is another"
        case _:
            raise ValueError(f"{old} and {new} are not the same step")


def spoken(step: Step) -> str:
    """A step as part of a sentence."""
    match step:
        case Approve(persons=persons):
            return f"approve (by {', '.join(sorted(persons))})" if persons else "approve"
        case Check(name=name):
            return f"check {name}"
        case Wait(span=span, until=until):
            return "wait for" if span is not None else "wait until" if until is not None else "wait idle"
        case Release():
            return "release"
        case Watch():
            return "soak"
