"""Files that a parse opens without a word to the interpreter are asked about: by C code and by programs."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from integration import parse_driver as driver
from pinwheel.airflow3.parsing import opened, take_facts
from pinwheel.airflow3.parsing.opened import Opens, folders_below
from pinwheel.core.parse.facts import WHOLE_TREE, ParseFacts
from pinwheel.core.parse.inputs import inputs_of, matches

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who opens a file")

HEAD = """
import ctypes, os, pathlib, sqlite3, subprocess, sys
from airflow.sdk import DAG
HERE = pathlib.Path(__file__).parent
FILE = str(HERE / "conf" / ("a" + ".cfg"))
"""
DAG = """
with DAG("d"):
    pass
"""


def facts_of(root: Path, source: str) -> ParseFacts:
    (root / "dags" / "conf").mkdir(parents=True, exist_ok=True)
    (root / "dags" / "conf" / "a.cfg").touch()
    (root / "dags" / "d.py").write_text(HEAD + dedent(source) + DAG)
    result = driver.parse(root, "dags/d.py")
    assert not result.import_errors, result.import_errors
    facts = take_facts(result)
    assert facts is not None
    return facts


WAYS = {
    "sqlite3": "sqlite3.connect(FILE).execute('select 1')",
    "sqlite3, read only": "sqlite3.connect(f'file:{FILE}?mode=ro', uri=True)",
    "sqlite3, attached": "sqlite3.connect(':memory:').execute(f\"attach database '{FILE}' as a\")"
    ".execute('pragma a.table_list').fetchall()",
    "a C library": "ctypes.CDLL(None).fopen(FILE.encode(), b'r')",
    "a program": "subprocess.run(['cat', FILE], check=True)",
    "a program in a folder": "subprocess.run('cat *', shell=True, check=True, cwd=HERE / ('co' + 'nf'))",
    "os.system": "os.system(f'cat {FILE}')",
    "os.posix_spawn": "os.waitpid(os.posix_spawn('/bin/cat', ['cat', FILE], os.environ), 0)",
    "a fork": "pid = os.fork()\nif not pid:\n    open(FILE).close(); os._exit(0)\nos.waitpid(pid, 0)",
    "an interpreter of its own": "subprocess.run([sys.executable, '-c', f'open({FILE!r})'], check=True)",
}


@linux
@pytest.mark.acceptance("pushes", 23)
@pytest.mark.parametrize("way", WAYS)
def test_a_changed_file_that_was_opened_without_an_event_makes_a_parse(tmp_path: Path, way: str) -> None:
    facts = facts_of(tmp_path, WAYS[way])
    manifest = {"dags/d.py": "1", "dags/conf/a.cfg": "1", "dags/other.py": "1"}
    seen = inputs_of(facts, manifest)
    assert matches(seen, manifest)
    assert not matches(seen, {**manifest, "dags/conf/a.cfg": "2"})
    assert matches(seen, {**manifest, "dags/other.py": "2"}), "nothing else does"
    assert "dags/conf/a.cfg" not in seen.files, "it is no content"


@linux
def test_what_a_program_lists_is_listed(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "subprocess.run(['ls', HERE / 'conf'], check=True)")
    assert "dags/conf" in facts.directories


@linux
def test_a_parse_that_does_nothing_of_this_kind_is_not_watched(tmp_path: Path) -> None:
    assert facts_of(tmp_path, "open(FILE).read()").asked == ()


@pytest.mark.acceptance("pushes", 23)
@pytest.mark.parametrize(
    "why", ["another system", "no instance", "no watches", "too many folders", "overflow"]
)
def test_where_opens_can_not_be_told_the_file_is_parsed_at_each_new_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "another system":
        monkeypatch.setattr(opened.sys, "platform", "darwin")
    elif why == "too many folders":
        monkeypatch.setattr(opened, "MOST_FOLDERS", 1)
    elif why == "overflow":
        monkeypatch.setattr(Opens, "_read", _one_overflow())
    else:
        monkeypatch.setattr(opened.ctypes, "CDLL", lambda *_, **__: _Refusing(why == "no instance"))
    facts = facts_of(tmp_path, "subprocess.run(['true'], check=True)")
    assert WHOLE_TREE in facts.asked
    assert any("every version is parsed" in said for said in facts.skipped)
    manifest = {"dags/d.py": "1", "README": "1"}
    seen = inputs_of(facts, manifest)
    assert matches(seen, dict(manifest))
    assert not matches(seen, {**manifest, "README": "2"})
    assert not matches(seen, {**manifest, "//beside": "1"})
    assert seen.content_digest() == inputs_of(facts, {**manifest, "README": "2"}).content_digest()


@linux
def test_a_compiled_module_that_the_manager_loaded_before_counts_as_one_that_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import types

    package, part = types.ModuleType("fastread"), types.ModuleType("fastread.core")
    part.__file__ = "/somewhere/fastread/core.so"
    monkeypatch.setitem(sys.modules, "fastread", package)
    monkeypatch.setitem(sys.modules, "fastread.core", part)
    assert WHOLE_TREE in facts_of(tmp_path, "import fastread").asked
    assert WHOLE_TREE not in facts_of(tmp_path, "import yaml").asked


@linux
def test_no_watch_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    opens = Opens(folders_below(str(tmp_path)))
    (tmp_path / "a" / "x").write_text("")
    files, folders = opens.take()
    assert files == {str(tmp_path / "a" / "x")} and folders == set()
    (tmp_path / "a" / "x").read_text()
    assert opens.take()[0] == {str(tmp_path / "a" / "x")}
    opens.close()
    opens.close()
    with pytest.raises(OSError):
        opens.take()


class _Refusing:
    """A kernel that gives no instance, or no watch."""

    def __init__(self, no_instance: bool) -> None:
        self.no_instance = no_instance

    def inotify_init1(self, flags: int) -> int:
        import os

        return -1 if self.no_instance else os.open(os.devnull, os.O_RDONLY)

    def inotify_add_watch(self, *_: Any) -> int:
        return -1


def _one_overflow() -> Any:
    left = [opened._EVENT.pack(-1, opened._IN_Q_OVERFLOW, 0, 0)]
    return lambda self: left.pop() if left else b""


def test_what_was_loaded_before_is_looked_up_once_in_the_manager_and_not_in_each_parser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A parser that looked at thousands of modules would copy a page of the manager's memory for most."""
    looks = []
    look = opened._look_at_extensions
    monkeypatch.setattr(opened, "_look_at_extensions", lambda: looks.append(1) or look())
    native = ModuleType("acme_native.core")
    native.__file__ = "/opt/acme_native/core.so"
    monkeypatch.setitem(sys.modules, "acme_native.core", native)

    opened.look_at_extensions()
    assert opened.loaded_extensions()["acme_native"] == "acme_native.core"
    opened.look_at_extensions()
    assert opened.loaded_extensions().keys() >= {"acme_native"}
    assert len(looks) == 1
    monkeypatch.delitem(sys.modules, "acme_native.core")
    opened.look_at_extensions()
    assert "acme_native" not in opened.loaded_extensions()
