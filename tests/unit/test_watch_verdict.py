"""What the watch of a release says: each rule, what counts, when it is enough, and what nobody can say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from harness.rollouts import HOUR, NOW, place, verdict
from harness.watched import WELL_BEFORE, at, before, ran, seen, took, watching
from pinwheel.core.rollout.comparison import fisher, most_failures, tolerated
from pinwheel.core.rollout.facts import Enough, Fired, GoesOn, Unclear, WatchSays
from pinwheel.core.rollout.frozen import before_from_json, before_to_json
from pinwheel.core.rollout.gate import Answer, GateFacts, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.state import Cause, Rollout, paused, resumed
from pinwheel.core.rollout.steps import Watch
from pinwheel.core.rollout.verdict import fires_by_runs, frozen_before, proves, says
from pinwheel.core.rollout.watched import Before, Control, End, Evidence, Run
from pinwheel.core.rollout.way_back import Failures, When

SOON = at(30)


def said(
    runs: str | Evidence, compared: Before = WELL_BEFORE, each: Rollout | None = None, now: Any = SOON
) -> WatchSays:
    return says(each or watching(), runs if isinstance(runs, Evidence) else seen(runs), compared, now)


def fired(*args: Any, **values: Any) -> Fired:
    found = said(*args, **values)
    assert isinstance(found, Fired), found
    return found


# --- worse


@pytest.mark.parametrize(
    ("runs", "earlier", "minute"),
    [
        ("F", "." * 50, 1),
        ("...F", "." * 50, 4),
        (".....F", "." * 50, 6),
        ("F", "." * 10, 1),
        ("FF", "F" + "." * 49, 2),
        ("F...F", "F" + "." * 49, 5),
        ("F.F.F", ("F" + "." * 9) * 2 + "F..F." + "." * 25, 5),
        ("FF", "." * 9, 2),
        ("F...F", "." * 4, 5),
        ("FF", "", 2),
        ("FFFFF", "FFFF.", 2),
    ],
)
def test_more_failures_in_five_runs_than_the_build_before_had_in_any_five_fire(
    runs: str, earlier: str, minute: int
) -> None:
    assert fired(runs, before(earlier)).at == at(minute)


@pytest.mark.parametrize(
    ("runs", "earlier"),
    [
        ("", "." * 50),
        (".....", "." * 50),
        ("F", "." * 9),
        ("F....F", "." * 9),
        ("F....F....F", "F" + "." * 49),
        ("FF", "F...F" + "." * 45),
        ("F.F.", "." * 45 + "F...F"),
        ("FFFFFFF", "." * 20 + "FFFFF" + "." * 25),
        ("F", ""),
    ],
)
def test_as_many_failures_as_before_do_not_fire(runs: str, earlier: str) -> None:
    assert not isinstance(said(runs, before(earlier)), Fired)


def test_it_says_how_many_runs_failed_which_and_how_it_was_before() -> None:
    many = fired("F...F", before("F" + "." * 49))
    assert many.said == "2 of 5 runs of build 8 failed (r1, r5); build 7: never more than 1 of 5 in 50"
    assert fired("..F").said == "1 of 3 runs of build 8 failed (r3); build 7: none of 50"
    assert fired("F").said == "a run of build 8 failed (r1); build 7: none of 50"
    few = fired(".FF", before("...."))
    assert few.said == "2 of 3 runs of build 8 failed (r2, r3); build 7 had 4 runs"
    assert fired("FF", before(".")).said.endswith("build 7 had 1 run")
    assert fired("FF", before("F" + "." * 9)).said.endswith("build 7: never more than 1 of 5 in 10")
    assert fired("FF", before()).said.endswith("build 7 had 0 runs")
    nameless = fired(seen("FF", build=None), before("....", build=None))
    assert nameless.said == "2 of 2 runs of this build failed (r1, r2); the build before had 4 runs"


def test_it_names_five_runs_and_says_how_many_more_and_which_failed_again() -> None:
    rule = watching(Failures(failures=8, of=10))
    assert "(r1, r2, r3, r4, r5 and 3 more)" in fired("FFFFFFFF", each=rule).said
    rule = watching(Failures(failures=5, of=10))
    assert "(r1, r2, r3, r4, r5)" in fired("FFFFF", each=rule).said
    again = [*ran("F"), *ran("F", first=2, run_id="r1", seq=1)]
    assert "(r1, r1 again)" in fired(seen(again), before("....")).said
    long = fired(seen(ran("F", run_id="manual__" + "x" * 242)))
    assert f"(manual__{'x' * 51}…)" in long.said


# --- the other rules by how runs ended


@pytest.mark.parametrize(("runs", "minute"), [("F", 1), ("..F", 3), ("..F....FF", 3)])
def test_the_first_failure_fires_where_that_is_asked_for(runs: str, minute: int) -> None:
    found = fired(runs, before("F" * 50), watching(When.FIRST_FAILURE))
    assert (found.at, found.said) == (at(minute), f"a run of build 8 failed (r{minute})")


@pytest.mark.parametrize(
    ("failures", "of", "runs", "minute"),
    [
        (2, 3, "F.F", 3),
        (2, 3, "F..F", None),
        (2, 3, "FF", 2),
        (2, 3, "F..F.F", 6),
        (1, 1, "..F", 3),
        (3, 3, "FF.FF.FFF", 9),
        (5, 20, "F" + "..." * 4 + "FFFF", 17),
    ],
)
def test_so_many_failures_in_so_many_runs_fire(failures: int, of: int, runs: str, minute: int | None) -> None:
    each = watching(Failures(failures=failures, of=of))
    found = said(runs, before("F" * 50), each)
    assert (found.at if isinstance(found, Fired) else None) == (minute and at(minute))


def test_it_says_so_many_of_so_many() -> None:
    found = fired("..F.F", each=watching(Failures(failures=2, of=3)))
    assert found.said == "2 of 3 runs of build 8 failed (r3, r5)"


def test_never_fires_by_no_failure_but_by_what_else_is_asked_for() -> None:
    assert isinstance(said("FFFFF", each=watching(When.NEVER)), Enough)
    late = (*ran("FFFF"), *ran(".", first=5, missed_deadline=True))
    assert fired(seen(late), each=watching(When.NEVER, deadline=True)).at == at(5)


@pytest.mark.parametrize("when", [When.WORSE, When.FIRST_FAILURE, Failures(failures=2, of=3), When.NEVER])
def test_who_looks_late_finds_what_a_prompt_look_found(when: When | Failures) -> None:
    each = watching(when, slower=True, deadline=True)
    runs = [
        evolve(run, seconds=90.0 if 8 <= n <= 10 else 10.0, missed_deadline=n == 13)
        for n, run in enumerate(ran(".F...F..F....."), start=1)
    ]
    compared = before("." * 30 + "F" + "." * 19, seconds=(60.0,) * 50)
    looks = [said(seen(runs[:n]), compared, each) for n in range(len(runs) + 1)]
    first = next(found for found in looks if isinstance(found, Fired))
    after = looks[looks.index(first) :]
    assert set(after) == {first}
    assert first.at == at(len(looks) - len(after))


# --- what counts


@pytest.mark.acceptance("rollouts", 54)
def test_a_lost_worker_a_cancelled_run_and_one_marked_by_hand_do_not_count() -> None:
    assert said("ihc" * 10) == GoesOn(said="0 of 5 runs ended well", until=None)
    assert fired("FihcihcihcF", before("....")).at == at(11), "they are not between the two either"


@pytest.mark.acceptance("rollouts", 14)
def test_a_failure_of_which_nobody_knows_why_pauses_and_is_no_failure() -> None:
    found = said("..??..", each=watching(When.FIRST_FAILURE))
    assert found == Unclear(
        said="a run of build 8 failed, and nothing says why (r3)", cause=Cause.ERROR, at=at(3)
    )


def test_what_fires_without_the_unknown_failure_wins_over_it() -> None:
    assert fired("?FF", before("....")).at == at(3)
    assert fired("FF?", before("....")).at == at(2)
    assert isinstance(said("F?", before("....")), Unclear), "the unknown one is not the second"


def test_a_failure_that_was_set_aside_neither_fires_nor_counts_and_good_runs_stay_counted() -> None:
    aside = watching(set_aside=at(3), since=at(3))
    assert said(".FF", each=aside) == GoesOn(said="1 of 5 runs ended well", until=None)
    assert said(".??", each=aside) == GoesOn(said="1 of 5 runs ended well", until=None)
    assert fired(".FFF", each=aside).said == "1 of 2 runs of build 8 failed (r4); build 7: none of 50"
    assert isinstance(said(".FF....", each=aside), Enough)
    assert isinstance(said(".FF...", each=aside), GoesOn)
    assert isinstance(said(".F.?", each=aside), Unclear)


@pytest.mark.acceptance("rollouts", 61)
@pytest.mark.parametrize("runs", ["FF", "..?", "."])
def test_a_resumed_watch_does_not_say_the_same_again(runs: str) -> None:
    each = watching(also=frozenset({"ci"}))
    evidence = seen(runs, checks=checks(verdict(Answer.INCONCLUSIVE, at=at(5))))
    found = said(evidence, each=each)
    assert isinstance(found, Fired | Unclear)
    again = resumed(paused(each, Cause.ERROR, found.said, SOON), SOON)
    assert isinstance(said(evidence, each=again, now=SOON + HOUR), GoesOn)


# --- early


def test_a_task_that_failed_for_good_counts_before_its_run_has_ended_where_that_is_asked_for() -> None:
    going_on = ran("F", first=7)
    evidence = seen("..", early=going_on)
    each = watching(early=True)
    assert fired(evidence, each=each).said == "1 of 3 runs of build 8 failed (r7); build 7: none of 50"
    assert fired(evidence, each=each).at == at(7)
    assert said(evidence) == GoesOn(said="2 of 5 runs ended well", until=None)
    assert isinstance(said(evidence, each=watching(When.NEVER, early=True)), GoesOn)
    assert isinstance(said(evidence, each=watching(early=True, set_aside=at(7))), GoesOn)
    assert isinstance(said(seen("..", early=ran("?i", first=7)), each=each), GoesOn)


def test_a_run_that_ended_since_its_task_failed_counts_once() -> None:
    each = watching(early=True)
    both = seen(ran("F", run_id="r"), early=ran("F", run_id="r"))
    assert isinstance(said(both, before("...."), each), GoesOn)
    cleared = seen(ran("F", run_id="r"), early=ran("F", first=2, run_id="r", seq=1))
    assert isinstance(said(cleared, before("...."), each), Fired)
    well_after_all = seen(ran(".", run_id="r"), early=ran("F", run_id="r"))
    assert isinstance(said(well_after_all, each=each), GoesOn)


def test_one_that_goes_on_stands_among_the_others_where_its_task_failed() -> None:
    each = watching(Failures(failures=2, of=2), early=True)
    assert fired(seen(ran("F...", first=2), early=ran("F")), each=each).at == at(2)
    assert isinstance(said(seen(ran("F...", first=2), early=ran("F", first=4)), each=each), GoesOn)


def test_one_that_goes_on_is_not_one_that_ended() -> None:
    each = watching(Failures(failures=9, of=9), early=True)
    assert isinstance(said(seen("....", early=ran("F", first=5)), each=each), GoesOn)


# --- slower, deadline


TWENTY = before(seconds=(60.0, *(10.0,) * 19))
SLOW = {"slower": True}


@pytest.mark.parametrize(
    ("seconds", "minute"),
    [
        ((61, 62, 63), 3),
        ((61, 62), None),
        ((61, 62, 60), None),
        ((61, 62, 60, 61, 62, 63, 64), 6),
        ((61, 62, None, 63), None),
        ((60, 60, 60), None),
    ],
)
def test_three_runs_in_a_row_slower_than_the_slowest_of_twenty_fire(
    seconds: tuple[float | None, ...], minute: int | None
) -> None:
    found = said(seen(took(*seconds)), TWENTY, watching(**SLOW))
    assert (found.at if isinstance(found, Fired) else None) == (minute and at(minute))
    assert not isinstance(said(seen(took(*seconds)), TWENTY), Fired), "only where that is asked for"


def test_slower_says_nothing_without_twenty_durations_and_takes_the_last_twenty() -> None:
    slow = seen(took(61, 62, 63))
    assert isinstance(said(slow, before(seconds=(1.0,) * 19), watching(**SLOW)), GoesOn)
    some_unknown = before(seconds=(None, *(1.0,) * 19))
    assert isinstance(said(slow, some_unknown, watching(**SLOW)), GoesOn)
    long_ago = before(seconds=(99.0, None, *(60.0,) * 20))
    found = fired(slow, long_ago, watching(**SLOW))
    assert found.said == (
        "3 runs in a row of build 8 (r1, r2, r3) took longer than 60.0 s, the slowest of the 20 before"
    )


def test_what_was_slow_or_late_before_a_resume_is_set_aside_although_it_was_well() -> None:
    each = watching(**SLOW, deadline=True, set_aside=at(2))
    assert isinstance(said(seen(took(61, 62, 63, 64)), TWENTY, each), GoesOn)
    assert fired(seen(took(61, 62, 63, 64, 65)), TWENTY, each).at == at(5)
    late = [evolve(run, missed_deadline=run.run_id == "r2") for run in ran("...")]
    assert isinstance(said(seen(late), each=each), GoesOn)


def late(*minutes: int) -> Evidence:
    return seen([evolve(run, missed_deadline=n in minutes) for n, run in enumerate(ran("...."), start=1)])


def test_a_missed_deadline_fires_where_the_runs_before_missed_none() -> None:
    each = watching(deadline=True)
    found = fired(late(3, 4), each=each)
    assert found.at == at(3)
    assert found.said == "a run of build 8 missed a deadline (r3); none of the last 20 before did"
    assert fired(late(3), before("."), each).said.endswith("none of the last 1 before did")
    assert isinstance(said(late(), each=each), GoesOn)
    assert isinstance(said(late(3)), GoesOn), "only where that is asked for"
    assert isinstance(said(late(3), before("." * 50, missed_deadlines=1), each), GoesOn)
    assert isinstance(said(late(3), before(), each), GoesOn), "nobody knows whether those before did"


# --- checks


def checks(*verdicts: Verdict) -> GateFacts:
    return GateFacts(verdicts=verdicts, bundle="dags", digests=frozenset({"d"}))


ALSO = {"also": frozenset({"ci", "data/quality"})}


@pytest.mark.parametrize("subject", [place(2), OfVersion(bundle="dags", version="c2"), OfDigest(digest="d")])
def test_a_check_that_failed_since_the_release_fires_whatever_it_names(subject: Any) -> None:
    failed = verdict(Answer.FAILED, subject, at=at(5), reason="1,204 rows are missing")
    found = fired(seen("..", checks=checks(failed)), each=watching(When.NEVER, **ALSO))
    assert found.at == at(5)
    assert found.said == "check ci failed, says bot at 2026-01-05 09:05 UTC: 1,204 rows are missing"


@pytest.mark.parametrize(
    "values",
    [
        {"name": "another"},
        {"at": at(-1)},
        {"at": at(3)},
        {"at": SOON + HOUR},
        {"expires_at": SOON},
        {"subject": place(1)},
        {"answer": Answer.PASSED},
        {"answer": Answer.SKIPPED},
    ],
)
@pytest.mark.parametrize("answer", [Answer.FAILED, Answer.ERROR])
def test_another_check_or_place_an_older_verdict_or_a_good_one_does_nothing(
    answer: Answer, values: dict[str, Any]
) -> None:
    each = watching(**ALSO, set_aside=at(3))
    given = verdict(**{"answer": answer, "at": at(5)} | values)
    assert isinstance(said(seen("..", checks=checks(given)), each=each), GoesOn)


@pytest.mark.parametrize("answer", [Answer.FAILED, Answer.ERROR])
def test_what_a_check_said_counts_from_the_release_on(answer: Answer) -> None:
    """Before that it may have been a gate, which somebody skipped."""
    each = watching(**ALSO)
    too_early = verdict(answer, at=NOW - timedelta(seconds=1))
    assert isinstance(said(seen("..", checks=checks(too_early)), each=each), GoesOn)
    other = verdict(answer, name="data/quality", at=NOW)
    for first in (too_early, verdict(Answer.PASSED, at=at(5))):
        found = said(seen("..", checks=checks(first, other)), each=each)
        assert isinstance(found, Fired if answer is Answer.FAILED else Unclear)


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (Answer.INCONCLUSIVE, Cause.INCONCLUSIVE, "is neither passed nor failed"),
        (Answer.ERROR, Cause.ERROR, "had an error"),
    ],
)
def test_a_check_that_can_not_say_pauses(answer: Answer, cause: Cause, words: str) -> None:
    evidence = seen(".....", checks=checks(verdict(answer, at=at(5))))
    found = said(evidence, each=watching(**ALSO))
    assert found == Unclear(said=f"check ci {words}, says bot at 2026-01-05 09:05 UTC", cause=cause, at=at(5))
    assert isinstance(said(evidence), Enough), "only one that the policy names"


def test_only_what_a_check_said_last_counts() -> None:
    each = watching(**ALSO)
    given = [verdict(Answer.FAILED, at=at(5)), verdict(Answer.PASSED, at=at(6))]
    assert isinstance(said(seen("..", checks=checks(*given)), each=each), GoesOn)
    again = checks(*reversed(given), verdict(Answer.FAILED, at=at(7)))
    assert fired(seen("..", checks=again), each=each).at == at(7)


def test_of_what_pauses_the_first_is_told_and_what_fires_comes_before_that() -> None:
    each = watching(**ALSO)
    error = verdict(Answer.ERROR, at=at(3))
    other = verdict(Answer.INCONCLUSIVE, name="data/quality", at=at(2))
    found = said(seen("...?", checks=checks(error, other)), each=each)
    assert isinstance(found, Unclear)
    assert (found.at, found.cause) == (at(2), Cause.INCONCLUSIVE)
    assert isinstance(said(seen("?", checks=checks(error, other)), each=each), Unclear)
    fails = verdict(Answer.FAILED, name="data/quality", at=at(9))
    assert fired(seen("?", checks=checks(error, fails)), each=each).at == at(9)


@pytest.mark.parametrize(
    ("asked", "minute"),
    [
        ({**ALSO, **SLOW, "deadline": True}, 1),
        ({**ALSO, **SLOW}, 3),
        (ALSO, 4),
        ({}, 5),
    ],
)
def test_of_several_rules_that_fire_the_first_is_told(asked: dict[str, Any], minute: int) -> None:
    runs = [evolve(run, missed_deadline=True) for run in (*took(61, 61, 61, 61), *ran("F", first=5))]
    evidence = seen(runs, checks=checks(verdict(Answer.FAILED, at=at(4))))
    compared = evolve(TWENTY, failed=(False,) * 50)
    assert fired(evidence, compared, watching(**asked)).at == at(minute)


# --- the control group


def with_control(runs: str, *counts: int, **values: Any) -> Evidence:
    names = ("failed", "of", "released_failed", "released_of")
    return seen(runs, control=Control(**dict(zip(names, counts, strict=True))), **values)


@pytest.mark.acceptance("rollouts", 55)
@pytest.mark.parametrize(
    ("counts", "not_alone"),
    [
        ((120, 200, 120, 200), True),
        ((3, 6, 1, 2), True),
        ((2, 2, 1, 2), False),
        ((3, 200, 2, 2), False),
        ((100, 200, 110, 200), True),
        ((100, 200, 130, 200), False),
        ((3, 60, 1, 1), True),
        # 4 of 80 together: one of which is the released one by a chance of exactly one in twenty.
        ((3, 79, 1, 1), False),
        ((3, 78, 1, 1), True),
    ],
)
def test_an_outage_of_dags_that_were_not_released_is_not_the_builds_fault(
    counts: tuple[int, ...], not_alone: bool
) -> None:
    evidence = with_control("F", *counts)
    assert fired(evidence).not_alone is not_alone
    assert fired(seen("F")).not_alone is False
    found = fires_by_runs(watching(), evidence, WELL_BEFORE)
    assert found == said(evidence)


def test_the_control_group_is_asked_only_where_runs_fire() -> None:
    each = watching(**ALSO)
    evidence = seen(".", checks=checks(verdict(Answer.FAILED, at=at(5))))
    assert fires_by_runs(each, evidence, WELL_BEFORE) is None
    outage = with_control(".", 120, 200, 120, 200, checks=evidence.checks)
    assert fired(outage, each=each).not_alone is False
    both = with_control("F", 120, 200, 120, 200, checks=evidence.checks)
    found = fired(both, each=each)
    assert (found.not_alone, found.at) == (False, at(5)), "the check says it of this place alone"
    assert fired(evolve(both, control=None), each=each).at == at(1)
    assert isinstance(said(with_control(".", 120, 200, 120, 200)), GoesOn)


# --- enough


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("runs", "watch", "now", "expected"),
    [
        ("....", Watch(), at(5), GoesOn(said="4 of 5 runs ended well")),
        (".....", Watch(), at(5), Enough(said="5 of 5 runs ended well")),
        ("......", Watch(), at(6), Enough(said="6 runs ended well")),
        ("F....", Watch(), at(5), Enough(said="5 of 5 runs ended, 1 of them failed")),
        ("F...", Watch(), at(5), GoesOn(said="4 of 5 runs ended, 1 of them failed")),
        (".", Watch(runs=2), at(5), GoesOn(said="1 of 2 runs ended well")),
        ("", Watch(runs=1), at(5), GoesOn(said="0 runs ended well")),
        (".", Watch(runs=1), at(5), Enough(said="1 run ended well")),
        # Both runs and time.
        (
            ".....",
            Watch(at_least=HOUR),
            at(59),
            GoesOn(said="5 of 5 runs ended well; at least until 2026-01-05 10:00 UTC", until=at(60)),
        ),
        (".....", Watch(at_least=HOUR), at(60), Enough(said="5 of 5 runs ended well")),
        ("....", Watch(at_least=HOUR), at(60), GoesOn(said="4 of 5 runs ended well")),
        # A time after which it is over.
        (
            "...",
            Watch(at_least=HOUR, at_most=2 * HOUR),
            at(5),
            GoesOn(
                said="3 of 5 runs ended well; at least until 2026-01-05 10:00 UTC;"
                " at most until 2026-01-05 11:00 UTC",
                until=at(60),
            ),
        ),
        (
            "...",
            Watch(at_least=HOUR, at_most=2 * HOUR),
            at(60),
            GoesOn(said="3 of 5 runs ended well; at most until 2026-01-05 11:00 UTC", until=at(120)),
        ),
        ("...", Watch(at_most=7 * DAY), NOW + 7 * DAY, Enough(said="3 of 5 runs ended well in 7 days")),
        (
            "F..",
            Watch(at_most=DAY),
            NOW + DAY,
            Enough(said="3 of 5 runs ended, 1 of them failed in 1 day"),
        ),
        ("...", Watch(at_most=DAY), NOW + DAY - HOUR, GoesOn),
        (
            "",
            Watch(at_most=DAY),
            NOW + 2 * DAY,
            Unclear(said="no run ended in 1 day", cause=Cause.NO_RUNS, at=NOW + DAY),
        ),
        ("ihc", Watch(at_most=2 * HOUR), at(120), Unclear),
        # Time only: still not without a run.
        ("", Watch(runs=0, at_least=HOUR), at(59), GoesOn),
        (
            "",
            Watch(runs=0, at_least=HOUR),
            at(61),
            Unclear(said="no run ended in 1:00:00", cause=Cause.NO_RUNS, at=at(60)),
        ),
        (".", Watch(runs=0, at_least=HOUR), at(60), Enough(said="1 run ended well")),
        (".", Watch(runs=0, at_least=HOUR), at(59), GoesOn),
        (
            "",
            Watch(runs=0, at_least=HOUR, at_most=2 * HOUR),
            at(61),
            GoesOn(said="0 runs ended well; at most until 2026-01-05 11:00 UTC", until=at(120)),
        ),
        ("", Watch(runs=0, at_least=HOUR, at_most=2 * HOUR), at(120), Unclear),
        ("", Watch(at_least=HOUR), at(61), GoesOn(said="0 of 5 runs ended well")),
    ],
)
@pytest.mark.acceptance("rollouts", 15)
def test_a_watch_asks_for_runs_and_for_time_and_no_run_is_never_enough(
    runs: str, watch: Watch, now: Any, expected: Any
) -> None:
    found = said(runs, before("F" + "." * 49), watching(watch=watch), now)
    assert found == expected if not isinstance(expected, type) else isinstance(found, expected)


@pytest.mark.acceptance("rollouts", 61)
def test_after_a_resume_its_time_begins_anew_and_no_run_pauses_only_after_that() -> None:
    watch = Watch(runs=0, at_least=HOUR)
    each = watching(watch=watch)
    found = said("", each=each, now=at(60))
    assert isinstance(found, Unclear)
    again = resumed(paused(each, found.cause, found.said, at(60)), at(90))
    assert said("", each=again, now=at(149)) == GoesOn(
        said="0 runs ended well; at least until 2026-01-05 11:30 UTC", until=at(150)
    )
    later = said("", each=again, now=at(150))
    assert isinstance(later, Unclear)
    assert later.at == at(150)
    assert not again.is_set_aside(later.at)


# --- what is proven, and what is frozen


@pytest.mark.parametrize(
    ("runs", "proven"),
    [
        (".....", True),
        ("....", False),
        ("", False),
        ("F....", True),
        ("FF...", False),
        ("FF....", True),
        ("FFFFFFFFF" + "F...F", False),
        ("FFFFFFFFFF" + "F...F", True),
        ("." * 10 + "F....", False),
        ("." * 9 + "F....", True),
        ("." * 49 + "F" + "F....", True),
        ("F" + "." * 50 + "F....", False),
        ("F" + "." * 49 + "F....", True),
        (".....ihc", True),
        ("....ihc", False),
        # A failure of which nobody knows why is one, and no run that counts.
        ("....?", False),
        (".....?", True),
        (".....??", False),
        ("." * 10 + ".....?", False),
    ],
)
@pytest.mark.acceptance("rollouts", 89)
def test_a_place_is_proven_when_its_last_five_runs_failed_no_more_often_than_any_five_before(
    runs: str, proven: bool
) -> None:
    assert proves(ran(runs)) is proven


def test_what_a_release_is_compared_with_is_the_last_fifty_runs_that_say_something() -> None:
    runs = [
        evolve(run, seconds=float(n), missed_deadline=n in (8, 61))
        for n, run in enumerate(ran("F" * 20 + "ihc?" + "." * 36 + "F"), start=1)
    ]
    found = frozen_before(runs, 7)
    assert found.build == 7
    assert "".join("F" if failed else "." for failed in found.failed) == "F" * 13 + "." * 36 + "F"
    assert found.seconds[:2] == (9.0, 10.0)
    assert (found.seconds[-1], len(found.seconds)) == (61.0, 50)
    assert found.missed_deadlines == 1
    assert frozen_before((), None) == Before()


def test_of_missed_deadlines_the_last_twenty_count() -> None:
    runs = [evolve(run, missed_deadline=n in (1, 2, 3)) for n, run in enumerate(ran("." * 22), start=1)]
    assert frozen_before(runs, 7).missed_deadlines == 1


def test_what_is_frozen_is_stored_in_few_characters_and_read_back() -> None:
    frozen = before("..F", seconds=(1.5, None, 60.0), missed_deadlines=2)
    stored = before_to_json(frozen)
    assert stored == {"build": 7, "failed": "001", "seconds": [1.5, None, 60.0], "missed": 2}
    assert before_from_json(json.loads(json.dumps(stored))) == frozen
    assert before_from_json(before_to_json(Before())) == Before()


@pytest.mark.parametrize(
    "wrong",
    [{"build": "7"}, {"failed": "01F"}, {"failed": None}, {"seconds": ["1"]}, {"missed": None}],
)
def test_what_is_stored_otherwise_is_not_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(Field \w+ (is|has) |Neither failed nor not: 'F')"):
        before_from_json(before_to_json(WELL_BEFORE) | wrong)


# --- comparison


@pytest.mark.parametrize(
    ("failed", "most"),
    [("", 0), ("F", 1), ("FFFFFF", 5), ("F....F", 1), ("F...F", 2), (".FFFF.", 4), ("....F.F", 2)],
)
def test_the_most_failures_in_any_five_in_a_row(failed: str, most: int) -> None:
    assert most_failures([end == "F" for end in failed]) == most


def test_of_few_runs_before_one_failure_is_tolerated_whatever_they_did() -> None:
    assert [tolerated([failed] * 9) for failed in (True, False)] == [1, 1]
    assert [tolerated([failed] * 10) for failed in (True, False)] == [5, 0]


@pytest.mark.parametrize(
    ("counts", "chance"),
    [
        # The lady tasting tea.
        ((3, 4, 1, 4), 17 / 70),
        ((4, 4, 0, 4), 1 / 70),
        ((0, 4, 4, 4), 1.0),
        ((1, 1, 3, 79), 1 / 20),
        ((0, 0, 3, 10), 1.0),
        ((2, 2, 0, 0), 1.0),
        ((5, 10, 2, 12), 0.11300),
        ((2, 10, 9, 10), 0.99994),
    ],
)
def test_fishers_test_says_how_likely_so_many_failures_are_by_chance(
    counts: tuple[int, int, int, int], chance: float
) -> None:
    assert fisher(*counts) == pytest.approx(chance, abs=1e-5)


def test_each_end_of_a_run_counts_or_does_not() -> None:
    ends = {end: Run(run_id="r", end=end, ended_at=NOW) for end in End}
    assert {end for end, run in ends.items() if run.counts} == {End.WELL, End.FAILED}
    assert {end for end, run in ends.items() if run.failed} == {End.FAILED}
    words = {"well", "failed", "unknown", "infrastructure", "by-hand", "cancelled"}
    assert {end.value for end in End} == words, "as they are stored"


def test_a_rule_of_more_failures_than_runs_is_none() -> None:
    with pytest.raises(ValueError, match="more failures than runs"):
        Failures(failures=2, of=1)
