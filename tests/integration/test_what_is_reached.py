"""What the content of a Dag is made of, at the edges: one parse of each of two versions of a small file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.factories import parsed
from integration.parse_driver import parse
from pinwheel.airflow3.parsing.handover import cpu_seconds_of
from pinwheel.airflow3.parsing.listing import listing_of
from pinwheel.airflow3.parsing.paths import BundlePaths
from pinwheel.airflow3.parsing.reached import Reached
from pinwheel.airflow3.parsing.references import References

DAG = """
import json, os
from pathlib import Path
import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
HERE = Path(__file__).parent
V = json.loads((HERE / ("v.js" + "on")).read_text())
{head}
for number in range({dags}):
    with DAG(f"d{{number}}", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
        PythonOperator(task_id="t", python_callable=f)
"""
Build = Callable[..., Any]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """The content of the Dag of a file that begins so, in a bundle version of its own."""
    count = 0

    def made(head: str, value: str = "1", dags: int = 1, **others: str | bytes) -> Any:
        nonlocal count
        count += 1
        root = tmp_path / f"{count:040x}"
        root.mkdir()
        (root / "dag.py").write_text(DAG.format(head=head, dags=dags))
        (root / "v.json").write_text(value)
        for name, text in others.items():
            (root / name.replace("__", ".")).write_bytes(text.encode() if isinstance(text, str) else text)
        return parsed(root)["d0"]

    return made


def test_a_long_text_of_all_dags_of_a_file_is_not_read_for_each(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("see scripts/run.sh and a.b.c, conf/x.yaml for `more`\n" * 1_100)
    (tmp_path / "v.json").write_text("1")
    head = "TEXT = (HERE / 'long.md').read_text()\ndef f(): return TEXT"
    (tmp_path / "dag.py").write_text(DAG.format(head=head, dags=300))
    result = parse(tmp_path, "dag.py")
    assert len(result.serialized_dags) == 300
    used = cpu_seconds_of(result)
    assert used is not None and used < 5  # 15 when it is read for each


class Held:
    """Stands for a Dag, and for what it holds."""

    def __init__(self, held: Any) -> None:
        self.held = held


def test_values_that_many_dags_hold_together_with_objects_are_walked_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinwheel.airflow3.parsing.plain._MOST_MET", 1_000)
    (tmp_path / "dag.py").write_text("")
    table = {str(number): number for number in range(200)} | {"one": Held(1)}
    references = References(BundlePaths(str(tmp_path)), listing_of(str(tmp_path)), [""])
    reached = Reached(references, str(tmp_path / "dag.py")).of({str(n): Held(table) for n in range(5)})
    assert [bool(reached[str(number)].unread) for number in range(5)] == [False, False, True, True, True]


def test_large_data_is_told_by_its_digest(build: Build) -> None:
    head = "DATA = (HERE / ('da' + 'ta')).read_bytes()\ndef f(): return DATA"
    one, same, other = (build(head, data=bytes(1_000_000) + end) for end in (b"1", b"1", b"2"))
    assert one.digest == same.digest != other.digest
    assert not one.unread


READS = {
    "a version of its own": "__version__ = V\ndef f(): return __version__",
    "a text of the module": "__doc__ = str(V)\ndef f(): return __doc__",
    "a module made by hand": "import types\nMADE = types.ModuleType('made')\nMADE.v = V\n"
    "def f(): return MADE.v",
    "an adapter of a logger": "import logging\n"
    "LOG = logging.LoggerAdapter(logging.getLogger('x'), {'v': V})\ndef f(): LOG.info('x')",
}


@pytest.mark.parametrize("head", READS.values(), ids=READS.keys())
def test_a_value_counts_under_whatever_name(head: str, build: Build) -> None:
    assert build(head).objects_digest != build(head, value="2").objects_digest


HOLDS_A_PLACE = {
    "parents": "PARENTS = Path(__file__).resolve().parents\ndef f(): return PARENTS[0]",
    "a template": "import jinja2\nENV = jinja2.Environment(loader=jinja2.FileSystemLoader(str(HERE)))\n"
    "TEMPLATE = ENV.get_template('q.sql')\ndef f(): return TEMPLATE.render()",
    "questions": "from os import access, stat\nFOUND = [one.exists() for one in HERE.glob('*')]\n"
    "def f(): return access, stat",
}


@pytest.mark.parametrize("head", HOLDS_A_PLACE.values(), ids=HOLDS_A_PLACE.keys())
def test_place_and_time_of_a_version_and_what_its_parse_asked_make_no_build(head: str, build: Build) -> None:
    one, other = build(head, q__sql="select 1"), build(head, q__sql="select 1", note__md="x")
    assert one.digest == other.digest
    assert not one.unread


@pytest.mark.parametrize("raised", ["RuntimeError('a secret')", "SystemExit(3)"])
def test_objects_whose_code_runs_when_they_are_read_end_no_parser_and_tell_no_secret(
    raised: str, build: Build
) -> None:
    head = "class Lazy:\n    @property\n    def __dict__(self): raise " + raised
    found = build(head + "\nLAZY = Lazy()\ndef f(): return LAZY")
    assert found.unread == (f"it can not be walked: {raised.partition('(')[0]}",)
