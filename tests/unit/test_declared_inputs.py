"""Which files a rule means, for which Dags, and when that makes a file be parsed again."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from attrs import evolve

from pinwheel.core.parse.declared import (
    ANY,
    MOST_FILES,
    MOST_LOOKS,
    NOTHING,
    Declared,
    Rule,
    declare,
    matching,
    too_many,
    too_much,
    unknown_ids,
    why_no_pattern,
)
from pinwheel.core.parse.inputs import Inputs, matches
from pinwheel.core.selector import Selector

FILES = {
    "dags/a.py": "1",
    "dags/b.py": "2",
    "dbt/models/m.sql": "3",
    "dbt/models/deep/n.sql": "4",
    "dbt/project.yml": "5",
    "dbtx/other.sql": "6",
    "profiles.yml": "7",
    "shared": "link:8",
    "vendor/lib": "commit:9",
}

MEANT: dict[str, set[str]] = {
    "dbt/**": {"dbt/models/m.sql", "dbt/models/deep/n.sql", "dbt/project.yml"},
    "dbt/**/*.sql": {"dbt/models/m.sql", "dbt/models/deep/n.sql"},
    "dbt/*/*.sql": {"dbt/models/m.sql"},
    "dbt/models/**/n.sql": {"dbt/models/deep/n.sql"},
    # Of a link or a submodule nobody knows here what is below it
    "**/m.sql": {"dbt/models/m.sql", "shared", "vendor/lib"},
    "**/models/**": {"dbt/models/m.sql", "dbt/models/deep/n.sql", "shared", "vendor/lib"},
    "**/**/deep/**/n.sql": {"dbt/models/deep/n.sql", "shared", "vendor/lib"},
    "**": {*FILES},
    "*": {"profiles.yml", "shared"},
    "*.yml": {"profiles.yml"},
    "dags/[ab].py": {"dags/a.py", "dags/b.py"},
    "dags/[!a].py": {"dags/b.py"},
    "dags/?.py": {"dags/a.py", "dags/b.py"},
    "dbt": set(),
    "dbt?models/m.sql": set(),
    "DBT/**": set(),
    "shared/x/**": {"shared"},
    "vendor/lib/src/*.py": {"vendor/lib"},
    "vendor/*/src/x.py": {"vendor/lib"},
    "vendor/other/x.py": set(),
}


def rule(
    *files: str, ids: tuple[str, ...] = (), globs: tuple[str, ...] = (), tags: tuple[str, ...] = ()
) -> Rule:
    return Rule(dags=Selector(ids=ids, globs=globs, tags=tags), files=files)


@pytest.mark.parametrize("pattern", MEANT)
def test_a_pattern_means_these_files(pattern: str) -> None:
    assert why_no_pattern(pattern) is None
    assert set(declare([rule(pattern, ids=("a",))], FILES).of("a")) == MEANT[pattern]


def test_a_hostile_pattern_takes_no_longer_than_another() -> None:
    name = "a" * 250
    path = "/".join([name] * 15)
    for pattern in ("*a" * 100 + "b", "**/" + "*a*a*b/**/" * 20 + "c", "**/*/" * 40 + "x", "[a]*" * 60 + "b"):
        assert why_no_pattern(pattern) is None
        assert matching(pattern, [name, path]) == []


def test_ids_and_globs_add_up_and_tags_narrow() -> None:
    both = rule("x", ids=("orders",), globs=("export_*",), tags=("dbt", "sql"))
    assert both.selects("orders", ["dbt"]) and both.selects("export_a", ["other", "sql"])
    assert not both.selects("orders", []) and not both.selects("Export_a", ["dbt"])
    assert rule("x", tags=("dbt",)).selects("any", ["dbt"]) and not rule("x", tags=("dbt",)).selects(
        "any", []
    )
    assert rule("x", ids=("orders",)).selects("orders", [])


def test_globs_of_a_rule_mean_together_what_each_means_alone() -> None:
    odd = ("a[", "[!a]?", "*.b", "x|y", "(", "[]-]*", "\\d", "team*_[0-9]*", "é*", "a\nb")
    names = ("a[", "bc", "a.b", "x|y", "x", "(", "-1", "]", "\\d", "7", "team_x_1", "T_1", "éa", "a\nb")
    for name in names:
        alone = [fnmatchcase(name, glob) for glob in odd]
        rule = Rule(dags=Selector(globs=odd), files=("x",))
        assert rule.selects(name, ()) is any(alone)
        assert [Rule(dags=Selector(globs=(g,)), files=("x",)).selects(name, ()) for g in odd] == alone


def test_a_rule_comes_back_as_it_was_kept() -> None:
    kept = rule("dbt/**", "x", ids=("a",), tags=("t",))
    assert Rule.from_json(kept.to_json()) == kept


def test_paths_beside_the_folder_of_the_bundle_are_told_apart_from_those_in_it() -> None:
    declared = declare([rule("dags/*.py", "dbt/**", ids=("a",))], FILES, "dags")
    assert set(declared.of("a")) == {
        *("a.py", "b.py", "//dbt/models/m.sql", "//dbt/models/deep/n.sql", "//dbt/project.yml"),
    }


def parsed(declared: Declared, **tags: list[str]) -> Inputs:
    return Inputs(files={"dags/a.py": "1"}, declared=declared.answers(tags))


def changed(path: str) -> dict[str, str]:
    return {**FILES, path: "other"}


def test_a_file_is_parsed_again_when_what_is_declared_for_one_of_its_dags_changes() -> None:
    rules = [rule("dbt/**", ids=("a",))]
    mine, others = parsed(declare(rules, FILES), a=[], b=[]), parsed(declare(rules, FILES), c=["x"])
    for path in ("dbt/project.yml", "dbt/new.sql"):
        now = declare(rules, changed(path))
        assert not matches(mine, changed(path), now)
        assert matches(others, changed(path), now)
    now = declare(rules, changed("profiles.yml"))
    assert matches(mine, changed("profiles.yml"), now)
    gone = {path: content for path, content in FILES.items() if path != "dbt/project.yml"}
    assert not matches(mine, gone, declare(rules, gone))


def test_other_rules_that_mean_the_same_files_for_a_dag_make_no_parse() -> None:
    before = parsed(declare([rule("dbt/**", ids=("a",))], FILES), a=["dbt"])
    for same in (
        [rule("dbt/**", globs=("a*",))],
        [rule("dbt/**", tags=("dbt",))],
        [rule("dbt/models/**", ids=("a",)), rule("dbt/*", ids=("a",))],
        [rule("dbt/**", ids=("a",)), rule("profiles.yml", ids=("b",))],
    ):
        assert matches(before, FILES, declare(same, FILES))
    for other in ([], [rule("dbt/models/**", ids=("a",))], [rule("dbt/**", tags=("else",))]):
        assert not matches(before, FILES, declare(other, FILES))


def test_a_file_whose_dags_nobody_knows_depends_on_all_that_is_declared() -> None:
    rules = [rule("dbt/**", ids=("a",))]
    broken = Inputs(declared=declare(rules, FILES).answers({ANY: ()}))
    assert matches(broken, FILES, declare(rules, FILES))
    assert not matches(broken, changed("dbt/project.yml"), declare(rules, changed("dbt/project.yml")))


def test_of_a_parse_that_was_stored_before_there_were_rules_nobody_knows_the_dags() -> None:
    stored = {name: value for name, value in Inputs().to_json().items() if name != "declared"}
    before = Inputs.from_json(stored)
    assert matches(before, FILES, NOTHING)
    assert not matches(before, FILES, declare([rule("dbt/**", ids=("a",))], FILES))
    assert matches(before, FILES, declare([rule("none/**", ids=("a",))], FILES))


def test_what_a_parse_has_to_remember_survives_the_database() -> None:
    inputs = parsed(declare([rule("dbt/**", ids=("a",))], FILES), a=["t", "s"], b=[])
    assert Inputs.from_json(inputs.to_json()) == inputs


def test_declared_files_are_content_of_their_dag_only_and_nothing_changes_where_there_are_none() -> None:
    declared = declare([rule("dbt/**", "dags/a.py", ids=("a",))], FILES)
    inputs = Inputs(files={"dags/a.py": "1"})
    with_rules = evolve(inputs, declared=declared.answers({"a": (), "b": ()}))
    assert inputs.digest() == evolve(inputs, declared=NOTHING.answers({"a": (), "b": ()})).digest()
    assert with_rules.digest() != inputs.digest()
    assert with_rules.content_digest(declared.of("b")) == inputs.content_digest()
    assert with_rules.content_digest(declared.of("a")) != inputs.content_digest()
    traced = declare([rule("dags/a.py", ids=("a",))], FILES)
    assert inputs.content_digest(traced.of("a")) == inputs.content_digest(), "it was content before"


def test_too_many_comparisons_are_refused_beforehand() -> None:
    few, more = ({f"d/{n}.sql": "1" for n in range(MOST_LOOKS // 200 + extra)} for extra in (0, 1))
    wide = [rule(*(f"**/{n}.sql" for n in range(200)), ids=("a",))]
    assert too_much(wide, few) is None
    assert "10,000,200 times" in str(too_much(wide, more))
    below_one_folder = [rule(*(f"d/*{n}.sql" for n in range(200)), ids=("a",))]
    assert too_much(below_one_folder, few) is None and too_much(below_one_folder, more)
    assert too_much([rule(*(f"d/{n}0*.sql" for n in range(200)), ids=("a",))], more) is None
    links = {f"link{n}": "link:d" for n in range(MOST_LOOKS // 200 + 1)}
    assert too_much(below_one_folder, links), "each may lead to what is meant"


def test_a_rule_that_means_more_files_than_builds_can_keep_is_told_with_its_line() -> None:
    many = {f"dbt/{n}.sql": "1" for n in range(MOST_FILES + 1)}
    rules = [evolve(rule("dbt/**", ids=("a",)), line=7), rule("dbt/1*", ids=("a",))]
    assert too_many(declare(rules, many)) == {7: "this rule means 5,001 files, and can mean 5,000"}
    del many["dbt/0.sql"]
    assert too_many(declare(rules, many)) == {}


def test_an_id_without_a_dag_is_told_with_its_line() -> None:
    rules = [Rule(dags=Selector(ids=("a", "b")), files=("x",), lines={"a": 3, "b": 4})]
    assert unknown_ids(rules, {"a"}) == {"b": 4}
    assert unknown_ids(rules, {"a", "b"}) == {}
