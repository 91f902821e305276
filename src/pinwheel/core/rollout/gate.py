"""Gates: what is known of one, and what that means.

Passed, failed, inconclusive and error are four different things, and no data is none of them: then the gate
waits. A verdict counts for what it names: a place, a bundle version or a build's digest, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from attrs import field, frozen

from pinwheel.core.rollout.authors import SOMEBODY, is_user, unknown
from pinwheel.core.rollout.state import Cause, Contributor, Place, Rollout
from pinwheel.core.rollout.steps import Approve, Check, Gate, Of, OnTimeout, Party, Wait


class Answer(StrEnum):
    """What a verdict says."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """It was found out, and is neither."""
    ERROR = "error"
    """It could not be found out."""
    SKIPPED = "skipped"
    """A person went past the gate."""


@frozen(kw_only=True)
class OfVersion:
    """A bundle version as what a verdict is about."""

    bundle: str
    version: str


@frozen(kw_only=True)
class OfDigest:
    """The content of a build as what a verdict is about, whatever commit it is taken from."""

    digest: str


Subject = Place | OfVersion | OfDigest


@frozen(kw_only=True)
class Verdict:
    """One answer. Nobody changes it; a newer one takes its place."""

    subject: Subject
    name: str
    """Of the check; of an approval no more than what it is called."""
    answer: Answer
    actor: str
    at: datetime
    expires_at: datetime | None = None
    reason: str | None = None
    rollout: int | None = None
    """A person's verdict: at this step and attempt of this rollout. None: it came from outside."""
    step: int | None = None
    attempt: int | None = None

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def said(self) -> str:
        """Who gave it, and why, as part of a sentence."""
        return f"{self.actor} at {self.at:%Y-%m-%d %H:%M} UTC" + (f": {self.reason}" if self.reason else "")


@frozen(kw_only=True)
class GateFacts:
    """What gates are judged by, of one rollout."""

    verdicts: tuple[Verdict, ...] = ()
    """Of its place, version and digests, and those of persons, in the order in which they were stored."""
    bundle: str = ""
    digests: frozenset[str] = frozenset()
    """By which its build is known."""
    idle: bool | None = None
    """No run of the Dag is active; None: nobody looked."""
    unknown_author_allowed: bool = False
    """A rule says that one who matches no user costs nothing."""
    not_approvers: frozenset[str] = frozenset()
    """Users that are no persons."""


@frozen(kw_only=True)
class Passed:
    said: str


@frozen(kw_only=True)
class Failed:
    said: str


@frozen(kw_only=True)
class Waits:
    """There is no answer yet."""

    said: str
    """For whom, or for what."""
    until: datetime | None
    """When it is over without an answer, or passes by itself; None: never."""


@frozen(kw_only=True)
class Inconclusive:
    """The gate has no answer and will have none: a person must look."""

    cause: Cause
    said: str
    ends: bool = False
    """It does not pause: the rollout ends, as its plan says."""


@frozen(kw_only=True)
class Error:
    """What should have answered did not work: no failure."""

    said: str
    cause: Cause = field(default=Cause.ERROR, init=False)


Judgement = Passed | Failed | Waits | Inconclusive | Error


def judge(gate: Gate, rollout: Rollout, facts: GateFacts, now: datetime) -> Judgement:
    """What the gate at which the rollout is says now."""
    match gate:
        case Approve():
            return _approve(gate, rollout, facts, now)
        case Check():
            return _check(gate, rollout, facts, now)
        case Wait():
            return _wait(gate, rollout, facts, now)
        case _:
            assert_never(gate)


def counts(subject: Subject, of: Of, place: Place, facts: GateFacts) -> bool:
    """Whether a verdict on *subject* counts for the place: never that of another build's digest."""
    match subject:
        case Place():
            return of is Of.PLACE and subject == place
        case OfVersion():
            return subject == OfVersion(bundle=facts.bundle, version=place.version)
        case OfDigest():
            return of is Of.PLACE and subject.digest in facts.digests
        case _:
            assert_never(subject)


def last_verdict(check: Check, place: Place, facts: GateFacts, now: datetime) -> Verdict | None:
    """The newest verdict of a check that counts for the place. Once it has expired, there is none."""
    counting = [
        verdict
        for verdict in facts.verdicts
        if verdict.rollout is None
        and verdict.name == check.name
        and verdict.at <= now
        and counts(verdict.subject, check.of, place, facts)
    ]
    # Of two at one instant the one that was stored later.
    last = max(reversed(counting), key=lambda verdict: verdict.at, default=None)
    return None if last is None or last.has_expired(now) else last


def _check(check: Check, rollout: Rollout, facts: GateFacts, now: datetime) -> Judgement:
    last = last_verdict(check, rollout.place, facts, now)
    name = f"check {check.name}"
    if last is not None and not (last.answer is not Answer.PASSED and rollout.is_set_aside(last.at)):
        match last.answer:
            case Answer.PASSED | Answer.SKIPPED:
                return Passed(said=f"{name} passed, says {last.said()}")
            case Answer.FAILED:
                return Failed(said=f"{name} failed, says {last.said()}")
            case Answer.INCONCLUSIVE:
                return Inconclusive(
                    cause=Cause.INCONCLUSIVE, said=f"{name} is neither passed nor failed, says {last.said()}"
                )
            case Answer.ERROR:
                return Error(said=f"{name} had an error, says {last.said()}")
            case _:
                assert_never(last.answer)
    over = rollout.since + check.timeout if check.timeout is not None else None
    if over is not None and over <= now:
        return Inconclusive(
            cause=Cause.TIMEOUT,
            said=f"{name} has not answered in time",
            ends=check.on_timeout is OnTimeout.ABORT,
        )
    return Waits(said=name, until=over)


