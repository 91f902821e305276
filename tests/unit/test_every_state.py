"""What may follow what: for every verb the full product of states and requests, each with its outcome.

The tables (:mod:`harness.tables`) hold the steps, or the name of the refusal. Each pair has exactly one row
and each row has pairs, else the verb's test fails. Of a dimension that a table does not name each value is
tried beside all of the others.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from harness.builds import build
from harness.tables import Expected, rows_of
from pinwheel.core.build import Build
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Command, Decision, Lift, Reject, Release, SetTrack, Verb, decide
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Track

ACTIVE = 5
NUMBERS = {"active": ACTIVE, "older": 3, "newer": 7, "undone": 6, "back": 4}
"""Builds that a Dag has: ``undone`` has a higher number than the active one but is older, since what the
active one holds came back later; ``back`` has a lower one but is newer, since it came back."""
PLACES = {"active": 5, "older": 3, "newer": 7, "undone": 4, "back": 6}
NEWEST = {"active": ACTIVE, "later": ACTIVE, "new": 8, "reverted": 2}
"""The newest build: the active one (in the version that new runs take, or in a later one), one with a new
number, one that came back."""
LAST_PLACE = 9
PREVIOUS = 1
HEAD = 20
NAMES = {number: name for name, number in NUMBERS.items()} | {8: "newest", 2: "newest", PREVIOUS: "previous"}

STATE: dict[str, tuple[str, ...]] = {
    "bundle": ("versioned", "unversioned", "opted-out"),
    "track": ("auto", "pinned"),
    "stand": ("none", "active", "retired"),
    "newest": ("none", "active", "later", "new", "reverted"),
    "used": ("used", "unused"),
    "rejected": ("-", "newest", "active", "it", "newest-here", "active-here", "it-here"),
}
"""``rejected`` is a build of the Dag: ``it`` the one that is asked for, whichever that is; the newest one,
which waits, or the active one, where another is asked for or none. ``here``: only some versions of it are
rejected, with the one that its bundle shows, in which the build stands.
"""
REQUEST: dict[str, tuple[str, ...]] = {
    "build": ("-", "previous", "active", "older", "newer", "undone", "back", "newest"),
    "form": ("stable", "unstable"),
    "write": ("new", "rewritten"),
    "reason": ("silent", "said"),
    "blame": ("blame", "spare"),
}
GROUPS = {
    "given": {"active", "older", "newer", "undone", "back", "newest"},
    "other": {"older", "newer", "undone", "back", "newest"},
    "another": {"previous", "older", "newer", "undone", "back", "newest"},
    "waits": {"new", "reverted"},
    "there": {"active", "retired"},
    "free": {"-", "newest", "active", "newest-here", "active-here"},
    "good": {"-", "active", "it", "active-here", "it-here"},
    "newest": {"newest", "newest-here"},
    "active": {"active", "active-here", "later"},
    "same": {"active"},
    "no-other": {"none", "active", "new", "reverted"},
    "it": {"it", "it-here"},
    "whole": {"it", "active"},
    "spared": {"-", "newest", "newest-here", "active-here"},
    "all": {"active"},
    "all-it": {"it"},
    "here": {"it-here", "active-here"},
}

REFUSALS: dict[str, tuple[type[PinwheelError], str]] = {
    "UNVERSIONED": (Refused, "keeps no versions"),
    "OPTED-OUT": (Refused, "the Dag sets disable_bundle_versioning=True"),
    "RETIRED": (Refused, "the Dag is retired"),
    "OLDER": (Refused, f"build {ACTIVE}, which is newer, is active"),
    "NO-BUILD": (NotFound, "it has no good build yet"),
    "NO-EARLIER": (NotFound, "no earlier release has another build"),
    "TO-A-BUILD": (InvalidInput, "was given"),
    "REJECTED": (Refused, "bob rejected it at 2026-01-02 00:00 UTC: wrong totals"),
}

PROMOTE = """
bundle       track   stand    newest        build              rejected    reason => outcome
unversioned  *       *        *             *                  *           *      => UNVERSIONED
opted-out    *       there    *             *                  *           *      => OPTED-OUT
opted-out    *       none     *             given              *           *      => OPTED-OUT
opted-out    *       none     none          -|previous         *           *      => NO-BUILD
opted-out    *       none     waits         -|previous         good        *      => promote newest
opted-out    *       none     waits         -|previous         newest      silent => REJECTED
opted-out    *       none     waits         -|previous         newest      said   => lift, promote newest
versioned    *       *        none          -|previous         *           *      => NO-BUILD
versioned    *       none     waits         -|previous         good        *      => promote newest
versioned    *       none     waits         -|previous         newest      silent => REJECTED
versioned    *       none     waits         -|previous         newest      said   => lift, promote newest
versioned    *       none     *             given              free        *      => promote it
versioned    *       none     *             given              it          silent => REJECTED
versioned    *       none     *             given              it          said   => lift, promote it
versioned    auto    active   active        -|previous         -           *      => nothing
versioned    auto    active   active        -|previous         whole       *      => nothing
versioned    pinned  active   same          -|previous         *           *      => nothing
versioned    pinned  active   later         -|previous         -|all-it    *      => promote active
versioned    pinned  active   later         -|previous         active      silent => REJECTED
versioned    pinned  active   later         -|previous         active      said   => lift, promote active
versioned    auto    active   active        -|previous         here        silent => REJECTED
versioned    auto    active   active        -|previous         here        said   => lift
versioned    *       active   waits         -|previous         good        *      => promote newest
versioned    *       active   waits         -|previous         newest      silent => REJECTED
versioned    *       active   waits         -|previous         newest      said   => lift, promote newest
versioned    auto    active   *             active             free|whole  *      => nothing
versioned    pinned  active   no-other      active             *           *      => nothing
versioned    pinned  active   later         active             free        *      => promote it
versioned    pinned  active   later         active             it          silent => REJECTED
versioned    pinned  active   later         active             it          said   => lift, promote it
versioned    auto    active   *             active             here        silent => REJECTED
versioned    auto    active   *             active             here        said   => lift
versioned    *       active   *             older|undone       *           *      => OLDER
versioned    *       active   none|waits    newer|back|newest  free        *      => promote it
versioned    *       active   none|waits    newer|back|newest  it          silent => REJECTED
versioned    *       active   none|waits    newer|back|newest  it          said   => lift, promote it
versioned    *       active   active        newer|back         *           *      => OLDER
versioned    auto    retired  active|waits  -|previous         *           *      => RETIRED
versioned    auto    retired  *             given              *           *      => RETIRED
versioned    pinned  retired  active        -|previous         -|it        *      => promote newest
versioned    pinned  retired  active        -|previous         active      silent => REJECTED
versioned    pinned  retired  active        -|previous         active      said   => lift, promote newest
versioned    pinned  retired  waits         -|previous         good        *      => promote newest
versioned    pinned  retired  waits         -|previous         newest      silent => REJECTED
versioned    pinned  retired  waits         -|previous         newest      said   => lift, promote newest
versioned    pinned  retired  *             given              free        *      => promote it
versioned    pinned  retired  *             given              it          silent => REJECTED
versioned    pinned  retired  *             given              it          said   => lift, promote it
"""

PIN = """
bundle       track   stand    build              rejected     reason  => outcome
unversioned  *       *        *                  *            *       => UNVERSIONED
opted-out    *       there    *                  *            *       => OPTED-OUT
opted-out    *       none     given              *            *       => OPTED-OUT
opted-out    *       none     -|previous         *            *       => NO-BUILD
versioned    *       none     -|previous         *            *       => NO-BUILD
versioned    auto    none     given              free         *       => pinned, pin it
versioned    auto    none     given              it           silent  => REJECTED
versioned    auto    none     given              it           said    => pinned, lift, pin it
versioned    pinned  none     given              free         *       => pin it
versioned    pinned  none     given              it           silent  => REJECTED
versioned    pinned  none     given              it           said    => lift, pin it
versioned    auto    active   -|previous|active  *            *       => pinned
versioned    pinned  active   -|previous|active  *            *       => nothing
versioned    auto    active   other              free         *       => pinned, pin it
versioned    auto    active   other              it           silent  => REJECTED
versioned    auto    active   other              it           said    => pinned, lift, pin it
versioned    pinned  active   other              free         *       => pin it
versioned    pinned  active   other              it           silent  => REJECTED
versioned    pinned  active   other              it           said    => lift, pin it
versioned    auto    retired  -|previous         -|newest|it  *       => pinned, pin active
versioned    auto    retired  -|previous         active       silent  => REJECTED
versioned    auto    retired  -|previous         active       said    => pinned, lift, pin active
versioned    pinned  retired  -|previous         -|newest|it  *       => pin active
versioned    pinned  retired  -|previous         active       silent  => REJECTED
versioned    pinned  retired  -|previous         active       said    => lift, pin active
versioned    auto    retired  given              free         *       => pinned, pin it
versioned    auto    retired  given              it           silent  => REJECTED
versioned    auto    retired  given              it           said    => pinned, lift, pin it
versioned    pinned  retired  given              free         *       => pin it
versioned    pinned  retired  given              it           silent  => REJECTED
versioned    pinned  retired  given              it           said    => lift, pin it
"""

UNPIN = """
bundle       track   stand  newest       build       rejected  => outcome
unversioned  *       *      *            *           *         => UNVERSIONED
opted-out    *       there  *            *           *         => OPTED-OUT
opted-out    *       none   *            given       *         => OPTED-OUT
opted-out    auto    none   *            -|previous  *         => nothing
opted-out    pinned  none   *            -|previous  *         => auto
versioned    *       *      *            given       *         => TO-A-BUILD
versioned    auto    *      *            -|previous  *         => nothing
versioned    pinned  none   *            -|previous  *         => auto
versioned    pinned  there  none|active  -|previous  *         => auto
versioned    pinned  there  waits        -|previous  good      => auto, unpin newest
versioned    pinned  there  waits        -|previous  newest    => auto
"""

ROLL_BACK = """
bundle       stand         build           rejected  reason  blame => outcome
unversioned  *             *               *         *       *     => UNVERSIONED
opted-out    there         *               *         *       *     => OPTED-OUT
opted-out    none          given           *         *       *     => OPTED-OUT
opted-out    none          -               *         *       *     => NO-EARLIER
opted-out    none          previous        free      *       *     => pinned, rollback it
opted-out    none          previous        it        silent  *     => REJECTED
opted-out    none          previous        it        said    *     => pinned, lift, rollback it
versioned    *             -               *         *       *     => NO-EARLIER
versioned    none|retired  previous|given  free      *       *     => pinned, rollback it
versioned    none|retired  previous|given  it        silent  *     => REJECTED
versioned    none|retired  previous|given  it        said    *     => pinned, lift, rollback it
versioned    active        active          *         *       *     => pinned
versioned    active        another         spared    *       blame => pinned, reject active, rollback it
versioned    active        another         spared    *       spare => pinned, rollback it
versioned    active        another         all       *       *     => pinned, rollback it
versioned    active        another         it        silent  *     => REJECTED
versioned    active        another         it        said    blame => pinned, lift, reject active, rollback it
versioned    active        another         it        said    spare => pinned, lift, rollback it
"""

ARRIVE = """
track   stand         build       rejected    form      used    write     => outcome
*       *             -|previous  *           *         *       *         => NO-BUILD
*       active        active      *           *         *       new       => nothing
pinned  active        active      *           *         *       rewritten => nothing
pinned  active        other       *           *         *       *         => nothing
pinned  none|retired  given       *           *         *       *         => nothing
auto    active        active      free|whole  *         *       rewritten => auto it in place
auto    active        active      it-here     *         *       rewritten => nothing
auto    active        other       it          *         *       *         => nothing
auto    active        other       free        unstable  unused  *         => auto it in place
auto    active        other       free        unstable  used    *         => auto it
auto    active        other       free        stable    *       *         => auto it
auto    none|retired  given       free        *         *       *         => auto it
auto    none|retired  given       it          *         *       *         => nothing
"""

RETIRE = """
track   stand         => outcome
*       none|retired  => nothing
pinned  active        => nothing
auto    active        => retire active
"""

REJECT = """
bundle       stand  build       rejected => outcome
unversioned  *      *           *        => UNVERSIONED
opted-out    there  *           *        => OPTED-OUT
opted-out    none   given       *        => OPTED-OUT
opted-out    none   -|previous  *        => NO-BUILD
versioned    *      -|previous  *        => NO-BUILD
versioned    *      given       free     => reject it
versioned    *      given       all-it   => nothing
versioned    *      given       it-here  => reject it
"""

LIFT = """
bundle       track   stand         build                           rejected  => outcome
unversioned  *       *             *                               *         => UNVERSIONED
opted-out    *       there         *                               *         => OPTED-OUT
opted-out    *       none          given                           *         => OPTED-OUT
opted-out    *       none          -|previous                      *         => NO-BUILD
versioned    *       *             -|previous                      *         => NO-BUILD
versioned    *       *             given                           free      => nothing
versioned    pinned  *             given                           it        => lift
versioned    auto    none|retired  given                           it        => lift
versioned    auto    active        newest                          it        => lift, auto it
versioned    auto    active        active|older|newer|undone|back  it        => lift
"""


TABLES = {
    Verb.PROMOTE: PROMOTE,
    Verb.PIN: PIN,
    Verb.UNPIN: UNPIN,
    Verb.ROLLBACK: ROLL_BACK,
    Verb.ARRIVE: ARRIVE,
    Verb.RETIRE: RETIRE,
    Verb.REJECT: REJECT,
    Verb.LIFT: LIFT,
}


ALL = {**STATE, **REQUEST}
EXPECTED = 7


def pairs(named: Iterable[str]) -> Iterator[dict[str, str]]:
    """All states with all requests, of the dimensions named; the others' values go round beside each."""
    names = list(named)
    others = [name for name in ALL if name not in names]
    rounds = range(max((len(ALL[name]) for name in others), default=1))
    for values in itertools.product(*(ALL[name] for name in names)):
        for turn in rounds:
            beside = {name: ALL[name][turn % len(ALL[name])] for name in others}
            pair = {**beside, **dict(zip(names, values, strict=True))}
            if can_be(pair):
                yield pair


