"""The commands on a real Airflow database, seeded through the services with Dags that Airflow serialized."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.inprocess import bound_airflow
from harness.seed import Seeder
from pinwheel.cli.main import main

SALES = """
    import datetime
    from airflow.sdk import DAG, task

    with DAG(
        "sales", schedule={schedule!r}, start_date=datetime.datetime(2024, 1, 1), tags={tags!r},
        default_args={{"retries": 0, "api_key": {key!r}}},
    ):
        @task
        def load():
            print("{mark}")
        {more}
        load()
"""
OTHER = """
    from airflow.sdk import DAG, task

    with DAG("{dag_id}", schedule=None, tags=["team:ops"]):
        @task
        def only():
            print("{mark}")
        only()
"""


def sales(
    mark: str,
    *,
    schedule: str = "0 5 * * *",
    tags: tuple[str, ...] = ("team:sales",),
    more: str = "",
    key: str = "k1",
) -> str:
    return SALES.format(mark=mark, schedule=schedule, tags=list(tags), more=more, key=key)


def other(dag_id: str, mark: str = "m") -> str:
    return OTHER.format(dag_id=dag_id, mark=mark)


@pytest.fixture
def seeder(database_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seeder]:
    bundle = {
        "name": "seed",
        "classpath": "pinwheel.bundles.FolderBundle",
        "kwargs": {"path": str(tmp_path / "folder")},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("PINWHEEL_ACTOR", "ada")
    monkeypatch.delenv("PINWHEEL_URL", raising=False)
    database = database_source.create()
    with bound_airflow(database):
        yield Seeder(tmp_path)
    database.drop()


@pytest.fixture
def pinwheel(seeder: Seeder, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Runs a command; gives its exit code, its answer and its errors without Airflow's log lines."""

    def run(*arguments: str, decode: bool = True) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([*arguments, "-o", "json"] if decode else list(arguments))
        out, err = capsys.readouterr()
        err = "".join(line for line in err.splitlines(keepends=True) if " [info " not in line)
        return code, json.loads(out) if decode and out else out, err

    return run


Run = Callable[..., tuple[int, Any, str]]


def test_an_empty_deployment_is_greeted(pinwheel: Run) -> None:
    assert pinwheel("status") == (0, [], "")
    code, out, _ = pinwheel("status", decode=False)
    assert code == 0
    assert "No Dags yet" in out


