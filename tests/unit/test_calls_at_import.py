"""Calls that import by a name, or that call what they get; and what code runs when a file is imported."""

from __future__ import annotations

from textwrap import dedent

import pytest

from pinwheel.core.parse.static_facts import (
    ModuleImport,
    Named,
    Scope,
    StaticFacts,
    import_time_impurities,
    static_facts,
)


def impure(source: str) -> list[str]:
    return [item["detail"] for item in import_time_impurities({"a.py": static_facts(dedent(source))})]


def imports(source: str) -> list[ModuleImport]:
    return list(static_facts(source).imports)


CLOCK = "import time\n"


@pytest.mark.parametrize(
    "call", ["map", "filter", "sorted", "min", "max", "reduce", "starmap", "submit", "apply"]
)
def test_a_call_that_calls_what_it_gets_runs_it(call: str) -> None:
    ask = f"{CLOCK}def f(x): time.time()\n"
    asked = ["time.time() at a.py:2"]
    assert impure(f"{ask}pool.{call}(f, [1])") == asked
    assert impure(f"{ask}{call}([1], key=f)") == asked
    assert impure(f"{ask}{call}_of(f, [1])") == []
    assert impure(f"{ask}{call}(1, [1])") == []


@pytest.mark.parametrize("call", ["override", "partial", "expand", "expand_kwargs"])
def test_a_call_that_calls_its_object_runs_that(call: str) -> None:
    ask = f"{CLOCK}def f(x): time.time()\n"
    assert impure(f"{ask}f.{call}(x=1)") == ["time.time() at a.py:2"]
    assert impure(f"{ask}f.{call}_of(x=1)") == []
    assert impure(f"{ask}{call}(x=1)") == []


@pytest.mark.parametrize("decorator", ["task", "setup", "teardown", "asset"])
def test_a_function_that_runs_in_a_task_does_not_run_at_import(decorator: str) -> None:
    body = "def f(): time.time()\nf()"
    assert impure(f"{CLOCK}@{decorator}\n{body}") == []
    assert impure(f"{CLOCK}@{decorator}.bash(x=1)\n{body}") == []
    assert impure(f"{CLOCK}from lib import {decorator} as d\n@other\n@d\n{body}") == []
    assert impure(f"{CLOCK}@{decorator}\n@other\n{body}") == []
    assert impure(f"{CLOCK}@{decorator}_of\n{body}") == ["time.time() at a.py:3"]


def test_a_decorator_is_called_at_import_with_what_it_gets() -> None:
    assert impure(f"{CLOCK}def d(f): time.time()\n@d\ndef f(): pass") == ["time.time() at a.py:2"]
    assert impure(f"{CLOCK}@d(time.time())\ndef f(): pass") == ["time.time() at a.py:2"]
    assert impure(f"{CLOCK}def d(f): time.time()\n@d\nclass C: pass") == []
    assert impure(f"{CLOCK}@d(time.time())\nclass C: pass") == ["time.time() at a.py:2"]
    assert impure(f"{CLOCK}class C(B, metaclass=f(time.time())): pass") == ["time.time() at a.py:2"]
    assert impure(f"{CLOCK}class C(f(time.time())): pass") == ["time.time() at a.py:2"]


def test_a_call_in_a_path_runs_what_it_calls() -> None:
    assert impure(f"{CLOCK}def Path(x): time.time()\nPath('a') / 'b'") == ["time.time() at a.py:2"]
    made = "class C:\n    def resolve(self): time.time()\nf(1)(2).resolve() / 'a'"
    assert impure(CLOCK + made) == ["time.time() at a.py:3"]


def test_functions_that_call_each_other_come_to_an_end() -> None:
    assert impure(f"{CLOCK}def f(): g()\ndef g(): f(); time.time()\nf()") == ["time.time() at a.py:3"]


