"""What a Dag's object reaches decides its content: many ways to hold a value, the truth by running both."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import factories
from harness.hypothesis_profiles import machine
from integration.test_sameness import copy_examples

NAMES = [f"c{n:02}" for n in range(len(factories.WAYS))]


def in_processes(what: str, roots: Mapping[int, list[Path]]) -> list[dict[str, Any]]:
    """What :mod:`harness.factories` prints of these folders, in a process of its own for each hash seed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "harness.factories", what, *map(str, folders)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, folders in roots.items()
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(text.splitlines()[-1]) for text in printed]


def verdicts(
    ways: Mapping[str, str], one: Mapping[str, Any], other: Mapping[str, Any], kind: str
) -> tuple[set[str], set[str]]:
    """The ways of which a change was missed, and those of which it was seen without a reason."""
    missed, false = set(), set()
    for name, chosen in ways.items():
        before, after, way = one[f"d_{name}"], other[f"d_{name}"], factories.WAYS[chosen]
        changed = before["told"] != after["told"]
        seen = before["digest"] != after["digest"]
        if changed and not seen and not way.unseen:
            missed.add(f"{kind}: {chosen}")
        if seen and not changed and not before["unread"] and kind not in way.also:
            false.add(f"{kind}: {chosen}")
    return missed, false


@pytest.mark.slow
@pytest.mark.acceptance("pushes", 35)
def test_no_change_of_what_a_dag_does_is_missed_in_any_way_to_hold_a_value(tmp_path: Path) -> None:
    """Each way in one factory; each kind of change in it, under another hash seed and in another folder."""
    ways = dict(zip(NAMES, factories.WAYS, strict=True))
    rng = random.Random(20)
    factories.write(tmp_path / "0", ways, {name: rng.randrange(9) for name in NAMES})
    for kind in factories.KINDS:
        shutil.copytree(tmp_path / "0", tmp_path / kind)
        for name in NAMES if kind in ("conf", "unused") else ["c00"]:
            factories.mutate(tmp_path / kind, kind, name)
    shutil.copytree(tmp_path / "0", tmp_path / "again")
    others = [tmp_path / kind for kind in (*factories.KINDS, "again")]
    (first, second) = in_processes("look", {1: [tmp_path / "0"], 77: others})
    one = first[str(tmp_path / "0")]
    unread = {ways[dag_id.removeprefix("d_")] for dag_id, seen in one.items() if seen["unread"]}
    assert unread == {chosen for chosen, way in factories.WAYS.items() if way.unread}
    again = second[str(tmp_path / "again")]
    assert {dag_id: seen["digest"] for dag_id, seen in again.items()} == {
        dag_id: seen["digest"] for dag_id, seen in one.items()
    }
    changed = {
        dag_id
        for kind in factories.KINDS
        for dag_id, seen in second[str(tmp_path / kind)].items()
        if dag_id in one and seen["told"] != one[dag_id]["told"]
    }
    assert changed == one.keys(), "what each Dag does was changed by something"
    found = [verdicts(ways, one, second[str(tmp_path / kind)], kind) for kind in factories.KINDS]
    assert set().union(*(missed for missed, _ in found)) == set()
    assert set().union(*(false for _, false in found)) == set()


@st.composite
def changed_factories(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, int], str, str]:
    """Ways and values of a factory's Dags, and what changes in it."""
    ways = {
        f"c{n:02}": way
        for n, way in enumerate(draw(st.lists(st.sampled_from(list(factories.WAYS)), min_size=1, max_size=8)))
    }
    values = {name: draw(st.integers(0, 9)) for name in ways}
    kind = draw(st.sampled_from([*["conf"] * 6, *factories.KINDS]))
    return ways, values, kind, draw(st.sampled_from(sorted(ways)))


@pytest.mark.acceptance("pushes", 35)
@machine(examples=15, steps=1)
@given(changed_factories())
def test_a_change_of_a_random_factory_is_seen_in_the_dags_that_do_something_else(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[dict[str, str], dict[str, int], str, str]
) -> None:
    ways, values, kind, name = case
    root = tmp_path_factory.mktemp("random")
    factories.write(root / "1", ways, values)
    shutil.copytree(root / "1", root / "2")
    factories.mutate(root / "2", kind, name)
    one, two = (
        {
            dag_id: {"told": seen.told, "digest": seen.digest, "unread": seen.unread}
            for dag_id, seen in factories.look(root / folder).items()
        }
        for folder in ("1", "2")
    )
    missed, false = verdicts(ways, one, two, kind)
    assert not missed
    # Its own value may be changed in a way that its task does not tell
    assert {text for text in false if not text.startswith("conf: ")} == set()
    others = {dag_id for dag_id in one if kind == "conf" and dag_id != f"d_{name}"}
    wide = {
        f"d_{n}"
        for n, way in ways.items()
        if factories.WAYS[way].unread or "conf" in factories.WAYS[way].also
    }
    assert not {d for d in others - wide if one[d]["digest"] != two[d]["digest"]}


