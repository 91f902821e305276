"""What each act of a person does in each state of a Dag's rollouts, with each outcome written out.

The tables (:mod:`harness.tables`) hold what is done, or the reason of the refusal, as section 3.3 of the
design says it; nothing of them is read from the code. ``A`` is the rollout ahead, ``W`` the one that is
watched, ``N`` a newer place; ``hand N`` releases it past rules, ``over`` is superseded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime

from attrs import evolve

from harness.rollouts import APPROVE, CHECK, HOUR, LATER, NOW, place, plan, rollout
from harness.tables import Expected, rows_of
from pinwheel.core.errors import PinwheelError
from pinwheel.core.rollout import effects
from pinwheel.core.rollout.effects import Act
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.refusals import Deed
from pinwheel.core.rollout.state import Candidate, Cause, Place, Rollout, paused
from pinwheel.core.rollout.steps import Approve, Check, Release, Step, Wait, Watch
from pinwheel.core.rollout.table import Verb

ACTIVE, AHEAD, NEWER = place(1), place(2), place(3)
RULE = Check(name="rule")
STEPS = plan(APPROVE, CHECK, watched=True)
AT = LATER + HOUR
FREEZE = Hold(kind=HoldKind.FREEZE, reason="the month's end", until=AT)
ERA = Hold(kind=HoldKind.ERA, reason="the past", since=NOW)

STATE: dict[str, tuple[str, ...]] = {
    "ahead": (
        "-",
        "approve",
        "check",
        "release",
        "paused-gate",
        "paused-release",
        "paused-person",
        "under-pin",
    ),
    "watch": ("-", "watched", "paused", "paused-person"),
    "on": ("-", "watched"),
    "pin": ("free", "pinned"),
    "newest": ("own", "active", "steps", "once", "soak", "none"),
    "bad": ("-", "it"),
    "aborted": ("-", "it"),
    "rules": ("open", "closed"),
    "reason": ("silent", "said"),
}
"""``newest``: the place ahead (or watched), the active one, or one that is newer, of which the plan has steps
before its release, none, or none but a watch. It may be rejected (``bad``), or its last rollout aborted."""
GROUPS = {
    "gate": {"approve", "check"},
    "paused": {"paused-gate", "paused-release", "paused-person", "paused"},
    "caused": {"paused"},
    "stopped": {"paused-gate", "paused-person"},
    "some": {"approve", "check", "release", "paused-gate", "paused-release", "paused-person"},
    "waiting": {"approve", "check", "release", "under-pin"},
    "live": set(STATE["ahead"]) - {"-"},
    "watching": {"watched", "paused", "paused-person"},
    "newer": {"steps", "once", "soak"},
    "at-once": {"once", "soak"},
}

APPROVING = """
ahead          watch     on      => outcome
approve        *         -       => passed of A
check|release  *         -       => not-asked
under-pin      *         -       => not-asked
paused         *         -       => paused
-              watching  *       => released
-              -         -       => nothing-live
-              -         watched => nothing-live
live           watching  watched => released
live           -         watched => nothing-live
"""
REJECTING = """
ahead           watch     on      => outcome
approve|check   *         -       => failed of A, reject A, A rejected, next
stopped         *         -       => failed of A, reject A, A rejected, next
release         *         -       => reject A, A rejected, next
under-pin       *         -       => reject A, A rejected, next
paused-release  *         -       => reject A, A rejected, next
-               watching  *       => released
-               -         -       => as today
-               -         watched => nothing-live
live            watching  watched => released
live            -         watched => nothing-live
"""
PAUSING = """
ahead           watch           on      => outcome
waiting         *               -       => A paused by ada
paused-gate     *               -       => A paused by ada
paused-release  *               -       => A paused by ada
paused-person   *               -       => nothing
-               watched         *       => W paused by ada
-               caused          *       => W paused by ada
-               paused-person   *       => nothing
-               -               -       => nothing-live
-               -               watched => nothing-live
live            watched|caused  watched => W paused by ada
live            paused-person   watched => nothing
live            -               watched => nothing-live
"""
RESUMING = """
ahead           watch                 on      => outcome
waiting         *                     -       => not-paused
stopped         *                     -       => A waits at check
paused-release  *                     -       => A waits at release
-               watched               *       => not-paused
-               paused|paused-person  *       => W watching
-               -                     -       => nothing-live
-               -                     watched => nothing-live
live            watched               watched => not-paused
live            paused|paused-person  watched => W watching
live            -                     watched => nothing-live
"""
RETRYING = """
ahead           watch     on      => outcome
gate            *         -       => under-way
release         *         -       => not-retried
under-pin       *         -       => not-retried
stopped         *         -       => A waits at check again
paused-release  *         -       => not-retried
-               watching  *       => not-retried
-               -         -       => nothing-live
-               -         watched => nothing-live
live            watching  watched => not-retried
live            -         watched => nothing-live
"""
SKIPPING = """
ahead              watch     on      => outcome
approve            *         -       => skipped of A, A waits at check
check|stopped      *         -       => skipped of A, A waits at release
release|under-pin  *         -       => not-skipped
paused-release     *         -       => not-skipped
-                  watching  *       => skipped of W, prove W, W proven, next
-                  -         -       => nothing-live
-                  -         watched => nothing-live
live               watching  watched => skipped of W, prove W, W proven
live               -         watched => nothing-live
"""
RESTARTING = """
ahead      watch     on       pin     newest     bad       rules  => outcome
some       *         -        *       own        -         *      => A over, begin A at approve
some       *         -        *       steps      -         *      => A over, begin N at approve
some       -         -        *       once       -         open   => A over, take N
some       -         -        *       once       -         closed => A over, begin N at release
some       watching  -        *       at-once    -         *      => A over, begin N at release
some       -         -        *       soak       -         open   => A over, take N, watch N
some       -         -        *       soak       -         closed => A over, begin N at release
some       *         -        *       own|newer  it        *      => rejected
some       *         -        *       none       *         *      => no-build
under-pin  *         -        *       own|newer  *         *      => pinned
under-pin  *         -        *       none       *         *      => no-build
-          watching  *        *       *          *         *      => released
-          -         -        *       active     *         *      => active
-          -         -        *       none       *         *      => no-build
-          -         -        pinned  newer      *         *      => pinned
-          -         -        free    newer      it        *      => rejected
-          -         -        free    steps      -         *      => begin N at approve
-          -         -        free    once       -         open   => take N
-          -         -        free    soak       -         open   => take N, watch N
-          -         -        free    at-once    -         closed => begin N at release
-          -         watched  *       *          *         *      => nothing-live
live       watching  watched  *       *          *         *      => released
live       -         watched  *       *          *         *      => nothing-live
"""
ABORTING = """
ahead  watch     on      => outcome
live   *         -       => A aborted, next
-      watching  *       => W aborted, next
-      -         -       => nothing-live
-      -         watched => nothing-live
live   watching  watched => W aborted
live   -         watched => nothing-live
"""
PROMOTING = """
ahead      watch     on       pin     newest   bad  reason  rules  => outcome
gate       *         -        *       *        *    *       *      => A waits at same asked
release    *         -        *       *        *    *       *      => A waits at release asked
under-pin  *         -        *       *        *    *       *      => A waits at release asked
paused     *         -        *       *        *    *       *      => paused
-          watching  *        *       *        *    *       *      => released
-          -         -        *       active   *    *       *      => as today
-          -         -        *       none     *    *       *      => as today
-          -         -        free    steps    -    *       *      => begin N at approve asked
-          -         -        free    steps    it   silent  *      => rejected
-          -         -        free    steps    it   said    *      => lift N, begin N at approve asked
-          -         -        free    once     *    *       open   => as today
-          -         -        free    soak     *    *       open   => as today, watch N
-          -         -        pinned  newer    *    *       open   => as today
-          -         -        free    at-once  *    *       closed => rule-closed
-          -         -        pinned  newer    *    *       closed => rule-closed
-          -         watched  *       *        *    *       *      => nothing-live
live       watching  watched  *       *        *    *       *      => released
live       -         watched  *       *        *    *       *      => nothing-live
"""
PROMOTING_AT = """
ahead      watch     on       pin     newest   bad  reason  rules  => outcome
gate       *         -        *       *        *    *       open   => A waits at same asked for 11
release    *         -        *       *        *    *       open   => A waits at release asked for 11
under-pin  *         -        *       *        *    *       open   => nothing
waiting    *         -        *       *        *    *       closed => closed-then
paused     *         -        *       *        *    *       *      => paused
-          watching  *        *       *        *    *       *      => released
-          -         -        *       active   *    *       *      => active
-          -         -        *       none     *    *       *      => no-build
-          -         -        *       newer    *    *       closed => closed-then
-          -         -        *       newer    it   silent  open   => rejected
-          -         -        free    steps    -    *       open   => begin N at approve asked for 11
-          -         -        free    at-once  -    *       open   => begin N at release asked for 11
-          -         -        pinned  newer    -    *       open   => begin N at rule asked for 11
-          -         -        free    steps    it   said    open   => lift N, begin N at approve asked for 11
-          -         -        free    at-once  it   said    open   => lift N, begin N at release asked for 11
-          -         -        pinned  newer    it   said    open   => lift N, begin N at rule asked for 11
-          -         watched  *       *        *    *       *      => nothing-live
live       watching  watched  *       *        *    *       *      => released
live       -         watched  *       *        *    *       *      => nothing-live
"""
PROMOTING_NOW = """
ahead      watch     on       pin     newest      bad  reason => outcome
some       -         -        *       own         -    *      => hand A, A watching
some       -         -        *       newer       *    *      => hand A, A watching
some       -         -        *       none        *    *      => hand A, A watching
some       -         -        *       own         it   silent => rejected
some       -         -        *       own         it   said   => lift A, hand A, A watching
some       watching  -        *       own         -    *      => hand A, W over, A watching
some       watching  -        *       newer       *    *      => hand A, W over, A watching
some       watching  -        *       none        *    *      => hand A, W over, A watching
some       watching  -        *       own         it   silent => rejected
some       watching  -        *       own         it   said   => lift A, hand A, W over, A watching
under-pin  *         -        *       own         -    *      => hand A, A released, next
under-pin  *         -        *       newer       *    *      => hand A, A released, next
under-pin  *         -        *       none        *    *      => hand A, A released, next
under-pin  *         -        *       own         it   silent => rejected
under-pin  *         -        *       own         it   said   => lift A, hand A, A released, next
-          watching  *        *       own         *    *      => released
-          watching  *        *       none        *    *      => released
-          watching  *        *       once        -    *      => W over, hand N
-          watching  *        *       once        it   said   => W over, lift N, hand N
-          watching  *        *       steps|soak  -    *      => W over, hand N, watch N
-          watching  *        *       steps|soak  it   said   => W over, lift N, hand N, watch N
-          watching  *        *       newer       it   silent => rejected
-          -         -        *       active      *    *      => active
-          -         -        *       none        *    *      => no-build
-          -         -        *       newer       it   silent => rejected
-          -         -        pinned  newer       -    *      => hand N
-          -         -        pinned  newer       it   said   => lift N, hand N
-          -         -        free    once        -    *      => hand N
-          -         -        free    once        it   said   => lift N, hand N
-          -         -        free    steps|soak  -    *      => hand N, watch N
-          -         -        free    steps|soak  it   said   => lift N, hand N, watch N
-          -         watched  *       *           *    *      => nothing-live
live       watching  watched  *       none        *    *      => released
live       watching  watched  *       own         -    *      => hand A, W over, A watching
live       watching  watched  *       own         it   said   => lift A, hand A, W over, A watching
live       watching  watched  *       once        -    *      => A over, W over, hand N
live       watching  watched  *       once        it   said   => A over, W over, lift N, hand N
live       watching  watched  *       steps|soak  -    *      => A over, W over, hand N, watch N
live       watching  watched  *       steps|soak  it   said   => A over, W over, lift N, hand N, watch N
live       watching  watched  *       own|newer   it   silent => rejected
live       -         watched  *       *           *    *      => nothing-live
"""
PINNING = """
ahead  watch    => outcome
live   watching => A withdrawn, W withdrawn, as today
live   -        => A withdrawn, as today
-      watching => W withdrawn, as today
-      -        => as today
"""
UNPINNING = """
ahead      watch     pin     newest      bad  aborted  rules  => outcome
some       *         *       *           *    *        *      => nothing
under-pin  *         *       own|steps   *    *        *      => A withdrawn, unpin, next
under-pin  *         *       none        *    *        *      => A withdrawn, unpin, next
under-pin  *         *       at-once     -    *        open   => A withdrawn, unpin, next
under-pin  *         *       at-once     it   *        *      => A withdrawn, unpin, next
under-pin  *         *       at-once     -    *        closed => rule-closed
-          watching  *       *           *    *        *      => nothing
-          -         free    *           *    *        *      => as today
-          -         pinned  steps|none  *    *        *      => unpin, next
-          -         pinned  active      *    *        *      => unpin, next
-          -         pinned  at-once     -    -        open   => unpin, next
-          -         pinned  at-once     -    -        closed => rule-closed
-          -         pinned  at-once     it   *        *      => unpin, next
-          -         pinned  at-once     -    it       *      => unpin, next
"""
ROLLING_BACK = """
ahead  watch    => outcome
live   watching => A withdrawn, W rolled_back, as today
live   -        => A withdrawn, as today
-      watching => W rolled_back, as today
-      -        => as today
"""
LIFTING = """
ahead  watch     newest  bad => outcome
*      *         *       -   => nothing
live   *         *       it  => lift it
-      watching  *       it  => lift it
-      -         *       it  => lift it, next
"""
FREEZING = """
ahead  watch => outcome
*      *     => nothing
"""
ERAS = """
ahead  watch                => outcome
*      watched              => W paused: the past
*      -                    => nothing
*      paused|paused-person => nothing
"""

TABLES = {
    Verb.APPROVE: APPROVING,
    Verb.REJECT: REJECTING,
    Verb.PAUSE: PAUSING,
    Verb.RESUME: RESUMING,
    Verb.RETRY: RETRYING,
    Verb.SKIP: SKIPPING,
    Verb.RESTART: RESTARTING,
    Verb.ABORT: ABORTING,
    Verb.PROMOTE: PROMOTING,
    Verb.PROMOTE_AT: PROMOTING_AT,
    Verb.PROMOTE_NOW: PROMOTING_NOW,
    Verb.PIN: PINNING,
    Verb.UNPIN: UNPINNING,
    Verb.ROLLBACK: ROLLING_BACK,
    Verb.LIFT: LIFTING,
    Verb.FREEZE: FREEZING,
    Verb.CLOSE: FREEZING,
    Verb.ERA: ERAS,
}


def states() -> Iterator[dict[str, str]]:
    for values in itertools.product(*STATE.values()):
        state = dict(zip(STATE, values, strict=True))
        if can_be(state):
            yield state


def can_be(state: dict[str, str]) -> bool:
    ahead, watch, newest = state["ahead"], state["watch"], state["newest"]
    live = ahead != "-" or watch != "-"
    # A pin ends what is live, and what somebody asks for under it has nothing watched beside it.
    if live and (state["pin"] == "pinned") != (ahead == "under-pin"):
        return False
    if ahead == "under-pin" and watch != "-":
        return False
    # What is live is the newest place itself, unless one came after it; a newer build supersedes one ahead,
    # but for one that was rejected before, or held.
    if newest == ("active" if live else "own"):
        return False
    newer = newest in ("steps", "once", "soak")
    if state["bad"] == "it" and not (newer or (newest == "own" and ahead != "-")):
        return False
    return state["aborted"] == "-" or (newer and ahead == "-")


def watched_of(state: dict[str, str]) -> Rollout | None:
    if state["watch"] == "-":
        return None
    watched = rollout(1, watched=True, step=1, state="watching", released_at=NOW)
    return pausing(watched, state["watch"])


def ahead_of(state: dict[str, str]) -> Rollout | None:
    ahead = rollout(2, APPROVE, CHECK, watched=True)
    match state["ahead"]:
        case "-":
            return None
        case "under-pin":
            asked = {"asked_by": "bob", "asked_at": NOW, "not_before": AT, "knows_pin": True}
            return rollout(2, RULE, step=1, **asked)
        case "release" | "paused-release":
            ahead = evolve(ahead, step=2)
        case "check" | "paused-gate" | "paused-person":
            ahead = evolve(ahead, step=1)
    return pausing(ahead, state["ahead"])


def pausing(found: Rollout, name: str) -> Rollout:
    if "paused" not in name:
        return found
    cause = Cause.PERSON if name == "paused-person" else Cause.ERROR
    return evolve(
        paused(found, cause, "why", NOW, by="bob" if name == "paused-person" else None), generation=1
    )


def facts_of(state: dict[str, str], **more: object) -> Facts:
    ahead, watched = ahead_of(state), watched_of(state)
    own = ahead.place if ahead is not None else ACTIVE
    plans = {"steps": plan(APPROVE, watched=True), "once": plan(), "soak": plan(watched=True)}
    newest: Candidate | None = Candidate(
        place=NEWER, plan=plans.get(state["newest"], STEPS), required=(RULE,)
    )
    if state["newest"] in ("own", "active"):
        newest = Candidate(place=own, plan=STEPS, required=(RULE,))
    elif state["newest"] == "none":
        newest = None
    closed = (
        (Hold(kind=HoldKind.FREEZE, reason="the month's end", until=AT),)
        if state["rules"] == "closed"
        else ()
    )
    stopped = rollout(3, state="aborted", ended_at=NOW) if state["aborted"] == "it" else None
    made = {
        "dag_id": "sales",
        "ahead": ahead,
        "watched": watched,
        "newest": newest,
        "active": ACTIVE,
        "active_release": 7,
        "pinned": state["pin"] == "pinned",
        "rejected": frozenset({newest.place} if newest is not None and state["bad"] == "it" else ()),
        "closed": closed,
        "closed_then": closed,
        "stopped": stopped,
    }
    return Facts(**{**made, **more})  # type: ignore[arg-type]


def deed_of(verb: Verb, state: dict[str, str], facts: Facts, **more: object) -> Deed:
    made = {
        "verb": verb,
        "by": "ada",
        "reason": "it was right" if state["reason"] == "said" else None,
        "watched": state["on"] == "watched",
        "at": AT if verb is Verb.PROMOTE_AT else None,
        "place": facts.newest.place if facts.newest else NEWER,
    }
    return Deed(**{**made, **more})  # type: ignore[arg-type]


NAMES = {ACTIVE: "W", AHEAD: "A", NEWER: "N"}


def told(each: Rollout) -> str:
    """A rollout as the tables write it."""
    match each.state:
        case "waiting":
            again = " again" if each.attempt > 1 else ""
            asked = " asked" if each.asked_by == "ada" else ""
            at = f" for {each.not_before:%H}" if asked and each.not_before else ""
            return f"at {step_name(each.at)}{again}{asked}{at}"
        case "paused":
            return f"paused by {each.paused_by}" if each.paused_by else f"paused: {each.why}"
        case "superseded":
            return "over"
        case _:
            return each.state.value


def step_name(step: Step) -> str:
    match step:
        case Approve():
            return "approve"
        case Check(name=name):
            return "rule" if name == "rule" else "check"
        case Wait():
            return "wait"
        case Release():
            return "release"
        case Watch():
            return "watch"


def effect_told(effect: effects.Effect) -> str:
    match effect:
        case effects.Begin(rollout=each):
            assert each.id == 0
            assert each.generation == 1
            watching = each.state == "watching"
            return f"watch {NAMES[each.place]}" if watching else f"begin {NAMES[each.place]} {told(each)}"
        case effects.Save(rollout=each):
            assert each.generation == 2, "each write is one more"
            waits = "waits " if each.state == "waiting" else ""
            return f"{NAMES[each.place]} {waits}{told(each)}"
        case effects.Take(place=place, by=by, past_rules=past, expected_release=expected):
            assert (expected, past) == (7, by is not None)
            return f"{'hand' if by else 'take'} {NAMES[place]}"
        case effects.RejectPlace(place=place, instead=instead, by=by):
            assert (instead, by) == (ACTIVE, "ada")
            return f"reject {NAMES[place]}"
        case effects.LiftPlace(place=place):
            return f"lift {NAMES[place]}"
        case effects.Prove(place=place):
            return f"prove {NAMES[place]}"
        case effects.Record(verdict=said):
            assert isinstance(said.subject, Place)
            assert (said.actor, said.at, said.attempt) == ("ada", LATER, 1)
            return f"{said.answer} of {NAMES[said.subject]}"
        case effects.UnpinDag(by=by):
            assert by == "ada"
            return "unpin"
        case effects.AsToday():
            return "as today"
        case effects.Next():
            return "next"
        case effects.GoBack() | effects.PinDag():
            raise AssertionError("no act of a person goes back by itself")


def said(act: Callable[[Deed, Facts, datetime], Act], deed: Deed, facts: Facts) -> str:
    """The outcome as the tables write it."""
    try:
        done = act(deed, facts, LATER)
    except PinwheelError as error:
        assert error.http_status == (403 if error.facts["problem"] == "may-not-approve" else 409)
        assert error.found
        assert error.remedy
        assert error.facts["dag_id"] == "sales"
        assert error.failed.startswith("Cannot ")
        return str(error.facts["problem"])
    assert done.said
    assert done == act(deed, facts, LATER), "the plan is not what is done"
    return ", ".join(map(effect_told, done.effects)) or "nothing"


def compared(verb: Verb, act: Callable[[Deed, Facts, datetime], Act]) -> Expected:
    """What *act* does in all states, beside the table of the verb."""
    expected = Expected(rows_of(TABLES[verb], STATE, GROUPS))
    for state in states():
        facts = facts_of(state, era=ERA if verb is Verb.ERA else None)
        newest = NAMES[facts.newest.place] if facts.newest else "N"
        same = {"at same": f"at {state['ahead']}", "lift it": f"lift {newest}"}

        def meant(outcome: str, same: dict[str, str] = same) -> str:
            for word, stands_for in same.items():
                outcome = outcome.replace(word, stands_for)
            return outcome

        expected.compare(state, said(act, deed_of(verb, state, facts), facts), meant)
    return expected
