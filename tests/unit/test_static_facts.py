"""What the text of a Python file tells without running it."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from pinwheel.core.parse.references import text_references
from pinwheel.core.parse.static_facts import ModuleImport, StaticFacts, import_time_impurities, static_facts


def impure(**sources: str) -> list[str]:
    facts = {f"{name}.py": static_facts(dedent(text)) for name, text in sources.items()}
    return [f"{item['kind']} {item['detail']}" for item in import_time_impurities(facts)]


def test_imports_are_found_wherever_they_stand() -> None:
    facts = static_facts("import a.b\ndef f():\n    from ..c import d, e\n    class X:\n        import g\n")
    assert facts.imports == (
        ModuleImport("a.b"),
        ModuleImport("c", 2, ("d", "e")),
        ModuleImport("g"),
    )


def test_imports_for_type_checkers_do_not_count() -> None:
    facts = static_facts("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\n")
    assert [i.module for i in facts.imports] == ["typing"]


@pytest.mark.parametrize(
    "source", ["def f(:", "\0", "x = (" * 5000, "\ud800", b"\xff\xfe", b"# -*- coding: nope -*-"]
)
def test_what_can_not_be_read_has_no_facts(source: str | bytes) -> None:
    assert static_facts(source) == StaticFacts(readable=False)


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("'sql/query.sql'", "sql/query.sql"),
        ("'bash {{ x }}/scripts/run.sh --all'", "scripts/run.sh"),
        ("f'{base}/sql/query.sql'", "sql/query.sql"),
        ("Path(__file__).parent / 'conf' / 'a.yaml'", "conf/a.yaml"),
        ("os.path.join(here, 'conf', 'a.yaml')", "conf/a.yaml"),
        ("here.joinpath('conf', 'a.yaml')", "conf/a.yaml"),
        ("'my query.sql'", "my query.sql"),
        ("'scripts/run'", "scripts/run"),
        ("'Makefile'", "Makefile"),
    ],
)
def test_a_string_may_name_a_file(expression: str, path: str) -> None:
    assert path in static_facts(f"x = {expression}").strings


@pytest.mark.parametrize(
    "source",
    [
        '"""See README.md."""',
        'def f():\n    "see a.sql"',
        "x = 'two words'",
        "x = 'no'",
        "x = 'https://a.org/b'",
        "x = '*.yaml'",
    ],
)
def test_other_strings_do_not(source: str) -> None:
    assert static_facts(source).strings == ()


def test_a_long_string_costs_no_more_than_its_length() -> None:
    assert static_facts(f"x = {'a' * 2_000_000!r}\ny = {'a.' * 500_000!r}").strings == ()


def test_a_template_names_what_it_includes() -> None:
    assert text_references("select 1\n{% include 'parts/x.sql' %}\n-- 1.5") == ("parts/x.sql",)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from datetime import datetime\ndatetime.now()", "clock datetime.datetime.now() at a.py:2"),
        ("from datetime import datetime as dt\ndt.utcnow()", "clock datetime.datetime.utcnow() at a.py:2"),
        ("import datetime as d\nd.date.today()", "clock datetime.date.today() at a.py:2"),
        ("import pendulum as p\np.today('UTC')", "clock pendulum.today() at a.py:2"),
        ("import pendulum\npendulum.now().subtract(days=1)", "clock pendulum.now() at a.py:2"),
        (
            "from airflow.utils import timezone\ntimezone.utcnow()",
            "clock airflow.utils.timezone.utcnow() at a.py:2",
        ),
        (
            "from airflow.utils.dates import days_ago\ndays_ago(1)",
            "clock airflow.utils.dates.days_ago() at a.py:2",
        ),
        ("import time\ntime.time()", "clock time.time() at a.py:2"),
        ("import random\nrandom.choice([1])", "random random.choice() at a.py:2"),
        ("from random import randint as r\nr(1, 2)", "random random.randint() at a.py:2"),
        ("import uuid\nx = str(uuid.uuid4())", "random uuid.uuid4() at a.py:2"),
        ("import os\nx = os.environ['A']", "environment A at a.py:2"),
        ("import os\nx = os.environ.get('A', 'b')", "environment A at a.py:2"),
        ("import os\nx = os.getenv('A')", "environment A at a.py:2"),
        ("from os import environ as e\nx = 'A' in e", "environment os.environ at a.py:2"),
        ("from airflow.sdk import Variable\nVariable.get('k')", "variable k"),
        ("from airflow.models import Variable as V\nV.get(key='k')", "variable k"),
        ("from airflow.sdk import Variable\nVariable.get(f())", "variable Variable.get() at a.py:2"),
        ("from airflow.hooks.base import BaseHook\nBaseHook.get_connection('c')", "connection c"),
        ("from airflow.sdk import Connection\nConnection.get('c')", "connection c"),
    ],
)
def test_asking_the_world_at_import_is_seen(source: str, found: str) -> None:
    assert impure(a=source) == [found]


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nx = datetime(2024, 1, 1)",
        "import pendulum\nx = pendulum.datetime(2024, 1, 1, tz='UTC')",
        "import os\nos.environ['A'] = 'b'",
        "import random\nx = random.Random(42)",
        "import time\nx = time.strftime('%Y', y)",
        "import uuid\nx = uuid.uuid5(uuid.NAMESPACE_DNS, 'a')",
        "from datetime import datetime\nx = dict(key=datetime.now)",
        "from datetime import datetime\non_failure = lambda: datetime.now()",
        "from datetime import datetime\nif __name__ == '__main__':\n    datetime.now()",
        "from datetime import datetime\ndef never_called():\n    datetime.now()",
        "d = {}\nd.get('A')",
    ],
)
def test_a_pure_file_is_pure(source: str) -> None:
    assert impure(a=source) == []


def test_bodies_of_tasks_do_not_run_at_import() -> None:
    assert (
        impure(
            a="""
            import os, random
            from airflow.sdk import dag, task, task as t
            from airflow import decorators
            @dag()
            def pipeline():
                @task
                def one(): return os.environ["A"]
                @t.bash(env={})
                def two(): return random.random()
                @decorators.task(retries=1)
                def three(): return random.random()
                one() >> two() >> three()
            pipeline()
            def four(): return random.random()
            PythonOperator(task_id="x", python_callable=four)
            class Operator(BaseOperator):
                def execute(self, context): return random.random()
            Operator(task_id="y")
            """
        )
        == []
    )


def test_a_called_dag_function_runs_at_import() -> None:
    source = "import os\n@dag\ndef d():\n    os.getenv('A')\n"
    assert impure(a=source) == []
    assert impure(a=source + "d()") == ["environment A at a.py:4"]


def test_default_arguments_decorators_and_class_bodies_run_at_import() -> None:
    assert impure(
        a="""
        import os
        def f(x=os.getenv("A")): pass
        @g(os.getenv("B"))
        class C:
            y = os.getenv("C")
        """
    ) == ["environment A at a.py:3", "environment B at a.py:4", "environment C at a.py:6"]


def test_a_call_is_followed_into_helpers() -> None:
    assert impure(
        dag="from helpers import make as m\nm()",
        helpers="import clock, random\ndef make():\n    return clock.start()\ndef o():\n    random.choice()",
        clock="from datetime import datetime\ndef start():\n    return datetime.now()\n",
    ) == ["clock datetime.datetime.now() at clock.py:3"]


def test_making_an_instance_runs_its_constructors() -> None:
    assert impure(
        a="""
        import os
        class Base:
            def __init__(self): self.read()
            def read(self): return os.getenv("A")
        class Child(Base): pass
        Child()
        """
    ) == ["environment A at a.py:5"]


def test_a_function_given_to_map_is_called() -> None:
    assert impure(a="import os\ndef f(x): return os.getenv('A')\ny = list(map(f, [1]))") == [
        "environment A at a.py:2"
    ]


def test_facts_survive_json() -> None:
    import json

    facts = static_facts("import os\nfrom . import x\ndef f(): return os.getenv('A')\ny = 'a/b.sql'\nf()")
    assert StaticFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_each_function_and_lambda_has_what_it_names_itself() -> None:
    facts = static_facts(
        """
import top
TEXT = "top.sql"

@decorated
def one():
    from lib import a
    def inner():
        return open("sql/inner.sql")
    return "one.sql", inner

two = [lambda: "left.sql", lambda: "right.sql"]
"""
    )

    def files(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if not name.endswith("/"))

    named = {
        key: ([found.module for found in code.imports], files(code.strings))
        for key, code in facts.code.items()
    }
    assert named == {
        "5:one": (["lib"], ("one.sql", "sql/inner.sql")),
        "8:inner": ([], ("sql/inner.sql",)),
        "12:<lambda>": ([], ("left.sql", "right.sql")),
    }
    assert set(files(facts.strings)) == {"top.sql", "one.sql", "sql/inner.sql", "left.sql", "right.sql"}
    assert StaticFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
