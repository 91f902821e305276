"""Digests of what a Dag object reaches."""

from __future__ import annotations

from pinwheel.core.digest import without_place
from pinwheel.core.parse.reach import Reach, digest_of_parts, plain_part


def test_parts_are_told_apart_by_where_they_end() -> None:
    assert digest_of_parts("list", ["ab", "c"]) != digest_of_parts("list", ["a", "bc"])
    assert digest_of_parts("list", ["a"]) != digest_of_parts("tuple", ["a"])
    assert digest_of_parts("list", []) != digest_of_parts("list", [""])


def test_long_values_are_told_apart_as_short_ones_are() -> None:
    long = "x" * 1000
    assert plain_part("str", long) != plain_part("str", long + "y")
    assert len(plain_part("str", long)) < 100
    assert plain_part("str", "1") != plain_part("int", "1")


def test_a_value_is_long_from_65_letters_on() -> None:
    assert plain_part("str", "x" * 64) == "str " + "x" * 64
    assert plain_part("str", "x" * 65) == f"str 65 {digest_of_parts('str', ['x' * 65])}"


def test_a_digest_is_the_same_in_each_version_of_pinwheel() -> None:
    """It is stored with builds: another one would give each Dag a new build."""
    assert digest_of_parts("list", ["ab", "\u00fc"]) == "d620cc69e978ce4094868651f4db7ad7"


def test_half_a_surrogate_pair_has_a_digest() -> None:
    assert digest_of_parts("\ud800", []) != digest_of_parts("\ud801", [])
    assert digest_of_parts("str", ["\ud800"]) != digest_of_parts("str", ["\ud801"])


def test_a_text_names_no_place() -> None:
    assert without_place("bash /versions/1/x.sh", ["/versions/1"]) == "bash {bundle}/x.sh"
    module = f"unusual_prefix_{'0a' * 20}_sales.Own"
    assert without_place(module) == "unusual_prefix_sales.Own"


def test_it_survives_the_way_to_the_manager() -> None:
    reach = Reach(objects="o", files=("a.py", "b.sql"), unread=("t: generator",))
    assert Reach.from_json(reach.to_json()) == reach
    assert Reach.from_json({}) == Reach() == Reach(objects="", files=(), unread=())