def can_be(pair: dict[str, str]) -> bool:
    stand, newest, asked, rejected = (pair[name] for name in ("stand", "newest", "build", "rejected"))
    # Without an active release nothing is the active build, and none is automatic and unused.
    if stand == "none" and ({"active", "later"} & {newest, asked, rejected} or pair["used"] == "unused"):
        return False
    # The newest build that is the active one, or that there is not, is asked for under that name.
    if newest in ("none", "active", "later") and "newest" in (asked, rejected):
        return False
    name, _, here = rejected.partition("-")
    # What is rejected has one name.
    if asked == ("-" if name == "it" else name):
        return False
    # Only the newest build stands in what the bundle shows.
    build = asked if name == "it" else name
    return not here or build == ("active" if newest in ("active", "later") else "newest")


def columns_of(table: str) -> list[str]:
    return table.split(" => ")[0].split()


def state_of(pair: dict[str, str]) -> DagState:
    newest = NEWEST.get(pair["newest"])
    places = {100 + NUMBERS[name]: place for name, place in PLACES.items()}
    name, _, here = pair["rejected"].partition("-")
    rejected = asked_of(pair) if name == "it" else {"active": ACTIVE, "newest": newest}.get(name)
    versions = {"first_seq": HEAD - 1, "last_seq": HEAD} if here else {}
    place = Head(seq=HEAD, version="c2" if pair["newest"] == "later" else "c1")
    return DagState(
        dag_id="sales",
        track=Track(pair["track"]),
        active_release=None if pair["stand"] == "none" else EXPECTED,
        active_build=None if pair["stand"] == "none" else build_in(ACTIVE, pair),
        newest_build=build_in(newest, pair) if newest else None,
        retired=pair["stand"] == "retired",
        versioned=pair["bundle"] != "unversioned",
        bundle_name="dags",
        unused_auto_release=pair["used"] == "unused",
        shown={**places, 100 + newest: LAST_PLACE} if newest else places,
        rejections=(REJECTED(build_id=100 + rejected, **versions),) if rejected else (),
        version="c1",
        places=dict.fromkeys((100 + ACTIVE, 100 + (newest or ACTIVE)), place),
    )


