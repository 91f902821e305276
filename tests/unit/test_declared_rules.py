"""Single cases of declared inputs: what a rule is stored as, what a pattern may hold, what the limits are."""

from __future__ import annotations

import hashlib
import json
import warnings

import pytest
from attrs import evolve

from pinwheel.core.parse.declared import (
    FILE,
    MOST_FILES,
    MOST_LOOKS,
    NOTHING,
    Declared,
    Rule,
    declare,
    in_repository,
    matching,
    too_many,
    too_much,
    unknown_ids,
    why_no_pattern,
)
from pinwheel.core.selector import Selector

FILES = {"dags/a.py": "1", "dbt/m.sql": "2", "dbt/deep/n.sql": "3", "lib": "commit:4", "shared": "link:5"}


def rule(*files: str, **dags: tuple[str, ...]) -> Rule:
    return Rule(dags=Selector(**dags), files=files)


def digest(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(files.items()), separators=(",", ":")).encode()).hexdigest()


def test_the_limits_are_those_that_the_documentation_names() -> None:
    assert (FILE, MOST_LOOKS, MOST_FILES) == ("pinwheel.yaml", 10_000_000, 5_000)


def test_a_rule_is_stored_without_what_it_does_not_say() -> None:
    full = rule("dbt/**", ids=("a",), globs=("b*",), tags=("c",))
    assert full.to_json() == {"dags": {"ids": ["a"], "globs": ["b*"], "tags": ["c"]}, "files": ["dbt/**"]}
    assert rule("x", tags=("c",)).to_json() == {"dags": {"tags": ["c"]}, "files": ["x"]}
    assert Rule.from_json(full.to_json()) == full
    assert Rule.from_json({}) == rule()


def test_a_rule_is_the_same_wherever_it_stands() -> None:
    here = evolve(rule("x", ids=("a",)), line=7, lines={"a": 8})
    assert here == rule("x", ids=("a",)) and rule("x").line == 1
    assert "line" not in repr(here)


@pytest.mark.parametrize(
    ("dags", "dag_id", "tags", "selected"),
    [
        ({}, "a", (), True),
        ({"ids": ("a",)}, "a", (), True),
        ({"ids": ("a",)}, "b", (), False),
        ({"globs": ("a*",)}, "ab", (), True),
        ({"globs": ("a*",)}, "ba", (), False),
        ({"ids": ("a",), "globs": ("b",)}, "b", (), True),
        ({"tags": ("t",)}, "a", ("t", "u"), True),
        ({"tags": ("t",)}, "a", ("u",), False),
        ({"ids": ("a",), "tags": ("t",)}, "a", ("t",), True),
        ({"ids": ("a",), "tags": ("t",)}, "a", (), False),
        ({"ids": ("a",), "tags": ("t",)}, "b", ("t",), False),
        ({"ids": ("a",)}, "", (), True),
        ({"tags": ("t",)}, "", (), True),
    ],
)
def test_a_rule_is_about_the_dags_that_it_names(
    dags: dict[str, tuple[str, ...]], dag_id: str, tags: tuple[str, ...], selected: bool
) -> None:
    assert rule("x", **dags).selects(dag_id, tags) is selected


def test_what_is_declared_for_a_dag_is_what_all_rules_about_it_mean() -> None:
    declared = declare(
        [rule("dbt/*", ids=("a",)), rule("dags/*", tags=("t",)), rule("dbt/deep/*", ids=("b",))], FILES
    )
    assert declared.of("a") == {"dbt/m.sql": "2"}
    assert declared.of("a", ["t"]) == {"dbt/m.sql": "2", "dags/a.py": "1"}
    assert declared.of("c") == {}
    assert declared.answers({"b": ["y", "x", "y"], "a": ["t"], "c": []}) == {
        "a": (digest({"dbt/m.sql": "2", "dags/a.py": "1"}), "t"),
        "b": (digest({"dbt/deep/n.sql": "3"}), "x", "y"),
        "c": ("",),
    }
    assert list(declared.answers({"b": [], "a": []})) == ["a", "b"]


def test_an_answer_still_holds_while_the_same_files_are_declared() -> None:
    rules = [rule("dbt/**", ids=("a",))]
    answers = declare(rules, FILES).answers({"a": [], "b": ["t"]})
    assert declare(rules, FILES).still(answers) is True
    assert declare(rules, {**FILES, "dbt/m.sql": "9"}).still(answers) is False
    assert declare(rules, {**FILES, "dags/a.py": "9"}).still(answers) is True
    assert NOTHING.still(answers) is False and NOTHING.still({"b": ("", "t")}) is True
    assert declare([rule("dbt/**", tags=("t",))], FILES).still({"b": answers["b"]}) is False


