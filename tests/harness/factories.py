"""Dag factories that hold a value in many ways, what their Dags do, and what Pinwheel takes for content.

A factory is one Dag file that makes a Dag of each file in ``conf``. Its Dags' tasks tell what they hold, so
running them is the truth that digests are compared with. ``python -m harness.factories look ROOT...`` prints
both, with the hash seed of that process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attrs import asdict, frozen

HEAD = """
import array, collections, dataclasses, datetime, decimal, enum, functools, importlib, itertools, json
import operator, os, re, string, sys, threading, types, weakref
from pathlib import Path
from random import choice

import pendulum
import pydantic

from airflow.configuration import conf
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, task

import chosen
import helpers
import package.inner
import tables
from helpers import decorated, show

HERE = Path(__file__).parent
CONF = {p.stem: json.loads(p.read_text()) for p in sorted((HERE / "conf").glob("*.json"))}
TABLE = json.loads((HERE / "table.json").read_text())
KEPT = []


class Job:
    def __init__(self, conf):
        self.conf = conf
    def run(self):
        return show(self.conf["v"])
    @property
    def value(self):
        return self.conf["v"]
class Base:
    v = None
    @classmethod
    def of_class(cls):
        return cls.v
    @staticmethod
    def plain(x):
        return x
class Slotted:
    __slots__ = ("v", "__weakref__")
    def __init__(self, v):
        self.v = v
    def __call__(self):
        return self.v
class Hidden(list):
    def __init__(self, v):
        super().__init__([1])
        self.v = v
class Text(str):
    pass
@dataclasses.dataclass(frozen=True)
class Data:
    v: object
    tags: frozenset = frozenset({"a", "b", "c"})
    more: dict = dataclasses.field(default_factory=dict, hash=False)
    def go(self):
        return [self.v, sorted(self.tags)]
class Row(collections.namedtuple("Row", "v w")):
    def go(self):
        return self.v
class Color(enum.Enum):
    EVEN = 0
    ODD = 1
    def go(self):
        return self.name
class Meta(type):
    def go(cls):
        return cls.held
class Model(pydantic.BaseModel):
    v: int
    def go(self):
        return self.v
class Odd:
    def run(self):
        return "odd"
class Even:
    def run(self):
        return "even"
def plain(*x, **named):
    return x, sorted(named.items())
def told(x):
    return x
def by_table():
    return TABLE["t"]
def deep():
    return helpers.outer()
def of_tables():
    return tables.ALL["c00"]
def of_package():
    return package.inner.look()
def passes_on():
    return helpers.use(tables)
def local_module():
    module = tables
    return getattr(module, "ALL")["c00"]
def make_closure(c):
    def inner():
        return c["v"]
    return inner
def make_default(c):
    def inner(x=c["v"], *, y=c["v"]):
        return x, y
    return inner
def make_class(c):
    class Made(Base):
        v = c["v"]
    return Made
def make_generator(c):
    rows = (r for r in [c["v"]])
    def inner():
        return next(rows, None)
    return inner
def make_code(c):
    names = {}
    exec(f"def made():\\n    return {c['v']!r}", names)
    return names["made"]
def make_local(c):
    held = threading.local()
    held.v = c["v"]
    return lambda: held.v
def recursive(n, v):
    return v if n == 0 else recursive(n - 1, v)
def lazy():
    import lazily
    return lazily.VALUE
def lazy_from():
    from lazily import nested
    return nested()
def named():
    return (HERE / "named.txt").read_text()
def joined():
    return Path(HERE, "texts", "joined.txt").read_text()
def through_a_file():
    return (HERE / (HERE / "list.yaml").read_text().split(": ")[1].strip()).read_text()
async def later(x):
    return x
def drive(x):
    try:
        later(x).send(None)
    except StopIteration as done:
        return done.value
def lambdas(c):
    return (lambda: "even") if c["v"] % 2 == 0 else (lambda: "odd")
