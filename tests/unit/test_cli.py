"""The command line without Airflow: errors, arguments, formats."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import pinwheel
from pinwheel.api import errors as api_errors
from pinwheel.cli import context, main, output
from pinwheel.core.errors import Conflict, HostError, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, Selection
from pinwheel.core.selector import Selector

EXPECTED = {
    PinwheelError: (1, 500),
    InvalidInput: (2, 422),
    NotFound: (3, 404),
    Conflict: (4, 409),
    Refused: (5, 403),
    HostError: (1, 502),
}


def every_error() -> list[type[PinwheelError]]:
    found, pending = [], [PinwheelError]
    while pending:
        one = pending.pop()
        found.append(one)
        pending += one.__subclasses__()
    return found


def test_every_error_has_an_exit_code_and_an_http_status() -> None:
    for module in ("core", "services", "cli"):
        package = importlib.import_module(f"pinwheel.{module}")
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(info.name)
    for error in every_error():
        nearest = next(base for base in error.__mro__ if base in EXPECTED)
        assert (error.exit_code, error.http_status) == EXPECTED[nearest], error
        assert error.title


class Failing:
    """A backend of which every call fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise self.error

        return call


@pytest.mark.parametrize("error", [*EXPECTED, RuntimeError])
@pytest.mark.parametrize("command", [["status"], ["pin", "d"], ["history", "d"]])
def test_an_error_becomes_its_exit_code(
    error: type[Exception], command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    raised = error("Cannot do it")
    monkeypatch.setattr(context, "make_backend", lambda args: Failing(raised))
    code = EXPECTED.get(error, (1, 500))[0]  # type: ignore[call-overload]
    assert main.main(command) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Cannot do it" in err and "Traceback" not in err

    assert main.main([*command, "-o", "json"]) == code
    problem = json.loads(capsys.readouterr().err)
    assert problem["status"] == EXPECTED.get(error, (1, 500))[1]  # type: ignore[call-overload]
    assert "Cannot do it" in problem["detail"]

    assert main.main([*command, "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(context, "make_backend", lambda args: Failing(KeyboardInterrupt()))
    assert main.main(["status"]) == 130
    assert capsys.readouterr().err == ""


def test_an_error_as_json_is_the_problem_document_that_the_api_answers_with(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    error = Conflict(
        "Cannot pin d", found="release 3", remedy="Look again", dag_id="d", expected_release=2, dag_ids=("d",)
    )
    monkeypatch.setattr(context, "make_backend", lambda args: Failing(error))
    assert main.main(["pin", "d", "-o", "json"]) == 4
    document = json.loads(capsys.readouterr().err)
    assert document == json.loads(api_errors.problem(error).body)
    assert document == {
        "type": "urn:pinwheel:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Cannot pin d: release 3. Look again.",
        "failed": "Cannot pin d",
        "found": "release 3",
        "remedy": "Look again",
        "facts": {"dag_id": "d", "expected_release": 2, "dag_ids": ["d"]},
    }


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["nope"],
        ["builds"],
        ["pin", "d", "--build", "x"],
        ["pin", "d", "--build", "0"],
        ["pin", "d", "--build", "1", "--release", "2"],
        ["pin", "d", "--expected-release", "-1"],
        ["pin", "d", "--request-id", "x" * 256],
        ["unpin", "d", "--build", "1"],
        ["status", "--output", "xml"],
        ["status", "--outp", "json"],
        ["trigger", "d", "--logical-date", "tomorrow"],
        ["trigger", "d", "--conf", "{"],
        ["diff", "d", "1", "2", "3"],
        ["diff", "d", "x1"],
        ["diff", "d", "r0"],
        ["history", "d", "--limit", "0"],
    ],
)
def test_wrong_usage_is_exit_code_2(command: list[str], capsys: Any) -> None:
    assert main.main(command) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err and "--help" in err


def test_a_rollback_is_two_words_in_a_sentence(capsys: Any) -> None:
    assert main.main(["rollback"]) == 2
    assert "Cannot roll back: no Dag is named" in capsys.readouterr().err
    source = Path(str(next(iter(pinwheel.__path__))))
    changes = [*(source / "core").rglob("*.py"), *(source / "services").glob("*.py")]
    changes += (source / "services" / "release").rglob("*.py")
    unspoken = [path for path in changes if re.search(r"Cannot \{[\w.]*verb[\w.]*\}", path.read_text())]
    assert unspoken == [], "say spoken(verb)"


def test_every_verb_has_help(capsys: Any) -> None:
    for verb in main.VERBS:
        assert main.main([verb, "--help"]) == 0
        assert verb in capsys.readouterr().out


class Recording:
    """A backend that answers as told and keeps what it was asked."""

    address = None

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, args, kwargs))
            return self.answer

        return call


