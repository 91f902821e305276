"""Text that a terminal would obey, from commits, reasons, errors and other servers: on every command."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import update

from harness import asked
from harness.asked import trigger
from harness.inprocess import bound_airflow
from harness.inprocess_api import Api
from harness.seed import Seeder
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.core.text import visible
from pinwheel.services import change
from pinwheel.services.ingest import faults
from pinwheel.store import tables as t

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

PWN = "\x1b]0;pwn\x07\x1b[31m\x9b31m\u202egpj.exe\u200b\u2028\u2066\U000e0041\x08\r"
DAG = """
    from airflow.sdk import DAG, task

    # {comment}
    with DAG("d", schedule="@daily", tags=["version:{label}"], description={mark!r}):
        @task
        def first():
            print({mark!r})
        first()
"""


@pytest.fixture(scope="module")
def api(sqlite: Any, tmp_path_factory: Any) -> Iterator[Api]:
    root: Path = tmp_path_factory.mktemp("hostile")
    database = sqlite.create()
    with bound_airflow(database):
        seeder = Seeder(root)
        label = "\u202egpj"
        good = {"d.py": DAG.format(mark=f"1{PWN}", comment="\x9b31m\u202e", label=label)}
        seeder.push(good)
        seeder.push({"d.py": DAG.format(mark=f"2{PWN}", comment="\x9b31m\u202e2\x0cx", label=label)})
        trigger(seeder.host, "d", actor=PWN, run_id="one", reason=PWN)
        wish = asked.change(verb=change.Verb.ROLLBACK, dag_ids=["d"], actor=PWN, reason=PWN)
        change.apply(seeder.host, wish)
        said = {"author": f"Ada{PWN}", "message": f"Mend{PWN}"}
        seeder.host.unit.run(lambda session: session.execute(update(t.bundle_version).values(said)))
        seeder.push({"d.py": "("}, errors={"d.py": f"Traceback\n{PWN[:-1]}Oops {PWN[:-1]}"})
        faults.refuse(seeder.host, bundle_name="seed", version=f"v{PWN}", reason=PWN)
        made = Api(seeder.host)
        yield made
    database.drop()


@pytest.fixture(params=["local", "remote"])
def backend(request: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(asked: httpx.Request) -> httpx.Response:
        path = asked.url.raw_path.decode().removeprefix("/pinwheel")
        reply = api.as_("d").request(asked.method, path, content=asked.content, headers=dict(asked.headers))
        return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

    made: Any = LocalBackend(api.host, actor=PWN)
    if request.param == "remote":
        made = RemoteBackend("http://airflow", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(context, "make_backend", lambda args: made)
    return made


COMMANDS: list[tuple[list[str], int]] = [
    (["status"], 0),
    (["bundles"], 0),
    (["bundles", PWN], 3),
    (["builds", "d"], 0),
    (["releases", "d"], 0),
    (["diff", "d", "1", "2"], 0),
    (["events"], 0),
    (["history", "d"], 0),
    (["pin", "d", "-m", PWN], 0),
    (["promote", "d", "--plan", "-m", PWN], 0),
    (["trigger", "d", "--conf", json.dumps({PWN: PWN}), "--note", PWN, "-m", PWN], 0),
    (["backfill", "d", "--from-date", "2026-01-01", "--to-date", "2026-01-02", "--plan"], 0),
    (["clear", "d", "one", "--plan"], 0),
    (["trigger", "d", "--run-id", PWN], 2),
    (["status", PWN], 3),
    (["clear", "d", PWN], 3),
    (["promote", "d", "--build", PWN], 2),
    (["status", f"--{PWN}"], 2),
    ([PWN], 2),
]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(
    backend: Any, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *command: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", errors := io.StringIO())
    code = main.main(list(command))
    return code, stream.getvalue() + errors.getvalue()


@pytest.mark.parametrize(
    ("command", "code"), COMMANDS, ids=[" ".join(c).replace(PWN, "!") for c, _ in COMMANDS]
)
def test_no_command_writes_what_a_terminal_obeys(
    backend: Any, command: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    for form in ("table", "json", "yaml"):
        left, written = said(backend, monkeypatch, io.StringIO(), *command, "--output", form)
        # The API takes no control character in a Dag's id, so that it is not looked for.
        assert left == code or (left, code) == (2, 3), written
        assert visible(written, keep="\n") == written


def test_on_a_terminal_nothing_but_our_own_colours_is_obeyed(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        ["events"],
        ["status"],
        ["builds", "d"],
        ["diff", "d", "1", "2"],
        ["pin", "d", "-m", PWN],
    ):
        code, written = said(backend, monkeypatch, Screen(), *command)
        assert code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
        assert visible(plain, keep="\n") == plain


def test_what_is_read_back_is_what_was_said(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        monkeypatch.setattr(sys, "stdout", out := io.StringIO())
        assert main.main(["events", "--kind", "rollback", "-o", form]) == 0
        (event,) = read(out.getvalue())
        assert (event["reason"], event["message"][:4]) == (PWN, "held")
