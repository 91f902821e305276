"""Single cases of verification: the budget to the second, the order, what a difference means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from pinwheel.core.parse.verify import (
    MOST_PATHS,
    MOST_SAVED,
    OVERDUE,
    Bucket,
    Gave,
    Outlook,
    Unverified,
    changed_paths,
    folders_of,
    in_turn,
    judge,
    without_order,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_limits_are_those_that_the_documentation_names() -> None:
    assert MOST_SAVED == 30.0
    assert timedelta(hours=1) == OVERDUE
    assert MOST_PATHS == 20


@pytest.mark.parametrize(
    ("level", "now", "filled"),
    [
        pytest.param(0.0, 110.0, Bucket(share=0.5, level=5.0, at=110.0), id="what comes in"),
        pytest.param(-8.0, 110.0, Bucket(share=0.5, level=-3.0, at=110.0), id="a debt"),
        pytest.param(29.0, 110.0, Bucket(share=0.5, level=30.0, at=110.0), id="no more than can be saved"),
        pytest.param(1.0, 90.0, Bucket(share=0.5, level=1.0, at=100.0), id="a clock never goes back"),
    ],
)
def test_a_bucket_fills_with_its_share_of_the_time(level: float, now: float, filled: Bucket) -> None:
    assert Bucket(share=0.5, level=level, at=100.0).filled(now) == filled


def test_a_new_bucket_is_empty_since_the_beginning() -> None:
    assert Bucket(share=0.5) == Bucket(share=0.5, level=0.0, at=0.0)


def test_a_parse_may_begin_when_there_is_no_debt_and_a_share() -> None:
    assert Bucket(share=1.0, at=100.0).may_start(100.0) is True
    assert Bucket(share=1.0, level=-1.0, at=100.0).may_start(100.9) is False
    assert Bucket(share=1.0, level=-1.0, at=100.0).may_start(101.0) is True
    assert Bucket(share=0.0, level=9.0, at=100.0).may_start(100.0) is False


def test_a_parse_is_charged_with_what_it_took_when_it_has_ended() -> None:
    bucket = Bucket(share=0.5, level=1.0, at=100.0)
    assert bucket.charged(110.0, 4.0) == Bucket(share=0.5, level=2.0, at=110.0)
    assert bucket.charged(110.0, 0.5).level == 5.5
    assert bucket.charged(110.0, -4.0).level == 6.0, "no clock of a process goes back"


def test_a_debt_is_taken_over_and_what_was_saved_is_not() -> None:
    bucket = Bucket(share=0.5, level=3.0, at=100.0)
    assert bucket.taken_over(-2.0, 10.0) == Bucket(share=0.5, level=-2.0, at=10.0)
    assert bucket.taken_over(0.5, 10.0).level == 0.0


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        ((), {""}),
        (("a.py",), {""}),
        (("x/a.py",), {"", "x"}),
        (("x/y/z/a.py", "x/b.py", "w/c.py"), {"", "x", "x/y", "x/y/z", "w"}),
    ],
)
def test_a_path_is_in_all_folders_up_to_the_root(paths: tuple[str, ...], folders: set[str]) -> None:
    assert folders_of(paths) == folders


def unverified(path: str, minutes: float, *, near: bool = False, bundle: str = "b") -> Unverified:
    return Unverified(bundle_name=bundle, path=path, verified_at=NOW - timedelta(minutes=minutes), near=near)


def test_overdue_files_come_first_by_age_alone_then_those_near_a_change_then_the_others() -> None:
    order = [
        unverified("oldest", 90),
        unverified("old and near", 70, near=True),
        unverified("just overdue", 60),
        unverified("near", 5, near=True),
        unverified("near and new", 1, near=True),
        unverified("far", 59),
        unverified("far, of the first bundle", 3, bundle="a"),
        unverified("far, of the second bundle", 3),
        unverified("z", 3),
    ]
    assert in_turn(reversed(order), NOW) == order
    assert not Unverified(bundle_name="b", path="p", verified_at=NOW).near


ORDER = {"a": ["p", "q"]}
KNOWN = Gave(builds={"a": "x", "b": "1"}, order=ORDER)


@pytest.mark.parametrize(
    ("other", "only"),
    [
        pytest.param(Gave(builds={"a": "y", "b": "1"}, order=ORDER), True, id="of one Dag"),
        pytest.param(Gave(builds={"a": "y", "b": "2"}, order=ORDER), False, id="another Dag differs too"),
        pytest.param(Gave(builds={"a": "x", "b": "1"}, order=ORDER), False, id="nothing differs"),
        pytest.param(Gave(builds={"a": "y"}, order=ORDER), False, id="a Dag is gone"),
        pytest.param(Gave(builds={"a": "y", "b": "1", "c": "1"}, order=ORDER), False, id="a Dag came"),
        pytest.param(Gave(builds={"a": "y", "b": "1"}), False, id="nobody knows its order"),
        pytest.param(Gave(builds={"a": "y", "b": "1"}, order={"a": ["q"]}), False, id="it holds less"),
        pytest.param(Gave(builds={"a": "y", "b": "1"}, order=ORDER, broken=True), False, id="it is broken"),
    ],
)
def test_two_parses_differ_in_order_only_where_all_that_differs_holds_the_same(
    other: Gave, only: bool
) -> None:
    assert KNOWN.differs_in_order_only(other) is only
    assert other.differs_in_order_only(KNOWN) is only


def test_an_order_that_neither_parse_told_is_not_the_same_order() -> None:
    assert Gave(builds={"a": "x"}).differs_in_order_only(Gave(builds={"a": "y"})) is False


def test_what_a_parse_gave_is_the_same_in_any_order_and_good_unless_it_is_said_to_be_broken() -> None:
    assert evolve(KNOWN, order={}) == KNOWN
    assert evolve(KNOWN, broken=True) != KNOWN
    assert Gave(builds={}).broken is False
    assert "order" not in repr(KNOWN), "it holds the whole Dag"


def test_a_judgement_of_two_broken_parses_tells_that_something_was_missed() -> None:
    broken, other = Gave(builds={}, broken=True), Gave(builds={"a": "x"}, broken=True)
    assert judge(KNOWN, other, broken).value == "missed"


def test_a_dag_without_the_order_of_its_lists_is_the_same_in_any_order() -> None:
    def form(*tasks: str) -> dict[str, object]:
        return {"dag": {"queues": [list(tasks), {"x": tuple(tasks)}], "n": 1}}

    assert without_order(form("a", "b")) == without_order(form("b", "a"))
    assert without_order(form("a", "b")) != without_order(form("a", "c"))


def test_changed_paths_are_those_of_which_the_content_differs_in_order() -> None:
    one = {"a": "1", "b": "2", "c": "3"}
    assert changed_paths(one, {"b": "2", "c": "4", "d": "5"}) == ["a", "c", "d"]
    assert changed_paths(one, dict(one)) == []


def test_the_outlook_is_what_is_left_to_pay_at_the_pace_of_the_budget() -> None:
    assert Outlook.of(10, mean=0.5, share=0.1, level=1.0) == Outlook(files=10, seconds=40.0)
    assert Outlook.of(10, mean=0.5, share=0.1, level=-1.0).seconds == 60.0
    assert Outlook.of(1, mean=0.5, share=0.1, level=9.0).seconds == 0.0
    assert Outlook.of(10, mean=0.5, share=0.0, level=1.0) == Outlook(files=10, seconds=None)
