"""The inputs of a parse, and whether another bundle version looks the same."""

from __future__ import annotations

import json
import time

import pytest

from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.inputs import Inputs, inputs_of, matches

MANIFEST = {
    "dags/a.py": "1",
    "dags/conf/x.yaml": "2",
    "dags/conf/sub/y.yaml": "3",
    "lib/h.py": "4",
    "README": "5",
}
FACTS = ParseFacts(
    files=("dags/a.py", "dags/conf/x.yaml"),
    statically=("lib/h.py",),
    directories=("dags/conf",),
    absent=("lib/h/__init__.py", "dags/none"),
)


def test_inputs_name_the_content_of_each_used_file() -> None:
    assert inputs_of(FACTS, MANIFEST).files == {"dags/a.py": "1", "dags/conf/x.yaml": "2", "lib/h.py": "4"}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"README": "6"}, True),
        ({"other.py": "7"}, True),
        ({"dags/conf/sub/z.yaml": "7"}, True),
        ({"dags/conf/sub/y.yaml": "7"}, True),
        ({"dags/a.py": "7"}, False),
        ({"lib/h.py": "7"}, False),
        ({"dags/conf/z.yaml": "7"}, False),
        ({"dags/conf/more/z.yaml": "7"}, False),
        ({"lib/h/__init__.py": "7"}, False),
        ({"dags/none/x": "7"}, False),
    ],
)
def test_a_version_matches_when_the_parse_would_see_the_same(change: dict[str, str], same: bool) -> None:
    assert matches(inputs_of(FACTS, MANIFEST), MANIFEST | change) is same


@pytest.mark.parametrize("gone", ["dags/a.py", "dags/conf/x.yaml", "dags/conf/sub/y.yaml"])
def test_a_version_without_a_used_file_or_listed_name_does_not_match(gone: str) -> None:
    other = {path: content for path, content in MANIFEST.items() if path != gone}
    assert not matches(inputs_of(FACTS, MANIFEST), other)


def test_a_directory_listed_in_vain_matches_until_it_appears() -> None:
    inputs = inputs_of(ParseFacts(directories=("new",)), MANIFEST)
    assert matches(inputs, MANIFEST)
    assert not matches(inputs, MANIFEST | {"new/x": "1"})


def test_a_file_turned_directory_is_noticed_in_a_listing() -> None:
    inputs = inputs_of(ParseFacts(directories=("",)), {"a": "1"})
    assert not matches(inputs, {"a/b": "1"})


def test_a_file_in_a_submodule_or_archive_is_known_by_it() -> None:
    facts = ParseFacts(files=("vendor/pkg/m.py", "dags.zip/inner.py"))
    inputs = inputs_of(facts, {"vendor/pkg": "commit:1", "dags.zip": "2"})
    assert inputs.files == {"vendor/pkg": "commit:1", "dags.zip": "2"}
    assert not matches(inputs, {"vendor/pkg": "commit:2", "dags.zip": "2"})


def test_a_file_outside_the_manifest_matches_while_it_stays_outside() -> None:
    inputs = inputs_of(ParseFacts(files=("generated/x.py",)), {})
    assert inputs.files == {"generated/x.py": None}
    assert matches(inputs, {"a": "1"})
    assert not matches(inputs, {"generated/x.py": "1"})
    assert not matches(inputs, {"generated": "commit:1"})


LISTED, APPEARED, CHANGED = {"dags/conf/z.yaml": "6"}, {"dags/none": "6"}, {"lib/h.py": "6"}


def test_the_digest_of_the_content_changes_with_that_only() -> None:
    digest = inputs_of(FACTS, MANIFEST).content_digest()
    for other in ({"README": "6"}, APPEARED, LISTED):
        assert digest == inputs_of(FACTS, MANIFEST | other).content_digest()
    assert digest != inputs_of(FACTS, MANIFEST | CHANGED).content_digest()


def test_the_digest_of_the_inputs_changes_with_each_answer() -> None:
    digest = inputs_of(FACTS, MANIFEST).digest()
    assert digest == inputs_of(FACTS, MANIFEST | {"README": "6"}).digest()
    for other in (APPEARED, LISTED, CHANGED):
        assert digest != inputs_of(FACTS, MANIFEST | other).digest()


def test_inputs_and_facts_survive_json() -> None:
    inputs = inputs_of(FACTS, MANIFEST)
    assert Inputs.from_json(json.loads(json.dumps(inputs.to_json()))) == inputs
    assert ParseFacts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS


def test_a_thousand_files_are_checked_in_a_moment() -> None:
    manifest = {f"d{i % 100}/f{i}.py": str(i) for i in range(20_000)}
    parsed = [
        inputs_of(
            ParseFacts(
                files=tuple(f"d{j % 100}/f{j}.py" for j in range(i, i + 48)),
                directories=(f"d{i % 100}",),
                absent=(f"d{i % 100}/none.py",),
            ),
            manifest,
        )
        for i in range(1000)
    ]
    other = dict(manifest)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        assert all(matches(inputs, other) for inputs in parsed)
        best = min(best, time.process_time() - start)
    assert best < 0.1