def dispatch(v):
    @functools.singledispatch
    def go(x):
        return v
    @go.register
    def _(x: int):
        return v + 1
    return go
def attributes(c):
    def inner():
        return inner.v
    inner.v = c["v"]
    return inner
def cycle(c):
    one, other = {"v": c["v"]}, {}
    one["other"], other["one"] = other, one
    return lambda: other["one"]["v"]
def keep(x):
    KEPT.append(x)
    return x
"""


@frozen
class Way:
    """How a task holds its Dag's value: the arguments of its operator."""

    text: str
    unread: bool = False
    """It is not read: all data of the file decides the content."""
    also: tuple[str, ...] = ()
    """Further changes that it may show without consequence, beside that of its own value."""
    unseen: bool = False
    """It reads a file whose name is computed: by design the Dag follows, and gets no build."""


def way(text: str, **kwargs: Any) -> Way:
    return Way(text, **kwargs)


ALL = ("conf", "unused", "add")
HELPERS = ("deeper",)
"""Whose module is reached as a whole."""

WAYS: dict[str, Way] = {
    "argument": way("plain, op_args=[c['v']]"),
    "keyword": way("plain, op_kwargs={'x': c['v']}"),
    "closure": way("make_closure(c)", also=("unused",)),
    "defaults": way("make_default(c)"),
    "partial": way("functools.partial(plain, c['v'], y=c['v'])"),
    "partial_of_partial": way("functools.partial(functools.partial(plain, c['v']), 1)"),
    "lambda_default": way("lambda c=c: c['v']", also=("unused",)),
    "method": way("Job(c).run", also=("unused",)),
    "property": way("lambda j=Job(c): j.value", also=("unused",)),
    "slots": way("Slotted(c['v'])"),
    "attribute_of_a_list": way("lambda h=Hidden(c['v']): h.v"),
    "attribute_of_a_text": way("lambda t=keep(Text('x')): t.v", also=("unused",)),
    "frozen_data": way("Data(c['v']).go"),
    "named_tuple": way("Row(c['v'], 1).go"),
    "member": way("Color(c['v'] % 2).go"),
    "model": way("Model(v=c['v']).go"),
    "made_model": way("pydantic.create_model('Made', v=(int, c['v']))().model_dump"),
    "metaclass": way("Meta('Held', (), {'held': c['v']}).go"),
    "class_in_a_function": way("make_class(c).of_class", also=("unused",)),
    "made_class": way("type('Made', (Base,), {'v': c['v']}).of_class"),
    "static_method": way("Base.plain, op_args=[c['v']]"),
    "bound_by_hand": way("types.MethodType(told, c['v'])"),
    "method_of_a_builtin": way("{'v': c['v']}.get, op_args=['v']"),
    "getter": way("operator.itemgetter(c['v'] % 3), op_args=['abc']"),
    "caller": way("operator.methodcaller('zfill', c['v']), op_args=['x']"),
    "deque": way("lambda d=collections.deque([c['v']], 3): list(d)"),
    "ordered": way("lambda d=collections.OrderedDict(v=c['v']): list(d.items())"),
    "default_factory": way("lambda d=collections.defaultdict(make_closure(c)): d['x']", also=("unused",)),
    "set_of_objects": way("lambda s={Data(c['v']), Data('x'), Data(7)}: sorted(str(d.v) for d in s)"),
    "frozenset": way("lambda s=frozenset({str(c['v']), 'x', 'y'}): sorted(s)"),
    "proxy": way("lambda p=types.MappingProxyType({'v': c['v']}): p['v']"),
    "namespace": way("types.SimpleNamespace(v=make_closure(c)).v", also=("unused",)),
    "weak": way("lambda w=weakref.ref(keep(Slotted(c['v']))): w()()"),
    "weak_proxy": way("lambda w=weakref.proxy(keep(Slotted(c['v']))): w()"),
    "array": way("lambda a=array.array('i', [c['v']]): list(a)"),
    "beside_the_environment": way("lambda e=os.environ, v=c['v']: v"),
    "beside_chance": way("lambda r=choice, v=c['v']: v"),
    "beside_settings": way("lambda s=conf, v=c['v']: v"),
    "chain_map": way("lambda m=collections.ChainMap({}, {'v': c['v']}): m['v']"),
    "iterator": way("lambda i=iter([c['v']]): list(i)"),
    "mapped": way("lambda i=map(make_default(c), [c['v']]): list(i)"),
    "counted": way("lambda i=itertools.count(c['v']): next(i)"),
    "template": way("string.Template(f\"$x {c['v']}\").substitute, op_kwargs={'x': 1}"),
    "pattern": way("re.compile(f\"[{c['v']}]\").sub, op_args=['.', '0123456789']"),
    "decimal": way("lambda d=decimal.Decimal(c['v']): d"),
    "instant": way("lambda t=datetime.datetime(2026, 1, 1 + c['v'] % 20): t.day"),
    "duration": way("lambda t=pendulum.duration(days=c['v']): t.days"),
    "zone": way("lambda z=pendulum.timezone(['UTC', 'Europe/Paris'][c['v'] % 2]): z.name"),
    "bytes": way("lambda b=bytes([c['v'] % 250]): b"),
    "path": way("lambda p=Path('/srv') / str(c['v']): str(p)"),
    "error": way("lambda e=ValueError(c['v']): e.args"),
    "cached": way("functools.lru_cache(functools.partial(plain, c['v']))"),
    "decorated": way("decorated(c['v'])(told), op_args=[1]"),
    "dispatched": way("dispatch(c['v']), op_args=['x']"),
    "attribute_of_a_function": way("attributes(c)"),
    "cycle": way("cycle(c)", also=("unused",)),
    "recursive": way("functools.partial(recursive, 2, c['v'])"),
    "asynchronous": way("functools.partial(drive, c['v'])"),
    "nested": way("functools.partial(lambda f: f()(), make_closure({'v': Job(c).run}))", also=("unused",)),
    "one_of_two_lambdas": way("lambdas(c)"),
    "one_of_two_functions": way("[chosen.even, chosen.odd][c['v'] % 2]"),
    "one_of_two_classes": way("[Even, Odd][c['v'] % 2]().run"),
    "code_of_a_text": way("make_code(c)"),
    "lambda_of_a_text": way("eval(f\"lambda: {c['v']!r}\")"),
    "whole": way("lambda n=n: CONF[n]", also=ALL),
    "table": way("by_table", also=("table", "table_other")),
    "helper": way("deep", also=HELPERS),
    "names_of_a_module": way("of_tables", also=ALL),
    "names_of_a_package": way("of_package", also=HELPERS),
    "module_passed_on": way("passes_on", also=(*ALL, *HELPERS)),
    "module_by_another_name": way("local_module", also=ALL),
    "module_as_argument": way("functools.partial(helpers.use, tables)", also=(*ALL, *HELPERS)),
    "lazy": way("lazy", also=("lazily",)),
    "lazy_name": way("lazy_from", also=("lazily",)),
    "named": way("named", also=("named",)),
    "joined": way("joined", also=("joined",)),
    "through_a_file": way("through_a_file", also=("listed", "list")),
    "callback": way("told, op_args=[1], on_failure_callback=functools.partial(plain, c['v'])"),
    "globals": way("lambda n=n: globals()['CONF'][n]", unread=True),
    "by_name": way("lambda: importlib.import_module('tables').ALL", unread=True),
    "loaded_modules": way("lambda: sys.modules['tables'].ALL", unread=True),
    "generator": way("make_generator(c)", unread=True),
    "local_of_a_thread": way("make_local(c)", unread=True),
    "computed": way("lambda n=n: (HERE / 'co'.join(['', 'nf']) / f'{n}.json').read_text()", unseen=True),
}
KINDS = (
    "conf",
    "unused",
    "add",
    "table",
    "table_other",
    "deeper",
    "lazily",
    "named",
    "joined",
    "listed",
    "list",
    "note",
)
"""What may change between two versions of a factory."""

