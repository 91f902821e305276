"""The operators' page says what the chart and the command line take."""

from __future__ import annotations

import re
import shlex

import pytest

from chart.conftest import CHART, ROOT, helm
from pinwheel.cli.main import make_parser

PAGE = (ROOT / "docs" / "schema-reconcile.md").read_text()


@pytest.mark.parametrize("line", sorted(set(re.findall(r"pinwheel (db [^\n\"`|#…]+)", PAGE))))
def test_every_command_on_the_page_is_understood(line: str) -> None:
    words = shlex.split(line.strip())
    if words[1:] in (["restore-lost"], []):
        return
    make_parser("db").parse_args(["PATH.gz" if word == "PATH" else word for word in words])


def test_every_flag_on_the_page_is_in_the_commands_help() -> None:
    text = make_parser("db")._subparsers._group_actions[0].choices["db"]  # type: ignore[union-attr]
    reconcile = text._subparsers._group_actions[0].choices["reconcile"].format_help()
    ours = set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--timeout"}
    assert ours
    assert {flag for flag in ours if flag not in reconcile} == set()


def test_values_set_on_the_page_are_taken_by_the_chart() -> None:
    block = re.search(r"helm upgrade reconcile .*?only with its own release", PAGE, re.DOTALL)
    assert block
    given = helm().parse_set_string(",".join(re.findall(r"--set (\S+)", block[0])))
    with helm().Chart.load(CHART) as chart:
        assert chart.render(given, name="reconcile", namespace="airflow")
