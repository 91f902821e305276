"""A made-up repository of Dags with helpers, factories and dbt folders, and what may be committed to it.

Each kind of Dag reads something in another way; its task prints what it read. All choices come from one seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

Files = dict[str, str]

_HEAD = """\
import datetime
import importlib
import json
import os
import sys
from pathlib import Path

from airflow.sdk import DAG, task

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[{up}]

def make(dag_id, read, schedule={schedule!r}, tags=()):
    with DAG(dag_id, schedule=schedule, start_date=datetime.datetime(2024, 1, 1), tags=list(tags)) as dag:
        @task
        def show():
            print(read())
        show()
    return dag
"""

_DAGS: dict[str, str] = {
    "plain": "from lib import h0\n\ndef read():\n    return h0.value()\n",
    "chain": "from lib.h1 import value\n\ndef read():\n    return value()\n",
    "late": "def read():\n    from lib import h2\n    return h2.value()\n",
    "by_name": "def read():\n    return importlib.import_module('lib.h3').value()\n",
    "sql": "def read():\n    return (HERE / 'sql' / 'orders.sql').read_text()\n",
    "folder": "def read():\n    return [p.read_text() for p in sorted((HERE / 'rules').glob('*.txt'))]\n",
    "at_parse": "CONF = json.loads((HERE / 'conf.json').read_text())\n\ndef read():\n    return CONF['x']\n",
    "computed": "def read():\n    return (HERE / 'sql' / ('it' + 'ems.sql')).read_text()\n",
    "dbt": "def read():\n    folder = REPOSITORY / ('d' + 'bt')\n"
    "    return [p.read_text() for p in sorted(folder.rglob('*.sql'))]\n",
}
_UNSEEN_DBT = _DAGS["dbt"].replace("'d' + 'bt'", "'un' + 'seen'")
_FACTORY = """
def of(conf):
    def read():
        return (conf["table"], conf["rows"])
    return make({prefix!r} + conf["name"], read)

for path in sorted((HERE / "tables").glob("*.json")):
    of(json.loads(path.read_text()))