FILES = {
    "helpers.py": "import functools\nfrom deeper import K\ndef show(v): return f'<{v}>'\n"
    "def outer(): return other()\ndef other(): return K\ndef use(module): return module.ALL['c00']\n"
    "def decorated(v):\n    def decorate(f):\n        @functools.wraps(f)\n"
    "        def inner(*args): return v, f(*args)\n        return inner\n    return decorate\n",
    "deeper.py": "K = 5\n",
    "lazily.py": "VALUE = 7\ndef nested(): return VALUE\n",
    "chosen.py": "def even(): return 'even'\ndef odd(): return 'odd'\n",
    "tables.py": "import json\nfrom pathlib import Path\n"
    "CONF = Path(__file__).parent / 'conf'\n"
    "ALL = {p.stem: json.loads(p.read_text()) for p in sorted(CONF.glob('*.json'))}\n",
    "package/__init__.py": "",
    "package/inner.py": "from deeper import K\ndef look(): return K\n",
    "named.txt": "hello",
    "texts/joined.txt": "hello",
    "list.yaml": "file: texts/listed.txt\n",
    "texts/listed.txt": "hello",
    "table.json": '{"t": 1, "other": 1}',
    ".airflowignore": "[hdlct].*\\.py\npackage/\n",
}


def write(root: Path, ways: Mapping[str, str], values: Mapping[str, int]) -> None:
    """A factory whose Dags ``d_NAME`` hold their values in these ways."""
    for path, text in FILES.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    body = [HEAD]
    for name, chosen in ways.items():
        held = f"n, c = {name!r}, CONF[{name!r}]\n"
        held += "with DAG('d_' + n, schedule=None, start_date=pendulum.datetime(2026, 1, 1)):\n"
        held += f"    PythonOperator(task_id='t', python_callable={WAYS[chosen].text})\n"
        held += "    BashOperator(task_id='b', bash_command=f'echo {n}')\n"
        if chosen == "attribute_of_a_text":
            held += "    KEPT[-1].v = c['v']\n"
        body.append(held)
    (root / "dag.py").write_text("\n".join(body))
    (root / "conf").mkdir()
    for name, value in values.items():
        (root / "conf" / f"{name}.json").write_text(json.dumps({"v": value, "unused": 1}))


