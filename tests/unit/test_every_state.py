"""What may follow what: for every verb the full product of states and requests, each with its outcome.

The tables (:mod:`harness.tables`) hold the steps, or the name of the refusal. Each pair has exactly one row
and each row has pairs, else the verb's test fails.
"""

from __future__ import annotations

import itertools
import re
from functools import partial

import pytest

from harness.builds import build
from harness.tables import Expected, product, rows_of
from pinwheel.core.build import Build
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release import Command, DagState, Decision, Release, SetTrack, Track, Verb, decide

ACTIVE = 5
NUMBERS = {"active": ACTIVE, "older": 3, "newer": 7, "undone": 6, "back": 4}
"""Builds that a Dag has: ``undone`` has a higher number than the active one but is older, since what the
active one holds came back later; ``back`` has a lower one but is newer, since it came back."""
PLACES = {"active": 5, "older": 3, "newer": 7, "undone": 4, "back": 6}
NEWEST = {"active": ACTIVE, "new": 8, "reverted": 2}
"""The newest build: the active one, one with a new number, one that came back."""
LAST_PLACE = 9
PREVIOUS = 1
NAMES = {number: name for name, number in NUMBERS.items()} | {8: "newest", 2: "newest", PREVIOUS: "previous"}

STATE: dict[str, tuple[str, ...]] = {
    "bundle": ("versioned", "unversioned", "opted-out"),
    "track": ("auto", "pinned"),
    "stand": ("none", "active", "retired"),
    "newest": ("none", "active", "new", "reverted"),
    "used": ("used", "unused"),
}
REQUEST: dict[str, tuple[str, ...]] = {
    "build": ("-", "previous", "active", "older", "newer", "undone", "back", "newest"),
    "form": ("stable", "unstable"),
    "write": ("new", "rewritten"),
}
GROUPS = {
    "given": {"active", "older", "newer", "undone", "back", "newest"},
    "other": {"older", "newer", "undone", "back", "newest"},
    "waits": {"new", "reverted"},
    "there": {"active", "retired"},
}

REFUSALS: dict[str, tuple[type[PinwheelError], str]] = {
    "UNVERSIONED": (Refused, "keeps no versions"),
    "OPTED-OUT": (Refused, "the Dag sets disable_bundle_versioning=True"),
    "RETIRED": (Refused, "the Dag is retired"),
    "OLDER": (Refused, f"build {ACTIVE}, which is newer, is active"),
    "NO-BUILD": (NotFound, "it has no good build yet"),
    "NO-EARLIER": (NotFound, "no earlier release has another build"),
    "TO-A-BUILD": (InvalidInput, "was given"),
}

PROMOTE = """
bundle       track   stand    newest      build              => outcome
unversioned  *       *        *           *                  => UNVERSIONED
opted-out    *       there    *           *                  => OPTED-OUT
opted-out    *       none     *           given              => OPTED-OUT
opted-out    *       none     none        -|previous         => NO-BUILD
opted-out    *       none     waits       -|previous         => promote newest
versioned    *       *        none        -|previous         => NO-BUILD
versioned    *       none     waits       -|previous         => promote newest
versioned    *       none     *           given              => promote it
versioned    *       active   active      -|previous         => nothing
versioned    *       active   waits       -|previous         => promote newest
versioned    *       active   *           active             => nothing
versioned    *       active   *           older|undone       => OLDER
versioned    *       active   none|waits  newer|back|newest  => promote it
versioned    *       active   active      newer|back         => OLDER
versioned    auto    retired  active|waits  -|previous       => RETIRED
versioned    auto    retired  *           given              => RETIRED
versioned    pinned  retired  active|waits  -|previous       => promote newest
versioned    pinned  retired  *           given              => promote it
"""

PIN = """
bundle       track   stand    build             => outcome
unversioned  *       *        *                 => UNVERSIONED
opted-out    *       there    *                 => OPTED-OUT
opted-out    *       none     given             => OPTED-OUT
opted-out    *       none     -|previous        => NO-BUILD
versioned    *       none     -|previous        => NO-BUILD
versioned    auto    none     given             => pinned, pin it
versioned    pinned  none     given             => pin it
versioned    auto    active   -|previous|active => pinned
versioned    pinned  active   -|previous|active => nothing
versioned    auto    active   other             => pinned, pin it
versioned    pinned  active   other             => pin it
versioned    auto    retired  -|previous        => pinned, pin active
versioned    pinned  retired  -|previous        => pin active
versioned    auto    retired  given             => pinned, pin it
versioned    pinned  retired  given             => pin it
"""

UNPIN = """
bundle       track   stand    newest       build       => outcome
unversioned  *       *        *            *           => UNVERSIONED
opted-out    *       there    *            *           => OPTED-OUT
opted-out    *       none     *            given       => OPTED-OUT
opted-out    auto    none     *            -|previous  => nothing
opted-out    pinned  none     *            -|previous  => auto
versioned    *       *        *            given       => TO-A-BUILD
versioned    auto    *        *            -|previous  => nothing
versioned    pinned  none     *            -|previous  => auto
versioned    pinned  there    none|active  -|previous  => auto
versioned    pinned  there    waits        -|previous  => auto, unpin newest
"""

