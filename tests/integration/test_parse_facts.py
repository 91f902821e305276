"""Real parser processes on real files: each kind of fact, and that tracing never changes the parse."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from integration import parse_driver as driver
from pinwheel.airflow3.parsing import TracingProcess, entrypoint, process, take_facts
from pinwheel.airflow3.parsing.tracer import Tracer
from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.inputs import inputs_of, matches

DAG = """
from airflow.sdk import DAG
with DAG("d"):
    pass
"""


def put(root: Path, path: str, text: str = "") -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(dedent(text))


def trace(root: Path, source: str, *, ok: bool = True, file: str = "dags/d.py", **kwargs: Any) -> ParseFacts:
    """The facts of a Dag file with this source and a Dag ``d`` at its end."""
    put(root, file, dedent(source) + DAG)
    result = driver.parse(root, file, **kwargs)
    facts = take_facts(result)
    assert facts is not None
    assert (not result.import_errors) is ok, result.import_errors
    if ok:
        assert [dag.dag_id for dag in result.serialized_dags] == ["d"]
    return facts


def kinds(facts: ParseFacts) -> set[str]:
    return {item["kind"] for item in facts.impure}


def details(facts: ParseFacts, kind: str) -> list[str]:
    return [item["detail"] for item in facts.impure if item["kind"] == kind]


# Files


def test_a_plain_dag_uses_only_its_file_and_is_pure(tmp_path: Path) -> None:
    put(tmp_path, "dags/other.py")
    facts = trace(tmp_path, "import json, datetime")
    assert evolve(facts, reached={}) == ParseFacts(files=("dags/d.py",))
    assert facts.reached["d"].files == ("dags/d.py",) and facts.reached["d"].objects


def test_imported_helpers_and_their_packages_are_used(tmp_path: Path) -> None:
    put(tmp_path, "lib/__init__.py")
    put(tmp_path, "lib/a.py", "from .b import x")
    put(tmp_path, "lib/b.py", "x = 1")
    put(tmp_path, "lib/c.py")
    facts = trace(tmp_path, "from lib.a import x")
    assert facts.files == ("dags/d.py", "lib/__init__.py", "lib/a.py", "lib/b.py")
    assert "lib/a/__init__.py" in facts.absent
    assert facts.impure == ()


def test_a_helper_is_used_when_its_bytecode_is_cached(tmp_path: Path) -> None:
    import py_compile

    put(tmp_path, "h.py", "x = 1")
    py_compile.compile(str(tmp_path / "h.py"))
    assert list(tmp_path.glob("__pycache__/*.pyc"))
    facts = trace(tmp_path, "import sys, h\nsys.modules.pop('h')")
    assert facts.files == ("dags/d.py", "h.py")


@pytest.mark.parametrize(
    "tampering",
    [
        "sys.modules.pop('helpers.one', None); import helpers.one",
        "import json; del sys.modules['json']; import json",
    ],
)
def test_a_helper_is_used_whatever_the_file_does_to_the_loaded_modules(
    tmp_path: Path, tampering: str
) -> None:
    put(tmp_path, "helpers/__init__.py")
    put(tmp_path, "helpers/one.py", "X = 1")
    facts = trace(tmp_path, f"import sys\n{tampering}\nimport helpers.one")
    assert facts.files == ("dags/d.py", "helpers/__init__.py", "helpers/one.py")
    assert facts.impure == ()


def test_when_the_module_that_marks_the_start_is_gone_all_modules_are_looked_at(tmp_path: Path) -> None:
    tracer = Tracer(str(tmp_path))
    tracer._last_module_before = "a module that the file removed"
    assert {id(module) for module in tracer.new_modules} == {id(module) for module in sys.modules.values()}


def test_a_helper_found_through_a_changed_search_path_is_used(tmp_path: Path) -> None:
    put(tmp_path, "dags/common/h.py", "x = 1")
    facts = trace(
        tmp_path,
        """
        import os, sys
        sys.path.insert(0, os.path.dirname(__file__) + "/common")
        import h
        sys.path.pop(0)
        """,
    )
    assert "dags/common/h.py" in facts.files
    assert "dags/common/h/__init__.py" in facts.absent


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('plugins.' + 'one')",
        "import importlib.util as u, pathlib\n"
        "s = u.spec_from_file_location('x', pathlib.Path(__file__).parents[1] / 'plugins/one.py')\n"
        "s.loader.exec_module(u.module_from_spec(s))",
        "exec(open(__file__.replace('dags/d', 'plugins/one')).read())",
    ],
)
def test_a_dynamic_import_is_used(tmp_path: Path, source: str) -> None:
    put(tmp_path, "plugins/one.py", "x = 1")
    assert "plugins/one.py" in trace(tmp_path, source).files


def test_an_import_in_a_function_counts_with_what_it_imports(tmp_path: Path) -> None:
    put(tmp_path, "lib/__init__.py")
    put(tmp_path, "lib/late.py", "def f():\n    from . import later")
    put(tmp_path, "lib/later.py")
    facts = trace(tmp_path, "def f():\n    from lib.late import f\n    import json, numpy_not_here")
    assert facts.files == ("dags/d.py",)
    assert facts.statically == ("lib/__init__.py", "lib/late.py", "lib/later.py")
    assert facts.absent == ("numpy_not_here.py", "numpy_not_here/__init__.py")


def test_a_bare_folder_outside_does_not_hide_a_package_of_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "elsewhere/lib").mkdir(parents=True)
    put(tmp_path / "bundle", "lib/__init__.py")
    facts = trace(
        tmp_path / "bundle",
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'elsewhere')!r})\ndef f():\n    import lib",
    )
    assert facts.statically == ("lib/__init__.py",)


def test_an_installed_module_is_not_shadowed_by_a_bundle_file(tmp_path: Path) -> None:
    put(tmp_path, "yaml.py", "raise Exception")
    put(tmp_path, "wsgiref/__init__.py", "raise Exception")
    facts = trace(tmp_path, "import yaml\ndef f():\n    import wsgiref")
    assert evolve(facts, reached={}) == ParseFacts(files=("dags/d.py",))
    assert facts.reached["d"].files == ("dags/d.py",) and facts.reached["d"].objects


def test_a_failed_import_watches_for_the_module(tmp_path: Path) -> None:
    facts = trace(tmp_path, "try:\n    import local_settings\nexcept ImportError:\n    pass")
    assert facts.absent == ("local_settings.py", "local_settings/__init__.py")


def test_a_missing_submodule_watches_for_it(tmp_path: Path) -> None:
    put(tmp_path, "lib/__init__.py")
    facts = trace(tmp_path, "try:\n    import lib.x\nexcept ImportError:\n    pass")
    assert facts.absent == ("lib/x.py", "lib/x/__init__.py")


def test_a_namespace_package_watches_for_its_init(tmp_path: Path) -> None:
    put(tmp_path, "space/m.py")
    facts = trace(tmp_path, "import space.m")
    assert "space/m.py" in facts.files
    assert {"space/__init__.py", "space.py"} <= set(facts.absent)


def test_yaml_that_the_parse_reads_is_used(tmp_path: Path) -> None:
    put(tmp_path, "dags/conf.yaml", "query: sql/q.sql")
    put(tmp_path, "sql/q.sql")
    facts = trace(
        tmp_path,
        "import yaml, pathlib\nyaml.safe_load((pathlib.Path(__file__).parent / 'conf.yaml').read_text())",
    )
    assert facts.files == ("dags/conf.yaml", "dags/d.py")
    assert facts.statically == ("sql/q.sql",)
    assert facts.impure == ()


def test_a_file_opened_in_vain_is_watched_for(tmp_path: Path) -> None:
    facts = trace(
        tmp_path,
        "try:\n    open(__file__.replace('d.py', 'over' + 'ride'))\nexcept FileNotFoundError:\n    pass",
    )
    assert facts.absent == ("dags/override",)


def test_a_template_that_airflow_resolves_is_used_with_its_includes(tmp_path: Path) -> None:
    put(tmp_path, "dags/sql/q.sql", "{% include 'sql/part.sql' %} where 1")
    put(tmp_path, "dags/sql/part.sql", "select 1")
    put(
        tmp_path,
        "dags/t.py",
        """
        from airflow.sdk import DAG
        from airflow.sdk.bases.operator import BaseOperator
        class Sql(BaseOperator):
            template_fields = ("sql",)
            template_ext = (".sql",)
            def __init__(self, sql, **kwargs):
                super().__init__(**kwargs)
                self.sql = sql
        name = "q"
        with DAG("t"):
            Sql(task_id="a", sql=f"sql/{name}.sql")
        """,
    )
    result = driver.parse(tmp_path, "dags/t.py")
    facts = take_facts(result)
    assert facts is not None and not result.import_errors
    assert "where 1" in str(result.serialized_dags[0].data)
    assert facts.files == ("dags/sql/q.sql", "dags/t.py")
    assert facts.statically == ("dags/sql/part.sql",)


def test_files_named_in_strings_are_used_at_run_time(tmp_path: Path) -> None:
    for path in ("scripts/run.sh", "dags/near.sql", "deep/down/only.sql", "jobs/job.py", "lib/io.py"):
        put(tmp_path, path)
    put(tmp_path, "jobs/util.py")
    put(tmp_path, "jobs/job.py", "X = 'jobs/util.py'")
    put(tmp_path, "dags/VERSION")
    facts = trace(
        tmp_path,
        """
        def f():
            print("bash {{ base }}/scripts/run.sh --x", "near.sql", "only.sql")
            print("python jobs/job.py", "lib.io.load", "no.sql", "VERSION")
        """,
    )
    assert facts.statically == (
        "dags/VERSION",
        "dags/near.sql",
        "jobs/job.py",
        "jobs/util.py",
        "lib/io.py",
        "scripts/run.sh",
    )
    assert {"dags/no.sql", "no.sql"} <= set(facts.absent)


@pytest.mark.acceptance("pushes", 24)
def test_a_name_is_looked_for_beside_the_file_at_the_root_and_in_folders_that_code_names_and_nowhere_else(
    tmp_path: Path,
) -> None:
    for path in (
        "docs/RUNBOOK.md",
        "deploy/app.yaml",
        "queries/day.sql",
        "elsewhere/day.sql",
        "include/q.sql",
    ):
        put(tmp_path, path)
    put(tmp_path, "include/q.sql", "{% include 'part.sql' %}")
    put(tmp_path, "include/part.sql")
    facts = trace(
        tmp_path,
        """
        import logging
        from pathlib import Path

        HERE = Path(__file__).parent
        logging.info("how this works: see RUNBOOK.md")

        def f():
            print("cat /etc/app.yaml")
            (HERE.parent / "queries" / NAME).read_text()
            print("day.sql")

        class Search:
            template_searchpath = str(HERE.parent / "include")
            sql = "q.sql"
        """,
    )
    assert facts.statically == ("include/part.sql", "include/q.sql", "queries/day.sql")


@pytest.mark.acceptance("pushes", 24)
def test_what_a_task_imports_by_name_or_from_a_path_that_it_adds_is_used(tmp_path: Path) -> None:
    for path in ("package/__init__.py", "package/mod.py", "package/other.py", "plain.py", "lib/helper.py"):
        put(tmp_path, path)
    facts = trace(
        tmp_path,
        """
        import importlib, sys
        from pathlib import Path

        HERE = Path(__file__).parent

        def f():
            importlib.import_module(".mod", package="package")
            importlib.import_module("package.other")
            __import__("plain")
            sys.path.insert(0, str(HERE.parent / "lib"))
            import helper
        """,
    )
    assert facts.statically == (
        "lib/helper.py",
        "package/__init__.py",
        "package/mod.py",
        "package/other.py",
        "plain.py",
    )


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.listdir(here)",
        "import os\nlist(os.walk(here))",
        "import glob\nglob.glob(here + '/*.yaml')",
        "import pathlib\nlist(pathlib.Path(here).glob('*.yaml'))",
        "import pathlib\nlist(pathlib.Path(here).iterdir())",
    ],
)
def test_a_listed_directory_is_an_input(tmp_path: Path, source: str) -> None:
    put(tmp_path, "dags/conf/a.yaml")
    facts = trace(tmp_path, f"here = __file__.replace('d.py', 'conf')\n{source}")
    assert facts.directories == ("dags/conf",)
    assert facts.impure == ()


@pytest.mark.acceptance("pushes", 22)
@pytest.mark.parametrize(
    "question",
    [
        "os.path.exists(HERE / 'conf' / NAME)",
        "os.path.lexists(HERE / 'conf' / NAME)",
        "os.path.isfile(str(HERE / 'conf' / NAME))",
        "os.path.isdir(HERE / 'conf' / NAME)",
        "os.path.islink(HERE / 'conf' / NAME)",
        "os.access(HERE / 'conf' / NAME, os.R_OK)",
        "os.path.realpath(HERE / 'conf' / NAME)",
        "(HERE / 'conf' / NAME).exists()",
        "(HERE / 'conf' / NAME).is_file()",
        "(HERE / 'conf' / NAME).is_dir()",
        "glob.glob(f'{HERE}/*/{NAME}')",
        "list(HERE.glob(f'*/{NAME}'))",
        "shutil.which(NAME, path=str(HERE / 'conf'))",
    ],
)
def test_a_question_whether_a_file_is_there_is_asked_again_when_it_comes_or_goes(
    tmp_path: Path, question: str
) -> None:
    put(tmp_path, "dags/conf/a.yml")
    head = "import glob, os, shutil\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
    source = f"{head}NAME = 'b' + '.yml'\n{question}\n"
    facts = trace(tmp_path, source)
    manifest = {"dags/d.py": "1", "dags/conf/a.yml": "1"}
    seen = inputs_of(facts, manifest)
    assert matches(seen, manifest)
    assert matches(seen, {**manifest, "other/b.yml": "1"}), "an equal answer makes no parse"
    later = {**manifest, "dags/conf/b.yml": "1"}
    assert not matches(seen, later)
    put(tmp_path, "dags/conf/b.yml")
    there = inputs_of(trace(tmp_path, source), later)
    assert matches(there, later)
    assert not matches(there, manifest)
    assert there.content_digest() == seen.content_digest(), "a question is no content"
    assert there.digest() != seen.digest(), "but its answer tells one question from another"


def test_what_is_asked_of_a_file_is_asked_again_when_it_changes_and_of_a_folder_when_it_is_none(
    tmp_path: Path,
) -> None:
    put(tmp_path, "dags/conf/a.yml", "one")
    facts = trace(
        tmp_path,
        "import os\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
        "CONF = HERE / ('co' + 'nf')\nos.stat(CONF / ('a' + '.yml')).st_size\nCONF.is_dir()\n",
    )
    assert {"dags/conf", "dags/conf/a.yml"} <= set(facts.asked)
    manifest = {"dags/d.py": "1", "dags/conf/a.yml": "1"}
    seen = inputs_of(facts, manifest)
    assert not matches(seen, {**manifest, "dags/conf/a.yml": "2"})
    assert matches(seen, {**manifest, "dags/conf/b.yml": "1"})
    assert not matches(seen, {"dags/d.py": "1", "dags/conf": "1"})


def test_a_plain_parse_asks_about_nothing_that_another_file_can_change(tmp_path: Path) -> None:
    manifest = {"dags/d.py": "1"}
    seen = inputs_of(trace(tmp_path, ""), manifest)
    assert matches(seen, {**manifest, "dags/other.py": "1", "lib/x.py": "1", "README": "1"})


def test_wrapped_questions_take_what_those_of_the_interpreter_take(tmp_path: Path) -> None:
    put(tmp_path, "dags/conf/a.yml", "one")
    trace(
        tmp_path,
        """
        import os
        from pathlib import Path

        HERE = Path(__file__).parent
        folder = os.open(HERE / "conf", os.O_RDONLY)
        assert os.stat("a.yml", dir_fd=folder).st_size == 3
        assert os.stat(folder).st_ino == os.stat(HERE / "conf", follow_symlinks=False).st_ino
        assert os.stat in os.supports_dir_fd and os.stat in os.supports_follow_symlinks
        assert os.stat in os.supports_fd and os.access in os.supports_effective_ids
        assert os.access("a.yml", os.R_OK, dir_fd=folder, effective_ids=True)
        for wrong in (None, 1.5, "nul\\0"):
            try:
                os.stat(wrong)
            except (TypeError, ValueError):
                pass
            else:
                raise AssertionError(wrong)
        """,
    )


def test_directories_that_imports_search_are_no_inputs(tmp_path: Path) -> None:
    put(tmp_path, "lib/a.py")
    assert trace(tmp_path, "import lib.a").directories == ()


def test_a_listing_of_the_bundle_itself_is_an_input(tmp_path: Path) -> None:
    assert trace(tmp_path, "import os\nos.listdir(__file__[:-len('dags/d.py')])").directories == ("",)


def test_links_count_with_what_they_lead_to(tmp_path: Path) -> None:
    put(tmp_path, "shared/h.py")
    put(tmp_path, "shared/real.yaml")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/lib").symlink_to("../shared")
    (tmp_path / "dags/c.yaml").symlink_to("../shared/real.yaml")
    facts = trace(tmp_path, "import dags.lib.h\nopen(__file__.replace('d.py', 'c' + '.yaml'))")
    assert facts.files == ("dags/c.yaml", "dags/d.py", "dags/lib", "shared/h.py", "shared/real.yaml")


def test_a_bundle_reached_through_a_link_is_the_same(tmp_path: Path) -> None:
    put(tmp_path, "real/h.py")
    (tmp_path / "link").symlink_to("real")
    facts = trace(tmp_path / "link", "import h, os\nopen(os.path.realpath(h.__file__))")
    assert facts.files == ("dags/d.py", "h.py")
    assert facts.impure == ()


def test_a_zip_file_is_one_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("d.py", "import inner, datetime\ninner.f()" + DAG)
        archive.writestr("inner.py", "import datetime\ndef f():\n    return datetime.datetime.now()")
    result = driver.parse(tmp_path, "packed.zip")
    facts = take_facts(result)
    assert facts is not None and not result.import_errors
    assert [dag.dag_id for dag in result.serialized_dags] == ["d"]
    assert facts.files == ("packed.zip",)
    assert details(facts, "clock") == ["datetime.datetime.now() at packed.zip/inner.py:3"]


# Failures


def test_a_syntax_error_in_a_helper_names_the_helper(tmp_path: Path) -> None:
    put(tmp_path, "good.py")
    put(tmp_path, "bad.py", "def f(:")
    facts = trace(tmp_path, "import good\nimport bad", ok=False)
    assert facts.files == ("bad.py", "dags/d.py", "good.py")


def test_a_syntax_error_in_the_dag_file_still_has_facts(tmp_path: Path) -> None:
    assert trace(tmp_path, "def f(:", ok=False).files == ("dags/d.py",)


def test_a_failed_import_is_mended_by_the_missing_file(tmp_path: Path) -> None:
    facts = trace(tmp_path, "import missing", ok=False)
    manifest = {"dags/d.py": "1"}
    assert not matches(inputs_of(facts, manifest), manifest | {"missing.py": "2"})


# Impurities


def test_variables_and_connections_are_named(tmp_path: Path) -> None:
    facts = trace(
        tmp_path,
        """
        from airflow.sdk import Variable, BaseHook
        key = "k" + "1"
        assert Variable.get(key) == "value"
        assert Variable.get("k2", default=None) is None
        assert BaseHook.get_connection("c1").host == "h"
        """,
        variables={"k1": "value"},
        connections={"c1": "h"},
    )
    assert details(facts, "variable") == ["k1", "k2"]
    assert details(facts, "connection") == ["c1"]
    assert "value" not in str(facts.impure)


def test_a_variable_answered_by_an_environment_variable_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_FROM_ENV", "value")
    facts = trace(tmp_path, "from airflow.sdk import Variable\nassert Variable.get('from_env') == 'value'")
    assert facts.impure == ({"kind": "variable", "detail": "from_env"},)


def test_the_environment_counts(tmp_path: Path) -> None:
    put(tmp_path, "h.py", "import os\ndef stage():\n    return os.environ.get('STAGE')\n")
    assert details(trace(tmp_path, "from h import stage\nstage()"), "environment") == ["STAGE at h.py:3"]


def test_the_clock_and_chance_count(tmp_path: Path) -> None:
    facts = trace(tmp_path, "import random\nfrom datetime import datetime\ndatetime.now(); random.random()")
    assert facts.impure == (
        {"kind": "clock", "detail": "datetime.datetime.now() at dags/d.py:3"},
        {"kind": "random", "detail": "random.random() at dags/d.py:3"},
    )


def test_the_network_counts_also_from_a_thread(tmp_path: Path) -> None:
    connect = """
        import socket
        def connect():
            try:
                socket.create_connection(("127.0.0.1", 9), timeout=0.2)
            except OSError:
                pass
        """
    direct = trace(tmp_path / "a", dedent(connect) + "connect()\n")
    assert "127.0.0.1:9 at dags/d.py:5" in details(direct, "network")
    threaded = trace(
        tmp_path / "b",
        "import socket\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as pool:\n    pool.submit(socket.getaddrinfo, '127.0.0.1', 80).result()\n",
    )
    assert details(threaded, "network") == ["127.0.0.1:80 in a thread"]


@pytest.mark.parametrize(
    "call",
    [
        "import subprocess; subprocess.run(['true', 'secret'])",
        "import subprocess; subprocess.check_output('true secret', shell=True)",
        "import os; os.system('true secret')",
    ],
)
def test_a_subprocess_counts_without_its_arguments(tmp_path: Path, call: str) -> None:
    facts = trace(tmp_path, call)
    assert kinds(facts) == {"subprocess"}
    assert "secret" not in str(facts.impure)


def test_a_local_database_counts(tmp_path: Path) -> None:
    assert details(trace(tmp_path, "import sqlite3\nsqlite3.connect(':memory:')"), "database") == [
        ":memory: at dags/d.py:2"
    ]


def test_a_file_outside_the_bundle_counts(tmp_path: Path) -> None:
    put(tmp_path, "outside.yaml")
    facts = trace(tmp_path / "bundle", f"open({str(tmp_path / 'outside.yaml')!r})")
    assert details(facts, "file") == [f"{tmp_path / 'outside.yaml'} at dags/d.py:1"]


def test_a_module_outside_the_bundle_counts(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/outer_helper.py")
    facts = trace(
        tmp_path / "bundle",
        f"import sys\nsys.path.append({str(tmp_path / 'elsewhere')!r})\nimport outer_helper",
    )
    assert details(facts, "file") == [str(tmp_path / "elsewhere/outer_helper.py")]


def test_writing_a_file_counts(tmp_path: Path) -> None:
    facts = trace(tmp_path, "open(__file__ + '.out', 'w').write('x')")
    assert details(facts, "write") == ["dags/d.py.out at dags/d.py:1"]
    assert facts.files == ("dags/d.py",)


def test_what_installed_packages_do_while_imported_does_not_count(tmp_path: Path) -> None:
    facts = trace(tmp_path, "import platform, ctypes.util, uuid, sqlite3, requests, git")
    assert facts.impure == ()
    assert facts.absent == ()


# The parse itself


def test_a_traced_parse_gives_the_stock_result(tmp_path: Path) -> None:
    put(tmp_path, "dags/d.py", DAG)
    stock = driver.parse(tmp_path, "dags/d.py", traced=False)
    traced = driver.parse(tmp_path, "dags/d.py")
    assert take_facts(stock) is None
    assert take_facts(traced) is not None
    assert take_facts(traced) is None
    assert traced.warnings == stock.warnings
    drop = {"serialized_dags": {"__all__": {"last_loaded"}}}
    assert traced.model_dump(exclude=drop) == stock.model_dump(exclude=drop)


def test_what_one_parse_learned_of_helpers_is_inherited_by_the_next(tmp_path: Path) -> None:
    from pinwheel.airflow3.parsing import handover

    handover.known_sources.clear()
    put(tmp_path, "h.py", "def f():\n    import os\n    return os.getenv('A')")
    first = trace(tmp_path, "from h import f\nf()")
    assert len(handover.known_sources) == 2
    put(tmp_path, "dags/d.py", "from h import f\nf()" + DAG)
    result = driver.parse(tmp_path, "dags/d.py")
    assert result.warnings[-1]["sources"] == {}
    assert take_facts(result) == first


def test_what_a_parser_imported_of_airflow_later_ones_inherit(tmp_path: Path) -> None:
    from pinwheel.airflow3.parsing import handover

    handover.imported_modules.clear()
    name = "airflow.providers.standard.sensors.weekday"
    sys.modules.pop(name, None)
    process._tried_imports.discard(name)
    put(tmp_path, "h.py")
    source = "from airflow.providers.standard.sensors import weekday\nimport h"
    first = trace(tmp_path, source)
    assert name in handover.imported_modules
    assert "h" not in handover.imported_modules
    assert trace(tmp_path, source) == first
    assert name in sys.modules
    assert handover.imported_modules == set()


@pytest.mark.parametrize("broken", ["gather", "start", "hook"])
def test_a_failure_of_the_tracing_leaves_the_parse_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("broken on purpose")

    if broken == "gather":
        monkeypatch.setattr(entrypoint, "gather", fail)
    elif broken == "start":
        monkeypatch.setattr(entrypoint.Tracer, "start", fail)
    else:
        monkeypatch.setattr(entrypoint.Tracer, "_path", fail)
    put(tmp_path, "h.py")
    put(tmp_path, "dags/d.py", "import h" + DAG)
    result = driver.parse(tmp_path, "dags/d.py")
    facts = take_facts(result)
    assert [dag.dag_id for dag in result.serialized_dags] == ["d"]
    assert not result.import_errors
    if broken == "hook":
        assert facts is not None and kinds(facts) == {"metadata"}
    else:
        assert facts is None


def test_a_file_with_callbacks_or_a_failing_preparation_is_left_to_airflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.manager import DagFileInfo

    put(tmp_path, "dags/d.py", DAG)
    info = DagFileInfo(rel_path=Path("dags/d.py"), bundle_name="test", bundle_path=tmp_path)
    stock = object()
    manager: Any = SimpleNamespace(_callback_to_execute={info: ["callback"]})
    assert TracingProcess.create(manager, info, lambda _: stock) is stock
    monkeypatch.setattr(process, "listing_of", lambda _: 1 / 0)
    manager = SimpleNamespace(_callback_to_execute={})
    assert TracingProcess.create(manager, info, lambda _: stock) is stock


def test_the_managers_own_hook_starts_a_traced_parse(tmp_path: Path) -> None:
    import selectors
    import time

    from airflow.dag_processing.bundles.local import LocalDagBundle
    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    class Manager(DagFileProcessorManager):
        client = driver.FakeClient({}, {})

        def _create_process(self, dag_file: DagFileInfo) -> Any:
            return TracingProcess.create(self, dag_file, super()._create_process)

    put(tmp_path, "dags/d.py", DAG)
    manager = Manager(max_runs=1)
    manager._dag_bundles = [LocalDagBundle(name="test", path=str(tmp_path))]
    manager.selector = selectors.DefaultSelector()
    info = DagFileInfo(rel_path=Path("dags/d.py"), bundle_name="test", bundle_path=tmp_path)
    proc = manager._create_process(info)
    assert isinstance(proc, TracingProcess)
    end = time.monotonic() + 60
    while not proc.is_ready and time.monotonic() < end:
        manager._service_processor_sockets(timeout=0.1)
    facts = take_facts(proc.parsing_result)
    proc.close()
    assert facts is not None
    assert evolve(facts, reached={}) == ParseFacts(files=("dags/d.py",))
    assert facts.reached["d"].files == ("dags/d.py",) and facts.reached["d"].objects


def test_the_environment_has_one_fingerprint() -> None:
    from pinwheel.airflow3.parsing import current_runtime

    runtime = current_runtime()
    assert runtime is current_runtime()
    assert len(runtime.fingerprint) == 64
    assert set(runtime.details) == {"python", "airflow", "distributions", "packages"}
    assert runtime.details["python"] == ".".join(map(str, sys.version_info[:3]))


def test_environment_variables_are_not_left_changed() -> None:
    assert os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "client"
