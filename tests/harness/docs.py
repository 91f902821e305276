"""What the documents name, looked up: functions on a walk, files, headings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import field, frozen

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pinwheel"

_STEP = re.compile(r"^( *)- (?:\[`([\w/]+:[\w.]+)`\]\(([^)]+)\)|`(airflow/[\w/]+:[\w.]+)`)(.*)$")
_LINK = re.compile(
    r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\""
)
_CODE = re.compile(r"```.*?```", re.DOTALL)


# Walks


@frozen
class Step:
    """One function of a walk, ``module:function``, below the one that calls it."""

    depth: int
    name: str
    link: str | None
    text: str
    below: list[Step] = field(factory=list)

    @property
    def is_entrance(self) -> bool:
        """Called from outside, or by a name that is only known when it runs."""
        return "entrance" in self.text


def walks(document: str) -> dict[str, list[Step]]:
    """By heading of the second level, the lists of steps below it."""
    found: dict[str, list[Step]] = {}
    for section in re.split(r"^(?=## )", document, flags=re.MULTILINE):
        tops: list[Step] = []
        path: list[Step] = []
        for line in section.splitlines():
            match = _STEP.match(line)
            if match is None:
                continue
            indent, name, link, foreign, text = match.groups()
            step = Step(depth=len(indent) // 2, name=name or foreign, link=link, text=text)
            del path[step.depth :]
            (path[-1].below if path else tops).append(step)
            path.append(step)
        if tops:
            found[section.splitlines()[0].removeprefix("## ")] = tops
    return found


def faults_of(walk: list[Step], *, page: Path) -> list[str]:
    """What is wrong with a walk; nothing when each step is there and calls the steps below it."""
    faults: list[str] = []
    named: set[str] = set()

    def visit(step: Step) -> None:
        named.add(step.name)
        try:
            there = function(step.name)
        except (ImportError, AttributeError):
            faults.append(f"{step.name} is not there")
            return
        if step.link is not None and (page.parent / step.link).resolve() != file_of(step.name):
            faults.append(f"{step.name} is not in {step.link}")
        for below in step.below:
            try:
                calls = step_calls(step.name, there, below.name)
            except (ImportError, AttributeError):
                calls = True  # told below, as one that is not there
            if not calls:
                faults.append(f"{step.name} does not call {below.name}")
            visit(below)

    for top in walk:
        if not top.is_entrance and top.name not in named:
            faults.append(f"{top.name} is no entrance, and no step before leads to it")
        visit(top)
    return faults


def file_of(name: str) -> Path:
    return SOURCE / f"{name.partition(':')[0]}.py"


def function(name: str) -> Any:
    """The function ``module:function``, below decorators and properties."""
    path, _, attributes = name.partition(":")
    module = path.replace("/", ".")
    found: Any = import_module(module if path.startswith("airflow/") else f"pinwheel.{module}")
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return bare(found)


def bare(found: Any) -> Any:
    if isinstance(found, property):
        found = found.fget
    return inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else found


def step_calls(caller: str, there: Any, callee: str) -> bool:
    """Whether the source of the one names the other: calls it, or hands it on to be called."""
    wanted, port = function(callee), _port_of(callee)
    mine = _port_of(caller)
    if mine is not None:
        # A port is not code that calls: who implements it is what is called.
        return bare(_implementation(mine, caller.rpartition(".")[2])) is wanted
    objects, names = named_in(inspect.getsource(there), there.__globals__)
    if port is not None:
        return f"{port}.{callee.rpartition('.')[2]}" in names
    if any(bare(found) is wanted for found in objects):
        return True
    return "." in callee.partition(":")[2] and callee.rpartition(".")[2] in names


def _port_of(name: str) -> str | None:
    match = re.fullmatch(r"services/ports/(\w+):\w+\.\w+", name)
    return match[1] if match and match[1] != "host" else None


def _implementation(port: str, method: str) -> Any:
    from pinwheel.airflow3.host import airflow_host

    return getattr(getattr(airflow_host(), port), method)


def named_in(source: str, known: Mapping[str, Any]) -> tuple[list[Any], set[str]]:
    """All objects that a function's source names, and what it names of objects that only running shows.

    Of those the last name, and the last two.
    """
    tree = ast.parse(textwrap.dedent(source))
    known = {**known, **_imported_in(tree)}
    objects: list[Any] = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in known:
            objects.append(known[node.id])
        elif isinstance(node, ast.Attribute):
            found = _looked_up(node, known)
            if found is not None:
                objects.append(found)
            else:
                names.add(node.attr)
                if isinstance(node.value, ast.Attribute):
                    names.add(f"{node.value.attr}.{node.attr}")
    return objects, names


def _imported_in(tree: ast.AST) -> Mapping[str, Any]:
    return {
        alias.asname or alias.name: getattr(import_module(node.module), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0
        for alias in node.names
    }


def _looked_up(node: ast.Attribute, known: Mapping[str, Any]) -> Any:
    """What an attribute of a module or class is; None of any other object's."""
    base: Any
    if isinstance(node.value, ast.Name):
        base = known.get(node.value.id)
    elif isinstance(node.value, ast.Attribute):
        base = _looked_up(node.value, known)
    else:
        return None
    return getattr(base, node.attr, None) if isinstance(base, ModuleType | type) else None


