"""Pushes of public repositories that were missed, or made builds of nothing, as one repository each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from attrs import frozen

from harness import bundles
from harness.gitrepo import GitRepo
from harness.inprocess import stock_run
from harness.loop import Loop, own_loop
from integration import parse_driver as driver
from pinwheel.airflow3.parsing import take_facts
from pinwheel.airflow3.parsing.paths import remember_repository
from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.inputs import inputs_of, matches

HEAD = """
import glob
import os
import sys
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

HERE = Path(__file__).parent
DIR = os.path.dirname(os.path.abspath(__file__))
NAME = "a" + ".sql"
"""


@frozen(kw_only=True)
class Case:
    """A push: the files of before and after it, from the Dag file's folder."""

    dag: str
    before: dict[str, str]
    after: dict[str, str]
    builds: int = 2
    tasks: tuple[str, ...] = ("t",)
    """Of the Dag after the push."""


CASES = {
    "01_file_with_a_computed_name": Case(
        dag="@task\ndef t():\n    print((HERE / 'sql' / NAME).read_text())\nt()",
        before={"sql/a.sql": "1"},
        after={"sql/a.sql": "2"},
    ),
    "03_exists_at_parse": Case(
        dag="for n in ('a', 'b'):\n    if (HERE / 'sql' / f'{n}.sql').exists():\n"
        "        EmptyOperator(task_id=n)",
        before={"sql/a.sql": "1"},
        after={"sql/b.sql": "1"},
        tasks=("a", "b"),
    ),
    "04_glob_with_a_star_before_the_name": Case(
        dag="for p in sorted(glob.glob(str(HERE / 'conf' / '*' / 'dag.yml'))):\n"
        "    EmptyOperator(task_id=p.split('/')[-2])",
        before={"conf/a/dag.yml": "", "conf/b/notes.txt": ""},
        after={"conf/b/dag.yml": ""},
        tasks=("a", "b"),
    ),
    "04_glob_of_all_folders_below": Case(
        dag="for p in sorted(glob.glob(str(HERE / 'conf' / '**' / 'dag.yml'), recursive=True)):\n"
        "    EmptyOperator(task_id=p.split('/')[-2])",
        before={"conf/x/a/dag.yml": "", "conf/x/y/notes.txt": ""},
        after={"conf/x/y/z/dag.yml": ""},
        tasks=("a", "z"),
    ),
    "04_rglob": Case(
        dag="for p in sorted((HERE / 'conf').rglob('dag.yml')):\n    EmptyOperator(task_id=p.parent.name)",
        before={"conf/x/a/dag.yml": "", "conf/x/y/notes.txt": ""},
        after={"conf/x/y/b/dag.yml": ""},
        tasks=("a", "b"),
    ),
    "06_command_in_a_folder": Case(
        dag="BashOperator(task_id='t', bash_command=f'cd {HERE}/project && cat models/m.sql')",
        before={"project/models/m.sql": "1"},
        after={"project/models/m.sql": "2"},
    ),
    "06_new_file_in_the_folder_of_a_command": Case(
        dag="BashOperator(task_id='t', cwd=str(HERE / 'project'), bash_command='cat models/*')",
        before={"project/models/m.sql": "1"},
        after={"project/models/n.sql": "2"},
    ),
    "08_search_path_in_a_task": Case(
        dag="@task\ndef t():\n    sys.path.insert(0, str(HERE / 'lib'))\n    import helper08\n"
        "    print(helper08.V)\nt()",
        before={"lib/helper08.py": "V = 1"},
        after={"lib/helper08.py": "V = 2"},
    ),
    "09_import_by_name": Case(
        dag="sys.path.insert(0, DIR)\n@task\ndef t():\n    import importlib\n"
        "    print(importlib.import_module('.mod', package='pkg09').V, __import__('top09').V)\nt()",
        before={"pkg09/__init__.py": "", "pkg09/mod.py": "V = 1", "top09.py": "V = 1"},
        after={"pkg09/mod.py": "V = 2"},
    ),
    "11_file_without_extension": Case(
        dag="@task\ndef t():\n    print((HERE / 'VERSION11').read_text())\nt()",
        before={"VERSION11": "1"},
        after={"VERSION11": "2"},
    ),
    "15_file_in_a_listed_folder": Case(
        dag="for p in sorted((HERE / 'conf').glob('*.json')):\n    EmptyOperator(task_id=p.stem)",
        before={"conf/a.json": "1"},
        after={"conf/notes.txt": "1"},
        builds=1,
        tasks=("a",),
    ),
    "16_named_somewhere": Case(
        dag="import logging\nlogging.getLogger(__name__).info('how this works: see RUNBOOK16.md')\n"
        "BashOperator(task_id='t', bash_command='cat /etc/app/config16.yaml')",
        before={"docs/RUNBOOK16.md": "1", "deploy/config16.yaml": "1"},
        after={"docs/RUNBOOK16.md": "2", "deploy/config16.yaml": "2"},
        builds=1,
    ),
    "16_word_that_is_a_folder": Case(
        dag="BashOperator(task_id='sql', bash_command='echo reports; ls /sql /a/reports')",
        before={"sql/a.sql": "1", "reports/a.txt": "1"},
        after={"sql/a.sql": "2", "reports/a.txt": "2"},
        builds=1,
        tasks=("sql",),
    ),
    "16_folder_in_which_one_file_is_read": Case(
        dag="SQL = HERE / 'sql'\n@task\ndef t():\n    print((SQL / 'mine.sql').read_text())\nt()",
        before={"sql/mine.sql": "1", "sql/other.sql": "1"},
        after={"sql/other.sql": "2"},
        builds=1,
    ),
    "16_folder_that_is_searched": Case(
        dag="sys.path.insert(0, str(HERE / 'lib'))\n@task\ndef t():\n    import mine16\nt()",
        before={"lib/mine16.py": "1", "lib/other16.py": "1"},
        after={"lib/other16.py": "2"},
        builds=1,
    ),
}
OUTSIDE = {
    "13_helper_outside_the_folder": Case(
        dag="sys.path.insert(0, os.path.join(DIR, '..', 'lib'))\nimport helper13\n"
        "@task\ndef t():\n    print(helper13.V)\nt()",
        before={"/lib/helper13.py": "V = 1"},
        after={"/lib/helper13.py": "V = 2"},
    ),
    "13_file_that_a_task_reads_outside": Case(
        dag="@task\ndef t():\n    print((HERE.parent / 'include' / 'q13.sql').read_text())\nt()",
        before={"/include/q13.sql": "1"},
        after={"/include/q13.sql": "2"},
    ),
    "13_path_outside_in_an_argument": Case(
        dag="BashOperator(task_id='t', bash_command='true', env={'A': str(HERE.parent / 'data13')})",
        before={"/data/x.txt": "1"},
        after={"/data/x.txt": "2"},
        builds=1,
    ),
    "13_exists_outside": Case(
        dag="if os.path.exists(os.path.join(DIR, '..', 'flags', 'on' + '13')):\n"
        "    EmptyOperator(task_id='on')\nEmptyOperator(task_id='t')",
        before={"/flags/other": "1"},
        after={"/flags/on13": "1"},
        tasks=("on", "t"),
    ),
}
"""In a bundle of the folder ``dags``; a slash stands for the repository's root."""