REJECTED = partial(
    Rejection, id=1, dag_id="sales", actor="bob", reason="wrong totals", at=datetime(2026, 1, 2, tzinfo=UTC)
)


def asked_of(pair: dict[str, str]) -> int | None:
    """The number of the build asked for."""
    numbers = {**NUMBERS, "newest": NEWEST.get(pair["newest"]), "previous": PREVIOUS}
    return numbers.get(pair["build"])


def command_of(verb: Verb, pair: dict[str, str], *, expected: int | None) -> Command:
    asked = None if pair["build"] == "previous" else asked_of(pair)
    return Command(
        verb=verb,
        build=build_in(asked, pair) if asked else None,
        expected_release=expected,
        rewritten=pair["write"] == "rewritten",
        previous_build=None if pair["build"] == "-" else build_in(PREVIOUS, pair),
        reason="it was right" if pair["reason"] == "said" else None,
        to_blame=pair["blame"] == "blame",
    )


def build_in(number: int, pair: dict[str, str]) -> Build:
    return build(
        number,
        versioned=pair["bundle"] != "opted-out",
        unstable=("start_date",) if pair["form"] == "unstable" else (),
    )


def said(state: DagState, command: Command) -> str:
    """The outcome as the tables write it."""
    try:
        decision = decide(state, command)
    except PinwheelError as error:
        assert error.found, "a no carries its reason"
        assert error.remedy, "a no says what to do next"
        named = [
            name for name, (kind, found) in REFUSALS.items() if type(error) is kind and found in error.found
        ]
        assert len(named) == 1, f"a refusal without a name: {type(error).__name__}: {error.found}"
        return named[0]
    assert decision.reason
    assert decision == decide(state, command), "the plan is not what is carried out"
    return steps_of(decision)


