"""``pinwheel policy rights --create``: what it asks for and what it prints."""

from __future__ import annotations

import argparse
import io

import pytest
from rich.console import Console

from pinwheel.cli import policy_rights
from pinwheel.core.rights import Rights


def test_each_right_is_printed_with_what_became_of_it_and_how_to_come_to_it() -> None:
    found = Rights(names=("Pinwheel Approvals", "Pinwheel Checks"), created=("Pinwheel Checks",), said="Ask")
    out = io.StringIO()
    policy_rights.render(Console(file=out, width=100), found)
    assert out.getvalue().splitlines() == ["Pinwheel Approvals", "Pinwheel Checks (created)", "Ask."]


def test_nothing_is_created_unasked() -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    policy_rights.add_arguments(parser)
    assert parser.parse_args(["--create"]).create
    with pytest.raises(SystemExit):
        parser.parse_args([])
