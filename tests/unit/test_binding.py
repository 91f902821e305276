"""Single cases of bindings: what is noted, who chose, which versions a run has. Any order of acts:
``tests/property/test_bindings.py``."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import evolve

from pinwheel.core.run.binding import (
    UNKNOWN,
    Binding,
    BoundBy,
    Present,
    RunVersions,
    Tries,
    Try,
    Used,
    bound_by,
    in_force,
    kept,
    needs_tries,
    tries_noted,
    used,
    versions_of,
)

ONE, TWO, THREE, ROW = (UUID(int=number) for number in (1, 2, 3, 99))


def present(task_id: str, map_index: int = -1, begun: int = 1, state: str | None = "success") -> Present:
    return Present(task_id=task_id, map_index=map_index, begun=begun, state=state)


def binding(seq: int, version: UUID | None = ONE, tries: Tries | None = None) -> Binding:
    return Binding(
        dag_id="d",
        run_id="r",
        seq=seq,
        dag_version_id=version,
        bundle_version=f"c{version.int}" if version else None,
        bound_by=BoundBy.HAND,
        actor=None,
        bound_at=datetime(2026, 1, 1, tzinfo=UTC),
        release=None,
        build_id=None,
        tries=None if tries is None else tries.as_json(),
    )


def a_try(number: int = 1, *, task_id: str = "a", executed: bool = True, current: bool = True) -> Try:
    return Try(
        task_id=task_id,
        map_index=-1,
        try_number=number,
        executed=executed,
        current=current,
        dag_version_id=ROW,
    )


@pytest.mark.parametrize(
    ("chosen", "release", "who"),
    [
        (False, 1, BoundBy.ACTIVE),
        (False, None, BoundBy.ACTIVE),
        (True, 1, BoundBy.HAND),
        (True, 0, BoundBy.HAND),
        (True, None, BoundBy.TRIAL),
    ],
)
def test_who_chose_is_told_by_whether_somebody_did_and_whether_it_was_released(
    chosen: bool, release: int | None, who: BoundBy
) -> None:
    assert BoundBy.of_choice(chosen=chosen, release=release) is who


def test_a_word_of_a_later_version_stays_as_it_is() -> None:
    assert bound_by("trial") is BoundBy.TRIAL
    assert bound_by("policy") == "policy"


def test_tries_are_noted_in_ranges_of_map_indexes_with_the_same_number() -> None:
    rows = [
        present("m", 4, 2),
        present("m", 0, 1),
        present("m", 1, 1),
        present("m", 2, 2),
        present("m", 3, 0, None),
        present("a", begun=3),
        present("n", 5, 2),
    ]
    assert Tries.of(rows) == Tries(
        counts={"a": [(-1, -1, 3)], "m": [(0, 1, 1), (2, 2, 2), (4, 4, 2)], "n": [(5, 5, 2)]}
    )
    three = Tries.of([present("m", index, 1) for index in range(3)])
    assert three.counts == {"m": [(0, 2, 1)]}


@pytest.mark.parametrize("state", ["removed", "skipped", "upstream_failed"])
def test_what_was_only_marked_is_noted(state: str) -> None:
    noted = Tries.of([present("a", state=state), present("b")])
    assert noted.marked == {("a", -1)} and noted.open == frozenset()


@pytest.mark.parametrize(
    ("state", "open_"),
    [(None, False), ("scheduled", False), ("up_for_retry", False), ("running", True), ("success", True)],
)
def test_where_it_was_looked_late_a_task_that_waits_can_not_have_gone_on(
    state: str | None, open_: bool
) -> None:
    assert Tries.of([present("a", state=state)], late=True).open == ({("a", -1)} if open_ else set())
    assert Tries.of([present("a", state=state)]).open == set()


def test_what_is_noted_is_the_same_when_it_is_read_back() -> None:
    noted = Tries.of(
        [present("a", state="skipped"), present("m", 0), present("m", 1, 2, "running")], late=True, sure=False
    )
    stored = noted.as_json()
    assert stored == {
        "counts": {"a": [[-1, -1, 1]], "m": [[0, 0, 1], [1, 1, 2]]},
        "open": [["a", -1], ["m", 0], ["m", 1]],
        "sure": False,
        "marked": [["a", -1]],
    }
    assert tries_noted(stored) == noted
    assert tries_noted(None) is None
    assert tries_noted(Tries().as_json()) == Tries() and Tries().sure is True
    texts = {"counts": {"a": [["0", "1", "2"]]}, "open": [["a", "0"]], "sure": 1, "marked": []}
    assert tries_noted(texts) == Tries({"a": [(0, 1, 2)]}, frozenset({("a", 0)}))


RANGES = Tries({"a": [(-1, -1, 2)]})


@pytest.mark.parametrize(
    ("tries", "number", "told"),
    [
        pytest.param(RANGES, 1, ONE, id="an earlier try"),
        pytest.param(RANGES, 2, ONE, id="the last one before"),
        pytest.param(RANGES, 3, TWO, id="the first one after"),
        pytest.param(evolve(RANGES, open=frozenset({("a", -1)})), 1, ONE, id="only the last one is open"),
        pytest.param(evolve(RANGES, open=frozenset({("a", -1)})), 2, None, id="it is open"),
        pytest.param(evolve(RANGES, open=frozenset({("b", -1)})), 2, ONE, id="another task is open"),
        pytest.param(evolve(RANGES, sure=False), 1, None, id="nobody watched"),
        pytest.param(evolve(RANGES, sure=False), 3, TWO, id="nobody watched, but so far it had not come"),
        pytest.param(Tries({"a": [(0, 3, 2)]}), 1, TWO, id="the ranges are of other indexes, above"),
        pytest.param(Tries({"a": [(-3, -2, 2)]}), 1, TWO, id="the ranges are of other indexes, below"),
        pytest.param(Tries(), 1, TWO, id="it had not begun"),
    ],
)
def test_a_try_ran_before_or_after_by_its_number(tries: Tries, number: int, told: UUID | None) -> None:
    bound = [binding(0), binding(1, TWO, tries)]
    assert used(bound, a_try(number)).dag_version_id == told


MARKED = Tries(marked=frozenset({("a", -1)}))


@pytest.mark.parametrize(
    ("tries", "told"),
    [
        pytest.param(MARKED, ONE, id="it stood so before"),
        pytest.param(Tries(), TWO, id="it did not"),
        pytest.param(evolve(MARKED, open=frozenset({("a", -1)})), None, id="it may have been marked anew"),
        pytest.param(evolve(MARKED, sure=False), None, id="nobody watched"),
        pytest.param(evolve(Tries(), sure=False), TWO, id="nobody watched, but it did not stand so"),
    ],
)
def test_what_was_only_marked_is_before_or_after_by_how_it_stood(tries: Tries, told: UUID | None) -> None:
    bound = [binding(0), binding(1, TWO, tries)]
    assert used(bound, a_try(0, executed=False)).dag_version_id == told


def test_an_earlier_mark_leaves_no_trace() -> None:
    bound = [binding(0), binding(1, TWO, MARKED)]
    assert used(bound, a_try(0, executed=False, current=False)) == UNKNOWN


def test_a_binding_that_noted_nothing_leaves_open_what_ran_before() -> None:
    assert used([binding(0), binding(1, TWO)], a_try()) == UNKNOWN
    same = [binding(0), binding(1, ONE)]
    assert used(same, a_try()) == Used(dag_version_id=ONE, binding=same[0])


def test_what_ran_before_the_first_binding_is_told_by_the_row_without_a_commit() -> None:
    assert used([], a_try()) == Used(dag_version_id=ROW, binding=None)
    first = binding(1, TWO, RANGES)
    assert used([first], a_try(1)) == Used(dag_version_id=ROW, binding=None)
    assert used([first], a_try(1)).bundle_version is None
    assert used([first], a_try(3)) == Used(dag_version_id=TWO, binding=first)
    assert used([first], a_try(3)).bundle_version == "c2"
    assert used([evolve(first, tries=None)], a_try(1)) == UNKNOWN, "before or after: nobody can tell"


def test_a_try_is_told_by_the_last_binding_that_it_came_after() -> None:
    bound = [binding(0), binding(1, TWO, Tries({"a": [(-1, -1, 1)]})), binding(2, THREE, RANGES)]
    assert [used(bound, a_try(number)).dag_version_id for number in (1, 2, 3)] == [ONE, TWO, THREE]


def test_a_binding_is_in_force_until_the_run_is_cleared_once_more() -> None:
    bound = [binding(0), binding(1, TWO)]
    assert in_force(bound, 1) is bound[1]
    assert in_force(bound, 2) is None and in_force(bound, 0) is None and in_force([], 0) is None


def test_who_chose_a_version_is_kept_while_the_run_keeps_it() -> None:
    bound = [evolve(binding(0), bound_by=BoundBy.TRIAL, tries=None), binding(1, TWO)]
    assert kept(bound, TWO) is bound[-1]
    last = evolve(binding(2, THREE), bound_by=BoundBy.TRIAL, tries=None)
    assert kept([*bound, last], THREE) is last
    assert kept(bound, ONE) is None and kept([], ONE) is None


@pytest.mark.parametrize(
    ("bound", "needed"),
    [
        ([], False),
        ([binding(0)], False),
        ([binding(1)], True),
        ([binding(0), binding(1)], False),
        ([binding(0), binding(1, TWO)], True),
    ],
)
def test_tries_are_needed_where_not_all_of_a_run_is_bound_to_one_version(
    bound: list[Binding], needed: bool
) -> None:
    assert needs_tries(bound) is needed


def test_a_run_without_bindings_has_the_versions_that_airflows_rows_say() -> None:
    versions = versions_of([], clear_number=0, dag_version_id=TWO, said=[THREE, ONE, TWO])
    assert versions == RunVersions(current=TWO, used=(ONE, THREE, TWO), bound=())
    assert versions.mixed is True
    assert versions_of([], clear_number=0, dag_version_id=TWO, said=[ONE]).mixed is True
    assert versions_of([], clear_number=0, dag_version_id=TWO).mixed is False


def test_a_run_has_the_versions_of_its_tries_in_the_order_in_which_it_was_bound() -> None:
    bound = [binding(0, THREE), binding(1, ONE, Tries({"a": [(-1, -1, 1)]})), binding(2, TWO, RANGES)]
    tries = [a_try(number) for number in (2, 1)]
    versions = versions_of(bound, clear_number=2, dag_version_id=ROW, tries=tries, said=[ROW])
    assert versions == RunVersions(current=TWO, used=(THREE, ONE, TWO), bound=tuple(bound))


def test_a_run_that_was_cleared_since_goes_on_with_what_airflows_row_says() -> None:
    bound = [binding(0, ONE)]
    assert versions_of(bound, clear_number=1, dag_version_id=TWO, said=[ROW]) == RunVersions(
        current=TWO, used=(ONE, TWO), bound=tuple(bound)
    )
    assert versions_of(bound, clear_number=0, dag_version_id=TWO).used == (ONE,)


def test_what_no_binding_knows_comes_before_what_one_does() -> None:
    bound = [binding(1, TWO, RANGES)]
    versions = versions_of(bound, clear_number=1, dag_version_id=ONE, tries=[a_try(1), a_try(3)])
    assert versions.used == (ROW, TWO)
    later = versions_of(bound, clear_number=2, dag_version_id=ONE, tries=[a_try(1), a_try(3)])
    assert later.used == (ROW, TWO, ONE)
