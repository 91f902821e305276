"""Mutants of a module: its syntax tree, each time with one small change that a test should notice.

Left out is what tells people something and decides nothing: docstrings, annotations, decorators, assertions,
and texts that only go into errors and reasons. A text is taken for such a one where it stands in a ``raise``,
in an argument of one of ``_TOLD``, or has a blank in it and is no value of an enumeration.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

_TOLD = {"reason", "found", "remedy", "title", "description"}
"""Keywords whose arguments are told."""
_TELLERS = {"Wrong"}
"""Called with nothing but what is told."""
_NARROWING = {"assert_never"}
"""Calls for the type checker alone."""
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}


class Mutant(NamedTuple):
    """One changed module."""

    place: str
    """The class and function, ``<module>`` outside of any."""
    change: str
    """The smallest part that is changed, before and after; the second alike in a function ends in ``#2``."""
    line: int
    tree: Callable[[], ast.Module]
    """The changed module; the tree is shared, so it holds until the next one is asked for."""


class _Change(NamedTuple):
    shown: ast.AST
    parent: ast.AST
    field: str
    at: int | None
    new: ast.AST


class _Around(NamedTuple):
    """What a part of the module stands in."""

    place: tuple[str, ...] = ()
    told: bool = False
    enumeration: bool = False


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of their lines."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str]] = Counter()
    mutants = []
    for around, change in sorted(
        _body(tree, _Around()), key=lambda found: getattr(found[1].shown, "lineno", 0)
    ):
        ast.fix_missing_locations(ast.copy_location(change.new, change.shown))
        place = ".".join(around.place) or "<module>"
        text = _said(change)
        seen[place, text] += 1
        if seen[place, text] > 1:
            text += f" #{seen[place, text]}"
        line = getattr(change.shown, "lineno", 0)
        mutants.append(Mutant(place, text, line, _Applied(tree, change)))
    return mutants


class _Applied:
    """Makes a change when it is called; the one made before, by whichever of them, is undone first."""

    _undo: Callable[[], None] | None = None

    def __init__(self, tree: ast.Module, change: _Change) -> None:
        self._tree, self._change = tree, change

    def __call__(self) -> ast.Module:
        if _Applied._undo is not None:
            _Applied._undo()
        _, parent, field, at, new = self._change
        holder = getattr(parent, field)
        old = holder if at is None else holder[at]

        def put(node: ast.AST) -> None:
            if at is None:
                setattr(parent, field, node)
            else:
                holder[at] = node

        put(new)
        _Applied._undo = lambda: put(old)
        return self._tree


def _said(change: _Change) -> str:
    return f"{_short(change.shown)} → {_short(change.new)}"


def _short(node: ast.AST) -> str:
    lines = ast.unparse(node).splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} …"


def _body(node: ast.AST, around: _Around) -> Iterator[tuple[_Around, _Change]]:
    """Of all that stands below a node."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for at, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                where = at if isinstance(value, list) else None
                yield from _node(child, node, field, where, around)


def _node(
    node: ast.AST, parent: ast.AST, field: str, at: int | None, around: _Around
) -> Iterator[tuple[_Around, _Change]]:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom():
            return
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in _NARROWING:
            return
        case ast.Call(func=ast.Name(id=name)) if name in _TELLERS:
            around = around._replace(told=True)
        case ast.keyword(arg=name) if name in _TOLD:
            around = around._replace(told=True)
        case ast.Raise():
            around = around._replace(told=True)
        case ast.FunctionDef():
            around = around._replace(place=(*around.place, node.name), enumeration=False)
        case ast.ClassDef():
            enumeration = any(isinstance(base, ast.Name) and "Enum" in base.id for base in node.bases)
            around = around._replace(place=(*around.place, node.name), enumeration=enumeration)
    for new, shown in _changes(node, parent, field, around):
        yield around, _Change(shown, parent, field, at, new)
    if isinstance(node, ast.JoinedStr):
        if around.told or any(_blank(part) for part in node.values):
            return
        head = next((n for n, part in enumerate(node.values) if isinstance(part, ast.Constant)), None)
        if head is not None:
            part = node.values[head]
            assert isinstance(part, ast.Constant)
            changed = ast.JoinedStr([*node.values[:head], _crossed(part.value), *node.values[head + 1 :]])
            yield around, _Change(node, parent, field, at, changed)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _node(part.value, part, "value", None, around)
        return
    yield from _body(node, around)


def _changes(
    node: ast.AST, parent: ast.AST, field: str, around: _Around
) -> Iterator[tuple[ast.AST, ast.AST]]:
    """What a node is changed to, with what shows the change."""
    match node:
        case ast.Compare():
            for n, operator in enumerate(node.ops):
                for other in _COMPARISONS[type(operator)]:
                    ops = [*node.ops[:n], other(), *node.ops[n + 1 :]]
                    yield ast.Compare(node.left, ops, node.comparators), node
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values), node
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand, node
        case ast.UnaryOp(op=ast.USub()):
            yield node.operand, node
        case ast.BinOp() if type(node.op) in _OPERATORS and not _text_is_added(node):
            yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right), node
        case ast.AugAssign() if type(node.op) in _OPERATORS and not _text(node.value):
            yield ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value), node
            yield ast.Pass(), node
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value), node
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1), node
        case ast.Constant(value=str() | bytes()):
            if not isinstance(parent, ast.JoinedStr) and (
                around.enumeration or not (around.told or _blank(node))
            ):
                yield _crossed(node.value), node
        case ast.Return(value=value) if value is not None and not _none(value) and not around.told:
            if not _text(value) and not _flag(value):
                yield ast.Return(ast.Constant(None)), node
        case ast.Call(func=ast.Name(id=name)) if name in _OPPOSITES and not node.keywords:
            yield ast.Call(ast.Name(_OPPOSITES[name], ast.Load()), node.args, node.keywords), node
        case ast.Raise():
            yield ast.Pass(), node
        case ast.Expr(value=ast.Call()):
            yield ast.Pass(), node
        case ast.Continue():
            yield ast.Break(), node
        case ast.Break():
            yield ast.Continue(), node
        case ast.Assign(targets=[ast.Name()], value=value) if around.place and not around.enumeration:
            if not _none(value) and not _text(value):
                yield ast.Assign(node.targets, ast.Constant(None)), node
    condition = (field == "test" and isinstance(parent, (ast.If, ast.IfExp, ast.While))) or field == "ifs"
    if condition and not _changed_by_itself(node):
        yield ast.UnaryOp(ast.Not(), node), node


def _changed_by_itself(test: ast.AST) -> bool:
    """Whether to deny it is a change that is made anyway."""
    match test:
        case ast.Compare(ops=[_]) | ast.UnaryOp(op=ast.Not()):
            return True
    return False


def _crossed(value: str | bytes) -> ast.Constant:
    return ast.Constant(f"XX{value}XX" if isinstance(value, str) else b"XX" + value + b"XX")


def _none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _flag(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _blank(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _text(node: ast.AST) -> bool:
    """A text that people read."""
    match node:
        case ast.JoinedStr():
            return any(_blank(part) for part in node.values)
        case ast.BinOp(op=ast.Add()):
            return _text_is_added(node)
    return _blank(node)


def _text_is_added(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Add) and (_text(node.left) or _text(node.right))