def mutate(root: Path, kind: str, name: str) -> None:
    """Change one thing; of a Dag's own that of *name*."""
    own = root / "conf" / f"{name}.json"
    conf = json.loads(own.read_text())
    path, text = {
        "conf": (own, json.dumps({**conf, "v": conf["v"] + 1})),
        "unused": (own, json.dumps({**conf, "unused": 2})),
        "add": (root / "conf" / "zz.json", '{"v": 1}'),
        "table": (root / "table.json", '{"t": 2, "other": 1}'),
        "table_other": (root / "table.json", '{"t": 1, "other": 2}'),
        "deeper": (root / "deeper.py", "K = 6\n"),
        "lazily": (root / "lazily.py", "VALUE = 8\ndef nested(): return VALUE\n"),
        "named": (root / "named.txt", "bye"),
        "joined": (root / "texts" / "joined.txt", "bye"),
        "listed": (root / "texts" / "listed.txt", "bye"),
        "list": (root / "list.yaml", "file: named.txt\n"),
        "note": (root / "note.md", "x"),
    }[kind]
    path.write_text(text)


@frozen
class Seen:
    """One Dag of one version of a factory."""

    told: str
    """What its tasks and callbacks tell when they run."""
    digest: str
    unread: list[str]


def look(root: Path, file: str = "dag.py") -> dict[str, Seen]:
    """Each Dag by id: run here, and parsed by a real parser."""
    contents = parsed(root, file)
    told = run(root, file)
    assert told.keys() == contents.keys()
    return {
        dag_id: Seen(told[dag_id], content.digest, list(content.unread))
        for dag_id, content in contents.items()
    }