def test_the_story_of_one_dag(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    code, (row,), err = pinwheel("status")
    assert (code, err) == (0, "")
    assert {
        name: row[name] for name in ("dag_id", "bundle", "active_release", "active_build", "newest_build")
    } == {
        "dag_id": "sales",
        "bundle": "seed",
        "active_release": 1,
        "active_build": 1,
        "newest_build": 1,
    }
    assert (row["track"], row["held"], row["broken"], row["retired"]) == ("auto", False, None, False)

    code, (pinned,), _ = pinwheel("pin", "sales", "-m", "month end")
    assert (code, pinned["changed"], pinned["track"], pinned["kind"]) == (0, True, "pinned", None)

    second = seeder.push({"sales.py": sales("m2", schedule="0 6 * * *", tags=("team:sales", "version:2.0"))})
    _, (row,), _ = pinwheel("status")
    assert (row["held"], row["active_build"], row["newest_build"]) == (True, 1, 2)
    assert (row["reason"], row["actor"]) == ("month end", "ada")

    _, found, _ = pinwheel("diff", "sales")
    assert (found["from"], found["to"]) == (1, 2)
    assert found["structure"]["schedule"] == {"from": "0 5 * * * (UTC)", "to": "0 6 * * * (UTC)"}
    assert found["structure"]["tasks_changed"] == []
    assert [file["path"] for file in found["files"]] == ["sales.py"]
    assert '-        print("m1")' in found["files"][0]["patch"]

    code, (planned,), _ = pinwheel("promote", "sales", "--plan")
    assert (code, planned["changed"], planned["build"], planned["release"]) == (0, True, 2, None)
    assert pinwheel("status")[1][0]["active_build"] == 1

    code, (done,), _ = pinwheel("promote", "sales", "--expected-release", "1")
    assert (code, done["release"], done["build"], done["from_build"]) == (0, 2, 2, 1)

    code, (undone,), _ = pinwheel("rollback", "sales", "-m", "wrong totals")
    assert (code, undone["release"], undone["build"]) == (0, 3, 1)

    _, shown, _ = pinwheel("releases", "sales")
    assert [(r["release"], r["build"], r["kind"], r["active"]) for r in shown] == [
        (3, 1, "rollback", True),
        (2, 2, "promote", False),
        (1, 1, "auto", False),
    ]
    assert (shown[0]["actor"], shown[0]["reason"]) == ("ada", "wrong totals")

    _, made, _ = pinwheel("builds", "sales")
    assert [(b["build"], b["releases"], b["status"], b["label"]) for b in made] == [
        (2, [2], "good", "2.0"),
        (1, [1, 3], "good", None),
    ]
    assert (made[0]["bundle_version"], made[0]["author"], made[0]["message"]) == (second, "Ada", "push 2")

    _, happened, _ = pinwheel("events", "sales", "-k", "rollback", "-k", "promote")
    assert [event["kind"] for event in happened] == ["rollback", "promote"]
    assert happened[0]["from_build"] == 2

    code, (free,), _ = pinwheel("unpin", "sales")
    assert (code, free["kind"], free["track"]) == (0, None, "auto")
    assert "ada rejected it" in free["message"]
    code, _, err = pinwheel("promote", "sales")
    assert code == 5
    assert "wrong totals" in json.loads(err)["found"]
    code, (again,), _ = pinwheel("promote", "sales", "-m", "it was the data")
    assert (code, again["build"], again["lifted"]) == (0, 2, True)


def test_a_broken_commit_is_shown_and_changes_nothing(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    bad = seeder.push({"sales.py": "def ("}, errors={"sales.py": "Traceback\nSyntaxError: invalid syntax"})
    _, (row,), _ = pinwheel("status")
    assert (row["active_build"], row["newest_build"], row["held"]) == (1, 1, False)
    assert (row["broken"]["bundle_version"], row["broken"]["path"]) == (bad, "sales.py")
    _, made, _ = pinwheel("builds", "sales")
    assert (made[0]["build"], made[0]["digest"], made[0]["status"]) == (None, None, "broken")
    assert made[0]["error"].endswith("SyntaxError: invalid syntax")
    _, out, _ = pinwheel("status", decode=False)
    assert "broken" in out and "SyntaxError: invalid syntax" in out


def test_a_secret_of_the_dag_is_not_shown(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m", key="hunter1")})
    seeder.push({"sales.py": sales("m", key="hunter2")})
    _, found, _ = pinwheel("diff", "sales", "1", "2")
    assert found["structure"]["attributes"]["default_args"]["from"]["api_key"] == "***"
    assert "hunter" not in json.dumps(found["structure"])


@pytest.mark.parametrize(
    ("command", "code", "title"),
    [
        (["pin", "nobody"], 3, "Not found"),
        (["builds", "nobody"], 3, "Not found"),
        (["history", "nobody"], 3, "Not found"),
        (["diff", "sales", "1", "9"], 3, "Not found"),
        (["promote", "sales", "--build", "9"], 3, "Not found"),
        (["rollback", "sales"], 3, "Not found"),
        (["pin", "--dag-glob", "x*"], 3, "Not found"),
        (["pin", "sales", "--expected-release", "7"], 4, "Conflict"),
        (["pin"], 2, "Invalid input"),
        (["pin", "sales", "--build", "0"], 2, "Invalid input"),
        (["pin", "sales", "--all"], 2, "Invalid input"),
        (["unpin", "sales", "--build", "1"], 2, "Invalid input"),
        (["pin", "sales", "other", "--build", "1"], 2, "Invalid input"),
        (["trigger", "sales", "--conf", "[]"], 2, "Invalid input"),
        (["status", "--colour"], 2, "Invalid input"),
    ],
)
def test_a_refusal_has_its_exit_code_and_says_what_to_do(
    seeder: Seeder, pinwheel: Run, command: list[str], code: int, title: str
) -> None:
    seeder.push({"sales.py": sales("m1"), "other.py": other("other")})
    found, out, err = pinwheel(*command)
    problem = json.loads(err)
    assert (found, out, problem["title"]) == (code, "", title)
    assert problem["remedy"]
    found, _, err = pinwheel(*command, decode=False)
    assert found == code
    assert "error: " in err and "Traceback" not in err


def test_a_promote_backwards_is_refused(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    seeder.push({"sales.py": sales("m2")})
    code, _, err = pinwheel("promote", "sales", "--build", "1")
    assert code == 5
    assert "pinwheel rollback sales --build 1" in json.loads(err)["remedy"]


def test_a_dag_of_an_unversioned_bundle_is_refused_with_the_remedy(seeder: Seeder, pinwheel: Run) -> None:
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel

    def work(session: Any) -> None:
        session.add(DagBundleModel(name="plain"))
        session.flush()
        session.add(DagModel(dag_id="stock", bundle_name="plain", fileloc="/x.py"))

    seeder.host.unit.run(work)
    for verb in ("pin", "rollback", "promote", "trigger"):
        code, _, err = pinwheel(verb, "stock")
        assert code == 5
        assert "pinwheel.bundles.FolderBundle" in json.loads(err)["remedy"]


def test_a_batch_takes_tags_globs_and_bundles(seeder: Seeder, pinwheel: Run) -> None:
    files = {"sales.py": sales("m"), "a.py": other("ops_a"), "b.py": other("ops_b"), "c.py": other("zz")}
    seeder.push(files)
    assert [o["dag_id"] for o in pinwheel("pin", "--tag", "team:ops", "--plan")[1]] == [
        "ops_a",
        "ops_b",
        "zz",
    ]
    assert [o["dag_id"] for o in pinwheel("pin", "--dag-glob", "ops_*", "sales")[1]] == [
        "ops_a",
        "ops_b",
        "sales",
    ]
    assert [r["dag_id"] for r in pinwheel("status", "--bundle", "seed")[1] if r["track"] == "pinned"] == [
        "ops_a",
        "ops_b",
        "sales",
    ]
    del files["c.py"]
    seeder.push(files)
    assert [o["dag_id"] for o in pinwheel("promote", "--all", "--plan")[1]] == ["ops_a", "ops_b", "sales"]
    assert next(r for r in pinwheel("status")[1] if r["dag_id"] == "zz")["retired"]


def test_a_repeated_request_changes_nothing_again(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    seeder.push({"sales.py": sales("m2")})
    first = pinwheel("rollback", "sales", "--request-id", "r-1")[1][0]
    again = pinwheel("rollback", "sales", "--request-id", "r-1")[1][0]
    assert (first["changed"], again["changed"], again["release"]) == (True, False, first["release"])


def test_yaml_says_the_same(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    _, out, _ = pinwheel("status", "--output", "yaml", decode=False)
    assert yaml.safe_load(out) == pinwheel("status")[1]


def test_a_run_on_an_unreleased_build(seeder: Seeder, pinwheel: Run) -> None:
    seeder.push({"sales.py": sales("m1")})
    pinwheel("pin", "sales")
    seeder.push({"sales.py": sales("m2", more="@task\n        def check(): ...\n        check()")})
    code, bound, err = pinwheel(
        "trigger", "sales", "--build", "2", "--run-id", "try-it", "--conf", '{"a": 1}'
    )
    assert (code, bound["build"], bound["release"], bound["run_id"]) == (0, 2, None, "try-it"), err
    assert pinwheel("trigger", "sales", "--run-id", "try-it")[0] == 4
    assert pinwheel("history", "sales") == (0, [], "")
    assert pinwheel("history", "sales", "--run-id", "nope")[0] == 3


def test_tables_fit_eighty_columns(seeder: Seeder, pinwheel: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seeder.push({"sales.py": sales("m1", tags=("version:1.2",))})
    pinwheel("pin", "sales", "-m", "a reason that is far too long to be shown on one line of a terminal")
    seeder.push({"sales.py": sales("m2")})
    monkeypatch.setenv("COLUMNS", "80")
    for command in (
        ["status"],
        ["builds", "sales"],
        ["releases", "sales"],
        ["events"],
        ["promote", "sales", "--plan"],
    ):
        _, out, _ = pinwheel(*command, decode=False)
        assert max(map(len, out.splitlines())) <= 80, out
        assert "\x1b" not in out


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_as_a_process_only_the_answer_is_on_standard_output(seeder: Seeder) -> None:
    seeder.push({"sales.py": sales("m1")})
    command = [sys.executable, "-m", "pinwheel.cli.main"]
    done = subprocess.run(
        [*command, "pin", "sales", "-o", "json"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["changed"]
    lost = subprocess.run(
        [*command, "pin", "nobody"], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert (lost.returncode, lost.stdout) == (3, "")
    assert "Traceback" not in lost.stderr


def test_a_closed_pipe_is_no_error(seeder: Seeder) -> None:
    seeder.push({f"d{n}.py": other(f"d{n}") for n in range(3)})
    done = subprocess.run(
        f"'{sys.executable}' -m pinwheel.cli.main status -o json | true; echo ${{PIPESTATUS[0]}}",
        env=environment(),
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "0", done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_uninstall_plans_drops_and_leaves_airflow(seeder: Seeder, pinwheel: Run) -> None:
    from airflow.models.dag_version import DagVersion
    from sqlalchemy import func, inspect, select

    seeder.push({"sales.py": sales("m1")})
    pinwheel("pin", "sales")
    seeder.push({"sales.py": sales("m2")})
    code, planned, _ = pinwheel("uninstall", "--plan")
    assert code == 0
    assert {"pinwheel_dag", "alembic_version_pinwheel"} <= set(planned["tables"])
    assert (planned["held"], planned["bundles"]) == (["sales"], ["seed"])
    assert pinwheel("status")[1]

    code, dropped, _ = pinwheel("uninstall", "--yes")
    assert (code, dropped["tables"]) == (0, planned["tables"])
    tables = seeder.host.unit.run(lambda s: inspect(s.connection()).get_table_names())
    assert not [name for name in tables if "pinwheel" in name]
    assert seeder.host.unit.run(lambda s: s.scalar(select(func.count()).select_from(DagVersion))) == 1

    assert pinwheel("uninstall", "--yes")[1]["tables"] == []
    code, _, err = pinwheel("status")
    assert code == 1
    assert "airflow db migrate" in json.loads(err)["remedy"]
