"""What the command line says when it is asked, or not understood: help with examples, and what was meant."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pinwheel.cli import main
from pinwheel.cli.parser import UsageError, nearest


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Each parser that carries something out."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below or not below[0].required:
        yield parser
    for action in below:
        for its in action.choices.values():
            yield from commands(its)


COMMANDS = {parser.prog: parser for parser in commands(main.make_parser())}


def examples(parser: argparse.ArgumentParser) -> list[str]:
    return re.findall(r"^  (pinwheel .*)$", parser.epilog or "", re.MULTILINE)


def test_every_verb_is_among_the_commands() -> None:
    assert {name.split()[1] for name in COMMANDS} == main.VERBS.keys()
    assert {"pinwheel db capsule", "pinwheel db capsule list", "pinwheel inputs check"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_that_it_understands_itself(name: str) -> None:
    found = examples(COMMANDS[name])
    assert found
    for line in found:
        words = shlex.split(line)
        assert line.startswith(name)
        args = main.make_parser(words[1]).parse_args(words[1:])
        assert args.verb == words[1]


def test_examples_keep_their_lines_in_the_help(capsys: Any) -> None:
    assert main.main(["clear", "--help"]) == 0
    out = capsys.readouterr().out
    assert "\nExamples:\n  pinwheel clear orders_daily scheduled__2026" in out
    assert main.main(["trigger", "--help"]) == 0
    assert """--conf '{"full": true}'\n""" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*COMMANDS, "pinwheel"])
def test_every_help_and_every_error_begin_with_the_same_word(name: str, capsys: Any) -> None:
    words = name.split()[1:]
    assert main.main([*words, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {name} ")
    assert main.main([*words, "--no-such-option"]) == 2
    assert capsys.readouterr().err.startswith(f"Usage: {name} ")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("rollbak orders", "pinwheel has no command rollbak. Did you mean rollback? See: pinwheel --help."),
        ("statsu", "pinwheel has no command statsu. Did you mean status? See: pinwheel --help."),
        ("xyzzy", "pinwheel has no command xyzzy. See: pinwheel --help."),
        (
            "status --hold",
            "pinwheel status has no option --hold. Did you mean --held? See: pinwheel status --help.",
        ),
        (
            "pin d --reson=x",
            "pinwheel pin has no option --reson. Did you mean --reason? See: pinwheel pin --help.",
        ),
        ("pin d --zzz", "pinwheel pin has no option --zzz. See: pinwheel pin --help."),
        (
            "db recncile",
            "pinwheel db has no command recncile. Did you mean reconcile? See: pinwheel db --help.",
        ),
        ("db capsule list --ouput json", "Did you mean --output? See: pinwheel db capsule list --help."),
        ("status -o jsno", "--output is one of table, json, yaml, not 'jsno'. Did you mean json? See:"),
        ("diff d 1 2 3", "pinwheel diff takes no further argument '3'. See: pinwheel diff --help."),
        ("builds", "See: pinwheel builds --help."),
    ],
)
def test_what_is_not_understood_says_what_was_meant_and_where_to_read(
    typed: str, said: str, capsys: Any
) -> None:
    assert main.main(typed.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(err.split())
    assert "choose from" not in err


def test_a_usage_error_as_json_has_no_usage_in_front(capsys: Any) -> None:
    assert main.main(["status", "--outptu", "json", "--output", "json"]) == 2
    problem = json.loads(capsys.readouterr().err)
    assert problem["found"] == "pinwheel status has no option --outptu"
    assert problem["remedy"] == "Did you mean --output? See: pinwheel status --help"


def test_what_is_hidden_is_never_meant() -> None:
    parser = main.Parser(prog="p")
    parser.add_argument("--secret", help=argparse.SUPPRESS)
    with pytest.raises(UsageError) as raised:
        parser.parse_args(["--secrt"])
    assert "Did you mean" not in raised.value.message
    assert nearest("a", []) == ""


def test_the_readme_says_which_commands_take_an_output_and_which_a_url() -> None:
    def taking(option: str) -> set[str]:
        return {
            name.split()[1]
            for name, parser in COMMANDS.items()
            if any(option in action.option_strings for action in parser._actions)
        }

    assert main.VERBS.keys() - taking("--output") == {"standalone", "dag-processor"}
    not_over_rest = main.VERBS.keys() - taking("--url") - {"standalone", "dag-processor"}
    assert not_over_rest == {"db", "prune", "uninstall", "inputs"}
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    assert (
        "but `standalone` and `dag-processor`, which serve until they are ended, takes `--output json`"
        in readme
    )
    assert "`db`, `prune` and `uninstall` work on the database, `inputs` on files" in readme
    assert readme.index("git clone") < readme.index("make demo # a complete")
