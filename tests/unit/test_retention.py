"""What may go: the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from pinwheel.core.errors import InvalidInput
from pinwheel.core.retention import (
    BuildFact,
    Keep,
    ParseFact,
    ReleaseFact,
    fetchable_releases,
    removable_builds,
    removable_parses,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def builds(*numbers: int) -> list[BuildFact]:
    return [BuildFact(id=number * 10, number=number) for number in numbers]


def test_builds_go_that_nothing_names_and_that_have_so_many_newer_ones() -> None:
    assert removable_builds(builds(3, 1, 4, 2), (), 2) == {10, 20}
    assert removable_builds(builds(3, 1, 4, 2), {10}, 2) == {20}
    assert removable_builds(builds(1, 2), (), 2) == set()
    # Counted are all, also those that something names
    assert removable_builds(builds(1, 2, 3, 4), {40, 30}, 2) == {10, 20}


def test_the_highest_number_stays_whatever_is_asked_for() -> None:
    assert removable_builds(builds(1, 7), (), 0) == {10}


def parse(number: int, state: str, *given: int) -> ParseFact:
    return ParseFact(id=number, state=state, builds=given)


@pytest.mark.parametrize(
    ("parses", "standing", "kept", "expected"),
    [
        ([parse(1, "a", 1), parse(2, "a", 1)], {2}, {1}, {1}),
        ([parse(1, "a", 1), parse(2, "b", 2)], {2}, {1, 2}, set()),
        # The only one of a build that is kept
        ([parse(1, "a", 1), parse(2, "a", 2), parse(3, "a", 2)], {3}, {1, 2}, {2}),
        # A build of it is gone: it can not be given again
        ([parse(1, "a", 1, 2), parse(2, "b", 2)], {2}, {2}, {1}),
        # It gave nothing
        ([parse(1, "a"), parse(2, "b")], {2}, set(), {1}),
        # Whatever it gave, a file stands on it
        ([parse(1, "a", 9), parse(2, "a", 1)], {1}, {1}, set()),
    ],
)
def test_parses_go_that_could_not_be_given_again_or_that_a_later_one_stands_for(
    parses: list[ParseFact], standing: set[int], kept: set[int], expected: set[int]
) -> None:
    assert removable_parses(parses, standing=standing, builds=kept) == expected


@pytest.mark.parametrize("option", [{"builds": 0}, {"releases_days": 0}, {"events_days": -1}])
def test_to_keep_nothing_is_refused(option: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        Keep(**option)


def release(number: int, build: int, days_ago: int) -> ReleaseFact:
    row = UUID(int=number)
    return ReleaseFact(number=number, build_id=build, dag_version_id=row, at=NOW - timedelta(days=days_ago))


def test_releases_stay_fetchable_for_their_number_or_their_age_or_what_needs_them() -> None:
    ledger = [release(1, 1, 50), release(2, 2, 40), release(3, 3, 30), release(4, 4, 20), release(5, 2, 5)]
    keep = Keep(releases=1, releases_days=25)
    found = partial(fetchable_releases, ledger, now=NOW, builds=(), used=())
    # 5 by its number, 4 by its age, 2 since it is the build of 5
    assert found(keep) == {5, 4, 2}
    assert found(keep, builds={1}) == {5, 4, 2, 1}
    assert found(keep, used={UUID(int=3)}) == {5, 4, 3, 2}
    assert found(Keep(releases=3, releases_days=1)) == {5, 4, 3, 2}
    assert found(Keep()) == {1, 2, 3, 4, 5}