_ROLE = re.compile(r":(?:mod|class|func|meth|data):`~?([\w.]+)`")


def lost_names(source: str, folder: Path) -> list[str]:
    """What docstrings of a file in this folder refer to and that is not there."""
    said, rest = _ROLE.findall(source), _ROLE.sub("", source)
    return [name for name in said if not _is_known(name, rest, folder)]


def _is_known(name: str, source: str, folder: Path) -> bool:
    first, *more = name.split(".")
    if first != "pinwheel":
        return (folder / f"{first}.py").exists() or re.search(rf"\b{first}\b", source) is not None
    path, below = SOURCE, list(more)
    while below and (path / below[0]).is_dir():
        path /= below.pop(0)
    if not below:
        return True
    file = path / f"{below.pop(0)}.py"
    return file.exists() and all(re.search(rf"\b{each}\b", file.read_text()) for each in below)


# Links and paths


def lost_links(document: str, *, page: Path) -> list[str]:
    """Links to files or headings that are not there. What begins with a protocol is not looked at."""
    lost = []
    for match in _LINK.finditer(_CODE.sub("", document)):
        link = next(filter(None, match.groups()))
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        text = document if target == page else None
        if not target.exists() or (heading and heading not in headings(target, text)):
            lost.append(link)
    return lost


def headings(page: Path, text: str | None = None) -> set[str]:
    """The names of a page's headings in links."""
    lines = _CODE.sub("", text if text is not None else page.read_text()).splitlines()
    titles = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def lost_paths(document: str) -> list[str]:
    """Paths of this repository that a document names and that are not there.

    They are written below the repository's root or ``src/pinwheel``; a test also by its file's name. What
    is to come stands behind the word *new*, and must not be there yet. A name after a file is in that file.
    """
    lost = []
    for new, path in _named_paths(document):
        if bool(new) == _is_there(path):
            lost.append(f"{path} is there already" if new else path)
    for path, name in re.findall(r"`([\w/]+\.py)`, `(\w+)`", document):
        file = SOURCE / path
        if file.exists() and not re.search(rf"\b{name}\b", file.read_text()):
            lost.append(f"{name} of {path}")
    return lost


def _named_paths(document: str) -> Iterator[tuple[str, str]]:
    for new, path in re.findall(r"(new )?`([\w.*/-]+)`", _CODE.sub("", document)):
        first, _, below = path.rstrip("/").partition("/")
        inner = first in _rooms() and path.endswith(".py")
        if (below and (first in _tops() or inner)) or re.fullmatch(r"test_\w+\.py", path):
            yield new, path


@cache
def _tops() -> frozenset[str]:
    """The folders below which paths are of this repository."""
    ours = {"src", "docs", "tests", "scripts", "ui", "chart", "bench"}
    return frozenset(
        ours | {folder.name for folder in SOURCE.iterdir() if folder.is_dir()} | {"sdk", "hosts"}
    )


@cache
def _rooms() -> frozenset[str]:
    """Rooms of ours: a path that begins with one lacks its floor. (Airflow has routes and schemas too.)"""
    floors = ("core", "services", "airflow3")
    return frozenset(room.split("/")[1] for room in rooms() if room.split("/")[0] in floors) - {""}


def _is_there(path: str) -> bool:
    if "/" not in path:
        return any((ROOT / "tests").rglob(path))
    return any(any(base.glob(path.rstrip("/"))) for base in (ROOT, SOURCE))


def rooms(is_room: Callable[[Path], bool] = lambda folder: True) -> set[str]:
    """The packages of the source, as documents write them."""
    return {
        f"{init.parent.relative_to(SOURCE)}/"
        for init in SOURCE.rglob("__init__.py")
        if init.parent != SOURCE and is_room(init.parent)
    }
