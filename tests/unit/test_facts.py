"""The facts of a parse: paths as a bundle writes them, and the way to the manager and back."""

from __future__ import annotations

import pytest

from pinwheel.core.parse.facts import (
    BESIDE,
    IMPURITY_KINDS,
    WHOLE_TREE,
    ParseFacts,
    path_in_bundle,
    path_in_repository,
)
from pinwheel.core.parse.reach import Reach


@pytest.mark.parametrize(
    ("subdir", "in_repository", "in_bundle"),
    [
        (None, "dags/a.py", "dags/a.py"),
        ("", "dags/a.py", "dags/a.py"),
        ("dags", "dags/a.py", "a.py"),
        ("dags", "dags/in/a.py", "in/a.py"),
        ("dags", "lib/x.py", "//lib/x.py"),
        ("dags", "dags_old/a.py", "//dags_old/a.py"),
        ("team/dags", "team/dags/a.py", "a.py"),
        ("team/dags", "team/a.py", "//team/a.py"),
    ],
)
def test_a_path_is_written_from_the_bundles_folder_and_leads_back(
    subdir: str | None, in_repository: str, in_bundle: str
) -> None:
    assert path_in_bundle(in_repository, subdir) == in_bundle
    assert path_in_repository(in_bundle, subdir) == in_repository


def test_what_stands_for_other_files_can_be_no_path_of_one() -> None:
    """They are stored with each parse."""
    assert (BESIDE, WHOLE_TREE) == ("//", "/")


def test_a_parse_depends_on_these_kinds_of_things() -> None:
    """They are stored with each parse, and the documentation explains each."""
    assert set(IMPURITY_KINDS) == {
        *("variable", "connection", "metadata", "network", "subprocess", "environment"),
        *("clock", "random", "file", "database", "write"),
    }


FACTS = ParseFacts(
    files=("b.py", "d.py"),
    statically=("a.sql", "b.py"),
    directories=("",),
    absent=("none.yaml",),
    asked=("/", "x"),
    impure=({"kind": "clock", "detail": "time.time()"},),
    skipped=("big.bin: too large",),
    reached={"sales": Reach(objects="o", files=("b.py",))},
)
JSON = {
    "files": ["b.py", "d.py"],
    "statically": ["a.sql", "b.py"],
    "directories": [""],
    "absent": ["none.yaml"],
    "asked": ["/", "x"],
    "impure": [{"kind": "clock", "detail": "time.time()"}],
    "skipped": ["big.bin: too large"],
    "reached": {"sales": {"objects": "o", "files": ["b.py"], "unread": []}},
}


def test_all_files_that_count_are_told_once_and_in_order() -> None:
    assert FACTS.used == ("a.sql", "b.py", "d.py")


def test_facts_are_the_same_when_they_are_read_back() -> None:
    assert FACTS.to_json() == JSON
    assert ParseFacts.from_json(JSON) == FACTS


def test_what_an_earlier_version_did_not_record_is_empty() -> None:
    assert ParseFacts.from_json({}) == ParseFacts()
    assert ParseFacts().used == ()