def test_without_rules_nothing_is_declared() -> None:
    assert declare([], FILES) is NOTHING and Declared() == NOTHING
    assert declare([rule("x", ids=("a",))], FILES) != NOTHING
    assert declare([rule("dbt/**", ids=("a",))], FILES) == declare([rule("dbt/**", ids=("a",))], FILES)
    asked = declare([rule("dbt/**", ids=("a",))], FILES)
    assert asked.still({"a": ("",)}) is False and "_digests" not in repr(asked)
    assert "n.sql" not in repr(declare([rule("dbt/**", ids=("a",))], FILES)), "there can be thousands"


def test_paths_of_a_bundle_are_turned_into_those_of_its_repository() -> None:
    manifest = {"a.py": "1", "//dbt/m.sql": "2"}
    assert in_repository(manifest, "dags") == {"dags/a.py": "1", "dbt/m.sql": "2"}
    assert in_repository(manifest, None) is manifest and in_repository(manifest, "") is manifest


def test_a_name_that_no_database_takes_is_declared_under_one_that_it_does() -> None:
    (path,) = declare([rule("dbt/**", ids=("a",))], {"dbt/\ud800.sql": "1"}).of("a")
    assert path.encode() and path.startswith("dbt/")


def test_only_links_and_submodules_lead_to_what_is_not_listed() -> None:
    declared = declare([rule("lib/x/*.py", "shared/**", "dags/a.py/x", ids=("a",))], FILES)
    assert declared.of("a") == {"lib": "commit:4", "shared": "link:5"}


@pytest.mark.parametrize(
    ("pattern", "led"),
    [
        ("lib/**", True),
        ("lib/x", True),
        ("lib/**/x", True),
        ("**", True),
        ("**/x", True),
        ("l?b/x", True),
        ("lib", True),
        ("other/**", False),
        ("lib2/**", False),
        ("*", True),
        ("x", False),
    ],
)
def test_a_pattern_leads_into_a_submodule(pattern: str, led: bool) -> None:
    assert (declare([rule(pattern, ids=("a",))], {"lib": "commit:4"}).of("a") != {}) is led


@pytest.mark.parametrize(
    ("pattern", "led"),
    [("a/b/x", True), ("a/*/x", True), ("a/**", True), ("a/x/y", False), ("a/x", False), ("a", False)],
)
def test_a_pattern_leads_into_a_submodule_in_a_folder(pattern: str, led: bool) -> None:
    assert (declare([rule(pattern, ids=("a",))], {"a/b": "commit:4"}).of("a") != {}) is led


LETTERS: dict[str, tuple[set[str], set[str]]] = {
    "a*": ({"a", "ab", "a.b"}, {"ba", "a/b", "A"}),
    "*a": ({"a", "ba"}, {"ab", "b/a"}),
    "*a*b*": ({"ab", "xaybz", "aab"}, {"ba", "a/b"}),
    "a?c": ({"abc", "a.c"}, {"ac", "a/c", "abbc"}),
    "[ab]c": ({"ac", "bc"}, {"cc", "abc", "[ab]c"}),
    "[a-c]": ({"a", "b", "c"}, {"d", "-", "a-c"}),
    "[!a]c": ({"bc", "!c"}, {"ac", "/c", "c"}),
    "[]a]": ({"]", "a"}, {"b", "[]a]"}),
    "[!]a]": ({"b", "["}, {"]", "a"}),
    "[^a]": ({"^", "a"}, {"b", "X"}),
    "[[]": ({"["}, {"]", "a", "X"}),
    "[\\]": ({"\\"}, {"a", "X"}),
    "[&&a]": ({"&", "a"}, {"b"}),
    "[||a]": ({"|", "a"}, {"b"}),
    "[~~a]": ({"~", "a"}, {"b"}),
    "a.b": ({"a.b"}, {"axb"}),
    "(a)+": ({"(a)+"}, {"a", "aa"}),
    "a\nb": ({"a\nb"}, {"ab"}),
    "?": ({"a", "\n"}, {"ab", "/", ""}),
    "**": ({"a", "a/b", "a/b/c"}, set()),
    "**/a": ({"a", "b/a", "b/c/a"}, {"ba", "a/b"}),
    "a/**": ({"a/b", "a/b/c"}, {"a", "b/a", "ab/c"}),
    "a/**/b": ({"a/b", "a/x/b", "a/x/y/b"}, {"ab", "a/xb", "x/a/b", "a/b/c"}),
    "**/a/**": ({"a/b", "x/a/b", "x/y/a/b/c"}, {"a", "x/a", "xa/b"}),
    "**/a/b/**/c": ({"a/b/c", "x/a/b/y/c", "x/a/b/c"}, {"a/c", "a/b", "x/b/c"}),
    "**/a/**/b/**/c": ({"a/b/c", "x/a/y/b/z/c"}, {"b/a/c", "a/c"}),
    "**/a/b": ({"a/b", "x/a/b"}, {"a", "b", "xa/b", "a/x/b"}),
    "a/b/c": ({"a/b/c"}, {"a/b", "a/bc", "a/b/c/d"}),
    "**/**/a": ({"a", "x/a"}, {"xa"}),
    "a/**/**": ({"a/b", "a/b/c"}, {"a"}),
}
"""By pattern what it means and what it does not."""