def test_default_values_are_made_at_import() -> None:
    for source in (
        "def f(x=time.time()): pass",
        "def f(*, y, x=time.time()): pass",
        "f = lambda x=time.time(): x",
    ):
        assert impure(CLOCK + source) == ["time.time() at a.py:2"], source
    assert impure(f"{CLOCK}async def f(): time.time()") == []
    assert impure(f"{CLOCK}async def f(): time.time()\nf()") == ["time.time() at a.py:2"]


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("if x:\n    time.time()", True),
        ("if x:\n    pass\nelse:\n    time.time()", True),
        ("if time.time():\n    pass", True),
        ("if __name__ == '__main__':\n    time.time()", False),
        ("if __name__ == '__main__':\n    pass\nelse:\n    time.time()", True),
        ("if name == '__main__':\n    time.time()", True),
        ("if TYPE_CHECKING:\n    time.time()", False),
        ("if t.TYPE_CHECKING:\n    pass\nelse:\n    time.time()", True),
        ("x = [time.time()]", True),
        ("x = {1: time.time()}", True),
        ("x = f'{time.time()}'", True),
        ("x[time.time()] = 1", True),
        ("x: float = time.time()", True),
        ("x[time.time()]: float = 1", True),
        ("x: time.time()", False),
        ("with f(time.time()):\n    pass", True),
        ("for x in f(time.time()):\n    pass", True),
        ("x = f(time.time())[1]", True),
        ("x = f(time.time()).y", True),
        ("f(time.time())(1)", True),
        ("f(*[time.time()])", True),
        ("f(x=time.time())", True),
        ("x = a / time.time()", True),
        ("x = a / f(time.time())", True),
        ("x = -time.time()", True),
        ("x = a + time.time()", True),
        ("x = time.time() - a", True),
        ("x = str(time.time())", True),
        ("x = Path(time.time()).resolve() / 'a'", True),
        ("x = [time.time() for y in z]", True),
        ("x = lambda: time.time()", False),
        ("try:\n    pass\nexcept E:\n    time.time()", True),
        ("class C:\n    x = time.time()", True),
        ("class C:\n    def x(self): time.time()", False),
        ("class C:\n    def x(self): time.time()\nC().x()", True),
        ("class C:\n    def __init__(self): time.time()\nC()", True),
        ("class C:\n    def __x__(self): time.time()\nC()", True),
        ("class C:\n    def __x(self): time.time()\nC()", False),
        ("class C:\n    def x__(self): time.time()\nC()", False),
        ("class C:\n    if y:\n        def x(self): time.time()\nx()", False),
        ("def x(): time.time()\ny.x()", False),
        ("import y\ndef x(): time.time()\ny.x()", True),
        ("import y\nclass C:\n    def x(self): time.time()\ny.z.x()", True),
    ],
)
def test_code_that_runs_at_import_asks_the_world(source: str, runs: bool) -> None:
    line = next(n for n, text in enumerate(source.splitlines(), 2) if "time.time()" in text)
    assert impure(CLOCK + source) == ([f"time.time() at a.py:{line}"] if runs else [])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nx = os.environ", "os.environ at a.py:2"),
        ("import os\nx = os.environ['A']", "A at a.py:2"),
        ("import os\nx = os.environ[a]", "os.environ at a.py:2"),
        ("import os as o\nx = o.environb[b]", "os.environ at a.py:2"),
        ("from os import environ\nx = environ", "os.environ at a.py:2"),
        ("from os import environ as e\nx = e.items", "os.environ at a.py:2"),
        ("from os import environ as e\nx = e['A']", "A at a.py:2"),
        ("import os\nx = f(os.environ)['A']", "os.environ at a.py:2"),
        ("import os\nx = f(os).environ", None),
        ("import os\nos.environ = {}", None),
        ("import os\nos.environ['A'] = 1", None),
        ("import os\ndel os.environ['A']", None),
        ("from os import environ as e\ne = 1", None),
        ("from os import environ as e\ne.x = 1", None),
        ("import os\nx = os.environs", None),
        ("from mine import environ as e\nx = e.items", None),
    ],
)
def test_the_environment_that_is_read_is_told_by_its_key(source: str, found: str | None) -> None:
    assert impure(source) == ([found] if found else [])


@pytest.mark.parametrize(
    "call", ["import_module", "__import__", "find_spec", "import_string", "locate", "attach"]
)
def test_a_call_that_imports_by_name_imports_the_module(call: str) -> None:
    assert imports(f"lib.{call}('a.b')") == [ModuleImport("a.b")]
    assert imports(f"{call}('a')") == ([ModuleImport("a")] if call != "attach" else [])
    assert imports(f"lib.{call}_of('a.b')") == []


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("import_module('.a')", ModuleImport("a", 1)),
        ("import_module('..a')", ModuleImport("a", 2)),
        ("import_module('.a', 'p.q')", ModuleImport("p.q.a")),
        ("import_module('..a', 'p.q')", ModuleImport("p.a")),
        ("import_module('.a', package='p.q')", ModuleImport("p.q.a")),
        ("import_module('.a', __name__)", ModuleImport("a", 1)),
        ("import_module('a', 'p.q')", ModuleImport("a")),
        ("import_module('a', other='p.q')", ModuleImport("a")),
        ("import_module('Xa.b')", ModuleImport("Xa.b")),
        ("import_module('a-b')", None),
        ("import_module('a..b')", None),
        ("import_module('')", None),
        ("import_module('.')", None),
    ],
)
def test_a_module_is_named_from_its_package(call: str, found: ModuleImport | None) -> None:
    assert imports(call) == ([found] if found else [])


