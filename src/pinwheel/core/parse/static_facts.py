"""What the text of a Python file tells without running it.

Three questions: which modules does it import anywhere (also inside functions), which files may its strings
name, and what does the code that runs *at import* ask the world: the clock, chance, the environment,
Variables, Connections. The last one is answered over several files together
(:func:`import_time_impurities`), because a Dag file mostly calls functions of its helpers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

from pinwheel.core.parse.named_places import (
    BY_NAME,
    STEM,
    Places,
    is_path,
    is_search,
    keyword_searches,
    leading_text,
    path_parts,
)
from pinwheel.core.parse.purity import classify, classify_reference
from pinwheel.core.parse.references import _constant_references

_MODULE = re.compile(r"\.*[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_IMPORTERS = frozenset({"import_module", "__import__", "find_spec", "import_string", "locate", "attach"})
"""Functions that import by a name that they get."""

_RUN_TIME_DECORATORS = frozenset({"task", "setup", "teardown", "asset"})
"""Decorators of Airflow whose functions run in a task, not in a parse. Also ``task.bash`` and the like."""
_CALL_THEIR_ARGUMENTS = frozenset(
    {"map", "filter", "sorted", "min", "max", "reduce", "starmap", "submit", "apply"}
)
_CALL_THEIR_OBJECT = frozenset({"override", "partial", "expand", "expand_kwargs"})


@frozen(order=True)
class ModuleImport:
    """``from ..module import names`` has level 2; ``import a.b`` has no names."""

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


@frozen
class Scope:
    """What one body does when it runs: whom it calls, and what it asks the world (kind, detail, line)."""

    calls: tuple[str, ...] = ()
    impure: tuple[tuple[str, str, int], ...] = ()


@frozen
class Named:
    """What one function or lambda names: modules that it imports, and what may be paths."""

    imports: tuple[ModuleImport, ...] = ()
    strings: tuple[str, ...] = ()


@frozen(kw_only=True)
class StaticFacts:
    """The facts of one file. A file with a syntax error has none, and ``readable`` is False."""

    imports: tuple[ModuleImport, ...] = ()
    strings: tuple[str, ...] = ()
    """What may be a path, or a dotted name, in string constants. Docstrings do not count.

    With a slash at the end it is a folder that is used as a whole, with ``/*`` by a computed name;
    ``{NAME}/`` is the folder that NAME holds in some file; ``{stem}.sql`` has the file's own name.
    ``import:`` stands for ``modules``, ``import:.*`` for all modules beside the file.
    """
    holders: Mapping[str, str] = field(factory=dict)
    """Names that hold what may be folders."""
    modules: tuple[str, ...] = ()
    """What may be modules that are imported by a computed name: ``a.b``, ``.c``."""
    top: Scope = Scope()
    """The module's own body, with those of its classes, decorators and default arguments."""
    functions: Mapping[str, Scope] = field(factory=dict)
    """Bodies by name: ``f:name`` for functions, ``m:name`` for methods, ``f:Class`` for constructors."""
    code: Mapping[str, Named] = field(factory=dict)
    """What each function and lambda names, by ``line:name``: of its code object (``co_firstlineno``)."""
    readable: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "imports": _imports_to_json(self.imports),
            "strings": list(self.strings),
            "holders": dict(self.holders),
            "modules": list(self.modules),
            "code": {
                key: [_imports_to_json(named.imports), list(named.strings)]
                for key, named in self.code.items()
            },
            "top": _scope_to_json(self.top),
            "functions": {name: _scope_to_json(scope) for name, scope in self.functions.items()},
            "readable": self.readable,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StaticFacts:
        return cls(
            imports=_imports_from_json(value["imports"]),
            strings=tuple(value["strings"]),
            holders=dict(value["holders"]),
            modules=tuple(value["modules"]),
            code={
                key: Named(_imports_from_json(imports), tuple(strings))
                for key, (imports, strings) in value.get("code", {}).items()
            },
            top=_scope_from_json(value["top"]),
            functions={name: _scope_from_json(scope) for name, scope in value["functions"].items()},
            readable=value["readable"],
        )


def _imports_to_json(imports: Iterable[ModuleImport]) -> list[Any]:
    return [[i.module, i.level, list(i.names)] for i in imports]


def _imports_from_json(value: Any) -> tuple[ModuleImport, ...]:
    return tuple(ModuleImport(module, level, tuple(names)) for module, level, names in value)


def _scope_to_json(scope: Scope) -> list[Any]:
    return [list(scope.calls), [list(item) for item in scope.impure]]


def _scope_from_json(value: Any) -> Scope:
    return Scope(tuple(value[0]), tuple((kind, detail, line) for kind, detail, line in value[1]))


def static_facts(source: str | bytes) -> StaticFacts:
    """The facts of one Python source. Never raises: what can not be read has no facts."""
    try:
        tree = ast.parse(source)
        return _Reader().read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return StaticFacts(readable=False)


def import_time_impurities(files: Mapping[str, StaticFacts]) -> tuple[dict[str, str], ...]:
    """What the code of *files* (path to facts) asks the world while all of them are imported, sorted.

    A function counts when code that runs calls something of its name, in whichever of the files: names
    are compared, not objects, so this may see too much but seldom too little.
    """
    bodies: dict[str, list[tuple[str, Scope]]] = {}
    for path, facts in files.items():
        for name, scope in facts.functions.items():
            bodies.setdefault(name, []).append((path, scope))
    found = set()
    pending = [(path, facts.top) for path, facts in files.items()]
    called: set[str] = set()
    while pending:
        path, scope = pending.pop()
        for kind, detail, line in scope.impure:
            # A Variable is its key: where it was asked for is of no interest, and asking twice is one fact.
            plain = kind in ("variable", "connection") and not detail.endswith(")")
            found.add((kind, detail if plain else f"{detail} at {path}:{line}"))
        for name in scope.calls:
            if name not in called:
                called.add(name)
                pending += bodies.get(name, ())
    return tuple({"kind": kind, "detail": detail} for kind, detail in sorted(found))


class _Body:
    """A scope being filled. Names are resolved when all imports of the file are known."""

    __slots__ = ("calls", "references")

    def __init__(self) -> None:
        self.calls: list[tuple[str, ast.Call | None, int]] = []
        self.references: list[tuple[str, str | None, int]] = []


class _Reader:
    """One pass over a syntax tree."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.imports: set[ModuleImport] = set()
        self.strings: set[str] = set()
        self.bodies: dict[str, _Body] = {}
        self.code: dict[str, tuple[set[ModuleImport], set[str]]] = {}
        self.nowhere = _Body()
        self.places = Places(self._place_name, lambda name: self.strings.add(name))
        self.module_names: set[str] = set()
        self.imports_by_computed_name = False

    def read(self, tree: ast.Module) -> StaticFacts:
        top = _Body()
        self._statements(tree.body, top, in_class=None)
        return StaticFacts(
            imports=tuple(sorted(self.imports)),
            strings=tuple(sorted(self.strings)),
            holders=dict(sorted(self.places.holders.items())),
            modules=tuple(sorted(self.module_names)) if self.imports_by_computed_name else (),
            code={
                key: Named(tuple(sorted(imports)), tuple(sorted(strings)))
                for key, (imports, strings) in self.code.items()
            },
            top=self._scope(top),
            functions={name: self._scope(body) for name, body in self.bodies.items()},
        )

    def _place_name(self, name: str) -> None:
        self.strings.update([name] if name.startswith(STEM) else _constant_references(name))

    @contextmanager
    def _code(self, line: int, name: str) -> Iterator[None]:
        """What is met meanwhile is what this function names, and what the file names."""
        imports, strings = self.imports, self.strings
        before = self.code.get(f"{line}:{name}", (set(), set()))
        self.imports, self.strings = set(before[0]), set(before[1])
        yield
        self.code[f"{line}:{name}"] = (self.imports, self.strings)
        self.imports, self.strings = imports | self.imports, strings | self.strings

    # Statements

    def _statements(self, statements: Iterable[ast.stmt], body: _Body, in_class: str | None) -> None:
        for statement in statements:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring, or a string used as a comment
            self._visit(statement, body, in_class)

    def _visit(self, node: ast.AST, body: _Body, in_class: str | None = None) -> None:
        visitor = _VISITORS.get(type(node))
        if visitor is not None:
            visitor(self, node, body, in_class)
        else:
            self._children(node, body, in_class)

    def _children(self, node: ast.AST, body: _Body, in_class: str | None) -> None:
        """Fields in order; a list of statements may hold a string that is only a comment."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST) and not (
                        isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
                    ):
                        self._visit(item, body, in_class)
            elif isinstance(value, ast.AST):
                self._visit(value, body, in_class)

    def _nothing(self, node: ast.AST, body: _Body, in_class: str | None) -> None:
        pass

    def _constant(self, node: ast.Constant, body: _Body, in_class: str | None) -> None:
        if isinstance(node.value, str):
            self._string(node.value)
            self.places.text(node.value)

    def _string(self, text: str) -> None:
        self.strings.update(_constant_references(text))
        if len(text) < 100 and _MODULE.fullmatch(text):
            self.module_names.add(text)

    def _formatted(self, node: ast.JoinedStr, body: _Body, in_class: str | None) -> None:
        self.places.formatted(node)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self._visit(value.value, body)
            elif (text := _text(value)) is not None:
                self._string(text)

    def _assign(self, node: ast.Assign, body: _Body, in_class: str | None) -> None:
        for target in node.targets:
            self._visit(target, body)
        self._value(node.targets[0] if len(node.targets) == 1 else None, node.value, body)

    def _value(self, target: ast.expr | None, value: ast.expr, body: _Body) -> None:
        held = target is not None and self.places.assigned(target, value)
        self.places.searching += held  # who uses what it holds is seen where it is used
        self._visit(value, body)
        self.places.searching -= held

    def _path(self, node: ast.expr, body: _Body) -> None:
        calls: list[ast.Call] = []
        parts = path_parts(node, calls)
        others = self.places.joined(parts)
        for call in calls:
            dotted = _dotted(call.func)
            if dotted is not None:
                body.calls.append((dotted, call, call.lineno))
            elif isinstance(call.func, ast.Attribute):
                body.calls.append((f"?.{call.func.attr}", call, call.lineno))
        for part in parts:
            if (text := _text(part)) is not None:
                self._string(text)
        for other in others:
            plain = isinstance(other, (ast.Name, ast.Attribute))
            self.places.searching += plain
            self._visit(other, body)
            self.places.searching -= plain

    def _name(self, node: ast.Name, body: _Body, in_class: str | None) -> None:
        if isinstance(node.ctx, ast.Load):
            self.places.loaded(node.id)
        if self.aliases.get(node.id) == "os.environ" and isinstance(node.ctx, ast.Load):
            body.references.append((node.id, None, node.lineno))

    def _import(self, node: ast.Import, body: _Body, in_class: str | None) -> None:
        for name in node.names:
            self.imports.add(ModuleImport(name.name))
            top = name.name.partition(".")[0]
            self.aliases[name.asname or top] = name.name if name.asname else top

    def _import_from(self, node: ast.ImportFrom, body: _Body, in_class: str | None) -> None:
        module = node.module or ""
        self.imports.add(ModuleImport(module, node.level, tuple(sorted(n.name for n in node.names))))
        for name in node.names:
            self.aliases[name.asname or name.name] = f"{'.' * node.level}{module}.{name.name}"

    def _lambda(self, node: ast.Lambda, body: _Body, in_class: str | None) -> None:
        with self._code(node.lineno, "<lambda>"):
            self._arguments(node.args, body)
            self._visit(node.body, self.nowhere)

    def _annotated(self, node: ast.AnnAssign, body: _Body, in_class: str | None) -> None:
        self._visit(node.target, body)
        if node.value is not None:
            self._value(node.target, node.value, body)

    def _attribute(self, node: ast.Attribute, body: _Body, in_class: str | None) -> None:
        dotted = _dotted(node)
        if isinstance(node.ctx, ast.Load):
            self.places.loaded_attribute(node.attr)
        if dotted is None:
            self._visit(node.value, body)
        elif not isinstance(node.ctx, ast.Load):
            pass
        elif dotted.endswith("environ"):
            body.references.append((dotted, None, node.lineno))
        elif self.aliases.get(root := dotted.partition(".")[0]) == "os.environ":
            body.references.append((root, None, node.lineno))

    def _subscript(self, node: ast.Subscript, body: _Body, in_class: str | None) -> None:
        dotted = _dotted(node.value)
        if dotted is None:
            self._visit(node.value, body)
        elif isinstance(node.ctx, ast.Load):
            body.references.append((dotted, _text(node.slice), node.lineno))
        self._visit(node.slice, body)

    def _binary(self, node: ast.BinOp, body: _Body, in_class: str | None) -> None:
        if isinstance(node.op, ast.Div):
            self._path(node, body)
            return
        if isinstance(node.op, ast.Add):
            self.places.added(node)
        self._visit(node.left, body)
        self._visit(node.right, body)

    def _if(self, node: ast.If, body: _Body, in_class: str | None) -> None:
        test = node.test
        name = _dotted(test) or ""
        if name.rpartition(".")[2] == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, (ast.Import, ast.ImportFrom)):
                    known = set(self.imports)
                    self._visit(statement, self.nowhere)
                    self.imports = known  # needed by nobody who runs the file; its aliases are
        elif isinstance(test, ast.Compare) and _dotted(test.left) == "__name__":
            self._statements(node.body, self.nowhere, in_class)
        else:
            self._visit(test, body)
            self._statements(node.body, body, in_class)
        self._statements(node.orelse, body, in_class)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, body: _Body, in_class: str | None
    ) -> None:
        run_time = False
        for decorator in node.decorator_list:
            inner = decorator.func if isinstance(decorator, ast.Call) else decorator
            dotted = _dotted(inner)
            if dotted is not None:
                run_time = run_time or self._is_run_time_decorator(dotted)
                if inner is decorator:
                    body.calls.append((dotted, None, node.lineno))
            self._visit(decorator, body)
        self._arguments(node.args, body)
        if run_time:
            own = self.nowhere
        elif in_class is None:
            own = self._body(f"f:{node.name}")
        elif node.name.startswith("__") and node.name.endswith("__"):
            own = self._body(f"f:{in_class}")
        else:
            own = self._body(f"m:{node.name}")
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        with self._code(first, node.name):
            self._statements(node.body, own, None)

    def _is_run_time_decorator(self, dotted: str) -> bool:
        resolved = self._resolve(dotted)
        return not _RUN_TIME_DECORATORS.isdisjoint(resolved.split("."))

    def _arguments(self, arguments: ast.arguments, body: _Body) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._visit(default, body)

    def _class(self, node: ast.ClassDef, body: _Body, in_class: str | None) -> None:
        instance = self._body(f"f:{node.name}")
        for decorator in node.decorator_list:
            self._visit(decorator, body)
        for base in node.bases:
            self._visit(base, body)
            dotted = _dotted(base)
            if dotted is not None:
                instance.calls.append((dotted, None, node.lineno))
        for keyword in node.keywords:
            self._visit(keyword.value, body)
        self._statements(node.body, body, node.name)

    # Expressions

    def _call(self, node: ast.Call, body: _Body, in_class: str | None) -> None:
        if is_path(node):
            self._path(node, body)
            return
        dotted = _dotted(node.func)
        if dotted is not None:
            body.calls.append((dotted, node, node.lineno))
            name = dotted.rpartition(".")[2]
            self.places.called_of(dotted)
        else:
            name = ""
            if isinstance(node.func, ast.Attribute):
                name = node.func.attr
                body.calls.append((f"?.{name}", node, node.lineno))
                self._visit(node.func.value, body)
            else:
                self._visit(node.func, body)
        if name in _CALL_THEIR_ARGUMENTS:
            for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                argument = _dotted(value)
                if argument is not None:
                    body.calls.append((argument, None, node.lineno))
        if name in _IMPORTERS:
            self._import_by_name(node)
        self.places.called(name, node)
        if name in _CALL_THEIR_OBJECT and dotted is not None and "." in dotted:
            body.calls.append((dotted.rpartition(".")[0], None, node.lineno))
        searches = dotted is not None and is_search(self._resolve(dotted))
        self.places.searching += searches
        for argument_node in node.args:
            self._visit(argument_node, body)
        self.places.searching -= searches
        for keyword in node.keywords:
            self.places.keyword(keyword.arg, keyword.value)
            searches = keyword_searches(keyword.arg)
            self.places.searching += searches
            self._visit(keyword.value, body)
            self.places.searching -= searches

    def _import_by_name(self, node: ast.Call) -> None:
        """``import_module("helpers.io")``, ``import_module(".io", package="helpers")``, ``__import__``."""
        name = _text(node.args[0]) if node.args else _first_keyword(node)
        if name is None or _dotted(node.func) in ("lazy_loader.attach", "lazy.attach", "attach"):
            self._import_by_computed_name(node)
            return
        module = name.lstrip(".") if name else ""
        if not name or not all(part.isidentifier() for part in module.split(".")):
            return
        level = len(name) - len(module)
        second = node.args[1] if len(node.args) > 1 else None
        given = next((keyword.value for keyword in node.keywords if keyword.arg == "package"), second)
        package = _text(given) if given is not None and level else None
        if package:
            parts = package.split(".")
            module, level = ".".join([*parts[: len(parts) - level + 1], module]), 0
        self.imports.add(ModuleImport(module, level))

    def _import_by_computed_name(self, node: ast.Call) -> None:
        """``import_module(f"steps.{name}")``: all of the package, else what in this file may be a module."""
        head = leading_text(node.args[0]) if node.args else ""
        if head.startswith("."):
            self.strings.add(f"{BY_NAME}.*")
        elif "." in head:
            self.places.folder(head.rpartition(".")[0].replace(".", "/"))
        else:
            self.imports_by_computed_name = True
            self.strings.add(BY_NAME)

    # Names

    def _body(self, name: str) -> _Body:
        return self.bodies.setdefault(name, _Body())

    def _resolve(self, dotted: str) -> str:
        root, dot, rest = dotted.partition(".")
        return f"{self.aliases.get(root, root)}{dot}{rest}"

    def _scope(self, body: _Body) -> Scope:
        calls = set()
        impure = set()
        for dotted, node, line in body.calls:
            root, _, rest = dotted.partition(".")
            resolved = self._resolve(dotted)
            known = root in self.aliases
            if node is not None:
                first = _text(node.args[0]) if node.args else _first_keyword(node)
                verdict = classify(resolved, known, len(node.args) + len(node.keywords), first)
                if verdict is not None:
                    impure.add((*verdict, line))
            # An object's method, or a function: plain, or of an imported module.
            calls.add(f"{'m' if rest and not known else 'f'}:{resolved.rpartition('.')[2]}")
            if rest and known:
                calls.add(f"m:{rest.rpartition('.')[2]}")
        for dotted, key, line in body.references:
            verdict = classify_reference(self._resolve(dotted), key)
            if verdict is not None:
                impure.add((*verdict, line))
        return Scope(tuple(sorted(calls)), tuple(sorted(impure)))


_VISITORS: dict[type[ast.AST], Any] = {
    ast.Constant: _Reader._constant,
    ast.Name: _Reader._name,
    ast.Call: _Reader._call,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import_from,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.ClassDef: _Reader._class,
    ast.Lambda: _Reader._lambda,
    ast.If: _Reader._if,
    ast.AnnAssign: _Reader._annotated,
    ast.Attribute: _Reader._attribute,
    ast.Subscript: _Reader._subscript,
    ast.BinOp: _Reader._binary,
    ast.JoinedStr: _Reader._formatted,
    ast.Assign: _Reader._assign,
    **dict.fromkeys((ast.Load, ast.Store, ast.Del, ast.Pass, ast.alias), _Reader._nothing),
}


def _dotted(node: ast.AST) -> str | None:
    """``a.b.c`` for a plain chain of names, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _first_keyword(node: ast.Call) -> str | None:
    for keyword in node.keywords:
        if keyword.arg in ("key", "conn_id"):
            return _text(keyword.value)
    return None
