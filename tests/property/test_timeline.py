"""Timelines against a naive model: a list of days, each with the build that was last said for it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.errors import InvalidInput
from pinwheel.core.run.timeline import (
    Era,
    Revision,
    as_of,
    differences,
    era_at,
    ordered,
    said_by,
    set_era,
    unset_span,
)

ZERO = datetime(2019, 1, 1, tzinfo=UTC)
DAYS = 12
"""Days 0 to 11; the model has one more on each side for what is open."""


def day(number: int) -> datetime:
    return ZERO + timedelta(days=number)


def era(first: int | None, end: int | None, build: int) -> Era:
    return Era(
        starts_at=None if first is None else day(first),
        ends_at=None if end is None else day(end),
        build_id=build,
        build=build,
        bundle_version=f"commit{build}",
        written_from=None if first is None else f"day {first}",
        written_until=None if end is None else f"day {end}",
    )


EDGES = st.none() | st.integers(0, DAYS)
ACTS = st.lists(st.tuples(EDGES, EDGES, st.none() | st.integers(1, 4)), max_size=12)
"""From, until, and the build; without a build the dates are unset."""


def model(acts: list[tuple[int | None, int | None, int | None]]) -> list[int | None]:
    days: list[int | None] = [None] * (DAYS + 2)
    for first, end, build in acts:
        for number in range(-1, DAYS + 1):
            if (first is None or first <= number) and (end is None or number < end):
                days[number + 1] = build
    return days


def shown(eras: tuple[Era, ...]) -> list[int | None]:
    """The build in the middle of each day: no era begins or ends there."""
    found = [era_at(eras, day(number) + timedelta(hours=12)) for number in range(-1, DAYS + 1)]
    return [one.build if one is not None else None for one in found]


def carried_out(acts: list[tuple[int | None, int | None, int | None]]) -> tuple[Era, ...]:
    eras: tuple[Era, ...] = ()
    for first, end, build in acts:
        wanted = era(first, end, build or 0)
        eras = unset_span(eras, wanted) if build is None else set_era(eras, wanted)
    return eras


def is_empty(act: tuple[int | None, int | None, int | None]) -> bool:
    return act[0] is not None and act[1] is not None and act[0] >= act[1]


@pytest.mark.acceptance("dates", 14)
@given(ACTS)
def test_what_was_said_last_for_a_date_holds_and_what_is_left_of_others_stays(
    acts: list[tuple[int | None, int | None, int | None]],
) -> None:
    acts = [act for act in acts if not is_empty(act)]
    eras = carried_out(acts)
    assert shown(eras) == model(acts)
    assert eras == ordered(eras), "they are in order and never overlap"
    for one in eras:
        assert one.words == one.words.replace("None", ""), "a cut end is written as the cut was"
        for at, written in ((one.starts_at, one.written_from), (one.ends_at, one.written_until)):
            assert (written is None) == (at is None)
            assert at is None or at == day(int(str(written).removeprefix("day ")))


@pytest.mark.acceptance("dates", 14)
@given(st.lists(ACTS, min_size=1, max_size=5), st.integers(0, 60))
def test_what_was_believed_at_a_time_is_the_last_revision_of_until_then(
    steps: list[list[tuple[int | None, int | None, int | None]]], asked: int
) -> None:
    done: list[tuple[int | None, int | None, int | None]] = []
    revisions, beliefs = [], {}
    for number, acts in enumerate(steps, 1):
        done += [act for act in acts if not is_empty(act)]
        at = ZERO + timedelta(minutes=10 * number)
        revisions.append(Revision(number=number, at=at, eras=carried_out(done)))
        beliefs[at] = model(done)
    when = ZERO + timedelta(minutes=asked)
    known = [belief for at, belief in beliefs.items() if at <= when]
    found = as_of(revisions, when)
    assert (shown(found.eras) if found is not None else None) == (known[-1] if known else None)


@pytest.mark.acceptance("dates", 14)
@given(st.lists(ACTS, min_size=1, max_size=5))
def test_who_said_last_of_a_date_what_holds_for_it_is_known(
    steps: list[list[tuple[int | None, int | None, int | None]]],
) -> None:
    revisions: list[Revision] = []
    said: list[int | None] = [None] * (DAYS + 2)
    eras: tuple[Era, ...] = ()
    for number, acts in enumerate(steps, 1):
        for first, end, build in (act for act in acts if not is_empty(act)):
            wanted = evolve(era(first, end, build or 0), since_revision=number)
            was = shown(eras)
            eras = unset_span(eras, wanted) if build is None else set_era(eras, wanted)
            touched = [one is not None for one in model([(first, end, 1)])]
            for index, (inside, before) in enumerate(zip(touched, was, strict=True)):
                if inside and (build is not None or before is not None):
                    said[index] = number
        revisions.append(Revision(number=number, at=ZERO, eras=eras))
        # An era that came and went within one revision is none of the timeline's.
        for index, build in enumerate(shown(eras)):
            earlier = revisions[:-1]
            if build is None and not any(shown(one.eras)[index] for one in earlier):
                said[index] = None
            elif build is None and said[index] == number and shown(earlier[-1].eras)[index] is None:
                said[index] = next(
                    later.number
                    for one, later in reversed(list(itertools.pairwise(earlier)))
                    if shown(one.eras)[index] is not None and shown(later.eras)[index] is None
                )
    for index, expected in enumerate(said):
        middle = day(index - 1) + timedelta(hours=12)
        assert said_by(revisions, middle) == (expected or revisions[-1].number)


@pytest.mark.acceptance("dates", 14)
@given(ACTS, ACTS)
def test_the_differences_of_two_timelines_are_told_by_stretches(
    before: list[tuple[int | None, int | None, int | None]],
    after: list[tuple[int | None, int | None, int | None]],
) -> None:
    old, new = ([act for act in acts if not is_empty(act)] for acts in (before, after))
    found = differences(carried_out(old), carried_out(new))
    was, will = model(old), model(new)
    for number in range(-1, DAYS + 1):
        middle = day(number) + timedelta(hours=12)
        told = [pair for pair in found if any(one is not None and one.holds(middle) for one in pair)]
        expected = (was[number + 1], will[number + 1])
        if expected[0] == expected[1]:
            assert told == []
        else:
            ((left, right),) = told
            assert (left and left.build, right and right.build) == expected


@pytest.mark.acceptance("dates", 14)
@given(EDGES, EDGES, EDGES, EDGES)
def test_two_eras_that_overlap_are_refused_and_both_are_named(
    a: int | None, b: int | None, c: int | None, d: int | None
) -> None:
    one, other = era(a, b, 1), era(c, d, 2)
    if is_empty((a, b, 1)) or is_empty((c, d, 2)):
        with pytest.raises(InvalidInput, match="ends before it begins"):
            ordered([one, other])
        return
    both = [
        m is not None and n is not None for m, n in zip(model([(a, b, 1)]), model([(c, d, 2)]), strict=True)
    ]
    if any(both):
        with pytest.raises(InvalidInput) as refused:
            ordered([one, other])
        assert one.words in refused.value.message
        assert other.words in refused.value.message
        assert refused.value.facts["problem"] == "era-overlap"
    else:
        assert set(ordered([one, other])) == {one, other}


@pytest.mark.acceptance("dates", 14)
def test_an_era_that_ends_where_another_begins_leaves_the_edge_to_that_one() -> None:
    eras = ordered([era(4, None, 2), era(None, 4, 1)])
    at = {number: era_at(eras, day(4) + timedelta(microseconds=number)) for number in (-1, 0)}
    assert {number: one.build for number, one in at.items() if one is not None} == {-1: 1, 0: 2}


@pytest.mark.parametrize(("first", "end"), [(3, 3), (4, 3)])
def test_an_era_without_any_date_is_refused(first: int, end: int) -> None:
    for act in (set_era, unset_span):
        with pytest.raises(InvalidInput, match="The end is the first moment after it"):
            act([era(None, None, 1)], era(first, end, 2))


def test_an_era_that_only_lost_dates_keeps_the_revision_that_set_it() -> None:
    cut = set_era([evolve(era(None, None, 1), since_revision=3)], evolve(era(2, 4, 2), since_revision=7))
    assert [(one.words, one.since_revision) for one in cut] == [
        ("… → day 2", 3),
        ("day 2 → day 4", 7),
        ("day 4 → …", 3),
    ]
