"""The guide to rollouts shows files that are taken, and commands that are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.in_memory import InMemory
from pinwheel.cli.main import make_parser
from pinwheel.core.parse import pinwheel_yaml
from pinwheel.core.parse.policy_yaml import read_platform
from pinwheel.core.release.notation import LATER
from pinwheel.services.policy.save import save
from pinwheel.store import rules

PAGE = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text()
FILES = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
BLOCKS = "\n".join(re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = sorted(
    {
        line
        for told in (
            *BLOCKS.splitlines(),
            *re.findall(r"`(pinwheel [^`]+ (?:orders_daily|DAG|FILE)\b[^`]*)`", PAGE),
        )
        for line in [" ".join(told.partition("  #")[0].split())]
        if line.startswith("pinwheel ")
    }
)
INSTEAD = {"…": "a reason", "DAG": "orders_daily", "FILE": "bank.yaml"}


@pytest.mark.acceptance("rollouts", 103)
@pytest.mark.parametrize(("name", "text"), FILES, ids=[name for name, _ in FILES])
def test_each_file_on_the_page_is_taken(name: str, text: str) -> None:
    read = pinwheel_yaml.read if name == "pinwheel.yaml" else read_platform
    found = read(text.encode())
    assert found.wrong == ()
    assert found.policies or found.rules


def test_the_platforms_files_on_the_page_are_saved_one_after_another() -> None:
    world = InMemory()
    names = [name for name, _ in FILES if name != "pinwheel.yaml"]
    for name, text in FILES:
        if name in names:
            save(world.host, name.removesuffix(".yaml"), text.encode(), actor="ops")
    stored = world.host.unit.run(rules.live)
    assert len(names) > 2 and {each.document for each in stored} == {"office", "bank"}


def test_what_the_page_says_is_to_come_is_refused_at_save() -> None:
    (section,) = re.findall(r"## What is not there yet\n(.*?)\n## ", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", section)) == LATER.keys()


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_on_the_page_is_understood(line: str) -> None:
    words = [INSTEAD.get(word, word) for word in shlex.split(line)[1:]]
    make_parser(words[0]).parse_args(words)