@pytest.mark.parametrize(
    ("call", "strings", "modules"),
    [
        ("import_module(name)", ("import:",), ("a.b",)),
        ("import_module()", ("import:",), ("a.b",)),
        ("import_module(f'.{name}')", ("import:.*",), ()),
        ("import_module(f'steps.{name}')", ("steps/",), ()),
        ("import_module(f'steps.in.{name}')", ("steps/in/",), ()),
        ("import_module(f'steps{name}')", ("import:",), ("a.b", "steps")),
        ("lazy_loader.attach('a')", ("import:",), ("a", "a.b")),
        ("lazy.attach('a')", ("import:",), ("a", "a.b")),
        ("attach('a')", ("import:",), ("a", "a.b")),
    ],
)
def test_a_module_of_a_computed_name_may_be_any_that_is_named(
    call: str, strings: tuple[str, ...], modules: tuple[str, ...]
) -> None:
    facts = static_facts(f"x = 'a.b'\n{call}")
    assert facts.modules == modules
    assert set(strings) <= set(facts.strings)
    assert ("import:" in facts.strings) is ("import:" in strings)


def test_a_text_that_may_be_a_module_is_one_by_its_letters_and_is_no_longer_than_100() -> None:
    def modules(text: str) -> tuple[str, ...]:
        return static_facts(f"x = {text!r}\nimport_module(name)").modules

    assert modules("..a_1.b2") == ("..a_1.b2",)
    assert modules("a" * 99) == ("a" * 99,) and modules("a" * 100) == ()
    for text in ("1a", "a.1", "a..b", "a.", "a b", "a-b", ""):
        assert modules(text) == (), text


def test_imports_have_their_level_and_their_names_in_order() -> None:
    assert imports("from ..a.b import d, c\nfrom . import e\nimport f.g as h, i") == [
        ModuleImport("", 1, ("e",)),
        ModuleImport("a.b", 2, ("c", "d")),
        ModuleImport("f.g"),
        ModuleImport("i"),
    ]


def test_what_only_a_script_imports_is_imported() -> None:
    assert imports("if __name__ == '__main__':\n    import a") == [ModuleImport("a")]


def test_a_seed_may_have_more_arguments() -> None:
    assert impure("import random\nrandom.Random(1, version=2)") == []


@pytest.mark.parametrize(
    ("source", "resolved"),
    [
        ("import time\ntime.time()", "time.time()"),
        ("import time as t\nt.time()", "time.time()"),
        ("from time import time\ntime()", "time.time()"),
        ("from time import time as t\nt()", "time.time()"),
        ("import numpy.random\nnumpy.random.rand()", "numpy.random.rand()"),
        ("import numpy.random as r\nr.rand()", "numpy.random.rand()"),
        ("from .time import time\ntime()", None),
        ("from .. import time\ntime.time()", None),
    ],
)
def test_a_name_means_what_was_imported_under_it(source: str, resolved: str | None) -> None:
    assert impure(source) == ([f"{resolved} at a.py:2"] if resolved else [])


def test_names_for_type_checkers_are_known_and_imported_by_nobody() -> None:
    facts = static_facts(
        "from typing import TYPE_CHECKING as T\nif T:\n    import a\n"
        "if t.TYPE_CHECKING:\n    import time as b\nb.time()"
    )
    assert [found.module for found in facts.imports] == ["a", "typing"]
    assert [item["detail"] for item in import_time_impurities({"a.py": facts})] == ["time.time() at a.py:6"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Variable.get('k')", "k"),
        ("Variable.get(key='k')", "k"),
        ("BaseHook.get_connection(conn_id='k')", "k"),
        ("Variable.get(other='k')", "Variable.get() at a.py:1"),
        ("Variable.get(x, key='k')", "Variable.get() at a.py:1"),
        ("Variable.get(1)", "Variable.get() at a.py:1"),
        ("Variable.get('f()')", "f() at a.py:1"),
    ],
)
def test_what_is_asked_of_airflow_is_told_by_its_key(source: str, found: str) -> None:
    assert impure(source) == [found]