def parsed(root: Path, file: str = "dag.py") -> dict[str, Any]:
    """What a real parser and the Dag processor make of each Dag of a file: the content of its build."""
    found = _parsed(root, file)
    assert not found.errors, found.errors
    return {content.dag_id: content for content in found.contents}


def _parsed(root: Path, file: str) -> Any:
    from integration.parse_driver import parse
    from pinwheel.airflow3.processor.head import Head
    from pinwheel.airflow3.processor.results import parsed_file

    manifest = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    head = Head(bundle_name="b", version="v", seq=1, path=root, manifest=manifest)
    return parsed_file(head, file, SimpleNamespace(parsing_result=parse(root, file)), 0.1)


def parsed_below(root: Path) -> dict[str, Any]:
    """By Dag id the digest, its parts, and what the parse read from outside, of all files below a folder."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        if "airflow" not in path.read_text():
            continue
        file = _parsed(root, str(path.relative_to(root)))
        for content in file.contents:
            found[content.dag_id] = {
                "digest": content.digest,
                "serialized": content.serialized_digest,
                "objects": content.objects_digest,
                "unread": list(content.unread),
                "read_at_parse": list(content.read_at_parse),
                "impure": sorted({item["kind"] for item in file.impure}),
            }
    return found


def run(root: Path, file: str = "dag.py") -> dict[str, str]:
    """What each Dag's tasks give when they are called, with its callbacks."""
    with _imported(root, file) as module:
        from airflow.sdk import DAG

        return {
            dag.dag_id: "\n".join(_told(dag)).replace(str(root), "{bundle}")
            for dag in module.DAGS
            if isinstance(dag, DAG)
        }


def _told(dag: Any) -> Iterator[str]:
    for task in sorted(dag.tasks, key=lambda task: task.task_id):
        if not hasattr(task, "python_callable"):
            yield str(getattr(task, "bash_command", ""))
            continue
        calls = [(task.python_callable, task.op_args, task.op_kwargs)]
        calls += [(callback, (), {}) for callback in task.on_failure_callback or ()]
        for call, args, kwargs in calls:
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    given = str(call(*args, **kwargs))
                except Exception as error:
                    given = f"{type(error).__name__} {error}"
            yield given


@contextlib.contextmanager
def _imported(root: Path, file: str) -> Iterator[Any]:
    """The Dag file as a module, without what else of its bundle is imported meanwhile afterwards."""
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode, written = True, sys.dont_write_bytecode
    importlib.invalidate_caches()
    name = f"factory_{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, root / file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    known = DagContext.autoregistered_dags.copy()
    DagContext.autoregistered_dags.clear()
    DagContext.current_autoregister_module_name = name
    try:
        spec.loader.exec_module(module)
        module.DAGS = [dag for dag, _ in DagContext.autoregistered_dags]
        yield module
    finally:
        DagContext.current_autoregister_module_name = None
        DagContext.autoregistered_dags.clear()
        DagContext.autoregistered_dags.update(known)
        sys.path[:], sys.dont_write_bytecode = path, written
        for found in set(sys.modules) - before:
            origin = getattr(sys.modules[found], "__file__", None)
            if found == name or (isinstance(origin, str) and origin.startswith(f"{root}/")):
                del sys.modules[found]


def main(what: str, roots: Iterable[str]) -> None:
    """``look``: factories, each Dag run and parsed; ``parse``: all files below folders, parsed."""
    out, sys.stdout = sys.stdout, io.StringIO()
    found: dict[str, Any] = {}
    for root in roots:
        if what == "look":
            found[root] = {dag_id: asdict(seen) for dag_id, seen in look(Path(root)).items()}
        else:
            found[root] = parsed_below(Path(root))
    out.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