OUTCOME = {
    "dag_id": "d",
    "changed": True,
    "message": "held on build 1 until unpinned",
    "kind": "rollback",
    "release": 3,
    "build": 1,
    "from_release": 2,
    "from_build": 2,
    "track": "pinned",
    "warnings": ["packages differ"],
    "rerun": ["run1"],
    "rerun_tasks": 3,
    "rerun_mixed": 1,
    "failed_runs": ["run1"],
    "not_before": None,
}
REFUSAL = {
    "dag_id": "e",
    "type": "urn:pinwheel:not-found",
    "title": "Not found",
    "status": 404,
    "detail": "Cannot roll back e: no earlier release has another build. See.",
    "failed": "Cannot roll back e",
    "found": "no earlier release has another build",
    "remedy": "See",
    "facts": {"dag_id": "e"},
}


class Changing(Recording):
    """A backend whose plan has these refusals beside the outcomes."""

    def __init__(self, outcomes: list[Any], refused: list[Any]) -> None:
        super().__init__(outcomes)
        self.refused = refused

    def plan(self, request: ChangeRequest) -> dict[str, Any]:
        self.asked.append(("plan", (request,), {}))
        return {"outcomes": self.answer, "refused": self.refused}


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Changing:
    made = Changing([OUTCOME], [])
    monkeypatch.setattr(context, "make_backend", lambda args: made)
    return made


def test_a_rollback_says_what_it_did(backend: Recording, capsys: Any) -> None:
    command = ["rollback", "d", "--to", "1", "-m", "why", "--expected-release", "2", "--rerun-failed"]
    assert main.main([*command, "--request-id", "id-1"]) == 0
    assert backend.asked == [
        (
            "change",
            (
                ChangeRequest(
                    verb=Verb.ROLLBACK,
                    selection=Selection(selector=Selector(ids=("d",))),
                    to_release=1,
                    expected_release=2,
                    reason="why",
                    request_id="id-1",
                    rerun_failed=True,
                ),
            ),
            {},
        )
    ]
    out, err = capsys.readouterr()
    assert "Rolled back d: release 3 (build 1) is active" in out
    assert "1 failed run will run again: run1" in out
    assert "warning: d: packages differ" in err


