"""A watch in words: what rolls back, what runs are compared with, and where a release goes back."""

from __future__ import annotations

import pytest

from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.watch_words import PlaceNamed, compared_with, fires_when, way_back_words
from pinwheel.core.rollout.way_back import Failures, WayBack, When

WORSE = "more of 5 runs fail than of any 5 in a row of the 50 before"
NO_PLACE = "no place is proven: "


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (WayBack(), [WORSE]),
        (WayBack(early=True), [f"{WORSE}, counted as soon as a task failed for good"]),
        (WayBack(when=When.FIRST_FAILURE), ["a run fails"]),
        (WayBack(when=Failures(failures=2, of=3)), ["2 of 3 runs fail"]),
        (WayBack(when=When.NEVER), []),
        (WayBack(when=When.NEVER, early=True), []),
        (
            WayBack(slower=True, deadline=True, also=frozenset({"b", "a"})),
            [
                WORSE,
                "3 runs in a row are each slower than the slowest of the 20 before",
                "a run misses a deadline, and none of the 20 before did",
                "check a fails",
                "check b fails",
            ],
        ),
    ],
)
def test_each_rule_that_rolls_back_has_words(rules: WayBack, words: list[str]) -> None:
    assert list(fires_when(rules)) == words


def before(failed: str, build: int | None = 7) -> Before:
    return Before(build=build, failed=tuple(letter == "F" for letter in failed))


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (before(""), "build 7: no run of it ended"),
        (before("", None), "the build before: no run of it ended"),
        (before("F........"), "build 7: 1 of 9 failed, too few to tell"),
        (before(".........."), "build 7: none of 10 failed"),
        (before("F.F.......F"), "build 7: never more than 2 of 5 in 11"),
    ],
)
def test_the_runs_before_are_told_by_the_most_failures_of_five(ran: Before, words: str) -> None:
    assert compared_with(ran) == words


@pytest.mark.parametrize(
    ("rules", "ran", "words"),
    [
        (WayBack(), before("." * 10), "the first failure will pause"),
        (WayBack(), before("." * 9), "2 failures in 5 runs will pause"),
        (WayBack(), before("." * 10 + "FF"), "3 failures in 5 runs will pause"),
        (WayBack(), before("." * 10 + "FFFFF"), "what would roll it back will pause"),
        (WayBack(when=When.FIRST_FAILURE), before(""), "the first failure will pause"),
        (WayBack(when=Failures(failures=2, of=3)), before(""), "2 failures in 3 runs will pause"),
        (WayBack(when=Failures(failures=3, of=3)), before(""), "3 failures in 3 runs will pause"),
        (WayBack(when=When.NEVER, slower=True), before(""), "what would roll it back will pause"),
    ],
)
def test_without_a_proven_place_it_is_told_what_pauses(rules: WayBack, ran: Before, words: str) -> None:
    assert way_back_words(rules, ran, None) == NO_PLACE + words


def test_the_way_back_is_named_by_its_build_and_commit() -> None:
    place = PlaceNamed(build=7, bundle_version="0123456789abcdef")
    assert way_back_words(WayBack(), before(""), place) == "goes back to build 7 at 01234567"
    unknown = PlaceNamed(build=None, bundle_version="0123456789abcdef")
    assert way_back_words(WayBack(), before(""), unknown) == "goes back to 01234567"


def test_what_nothing_rolls_back_is_only_watched() -> None:
    for place in (None, PlaceNamed(build=7, bundle_version="0123456789abcdef")):
        said = way_back_words(WayBack(when=When.NEVER), before(""), place)
        assert said == "nothing rolls it back: it is only watched"