def dag_file(dag_id: str, case: Case) -> str:
    body = "\n".join(f"    {line}" for line in case.dag.splitlines())
    return f"{HEAD}\nwith DAG({dag_id!r}):\n{body}\n"


def at(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {
        path[1:] if path.startswith("/") else f"{folder}/{path}": text + "\n" for path, text in files.items()
    }


@pytest.fixture(scope="module")
def loop(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    root = tmp_path_factory.mktemp("cases")
    repos = {name: GitRepo(root / name) for name in ("all", "part")}
    for name, cases in (("all", CASES), ("part", OUTSIDE)):
        files: dict[str, str | bytes | None] = {}
        for dag_id, case in cases.items():
            folder = dag_id if name == "all" else "dags"
            files |= {f"{folder}/{dag_id}.py": dag_file(dag_id, case), **at(folder, case.before)}
        repos[name].commit(files)
    with own_loop(
        postgres,
        root,
        bundles.git("all", repos["all"].url, refresh_interval=0),
        bundles.git("part", repos["part"].url, refresh_interval=0, subdir="dags"),
    ) as made:
        there = {*CASES, *OUTSIDE}
        made.turn_until(
            lambda: {row["dag_id"] for row in made.rows("SELECT dag_id FROM dag")} == there, turns=300
        )
        for name, cases in (("all", CASES), ("part", OUTSIDE)):
            files = {}
            for dag_id, case in cases.items():
                files |= at(dag_id if name == "all" else "dags", case.after)
            sha = repos[name].commit(files)
            made.turn_until(partial(made.settled, name, sha), what=f"settling {name}", turns=300)
        yield made


@pytest.mark.postgres
@pytest.mark.acceptance("pushes", 24)
@pytest.mark.parametrize("dag_id", [*CASES, *OUTSIDE])
def test_each_case_is_taken_up_and_makes_the_builds_that_it_should(loop: Loop, dag_id: str) -> None:
    case = {**CASES, **OUTSIDE}[dag_id]
    bundle = "all" if dag_id in CASES else "part"
    assert loop.import_errors(bundle) == {}
    assert stock_run(dag_id, "after") == loop.head(bundle), "new runs use the pushed commit"
    (row,) = loop.rows("SELECT count(*) AS n FROM pinwheel_build WHERE dag_id = :dag_id", dag_id=dag_id)
    assert row["n"] == case.builds
    assert _tasks(dag_id) == case.tasks


def _tasks(dag_id: str) -> tuple[str, ...]:
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = SerializedDagModel.get(dag_id, session=session)
        assert found is not None
        return tuple(sorted(found.dag.task_dict))


def facts_of(bundle: Path, source: str, file: str = "d.py") -> ParseFacts:
    (bundle / file).parent.mkdir(parents=True, exist_ok=True)
    (bundle / file).write_text(HEAD + dedent(source) + "\nwith DAG('d'):\n    pass\n")
    result = driver.parse(bundle, file)
    assert not result.import_errors, result.import_errors
    facts = take_facts(result)
    assert facts is not None
    return facts


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")


def test_what_lies_beside_the_bundles_folder_has_two_slashes_before_it(tmp_path: Path) -> None:
    bundle = tmp_path / "dags"
    put(tmp_path, "lib/helper.py", "include/q.sql", "dags/near.sql", "listed/x")
    remember_repository(str(bundle), str(tmp_path))
    facts = facts_of(
        bundle,
        """
        sys.path.insert(0, os.path.join(DIR, "..", "lib"))
        import helper
        os.listdir(HERE.parent / ("lis" + "ted"))
        os.path.exists(HERE.parent / ("no" + "where"))
        def f():
            print("near.sql", HERE.parent / "include" / "q.sql")
        """,
    )
    assert facts.files == ("//lib/helper.py", "d.py")
    assert facts.statically == ("//include/q.sql", "near.sql")
    assert facts.directories == ("//listed",)
    assert "//nowhere" in facts.asked
    manifest = {
        "d.py": "1",
        "near.sql": "1",
        "//lib/helper.py": "1",
        "//include/q.sql": "1",
        "//listed/x": "1",
    }
    seen = inputs_of(facts, manifest)
    assert matches(seen, manifest)
    for change in (
        {"//lib/helper.py": "2"},
        {"//listed/y": "1"},
        {"//nowhere": "1"},
        {"//include/q.sql": "2"},
    ):
        assert not matches(seen, manifest | change)
    assert matches(seen, manifest | {"//other/x": "1", "lib/helper.py": "1"})


def test_a_submodule_that_is_not_written_out_counts_by_its_commit(tmp_path: Path) -> None:
    put(tmp_path, "vendored/m.py")
    facts = facts_of(tmp_path, "import vendored.m")
    inside = {"d.py": "1", "vendored/m.py": "1"}
    assert not matches(inputs_of(facts, inside), {**inside, "vendored/m.py": "2"})
    as_commit = {"d.py": "1", "vendored": "commit:1"}
    assert not matches(inputs_of(facts, as_commit), {**as_commit, "vendored": "commit:2"})


def test_a_rename_that_only_changes_the_case_is_a_change(tmp_path: Path) -> None:
    put(tmp_path, "helper.py")
    facts = facts_of(tmp_path, "import helper")
    seen = inputs_of(facts, {"d.py": "1", "helper.py": "1"})
    assert not matches(seen, {"d.py": "1", "Helper.py": "1"})


def test_a_large_folder_counts_as_one(tmp_path: Path) -> None:
    put(tmp_path, *(f"dbt/models/m{number}.sql" for number in range(501)))
    facts = facts_of(tmp_path, "def f():\n    print(HERE / 'dbt')")
    assert facts.statically == ("dbt/",)
    manifest = {"d.py": "1", **{f"dbt/models/m{number}.sql": "1" for number in range(501)}}
    seen = inputs_of(facts, manifest)
    assert matches(seen, manifest)
    for changed in ({**manifest, "dbt/models/m7.sql": "2"}, {**manifest, "dbt/new.sql": "1"}):
        assert not matches(seen, changed)
        assert inputs_of(facts, changed).content_digest() != seen.content_digest()
    assert matches(seen, {**manifest, "dbt2/x.sql": "1"})


def test_folders_that_are_walked_by_open_descriptors_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "conf/a/x.yml")
    facts = facts_of(tmp_path, "list(os.fwalk(HERE / ('co' + 'nf')))")
    assert set(facts.directories) == {"conf", "conf/a"}