HOLDING = """
import json, sys
from pathlib import Path
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
{top}
with DAG("d", {arguments}):
    {task}
"""


def content(root: Path, top: str, task: str, arguments: str = "", file: str = "dag.py") -> Any:
    """Of a Dag whose one task holds what *top* made."""
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(HOLDING.format(top=top, task=task, arguments=arguments))
    return factories.parsed(root, file)["d"]


def decide(found: Any) -> set[str]:
    """The files that decide its content."""
    return set(found.files) - set(found.read_at_parse)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param("for _ in range(3000): held = [held, print]", id="deep"),
        pytest.param("held = [lambda n=n: n for n in range(150_000)]", id="large"),
    ],
)
def test_what_holds_too_much_is_told_apart_by_its_files_data(tmp_path: Path, held: str) -> None:
    (tmp_path / "conf.json").write_text("{}")
    top = f"json.loads((Path(__file__).parent / ('conf' + '.json')).read_text())\nheld = None\n{held}"
    found = content(tmp_path, top, "PythonOperator(task_id='t', python_callable=lambda h=held: h)")
    assert found.unread == ("it holds more than is walked",)
    assert decide(found) == {"dag.py", "conf.json"}


def test_files_that_values_name_decide_too(tmp_path: Path) -> None:
    for path, text in {
        "templates/query.sql": "{% include 'part.sql' %}",
        "templates/part.sql": "SELECT 1",
        "scripts/load.sh": "cat lib/names.txt",
        "scripts/lib/names.txt": "x",
        "scripts/other.sh": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = content(
        tmp_path,
        "HERE = Path(__file__).parent\ntell = 'lo' + 'ad'",
        "BashOperator(task_id='t', bash_command=f'bash {HERE}/scripts/{tell}.sh; ', env={'Q': 'query.sql'})",
        arguments="template_searchpath=[str(HERE / 'templates')]",
    )
    assert found.unread == ()
    assert decide(found) == {
        "dag.py",
        "templates/query.sql",
        "templates/part.sql",
        "scripts/load.sh",
        "scripts/lib/names.txt",
    }
    assert found.inputs_digest != content(tmp_path, "", "pass").inputs_digest


def test_code_behind_a_link_and_in_an_archive_decides(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "linked.py").write_text("def go(): return 1\n")
    (tmp_path / "link").symlink_to("real")
    found = content(
        tmp_path,
        "sys.path.insert(0, str(Path(__file__).parent / 'link'))\nimport linked",
        "PythonOperator(task_id='t', python_callable=linked.go)",
    )
    assert decide(found) >= {"dag.py", "real/linked.py"}
    with zipfile.ZipFile(tmp_path / "dags.zip", "w") as archive:
        text = HOLDING.format(
            top="def go(): return 1",
            task="PythonOperator(task_id='t', python_callable=go)",
            arguments="",
        )
        archive.writestr("inside.py", text)
    found = factories.parsed(tmp_path, "dags.zip")["d"]
    assert (found.unread, decide(found)) == ((), {"dags.zip", "dags.zip/inside.py"})


def test_walking_a_dag_runs_no_code_of_it(tmp_path: Path) -> None:
    top = """
class Loud:
    def __getattribute__(self, name):
        raise SystemExit(name)
    def __reduce__(self):
        raise SystemExit("reduce")
    def __repr__(self):
        raise SystemExit("repr")
    def __hash__(self):
        raise SystemExit("hash")
    def __eq__(self, other):
        raise SystemExit("eq")
class Named(str):
    def __str__(self):
        raise SystemExit("str")
    def __len__(self):
        raise SystemExit("len")
"""
    held = "lambda h=(Loud(), [Loud()], Named('x')): None"
    found = content(tmp_path, top, f"PythonOperator(task_id='t', python_callable={held})")
    assert found.objects_digest and found.unread == ()


@pytest.mark.acceptance("pushes", 36)
def test_airflows_example_dags_have_equal_digests_under_other_hash_seeds_and_in_other_folders(
    tmp_path: Path,
) -> None:
    for name in ("1", "2"):
        copy_examples(tmp_path / name)
    (first, second) = in_processes("parse", {1: [tmp_path / "1"], 77: [tmp_path / "2"]})
    one, other = first[str(tmp_path / "1")], second[str(tmp_path / "2")]
    assert len(one) > 80 and one.keys() == other.keys()
    assert {dag_id: parts["unread"] for dag_id, parts in one.items() if parts["unread"]} == {}
    different = {dag_id for dag_id in one if one[dag_id] != other[dag_id]}
    # It takes times from the clock
    assert different <= {"example_sensors"}
    assert "clock" in one["example_sensors"]["impure"]
