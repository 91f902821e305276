"""A command line that is copied does what was planned: it is read back by the command's own parser."""

from __future__ import annotations

import subprocess
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

import pytest

from pinwheel.cli.main import make_parser
from pinwheel.core import command_line
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, ClearRequest, Selection, TriggerRequest
from pinwheel.core.selector import Selector

HOSTILE = [
    'it\'s "bad" $(rm -rf /) `x` \\ ; & | > <',
    "-m",
    "--yes",
    "two\nlines",
    "😀",
    " ",
    "\x1b]0;x\x07\r\t",
    "\u202e\x9b'\\",
]


def parsed(command: str) -> Namespace:
    assert not {"\x1b", "\x07", "\r", "\t", "\u202e", "\x9b"} & set(command)
    pasted = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    words = pasted.stdout.decode().split("\0")[:-1]
    assert words[0] == "pinwheel"
    return make_parser(words[1]).parse_args(words[1:])


def change(verb: str, dag_id: str, **more: Any) -> str:
    selection = Selection(selector=Selector.of([dag_id]))
    return command_line.change(ChangeRequest(verb=Verb(verb), selection=selection, **more))


@pytest.mark.parametrize("verb", ["promote", "rollback", "pin", "unpin"])
@pytest.mark.parametrize("reason", [*HOSTILE, "plain words", None])
@pytest.mark.parametrize("dag_id", ["sales_daily", "-dashed", "ünïcode.dag"])
def test_a_change_reads_back(verb: str, reason: str | None, dag_id: str) -> None:
    build = None if verb == "unpin" else 3
    args = parsed(change(verb, dag_id, build=build, reason=reason, expected_release=12))
    assert (args.verb, args.dag_ids, args.reason, args.expected_release) == (verb, [dag_id], reason, 12)
    assert getattr(args, "build", None) == build
    assert (args.plan, args.yes, args.dag_glob, args.all) == (False, False, None, False)


def test_a_release_and_failed_runs_read_back() -> None:
    args = parsed(change("rollback", "d", to_release=4, rerun_failed=True))
    assert (args.release, args.build, args.rerun_failed) == (4, None, True)
    assert parsed(change("rollback", "d", rerun_whole=True)).rerun_whole
    assert parsed(change("promote", "d", to_release=4)).release == 4
    assert parsed(change("pin", "d", to_release=4)).release == 4


@pytest.mark.parametrize("text", HOSTILE)
def test_a_trigger_reads_back(text: str) -> None:
    wanted: dict[str, Any] = {
        "build": 8,
        "run_id": text,
        "logical_date": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        "conf": {text: [1, None, {"deep": text}]},
        "note": text,
        "reason": text,
    }
    args = parsed(command_line.trigger(TriggerRequest(dag_id="-d", **wanted)))
    assert {name: getattr(args, name) for name in wanted} == wanted
    assert args.dag_id == "-d"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_clear_reads_back(text: str) -> None:
    request = ClearRequest(
        dag_id="-d", run_ids=[text, "two"], build=8, only_failed=True, task_ids=[text, "t"], reason=text
    )
    args = parsed(command_line.clear(request))
    assert (args.dag_id, args.run_ids, args.task_id) == ("-d", [text, "two"], [text, "t"])
    assert (args.build, args.only_failed, args.reason, args.plan) == (8, True, text, False)
    assert parsed(command_line.clear(ClearRequest(dag_id="d", run_ids=["r"]))).task_id is None


def test_a_diff_reads_back() -> None:
    args = parsed(command_line.diff("-d", "3", "12"))
    assert (args.dag_id, args.from_build, args.to_build) == ("-d", "3", "12")


def test_a_plain_command_is_plain() -> None:
    command = change("rollback", "sales_daily", build=4, reason="wrong totals")
    assert command == "pinwheel rollback --build=4 --reason='wrong totals' sales_daily"
