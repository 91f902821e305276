"""``pinwheel.yaml`` is read strictly: what is wrong is told with its line and what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pinwheel.core.parse.declared import Rule
from pinwheel.core.parse.lined_yaml import MOST_BYTES
from pinwheel.core.parse.pinwheel_yaml import read, schema
from pinwheel.core.selector import Selector

SCHEMA = Path(__file__).parents[2] / "docs" / "pinwheel.schema.json"

RIGHT = b"""\
# yaml-language-server: $schema=./pinwheel.schema.json
inputs:
  - dags:
      ids: [orders_daily, "2024"]
      globs: ["export_*"]
    files:
      - dbt/**
      - conf/*.yaml
  - dags: {tags: [dbt]}
    files: [profiles.yml]
"""

WRONG: dict[str, tuple[bytes, int, str, str]] = {
    "an unknown section": (b"# x\ninput: []\n", 2, "'input' is no key of this file", "Write 'inputs'"),
    "an unknown section like none": (b"previews: {}\n", 1, "'previews' is no key", "Remove it"),
    "an unknown key of a rule": (
        b"inputs:\n  - dags: {ids: [a]}\n    files: [b]\n    file: c\n",
        *(4, "'file' is no key of inputs[0]", "Write 'files'"),
    ),
    "an unknown way to name Dags": (
        b"inputs:\n- dags:\n    ids: [a]\n    glob: [b]\n  files: [b]\n",
        *(4, "'glob' is no key of inputs[0].dags", "Write 'globs'"),
    ),
    "no files": (b"inputs:\n\n  - dags: {ids: [a]}\n", 3, "'files' is missing of inputs[0]", "Add it"),
    "no Dags": (b"inputs:\n  - files: [a]\n    dags: {}\n", 3, "inputs[0].dags names no Dags", "Give it ids"),
    "an empty list": (
        b"inputs:\n  - dags: {ids: []}\n    files: [a]\n",
        *(2, "inputs[0].dags.ids is empty", "remove it"),
    ),
    "a text where a list is": (
        b"inputs:\n  - dags: {ids: [a]}\n    files: dbt/**\n",
        *(3, "inputs[0].files is the text 'dbt/**'", "Begin each of its items with '- '"),
    ),
    "a list where a mapping is": (b"- a\n", 1, "the file is a list", "Give it keys: inputs"),
    "a number as an id": (
        b"inputs:\n  - dags:\n      ids:\n        - a\n        - 2024_10\n    files: [a]\n",
        *(5, "inputs[0].dags.ids[1] is a number (2024_10)", "Put it in quotes"),
    ),
    "a truth value as a tag": (
        b"inputs:\n  - dags: {tags: [no]}\n    files: [a]\n",
        *(2, "a truth value (no)", "Put it in quotes"),
    ),
    "nothing": (b"inputs:\n", 1, "inputs is nothing, and has to be a list", "Begin each"),
    "a key twice": (
        b"inputs: []\n\ninputs: []\n",
        3,
        "the key 'inputs' is there twice, first in line 1",
        "Remove",
    ),
    "an alias": (b"inputs: &a []\n", 1, "the anchor &a is not taken", "Remove it"),
    "a merge key": (b"inputs: []\n<<: {}\n", 2, "'<<' is no key", "Remove it"),
    "a tag that makes an object": (
        b'inputs: !!python/object/apply:os.system ["true"]\n',
        *(1, "python/object/apply:os.system is not taken", "Remove it"),
    ),
    "a second document": (b"inputs: []\n---\ninputs: []\n", 2, "a second document begins", "Leave one"),
    "no YAML": (b"inputs:\n  - dags: {ids: [a}\n", 2, "it is no YAML", "Correct it there"),
    "no UTF-8": (b"inputs: []\n# caf\xe9\n", 2, "it is not UTF-8", "Save the file as UTF-8"),
    "a NUL": (b"inputs: []\n#\x00\n", 2, "it is no YAML", "Remove that character"),
    "a key that is no text": (b"inputs: []\n? [a]\n: b\n", 2, "a mapping or list is no key", "quotes"),
    "too many levels": (b"inputs:\n " + b"[" * 100_000, 2, "more than 12 levels deep", "Make it flatter"),
    "too many values": (
        b"inputs: [" + b"a," * 60_000 + b"]",
        1,
        "more than 20,000 values",
        "Make it smaller",
    ),
    "too many files of a rule": (
        b"inputs:\n- dags: {ids: [a]}\n  files:\n" + b"  - b\n" * 201,
        *(3, "inputs[0].files is too long: there can be 200 in it", "Make it shorter"),
    ),
    "too many bytes": (b"#" + b"x" * MOST_BYTES, 1, "more than 262,144 bytes", "Make it smaller"),
}
"""By what is wrong: the file, the line that is told, and words of what was found and of the remedy."""

PATTERNS = {
    "../other/x.sql": ("leaves the repository", "Remove '..'"),
    "dbt/../../x.sql": ("leaves the repository", "Remove '..'"),
    "/etc/passwd": ("begins outside the repository", "without a '/' first"),
    "~/x": ("begins outside the repository", "root"),
    "C:/x": ("begins outside the repository", "root"),
    "dbt\\x.sql": ("a backslash", "Separate folders with '/'"),
    "dbt/": ("a folder, and no file", "Write dbt/**"),
    "./dbt/x": ("without a name, or '.'", "Remove that"),
    "dbt//x": ("without a name, or '.'", "Remove that"),
    ".git/config": ("no bundle has .git", "Remove it"),
    "!dbt/x": ("can not exclude", "by other patterns"),
    "dbt/{a,b}": ("braces", "a pattern for each"),
    "dbt/a**b": ("'**' is not alone", "Write '*'"),
    "dbt/[z-a]": ("brackets", "[ab]"),
    "dbt/[a": ("brackets", "[ab]"),
    "dbt[/]x.sql": ("brackets", "[ab]"),
    "": ("is empty", "remove it"),
    "x" * 501: ("too long", "shorter"),
}


@pytest.mark.acceptance("pushes", 26)
def test_a_right_file_gives_its_rules() -> None:
    assert read(RIGHT).rules == (
        Rule(
            dags=Selector(ids=("orders_daily", "2024"), globs=("export_*",)), files=("dbt/**", "conf/*.yaml")
        ),
        Rule(dags=Selector(tags=("dbt",)), files=("profiles.yml",)),
    )
    assert read(RIGHT).rules[0].lines == {"orders_daily": 4, "2024": 4}
    assert [rule.line for rule in read(RIGHT).rules] == [3, 9]
    for nothing in (b"", b"# only a comment\n", b"\xef\xbb\xbfinputs: []\n", b"{}"):
        assert read(nothing).rules == () and read(nothing).wrong == (), nothing


@pytest.mark.acceptance("pushes", 26)
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_line_and_what_to_do(case: str) -> None:
    data, line, found, remedy = WRONG[case]
    wrong = read(data).wrong
    assert read(data).rules == ()
    assert any(one.line == line and found in one.found and remedy in one.remedy for one in wrong), wrong


@pytest.mark.acceptance("pushes", 26)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_means_no_file_of_the_repository_is_refused(pattern: str) -> None:
    text = yaml.safe_dump(pattern, default_style='"', width=10_000).strip()
    data = f"inputs:\n  - dags: {{ids: [a]}}\n    files:\n      - a.sql\n      - {text}\n"
    (wrong,) = read(data.encode()).wrong
    found, remedy = PATTERNS[pattern]
    assert wrong.line == 5
    assert found in wrong.found and remedy in wrong.remedy, wrong


def test_everything_that_is_wrong_is_told_in_the_order_of_its_lines_and_not_without_end() -> None:
    data = b"inputs:\n  - dag: {ids: [a]}\n    files: []\nother: 1\n"
    assert [wrong.line for wrong in read(data).wrong] == [2, 2, 3, 4]
    most = "inputs:\n" + "  - {}\n" * 10
    assert [wrong.line for wrong in read(most.encode()).wrong] == sorted([*range(2, 12)] * 2)
    many = "inputs:\n" + "  - {}\n" * 400
    assert len(read(many.encode()).wrong) == 21
    assert "780 more" in read(many.encode()).wrong[-1].found


def test_aliases_that_stand_for_billions_are_refused_at_the_first() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    (wrong,) = read("\n".join(lines).encode()).wrong
    assert wrong.line == 1 and "anchor" in wrong.found


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_it_is_the_same_with_and_without_the_c_library(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pinwheel.core.parse import lined_yaml

    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without it")
    monkeypatch.setattr(lined_yaml, "_Loader", getattr(yaml, loader))
    assert read(RIGHT).rules[0].lines == {"orders_daily": 4, "2024": 4}
    for case, (data, line, found, _) in WRONG.items():
        assert any(one.line == line and found in one.found for one in read(data).wrong), case


def test_the_json_schema_for_editors_is_that_of_todays_file() -> None:
    made = json.dumps(schema(), indent=2) + "\n"
    assert SCHEMA.read_text() == made, "Run: pinwheel inputs schema > docs/pinwheel.schema.json"
