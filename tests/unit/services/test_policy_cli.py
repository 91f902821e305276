"""``pinwheel policy``: what people read, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.in_memory import InMemory
from harness.taking import take_in
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.core.parse.pinwheel_yaml import read

BANK = """
rules:
  - {name: year-end, freeze: {reason: audit}, override: [ada]}
  - {name: four-eyes, require: {approve: {count: 2}}, dags: {ids: [a]}}
policies:
  - {name: all, dags: all, steps: [{wait: {for: 1h}}, release], newer: queue, follow: true, locked: true}
"""
SECTION = "policies: [{name: own, dags: {ids: [a]}, steps: [{check: {name: ci}}, release]}]"


class Cli:
    def __init__(self, world: InMemory, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self.folder, self.capsys = world, folder, capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        code = main.main(["policy", *words])
        said = self.capsys.readouterr()
        return code, said.out + said.err

    def file(self, text: str, name: str = "bank.yaml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def said(self, *words: str) -> str:
        code, said = self(*words)
        assert code == 0, said
        return said


@pytest.fixture
def cli(
    world: InMemory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.setattr(context, "make_backend", lambda args: LocalBackend(world.host, actor="ada"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return Cli(world, tmp_path, capsys)


def test_a_file_is_planned_saved_and_shown_in_words(cli: Cli) -> None:
    assert "No rules or policies" in cli.said("list")
    planned = cli.said("set", cli.file(BANK), "--plan")
    assert "added rule year-end: all Dags\n  1. frozen until it is lifted: audit\n" in planned
    assert "added policy all: all Dags\n  1. 1h pass\n  2. new runs take it\n" in planned
    assert "Document bank would be saved." in planned
    assert "No rules or policies" in cli.said("list")
    assert "Document bank is saved." in cli.said("set", cli.file(BANK), "-m", "the year ends")
    assert "says this already" in cli.said("set", cli.file(BANK))
    listed = cli.said("list")
    assert "year-end, four-eyes" in listed and "bank" in listed and "ada" in listed
    shown = cli.said("show", "bank")
    assert "Document bank, changed " in shown
    assert "Rule year-end: all Dags: frozen until it is lifted: audit (override: ada)\n" in shown
    assert "Policy all (revision 1, locked, newer: queue, follow): all Dags\n  1. 1h pass\n" in shown


def test_a_change_says_what_it_holds_less(cli: Cli) -> None:
    cli.said("set", cli.file(BANK))
    changed = cli.said("set", cli.file(BANK.replace("1h", "30m").replace("count: 2", "count: 3")))
    assert "changed rule four-eyes: a\n" in changed
    steps = "  1. 30m pass\n  2. new runs take it\n"
    assert f"changed policy all: all Dags\n{steps}     holds less: wait for is shorter" in changed
    gone = cli.said("set", cli.file("", "nothing.yaml"), "--name", "bank")
    assert "removed policy all" in gone and "removed rule year-end" in gone


def test_a_dags_policy_is_explained(cli: Cli) -> None:
    assert cli.said("explain", "a").startswith(
        "a: policy at-once (built in): no other policy selects the Dag\n"
    )
    cli.said("set", cli.file(BANK))
    take_in(cli.world.host, "dags", "v1", files=[], changed=[], policies=read(SECTION.encode()).policies)
    said = cli.said("explain", "a")
    assert "a: policy all (locked by the platform, revision 1): it selects the Dag with all others\n" in said
    approve = "2 persons approve, none of author, committer, promoter; it pauses after 2w"
    assert f"  1. {approve}  (a rule requires it)\n" in said
    assert "  2. 1h pass\n  3. new runs take it\n" in said
    assert "Closed now: frozen until it is lifted: audit (rule year-end)\n" in said
    assert "Not own (of the repository): all is locked by the platform, which is stronger\n" in said
    code, said = cli("explain", "nobody")
    assert (code, "Cannot find Dag nobody" in said) == (3, True)


def test_a_file_is_tried_for_dags(cli: Cli) -> None:
    cli.said("set", cli.file(BANK.replace("1h", "2h")))
    said = cli.said("test", cli.file(BANK))
    assert "a: all (locked by the platform), closed now; bound by year-end, four-eyes\n" in said
    assert "     holds less: wait for is shorter\n" in said
    assert "It is right: 2 rules, 1 policy; the steps of 1 of 1 Dag would change, rules would bind 1." in said
    assert "the steps of 0 of 0 Dags would change" in cli.said("test", cli.file(BANK), "--dag", "zzz*")
    said = cli.said("test", cli.file(SECTION, "pinwheel.yaml"), "--bundle", "dags", "--dag", "a*")
    assert "a: all (locked by the platform), as now, closed now; bound by year-end, four-eyes\n" in said
    assert json.loads(cli.said("list", "-o", "json"))["documents"][0]["name"] == "bank"


def test_a_rule_that_is_open_at_the_moment_is_named_all_the_same(cli: Cli) -> None:
    said = cli.said(
        "test", cli.file("rules: [{name: never, deny: {dates: 2001-01-01, zone: UTC}, dags: all}]")
    )
    assert "a: at-once (built in), as now; bound by never\n" in said
    assert "the steps of 0 of 1 Dag would change, rules would bind 1." in said


def test_what_is_wrong_with_a_file_is_told_by_line(cli: Cli) -> None:
    wrong = cli.file(BANK.replace("wait:", "wiat:").replace("freeze:", "freze:"))
    for words in (["set", wrong], ["set", wrong, "--plan"], ["test", wrong]):
        code, said = cli(*words)
        assert code == 2
        assert "line 3: " in said and "line 6: " in said
    assert "No rules or policies" in cli.said("list")
    code, said = cli("test", str(cli.folder / "none.yaml"))
    assert (code, "Cannot read" in said) == (3, True)
    (cli.folder / "latin.yaml").write_bytes(b"rules:\n# \xe9\n")
    code, said = cli("test", str(cli.folder / "latin.yaml"))
    assert (code, "line 2 is not UTF-8" in said) == (2, True)
    code, said = cli("show", "nothing")
    assert (code, "Cannot find the document nothing" in said) == (3, True)


@pytest.mark.acceptance("rollouts", 103)
@pytest.mark.parametrize(
    ("words", "file"), [((), "policies.schema.json"), (("--repository",), "pinwheel.schema.json")]
)
def test_the_schemas_that_are_printed_are_those_in_the_docs(cli: Cli, words: Any, file: str) -> None:
    docs = Path(__file__).parents[3] / "docs" / file
    assert cli.said("schema", *words) == docs.read_text(), f"Run: pinwheel policy schema > docs/{file}"


def test_what_is_shown_as_yaml_can_be_saved_again(cli: Cli) -> None:
    cli.said("set", cli.file(BANK))
    notation = yaml.safe_load(cli.said("show", "bank", "-o", "yaml"))["notation"]
    again = cli.file(yaml.safe_dump(notation, sort_keys=False))
    assert "says this already" in cli.said("set", again)