@pytest.mark.parametrize("pattern", LETTERS)
def test_a_pattern_means_these_paths_and_not_those(pattern: str) -> None:
    meant, others = LETTERS[pattern]
    assert set(matching(pattern, sorted(meant | others))) == meant


@pytest.mark.parametrize(
    "pattern",
    [
        "a/b",
        "**",
        "a/**",
        "**/a",
        "*.sql",
        "a.b/c",
        ".gitignore",
        "x/.git",
        "a~",
        "ab:c",
        "a!b",
        "..a",
        "a..",
        "1:x",
    ],
)
def test_a_plain_pattern_is_right(pattern: str) -> None:
    assert why_no_pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        *((pattern, "it begins outside the repository") for pattern in ("/a", "~a", "C:a", "c:/a")),
        *((pattern, "it leaves the repository") for pattern in ("../a", "a/..")),
        ("a\\b", "it holds a backslash"),
        ("a/", "it is a folder, and no file"),
        *((pattern, "it has a folder without a name, or '.'") for pattern in ("a//b", "./a", "a/./b")),
        *((pattern, "no bundle has .git") for pattern in (".git", ".git/a")),
        ("!a", "a pattern can not exclude"),
        *((pattern, "it holds braces, which mean nothing here") for pattern in ("{a", "a}")),
        *((pattern, "'**' is not alone in its part of the path") for pattern in ("**a", "a**", "a/b**/c")),
        *((pattern, "its brackets are none") for pattern in ("[a", "x[z-a]")),
    ],
)
def test_any_other_pattern_is_told_with_what_to_do(pattern: str, found: str) -> None:
    said, remedy = why_no_pattern(pattern) or ("", "")
    assert said == found and remedy


@pytest.mark.parametrize("pattern", ["[x--z1]", "[x&&z1]", "[x||z1]", "[x~~z1]"])
def test_a_set_holds_letters_that_regular_expressions_may_mean_otherwise_one_day(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert why_no_pattern(pattern) is None
    assert matching(pattern, ["1", pattern[2], "x", "y", "z"]) == ["1", pattern[2], "x", "z"]


@pytest.mark.parametrize(("files", "told"), [(9, None), (10, None), (11, "11 times")])
def test_what_takes_too_long_to_compare_is_told(
    files: int, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinwheel.core.parse.declared.MOST_LOOKS", 10)
    found = too_much(
        [rule("a/*", ids=("x",))],
        {**{f"a/{n}": "1" for n in range(files)}, "b/x": "1", "0/x": "1", "0/y": "1"},
    )
    assert (found is None) is (told is None) and (told or "") in (found or "")
    gates = {f"l{n}": "link:x" for n in range(files)}
    found = too_much([rule("a/*", ids=("x",))], gates)
    assert (found is None) is (told is None)


@pytest.mark.parametrize(("files", "lines"), [(3, {}), (4, {7})])
def test_a_rule_that_means_too_many_files_is_told_by_its_line(
    files: int, lines: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinwheel.core.parse.declared.MOST_FILES", 3)
    declared = declare([evolve(rule("a/*", ids=("x",)), line=7)], {f"a/{n}": "1" for n in range(files)})
    assert set(too_many(declared)) == set(lines)


def test_an_id_that_no_dag_has_is_told_by_its_line_or_the_first() -> None:
    rules = [evolve(rule("x", ids=("a", "b")), lines={"a": 3}), rule("y", ids=("c",))]
    assert unknown_ids(rules, {"c"}) == {"a": 3, "b": 1}
