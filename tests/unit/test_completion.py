"""In a real bash: completion, as `register-python-argcomplete pinwheel` sets it up, and what was mistyped."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pinwheel.cli import completion, context
from pinwheel.core.errors import HostError

BIN = Path(sys.executable).parent

SCRIPT = """
eval "$(register-python-argcomplete pinwheel)"
complete -p pinwheel >/dev/null || exit 9
COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
set -- $1; COMP_WORDS=("$@"); [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete pinwheel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(line: str, **more: str) -> list[str]:
    """What bash offers for a line with the cursor at its end."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), **more}
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", line], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return sorted(word.strip() for word in done.stdout.splitlines() if word.strip())


def test_bash_completes_commands_and_options_and_their_values() -> None:
    assert offered("pinwheel ro") == ["rollback", "rollout"]
    assert offered("pinwheel pr") == ["promote", "prune"]
    assert offered("pinwheel rollback orders --not") == ["--not-to-blame"]
    assert offered("pinwheel db capsule ") == ["list", "prune", "store", "verify"]
    assert offered("pinwheel status --output ") == ["json", "table", "yaml"]


def test_a_mistyped_command_says_in_the_shell_what_was_meant() -> None:
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
    for line, meant in (
        ("pinwheel rollbak orders", "Did you mean rollback? See: pinwheel --help."),
        ("pinwheel status --hold", "Did you mean --held? See: pinwheel status --help."),
    ):
        done = subprocess.run(
            ["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Usage: pinwheel") and meant in done.stderr


def test_bash_completes_ids_of_dags_of_an_api_server() -> None:
    asked: list[dict[str, list[str]]] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(parse_qs(urlsplit(self.path).query))
            body = json.dumps({"dags": [{"dag_id": "orders_daily"}], "total_entries": 1}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert offered("pinwheel rollback ord", PINWHEEL_URL=url) == ["orders_daily"]
        assert offered(f"pinwheel history --url {url} ord") == ["orders_daily"]
        server.shutdown()
    assert [query["glob"] for query in asked] == [["ord*"]] * 2


class Backend:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args

    def select(self, selection: Any) -> list[str]:
        if self.args.url == "http://down":
            raise HostError("Cannot reach it")
        return [f"{self.args.url} {' '.join(selection.selector.globs)}"]


def test_ids_of_dags_are_those_of_the_api_server_that_the_command_would_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "make_backend", Backend)
    nowhere = argparse.Namespace(url=None)
    monkeypatch.delenv("PINWHEEL_URL", raising=False)
    assert completion.dag_ids("", parsed_args=nowhere) == [], "a database is not asked: that takes seconds"
    monkeypatch.setenv("PINWHEEL_URL", "http://there")
    named = argparse.Namespace(url="http://here", token="t")
    assert completion.dag_ids("a[b", parsed_args=named) == ["http://here a[[]b*"]
    assert completion.dag_ids("", parsed_args=argparse.Namespace()) == ["http://there *"]


def test_an_airflow_that_does_not_answer_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "make_backend", Backend)
    assert completion.dag_ids("a", parsed_args=argparse.Namespace(url="http://down")) == []