ROLL_BACK = """
bundle       track   stand         build           => outcome
unversioned  *       *             *               => UNVERSIONED
opted-out    *       there         *               => OPTED-OUT
opted-out    *       none          given           => OPTED-OUT
opted-out    *       none          -               => NO-EARLIER
opted-out    *       none          previous        => pinned, rollback it
versioned    *       *             -               => NO-EARLIER
versioned    *       none|retired  previous|given  => pinned, rollback it
versioned    *       active        active          => nothing
versioned    *       active        previous|other  => pinned, rollback it
"""

ARRIVE = """
track   stand         build       form      used    write      => outcome
*       *             -|previous  *         *       *          => NO-BUILD
*       active        active      *         *       new        => nothing
pinned  active        active      *         *       rewritten  => nothing
pinned  active        other       *         *       *          => nothing
pinned  none|retired  given       *         *       *          => nothing
auto    active        active      *         *       rewritten  => auto it in place
auto    active        other       unstable  unused  *          => auto it in place
auto    active        other       unstable  used    *          => auto it
auto    active        other       stable    *       *          => auto it
auto    none|retired  given       *         *       *          => auto it
"""

RETIRE = """
track   stand         => outcome
*       none|retired  => nothing
pinned  active        => nothing
auto    active        => retire active
"""


TABLES = {
    Verb.PROMOTE: PROMOTE,
    Verb.PIN: PIN,
    Verb.UNPIN: UNPIN,
    Verb.ROLLBACK: ROLL_BACK,
    Verb.ARRIVE: ARRIVE,
    Verb.RETIRE: RETIRE,
}


STATES = [
    state
    for state in product(STATE)
    # Without an active release nothing is the active build, and none is automatic and unused.
    if not (state["stand"] == "none" and (state["newest"] == "active" or state["used"] == "unused"))
]
REQUESTS = list(product(REQUEST))
PAIRS = [
    (state, request)
    for state, request in itertools.product(STATES, REQUESTS)
    if not (state["stand"] == "none" and request["build"] == "active")
    # The newest build that is the active one, or that there is not, is asked for under that name.
    and not (state["newest"] in ("none", "active") and request["build"] == "newest")
]


def state_of(names: dict[str, str], request: dict[str, str]) -> DagState:
    def made(number: int) -> Build:
        return build_in(number, names, request)

    newest = NEWEST.get(names["newest"])
    places = {100 + NUMBERS[name]: place for name, place in PLACES.items()}
    return DagState(
        dag_id="sales",
        track=Track(names["track"]),
        active_release=None if names["stand"] == "none" else 7,
        active_build=None if names["stand"] == "none" else made(ACTIVE),
        newest_build=made(newest) if newest else None,
        retired=names["stand"] == "retired",
        versioned=names["bundle"] != "unversioned",
        bundle_name="dags",
        unused_auto_release=names["used"] == "unused",
        shown={**places, 100 + newest: LAST_PLACE} if newest else places,
    )


def command_of(
    verb: Verb, names: dict[str, str], request: dict[str, str], *, expected: int | None
) -> Command:
    asked = request["build"]
    number = NEWEST[names["newest"]] if asked == "newest" else NUMBERS.get(asked)
    return Command(
        verb=verb,
        build=build_in(number, names, request) if number else None,
        expected_release=expected,
        rewritten=request["write"] == "rewritten",
        previous_build=None if asked == "-" else build_in(PREVIOUS, names, request),
    )


def build_in(number: int, names: dict[str, str], request: dict[str, str]) -> Build:
    return build(
        number,
        versioned=names["bundle"] != "opted-out",
        unstable=("start_date",) if request["form"] == "unstable" else (),
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
            case Release():
                name = NAMES[step.build.build]
                words.append(f"{step.kind.value} {name}{' in place' if step.replaces_active else ''}")
    return ", ".join(words) or "nothing"


def expected_of(outcome: str, pair: dict[str, str]) -> str:
    """What a row says, of one of its pairs: ``it`` is the build asked for."""
    newest = "active" if pair["newest"] == "active" else "newest"
    names = {"it": pair["build"], "newest": newest}
    return re.sub(r"\b(it|newest)\b", lambda found: names[found[0]], outcome)


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_in_every_state_has_the_outcome_of_its_table(verb: Verb) -> None:
    expected = Expected(rows_of(TABLES[verb], {**STATE, **REQUEST}, GROUPS))
    for names, request in PAIRS:
        pair = {**names, **request}
        state = state_of(names, request)
        # With the release that is active, as somebody asks who has just looked.
        answer = said(state, command_of(verb, names, request, expected=state.active_release))
        expected.compare(pair, answer, partial(expected_of, pair=pair))
        assert answer == said(state, command_of(verb, names, request, expected=None))
        with pytest.raises(Conflict) as stale:
            decide(state, command_of(verb, names, request, expected=6))
        assert "not 6" in stale.value.found
        assert stale.value.facts["active_release"] == state.active_release
    expected.verify()