def _wait(wait: Wait, rollout: Rollout, facts: GateFacts, now: datetime) -> Judgement:
    if wait.idle:
        return _idle(wait, rollout, facts, now)
    if wait.span is not None:
        over, said = rollout.since + wait.span, f"{wait.span} since {rollout.since:%Y-%m-%d %H:%M} UTC"
    else:
        assert wait.until is not None
        over, said = wait.until, f"{wait.until:%Y-%m-%d %H:%M} UTC"
    return Passed(said=f"{said} is over") if over <= now else Waits(said=said, until=over)


def _idle(wait: Wait, rollout: Rollout, facts: GateFacts, now: datetime) -> Judgement:
    if facts.idle:
        return Passed(said="no run of the Dag is active")
    over = rollout.since + wait.patience
    if over <= now:
        return Inconclusive(
            cause=Cause.TIMEOUT, said=f"the Dag was not seen without an active run for {wait.patience}"
        )
    return Waits(said="no active run of the Dag", until=over)


def _approve(gate: Approve, rollout: Rollout, facts: GateFacts, now: datetime) -> Judgement:
    for verdict in _of_this_step(rollout, facts):
        if verdict.answer is Answer.FAILED and not rollout.is_set_aside(verdict.at):
            return Failed(said=f"rejected by {verdict.said()}")
    approved = approvers(gate, rollout, facts, now)
    needed = needed_approvals(gate, rollout, facts)
    if len(approved) >= needed:
        return Passed(said=f"approved by {', '.join(sorted(approved))}")
    over = rollout.since + gate.expires
    if over <= now:
        return Inconclusive(
            cause=Cause.TIMEOUT, said=f"{len(approved)} of {needed} approvals came within {gate.expires}"
        )
    return Waits(said=_whom(gate, needed - len(approved)), until=over)


def approvers(gate: Approve, rollout: Rollout, facts: GateFacts, now: datetime) -> frozenset[str]:
    """The persons whose approvals of this step and attempt count, each once."""
    return frozenset(
        verdict.actor
        for verdict in _of_this_step(rollout, facts)
        if verdict.answer is Answer.PASSED
        and not verdict.has_expired(now)
        and why_not_approve(gate, rollout, verdict.actor, facts) is None
    )


def needed_approvals(gate: Approve, rollout: Rollout, facts: GateFacts) -> int:
    """So many: each author whom nobody knows may be the one who approves, and costs one more."""
    return gate.count + len(_unknown(gate, rollout, facts))


def why_more_approvals(gate: Approve, rollout: Rollout, facts: GateFacts) -> str | None:
    """Why more approvals are needed than the gate says, as part of a sentence; None: not more are."""
    of_whom = _unknown(gate, rollout, facts)
    if not of_whom:
        return None
    if rollout.authors is None:
        return "nobody knows who wrote it: one more approval"
    known = [name for name in of_whom if name != SOMEBODY]
    found = [f"who is {', '.join(known)}"] if known else []
    if len(known) < len(of_whom):
        found.append("who wrote a part of it")
    each = " each" if len(of_whom) > 1 else ""
    return f"nobody knows {' and '.join(found)}: one more approval{each}"


def _unknown(gate: Approve, rollout: Rollout, facts: GateFacts) -> tuple[str, ...]:
    """Those who cost one more approval each, by name."""
    if facts.unknown_author_allowed:
        return ()
    if rollout.authors is None:
        return () if gate.excludes.isdisjoint((Party.AUTHOR, Party.COMMITTER)) else (SOMEBODY,)
    return unknown(_excluded(gate, rollout.authors))


def why_not_approve(gate: Approve, rollout: Rollout, user: str, facts: GateFacts) -> str | None:
    """Why this user's approval does not count, as part of a sentence; None: it does."""
    if user in facts.not_approvers:
        return f"{user} is not a person"
    if gate.persons and user not in gate.persons:
        return f"only {', '.join(sorted(gate.persons))} may"
    if Party.PROMOTER in gate.excludes and user in rollout.promoters:
        return f"{user} promoted it"
    for each in _excluded(gate, rollout.authors or ()):
        if is_user(each, user):
            return f"{user} {'wrote' if each.party is Party.AUTHOR else 'committed'} a part of it"
    return None


def _excluded(gate: Approve, authors: Iterable[Contributor]) -> list[Contributor]:
    return [each for each in authors if each.party in gate.excludes]


def _of_this_step(rollout: Rollout, facts: GateFacts) -> list[Verdict]:
    """What persons said of this place at this step, since it was last begun."""
    here = rollout.id, rollout.step, rollout.attempt
    return [each for each in facts.verdicts if (each.rollout, each.step, each.attempt) == here]


def _whom(gate: Approve, missing: int) -> str:
    """Who is waited for."""
    of = f" of {', '.join(sorted(gate.persons))}" if gate.persons else ""
    but = [party.value for party in Party if party in gate.excludes]
    not_of = f", not of its {' or '.join(filter(None, (', '.join(but[:-1]), but[-1])))}" if but else ""
    return f"{missing} approval{'s' if missing > 1 else ''}{of}{not_of}"