def test_builds_say_which_of_them_go_by_all_that_their_file_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    row = {
        "build": 2,
        "status": "good",
        "bundle_version": "v2",
        "created_at": "2026-01-01T00:00:00Z",
        "releases": [],
        "author": None,
        "message": None,
        "error": None,
        "adopted": False,
        "unstable": [],
        "unread": ["task_dict.t.python_callable.rows: builtins.generator"],
    }
    rows = [row, {**row, "build": 1, "unread": []}]
    monkeypatch.setattr(context, "make_backend", lambda args: Recording(rows))
    assert main.main(["builds", "d"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("by its file") == 1
    assert "build 2, since of the Dag's object could not be read: task_dict.t.python_callable.rows" in printed


def test_a_plan_changes_nothing(backend: Recording, capsys: Any) -> None:
    assert main.main(["pin", "--tag", "x", "--plan"]) == 0
    ((_, (request,), _),) = backend.asked
    selection = Selection(selector=Selector(tags=("x",)))
    assert request == ChangeRequest(verb=Verb.PIN, selection=selection, plan=True)
    assert "nothing was changed" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_what_is_shown_is_what_is_done(
    backend: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert main.main(["rollback", "d"]) == 0
    (plan, (planned,), _), (change, (done,), _) = backend.asked
    assert (plan, planned.expected_release) == ("plan", None)
    assert (change, done.plan, done.expected_release) == ("change", False, 2)
    assert "2 → 3" in screen.getvalue(), "from release to release"
    assert "2 → 1" in screen.getvalue(), "from build to build"


@pytest.mark.parametrize(("answer", "code", "calls"), [("n\n", 5, 1), ("", 5, 1), ("y\n", 0, 2)])
def test_a_person_is_asked_before_a_batch(
    answer: str, code: int, calls: int, backend: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.answer = [OUTCOME, {**OUTCOME, "dag_id": "e"}]
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main.main(["rollback", "--all"]) == code
    assert len(backend.asked) == calls
    assert main.main(["rollback", "--all", "--yes"]) == 0


def test_a_plan_shows_all_that_can_not_take_it_and_ends_as_the_change_would(
    backend: Changing, capsys: Any
) -> None:
    backend.refused = [REFUSAL, {**REFUSAL, "dag_id": "f"}]
    assert main.main(["rollback", "d", "e", "f", "--plan"]) == 3
    out, err = capsys.readouterr()
    assert "2 Dags can not take this:" in out
    assert "e: no earlier release has another build. See." in out
    assert "f: no earlier release has another build. See." in out
    assert "--skip-refused" in out
    assert "error: Cannot roll back e" in err
    assert main.main(["rollback", "d", "e", "f", "--plan", "-o", "json"]) == 3
    shown = json.loads(capsys.readouterr().out)
    assert [entry["dag_id"] for entry in shown] == ["d", "e", "f"]
    assert shown[1]["refused"] == {name: value for name, value in REFUSAL.items() if name != "dag_id"}


def test_what_the_plan_refuses_is_left_out_and_named(backend: Changing, capsys: Any) -> None:
    backend.refused = [REFUSAL]
    assert main.main(["rollback", "--all", "--skip-refused", "--rerun-whole"]) == 0
    (_, (planned,), _), (verb, (done,), _) = backend.asked
    assert (verb, planned.skip_refused, done.skip_refused) == ("change", (), ("e",))
    assert done.rerun_whole
    out = capsys.readouterr().out
    assert "Rolled back d" in out
    assert "1 Dag left out:" in out
    assert "e: no earlier release has another build." in out
    assert main.main(["rollback", "--all", "--skip-refused", "--plan"]) == 0
    assert "1 Dag left out:" in capsys.readouterr().out


def test_where_all_are_refused_nothing_is_left_to_change(backend: Changing, capsys: Any) -> None:
    backend.answer, backend.refused = [], [REFUSAL]
    assert main.main(["rollback", "e", "--skip-refused"]) == 3
    assert [name for name, *_ in backend.asked] == ["plan"]


@pytest.mark.parametrize("more", [["--plan"], ["--plan", "--skip-refused"], ["--skip-refused"]])
def test_where_all_are_refused_each_is_named_with_its_reason(
    more: list[str], backend: Changing, capsys: Any
) -> None:
    backend.answer, backend.refused = [], [{**REFUSAL, "dag_id": dag_id} for dag_id in "efg"]
    command = ["rollback", "--dag-glob", "*", *more]
    assert main.main(command) == 3
    out, err = capsys.readouterr()
    assert "3 Dags can not take this:" in out
    assert [f"{dag_id}: no earlier release has another build. See." in out for dag_id in "efg"] == [True] * 3
    assert "the others change" not in out and "Because" not in out, "there are no others"
    assert "error: Cannot roll back e" in err
    assert main.main([*command, "-o", "json"]) == 3
    assert [entry["dag_id"] for entry in json.loads(capsys.readouterr().out)] == ["e", "f", "g"]
    assert [name for name, *_ in backend.asked] == ["plan"] * 2


def test_runs_are_counted_where_they_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    made = Recording([])
    monkeypatch.setattr(context, "make_backend", lambda args: made)
    monkeypatch.setattr("pinwheel.cli.bundles.show_problems", lambda *_: None)
    monkeypatch.setattr("pinwheel.cli.bundles.show_unverified", lambda *_: None)
    monkeypatch.setattr("pinwheel.cli.bundles.problems_of", lambda *_: [])
    monkeypatch.setattr("pinwheel.cli.status.troubled", lambda _: {})
    monkeypatch.setattr("pinwheel.cli.status.of_keepers", lambda _: [])
    for more in ([], ["--held"], ["--failing"], ["-o", "json"], ["-o", "yaml"]):
        assert main.main(["status", *more]) == 0
    counted = [more["runs"] for name, _, more in made.asked if name == "status"]
    assert counted == [False, False, True, True, True]


def test_a_repeat_might_leave_others_out_so_it_takes_no_request_id(backend: Changing, capsys: Any) -> None:
    assert main.main(["rollback", "--all", "--skip-refused", "--request-id", "deploy-1"]) == 2
    assert backend.asked == []


def test_the_actor_is_the_user_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINWHEEL_ACTOR", "ci-bot")
    assert context.actor() == "ci-bot"
    monkeypatch.setenv("PINWHEEL_ACTOR", " ")
    monkeypatch.setenv("LOGNAME", "grace")
    assert context.actor() == "grace"


def test_an_old_airflow_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from packaging.version import Version

    from pinwheel.airflow3 import compat

    monkeypatch.setattr(compat, "airflow_version", lambda: Version("3.2.2"))
    for command in (["status"], ["dag-processor"]):
        assert main.main(command) == 5
        assert compat.unsupported_message() in capsys.readouterr().err


def test_times_are_short_and_local() -> None:
    now = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).astimezone()
    assert output.short_time(now.isoformat(), now=now) == now.strftime("04 Mar %H:%M:%S")
    assert output.short_time("2026-01-02T03:04:05+00:00", now=now).endswith(
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).astimezone().strftime("%H:%M:%S")
    )
    assert output.short_time("2024-06-15T12:00:00+00:00", now=now).startswith("15 Jun 2024")
    assert output.short_time(None) == ""


def test_versions_are_short() -> None:
    assert output.short_version("a" * 40) == "aaaaaaaa"
    assert output.short_version("v1") == "v1"
    assert output.version_of({"label": "2.0", "bundle_version": "b" * 40}) == "2.0 bbbbbbbb"


def test_the_command_line_starts_without_airflow_or_sqlalchemy() -> None:
    code = (
        "import sys; from pinwheel.cli.main import main; main(['status', '--help']); main(['pin']);"
        "print([m for m in ('airflow', 'sqlalchemy', 'yaml') if m in sys.modules])"
    )
    path = str(next(iter(pinwheel.__path__))).removesuffix("/pinwheel")
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_command_over_the_api_starts_without_airflow_or_a_database_or_a_web_server() -> None:
    code = (
        "import sys; from pinwheel.cli.main import main;"
        "main(['rollback', 'd', '--yes', '--url', 'http://127.0.0.1:1', '--token', 't']);"
        "heavy = ('airflow', 'sqlalchemy', 'alembic', 'fastapi', 'pydantic', 'yaml');"
        "print([m for m in heavy if m in sys.modules])"
    )
    path = str(next(iter(pinwheel.__path__))).removesuffix("/pinwheel")
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert "Cannot reach Airflow" in done.stderr
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_pinwheel_yaml_is_checked_where_it_lies_without_an_airflow(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "dbt" / "models").mkdir(parents=True)
    (tmp_path / "dbt" / "models" / "m.sql").write_text("select 1")
    file = tmp_path / "pinwheel.yaml"
    file.write_text("inputs:\n  - dags: {ids: [a], tags: [t]}\n    files: [dbt/**, none/*]\n")
    for path in (tmp_path, file):
        assert main.main(["inputs", "check", str(path), "--output", "json"]) == 0
        (rule,) = json.loads(capsys.readouterr().out)["rules"]
        assert rule == {
            "dags": {"ids": ["a"], "tags": ["t"]},
            "files": [{"pattern": "dbt/**", "files": 1}, {"pattern": "none/*", "files": 0}],
        }
    assert main.main(["inputs", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "a tagged t" in out and "is right: 1 rule." in out


def test_what_is_wrong_with_a_pinwheel_yaml_is_told_by_line_and_ends_a_ci_job(
    tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "pinwheel.yaml"
    file.write_text("inputs:\n  - dags: {ids: [a]}\n    file: [/etc/*]\nmore: 1\n")
    assert main.main(["inputs", "check", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file}:3: 'file' is no key of inputs[0]; known: dags, files. Write 'files'" in err
    assert f"{file}:4: 'more' is no key of this file" in err
    assert main.main(["inputs", "check", str(tmp_path), "-o", "json"]) == 2
    problem = json.loads(capsys.readouterr().err)
    assert [(one["line"], one["remedy"]) for one in problem["facts"]["wrong"]][-1] == (4, "Remove it")
    assert main.main(["inputs", "check", str(tmp_path / "none")]) == 3
    assert "Cannot read" in capsys.readouterr().err


def test_patterns_that_a_bundle_refuses_as_too_many_are_told_in_ci(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinwheel.core.parse.declared.MOST_LOOKS", 3)
    (tmp_path / "pinwheel.yaml").write_text("inputs:\n  - dags: {ids: [a]}\n    files: ['**/a', '**/b']\n")
    assert main.main(["inputs", "check", str(tmp_path)]) == 0
    (tmp_path / "one.sql").touch()
    assert main.main(["inputs", "check", str(tmp_path)]) == 2
    assert "its patterns are to be compared 4 times" in capsys.readouterr().err


def test_the_schema_that_is_printed_is_the_one_in_the_docs(capsys: Any) -> None:
    assert main.main(["inputs", "schema"]) == 0
    docs = Path(__file__).parents[2] / "docs" / "pinwheel.schema.json"
    assert capsys.readouterr().out == docs.read_text()


def test_policies_of_a_repository_are_checked_before_a_push_too(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "pinwheel.yaml"
    file.write_text("policies:\n  - {name: gated, dags: all, steps: [{approve: {}}, release]}\n")
    assert main.main(["inputs", "check", str(tmp_path)]) == 0
    assert "declares no inputs and is right: 1 policy" in capsys.readouterr().out.replace("\n", " ")
    file.write_text("policies:\n  - {name: gated, dags: all, steps: [{aprove: {}}, release]}\n")
    assert main.main(["inputs", "check", str(tmp_path)]) == 2
    assert f"{file}:2: 'aprove' is no key" in capsys.readouterr().err
