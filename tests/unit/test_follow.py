"""Which Dags follow to a newer version, and what their rows say then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pytest
from attrs import evolve

from pinwheel.core.release.follow import Follower, Step, plain, steps, taken
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head

OLD, NOW, NEW = "aa" * 20, "bb" * 20, "cc" * 20
BEFORE, HEAD = Head(seq=4, version=NOW), Head(seq=5, version=NEW)
ALIAS = "+old.py=sales.py"
DAG = Follower(
    dag_id="sales",
    active_build_id=101,
    relative_fileloc="sales.py",
    first_seq=2,
    last_seq=None,
    last_version=None,
    stable_bundle=None,
    stable_fileloc=None,
    released_version=OLD,
    follow_version=NOW,
    row_version=NOW,
    found=NOW,
)
TO_HEAD = Step(dag_id="sales", follow_version=NEW, follow_before=NOW, row_version=NEW)
AT_HEAD = evolve(DAG, follow_version=NEW, row_version=NEW, found=NEW)


def rejection(**changes: object) -> Rejection:
    base = Rejection(
        id=1, dag_id="sales", build_id=101, actor="bob", reason=None, at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    return evolve(base, **changes)


def steps_of(
    *dags: Follower,
    before: Head | None = BEFORE,
    pending: Collection[str] = (),
    rejections: Mapping[str, Collection[Rejection]] | None = None,
) -> list[Step]:
    return steps(dags, HEAD, before=before, pending=pending, rejections=rejections or {})


def test_a_dag_whose_build_stands_in_the_head_follows_to_it() -> None:
    assert steps_of(DAG) == [TO_HEAD]


def test_a_dag_that_never_followed_comes_from_the_version_of_its_release() -> None:
    assert steps_of(evolve(DAG, follow_version=None)) == [evolve(TO_HEAD, follow_before=OLD)]


def test_a_dag_that_is_there_needs_no_step_unless_one_of_its_rows_says_something_else() -> None:
    assert steps_of(AT_HEAD) == []
    only_the_row = evolve(TO_HEAD, follow_before=None)
    assert steps_of(evolve(AT_HEAD, found=OLD)) == [only_the_row]
    assert steps_of(evolve(AT_HEAD, row_version=OLD)) == [only_the_row]
    assert steps_of(evolve(AT_HEAD, row_version=OLD, found=OLD)) == [only_the_row]
    released_there = evolve(AT_HEAD, follow_version=None, released_version=NEW)
    assert steps_of(released_there) == [only_the_row]


@pytest.mark.parametrize(
    ("first_seq", "before", "version"),
    [
        pytest.param(2, BEFORE, NOW, id="it stood in the version before"),
        pytest.param(4, BEFORE, NOW, id="since that version"),
        pytest.param(5, BEFORE, None, id="only since the head, of which nobody knows yet"),
        pytest.param(2, None, None, id="there was no version before"),
    ],
)
def test_a_dag_whose_file_is_pending_follows_to_the_version_before_at_most(
    first_seq: int, before: Head | None, version: str | None
) -> None:
    dag = evolve(DAG, first_seq=first_seq, follow_version=OLD)
    found = steps_of(dag, before=before, pending={"sales.py"})
    assert [step.follow_version for step in found] == ([version] if version else [])
    assert steps_of(dag, before=before, pending={"other.py"}) == [evolve(TO_HEAD, follow_before=OLD)]


def test_a_dag_whose_build_stood_before_only_follows_to_where_it_stood_last() -> None:
    ended = evolve(DAG, last_seq=3, last_version=NOW, follow_version=OLD)
    there = Step(dag_id="sales", follow_version=NOW, follow_before=OLD, row_version=NOW)
    assert steps_of(ended) == [there]
    assert steps_of(ended, pending={"sales.py"}) == [there]
    assert steps_of(evolve(ended, last_version=None)) == [evolve(TO_HEAD, follow_before=OLD)]


@pytest.mark.parametrize(
    ("changes", "stands_still"),
    [
        pytest.param({"first_seq": 5, "last_seq": 5}, True, id="of this version"),
        pytest.param({"first_seq": 4, "last_seq": 4}, False, id="of another version"),
        pytest.param({}, False, id="of the build: it was released on purpose"),
        pytest.param({"first_seq": 5, "last_seq": 5, "build_id": 102}, False, id="of another build"),
    ],
)
def test_a_dag_stands_still_before_a_version_that_is_rejected(
    changes: dict[str, object], stands_still: bool
) -> None:
    rejections = {"sales": [rejection(id=9, build_id=999), rejection(**changes)]}
    assert steps_of(DAG, rejections=rejections) == ([] if stands_still else [TO_HEAD])
    assert steps_of(DAG, rejections={"other": rejections["sales"]}) == [TO_HEAD]


def test_one_dag_that_stays_does_not_keep_the_next() -> None:
    rejected = rejection(first_seq=5, last_seq=5, dag_id="held")
    assert steps_of(
        evolve(DAG, dag_id="held"), evolve(AT_HEAD, dag_id="there"), DAG, rejections={"held": [rejected]}
    ) == [TO_HEAD]


def test_the_row_keeps_the_alias_of_the_released_version() -> None:
    aliased = evolve(DAG, released_version=OLD + ALIAS, follow_version=None)
    assert steps_of(aliased) == [evolve(TO_HEAD, follow_before=OLD, row_version=NEW + ALIAS)]
    never_released = evolve(aliased, released_version=None)
    assert steps_of(never_released) == [evolve(TO_HEAD, follow_before=None)]


def test_a_dag_of_a_foreign_bundle_follows_under_the_plain_version() -> None:
    foreign = evolve(DAG, released_version="release-7", follow_version=None)
    assert steps_of(foreign) == [evolve(TO_HEAD, follow_before="release-7")]
    no_commit = steps(
        [evolve(DAG, released_version=OLD + ALIAS)],
        Head(seq=5, version="release-8"),
        before=None,
        pending=(),
        rejections={},
    )
    assert no_commit == [], "an alias can not be said of it"


@pytest.mark.parametrize(
    ("follow", "released", "version"),
    [
        (NOW, OLD, NOW),
        (NOW, None, NOW),
        (None, OLD, OLD),
        (None, OLD + ALIAS, OLD),
        (None, "release-7", "release-7"),
        (None, None, None),
    ],
)
def test_new_runs_take_what_was_followed_to_else_the_release_without_its_alias(
    follow: str | None, released: str | None, version: str | None
) -> None:
    assert taken(follow, released) == version


def test_a_version_is_plain_without_its_aliases() -> None:
    assert (plain(OLD + ALIAS), plain(OLD), plain("release-7")) == (OLD, OLD, "release-7")


MARKED = evolve(DAG, row_version=f"{OLD}?unbound", found=f"{OLD}?unbound")


@pytest.mark.acceptance("dates", 18)
def test_of_a_dated_dag_the_followed_version_moves_and_both_rows_stay() -> None:
    assert steps_of(MARKED) == [evolve(TO_HEAD, row_version=None)]
    assert steps_of(evolve(MARKED, follow_version=NEW)) == []


@pytest.mark.parametrize("found", [None, NEW, NOW])
def test_a_mark_that_was_lost_is_put_back_by_following_and_told(found: str | None) -> None:
    there = evolve(MARKED, follow_version=NEW, found=found)
    expected = Step(
        dag_id="sales",
        follow_version=NEW,
        follow_before=None,
        row_version=f"{OLD}?unbound",
        mark_was_lost=True,
        found=found,
    )
    assert steps_of(there) == [expected]


def test_a_plain_version_has_neither_aliases_nor_the_mark() -> None:
    assert plain(f"{OLD}?unbound") == plain(OLD + ALIAS) == OLD