"""

UNSEEN = frozenset({"computed", "unseen_dbt"})
"""Kinds of Dags that read what no parse can see and nobody declared."""


class Monorepo:
    """Its files as of the newest commit; ``change`` gives the next one."""

    def __init__(self, name: str, seed: int, subdir: str = "") -> None:
        self.name, self.subdir = name, subdir
        self._random = random.Random(seed)
        self._prefix = f"{subdir}/" if subdir else ""
        self._count = 0
        self.files: Files = self._first()
        self._before: list[Files] = []
        self._mend: Files = {}

    def kind_of(self, dag_id: str) -> str:
        kind = dag_id.removeprefix(f"{self.name}_")
        return "factory" if kind.startswith("table_") else kind

    def change(self) -> tuple[str, dict[str, str | None]]:
        """What the next commit is about, and the files that it writes or, with None, removes."""
        if self._mend:
            what, files = "mended", {**self.files, **self._mend}
            self._mend = {}
        else:
            what, files = self._some()
        changes: dict[str, str | None] = {p: c for p, c in files.items() if self.files.get(p) != c}
        changes |= {path: None for path in self.files.keys() - files.keys()}
        self._before.append(self.files)
        self.files = files
        return what, changes

    # -- inside -------------------------------------------------------------------------------------------

    def _first(self) -> Files:
        p = self._prefix
        files = {f"{p}dags/{kind}.py": self._dag(kind) for kind in (*_DAGS, "unseen_dbt")}
        files[f"{p}dags/factory.py"] = self._head("@daily") + _FACTORY.format(prefix=f"{self.name}_table_")
        files |= {f"{p}lib/h{n}.py": self._helper(n) for n in range(5)}
        files |= {f"{p}lib/__init__.py": "", f"{p}dags/conf.json": '{"x": 1}', "README.md": "first"}
        files |= {f"{p}dags/sql/{name}.sql": f"select 0 from {name}" for name in ("orders", "items")}
        files |= {f"{p}dags/rules/r{n}.txt": f"rule {n}" for n in range(2)}
        files |= {f"{p}dags/tables/t{n}.json": self._table(f"t{n}", 0) for n in range(6)}
        for folder in ("dbt", "unseen"):
            files |= {f"{folder}/models/m{n}.sql": f"select {n}" for n in range(2)}
        files["pinwheel.yaml"] = "inputs:\n  - dags: {tags: [dbt]}\n    files: [dbt/**]\n"
        return files

    def _head(self, schedule: str) -> str:
        return _HEAD.format(schedule=schedule, up=1 if self.subdir else 0)

    def _dag(self, kind: str, schedule: str = "@daily") -> str:
        tags = "['dbt']" if kind == "dbt" else "[]"
        body = _UNSEEN_DBT if kind == "unseen_dbt" else _DAGS[kind]
        return f"{self._head(schedule)}\n{body}\nmake({self.name + '_' + kind!r}, read, tags={tags})\n"

    def _helper(self, n: int) -> str:
        inner = "from lib import h4\n\n" if n == 1 else ""
        more = " + h4.value()" if n == 1 else ""
        return f"{inner}def value():\n    return 'h{n} of {self._next()}'{more}\n\ndef unused():\n    pass\n"

    def _table(self, name: str, rows: int) -> str:
        return f'{{"name": "{name}", "table": "{name}s", "rows": {rows}}}'

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _some(self) -> tuple[str, Files]:
        ways: list[Callable[[], tuple[str, Files]]] = [
            *([self._helper_changes] * 3),
            *([self._one_config_changes] * 2),
            *([self._model_changes] * 2),
            self._comment_comes,
            self._config_comes,
            self._config_goes,
            self._model_comes,
            self._sql_changes,
            self._rule_changes,
            self._read_at_parse_changes,
            self._dag_changes,
            self._something_else_changes,
            self._dag_breaks,
            self._all_goes_back,
        ]
        while True:
            what, files = self._random.choice(ways)()
            if files != self.files:
                return what, files

    def _with(self, path: str, content: str) -> Files:
        return {**self.files, path: content}

    def _pick(self, begin: str) -> str | None:
        found = sorted(path for path in self.files if path.startswith(begin))
        return self._random.choice(found) if found else None

    def _helper_changes(self) -> tuple[str, Files]:
        n = self._random.randrange(5)
        return "helper", self._with(f"{self._prefix}lib/h{n}.py", self._helper(n))

    def _comment_comes(self) -> tuple[str, Files]:
        path = f"{self._prefix}lib/h{self._random.randrange(5)}.py"
        return "comment", self._with(path, f"# {self._next()}\n{self.files[path]}")

    def _one_config_changes(self) -> tuple[str, Files]:
        path = self._pick(f"{self._prefix}dags/tables/")
        if path is None:
            return self._config_comes()
        name = path.rpartition("/")[2].removesuffix(".json")
        return "one config", self._with(path, self._table(name, self._next()))

    def _config_comes(self) -> tuple[str, Files]:
        name = f"t{self._next()}"
        return "config comes", self._with(f"{self._prefix}dags/tables/{name}.json", self._table(name, 0))

    def _config_goes(self) -> tuple[str, Files]:
        path = self._pick(f"{self._prefix}dags/tables/")
        return "config goes", {p: c for p, c in self.files.items() if p != path}

    def _model_changes(self) -> tuple[str, Files]:
        path = self._pick(self._random.choice(("dbt/models/", "unseen/models/")))
        return "dbt model", self._with(str(path), f"select {self._next()}")

    def _model_comes(self) -> tuple[str, Files]:
        folder = self._random.choice(("dbt", "unseen"))
        return "dbt model comes", self._with(f"{folder}/models/deep/n{self._next()}.sql", "select 'new'")

    def _sql_changes(self) -> tuple[str, Files]:
        path = f"{self._prefix}dags/sql/{self._random.choice(('orders', 'items'))}.sql"
        return "sql", self._with(path, f"select {self._next()}")

    def _rule_changes(self) -> tuple[str, Files]:
        path = f"{self._prefix}dags/rules/r{self._random.randrange(4)}.txt"
        return "file of a folder", self._with(path, f"rule {self._next()}")

    def _read_at_parse_changes(self) -> tuple[str, Files]:
        return "read at parse", self._with(f"{self._prefix}dags/conf.json", f'{{"x": {self._next()}}}')

    def _dag_changes(self) -> tuple[str, Files]:
        kind = self._random.choice([*_DAGS])
        schedule = self._random.choice(("@daily", "@hourly", "@weekly"))
        return "Dag file", self._with(f"{self._prefix}dags/{kind}.py", self._dag(kind, schedule))

    def _something_else_changes(self) -> tuple[str, Files]:
        return "other file", self._with("README.md", f"read {self._next()}")

    def _dag_breaks(self) -> tuple[str, Files]:
        path = f"{self._prefix}dags/{self._random.choice([*_DAGS])}.py"
        self._mend = {path: self.files[path]}
        return "broken", self._with(
            path, f"{self.files[path]}\nraise RuntimeError('broken {self._next()}')\n"
        )

    def _all_goes_back(self) -> tuple[str, Files]:
        return "revert", dict(self._before[-1]) if self._before else self.files