def test_what_several_files_ask_is_told_once_and_in_order() -> None:
    files = {
        "b.py": static_facts("import time\nVariable.get('k')\nx = f()\ndef g(): time.time()"),
        "a.py": static_facts(
            "Variable.get('k')\nimport b\ndef f(): b.g(); b.g()\nimport random\nrandom.random()"
        ),
    }
    assert import_time_impurities(files) == (
        {"kind": "clock", "detail": "time.time() at b.py:4"},
        {"kind": "random", "detail": "random.random() at a.py:5"},
        {"kind": "variable", "detail": "k"},
    )


def test_facts_are_stored_as_lists_and_read_back() -> None:
    facts = StaticFacts(
        imports=(ModuleImport("a", 1, ("b",)),),
        strings=("x.sql",),
        holders={"X": "sql"},
        modules=("m",),
        top=Scope(("f:f",), (("clock", "time.time()", 3),)),
        functions={"f:f": Scope(("m:g",), ())},
        code={"1:f": Named((ModuleImport("c"),), ("y.sql",))},
    )
    stored = {
        "imports": [["a", 1, ["b"]]],
        "strings": ["x.sql"],
        "holders": {"X": "sql"},
        "modules": ["m"],
        "code": {"1:f": [[["c", 0, []]], ["y.sql"]]},
        "top": [["f:f"], [["clock", "time.time()", 3]]],
        "functions": {"f:f": [["m:g"], []]},
        "readable": True,
    }
    assert facts.to_json() == stored
    assert StaticFacts.from_json(stored) == facts
    without_code = {name: value for name, value in stored.items() if name != "code"}
    assert StaticFacts.from_json(without_code).code == {}, "an earlier version of Pinwheel kept none"


def test_bodies_are_told_by_their_kind_and_what_they_call() -> None:
    facts = static_facts(
        "import lib\ndef f(): lib.a.b(); g(); x.h()\nclass C(Base):\n    def m(self): self.n()\n"
        "    def __init__(self): k()\nf()().o()"
    )
    assert facts.functions == {
        "f:f": Scope(("f:b", "f:g", "m:b", "m:h")),
        "f:C": Scope(("f:Base", "f:k")),
        "m:m": Scope(("m:n",)),
    }
    assert facts.top == Scope(("f:f", "m:o"))
    assert static_facts("from lib import f\nf()").top == Scope(("f:f",))


def test_each_function_has_the_line_of_its_first_decorator() -> None:
    facts = static_facts(
        "@a\n@b\ndef f(): return 'x.sql'\ndef f(): return 'y.sql'\nz = lambda: 'z.sql', lambda: 'w.sql'"
    )
    assert {key: code.strings for key, code in facts.code.items()} == {
        "1:f": ("x.sql",),
        "4:f": ("y.sql",),
        "5:<lambda>": ("w.sql", "z.sql"),
    }


@pytest.mark.parametrize(
    ("source", "strings"),
    [
        ("x = 'a.sql'", {"a.sql"}),
        ("'a.sql'", set()),
        ("def f():\n    'a.sql'\n    return 'b.sql'", {"b.sql"}),
        ("for x in y:\n    'a.sql'\n    f('b.sql')", {"b.sql"}),
        ("if x:\n    'a.sql'", set()),
        ("class C:\n    'a.sql'", set()),
        ("x = b'a.sql'", set()),
        ("x = f'a.sql{y}'", {"a.sql"}),
        ("x = f'{y}b.sql'", {"b.sql"}),
        ("x = f\"{f('c.sql')}\"", {"c.sql"}),
        ("x = y['a.sql']", {"a.sql"}),
        ("y['a.sql'] = 1", {"a.sql"}),
        ("x = HERE / 'a.sql'", {"a.sql"}),
        ("match x:\n    case 'a.sql':\n        pass", {"a.sql"}),
    ],
)
def test_a_text_counts_but_for_one_that_is_only_a_comment(source: str, strings: set[str]) -> None:
    assert {name for name in static_facts(source).strings if not name.endswith(("/", "/*"))} == strings


def test_a_path_names_each_of_its_parts_too() -> None:
    assert {"conf", "a.yaml", "conf/a.yaml"} <= set(static_facts("HERE / 'conf' / 'a.yaml'").strings)