def steps_of(decision: Decision) -> str:
    words = []
    for step in decision.steps:
        match step:
            case SetTrack():
                words.append(step.track.value)
            case Reject():
                words.append(f"reject {NAMES[step.build.build]}")
            case Lift():
                words.append("lift")
            case Release():
                name = NAMES[step.build.build]
                words.append(f"{step.kind.value} {name}{' in place' if step.replaces_active else ''}")
    return ", ".join(words) or "nothing"


def expected_of(outcome: str, pair: dict[str, str]) -> str:
    """What a row says, of one of its pairs: ``it`` is the build asked for."""
    newest = "active" if pair["newest"] in ("active", "later") else "newest"
    names = {"it": pair["build"], "newest": newest}
    return re.sub(r"\b(it|newest)\b", lambda found: names[found[0]], outcome)


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_in_every_state_has_the_outcome_of_its_table(verb: Verb) -> None:
    expected = Expected(rows_of(TABLES[verb], ALL, GROUPS))
    for pair in pairs(columns_of(TABLES[verb])):
        state = state_of(pair)
        # With the release that is active, as somebody asks who has just looked.
        answer = said(state, command_of(verb, pair, expected=state.active_release))
        expected.compare(pair, answer, partial(expected_of, pair=pair))
        assert answer == said(state, command_of(verb, pair, expected=None))
        with pytest.raises(Conflict) as stale:
            decide(state, command_of(verb, pair, expected=EXPECTED - 1))
        assert f"not {EXPECTED - 1}" in stale.value.found
        assert stale.value.facts["active_release"] == state.active_release
    expected.verify()
