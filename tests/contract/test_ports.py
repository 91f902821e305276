"""Each method of a port is called by a service, and has a sentence that both sides are held to."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from attrs import fields

import harness.projections
import pinwheel.services
from pinwheel.services.ports.deployment import Deployment
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.memory import memory_host
from pinwheel.services.ports.reads import Reads
from pinwheel.services.ports.rows import Rows
from pinwheel.services.ports.runs import Runs
from pinwheel.services.ports.unit import Unit

PORTS: dict[str, type] = {
    "unit": Unit,
    "rows": Rows,
    "runs": Runs,
    "reads": Reads,
    "deployment": Deployment,
}
SERVICES = Path(next(iter(pinwheel.services.__path__)))
SENTENCES = [
    *sorted(Path(__file__).parent.glob("test_ports_*.py")),
    # Their runs are made here.
    Path(harness.projections.__file__),
]
CALLERS = [SERVICES / "ports" / "host.py"] + [
    path for path in sorted(SERVICES.rglob("*.py")) if path.parent.parts[-1] not in ("ports", "memory")
]


def methods(port: type) -> set[str]:
    return {name for name, value in vars(port).items() if callable(value) and not name.startswith("_")}


def used(paths: Iterable[Path]) -> set[tuple[str, str]]:
    """Every port and method that these files name, as ``anything.port.method``."""
    return {pair for path in paths for pair in _used(ast.parse(path.read_text()))}


def _used(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Attribute(attr=port), attr=method):
                yield port, method
            case ast.Attribute(value=ast.Name(id="deployment"), attr=method):
                yield "deployment", method
            # What reads answer is asked for by name there.
            case ast.Call(func=ast.Name(id="read"), args=[_, ast.Constant(value=str(method)), *_]):
                yield "reads", method


def missing(port: str, protocol: type, found: set[tuple[str, str]]) -> set[str]:
    return {name for name in methods(protocol) if (port, name) not in found}


def test_the_host_holds_these_five_ports() -> None:
    assert [field.name for field in fields(Host)] == list(PORTS)


@pytest.mark.parametrize("port", PORTS)
def test_each_method_of_a_port_has_a_sentence_of_both_sides(port: str) -> None:
    assert missing(port, PORTS[port], used(SENTENCES)) == set()


@pytest.mark.parametrize("port", PORTS)
def test_each_method_of_a_port_has_a_caller_in_the_services(port: str) -> None:
    assert missing(port, PORTS[port], used(CALLERS)) == set()


@pytest.mark.parametrize("port", PORTS)
def test_the_ports_in_memory_offer_what_their_protocols_say_and_nothing_more(port: str) -> None:
    assert methods_of(getattr(memory_host(), port)) == methods(PORTS[port])


def methods_of(value: object) -> set[str]:
    return {name for cls in type(value).__mro__[:-1] for name in methods(cls)}


def test_each_room_is_kept_from_the_ports_in_memory_by_the_linter() -> None:
    """Its contract names them one by one: the floor as a whole holds the ports in memory themselves."""
    project = tomllib.loads((SERVICES.parents[2] / "pyproject.toml").read_text())
    (contract,) = (
        each
        for each in project["tool"]["importlinter"]["contracts"]
        if each.get("forbidden_modules") == ["pinwheel.services.ports.memory"]
    )
    parts = {
        f"{package}.{path.stem}"
        for package, folder in (
            ("pinwheel", SERVICES.parent),
            ("pinwheel.services", SERVICES),
            ("pinwheel.services.ports", SERVICES / "ports"),
        )
        for path in folder.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    above = {"pinwheel.services", "pinwheel.services.ports", "pinwheel.services.ports.memory"}
    assert set(contract["source_modules"]) == parts - above


def test_a_method_that_nobody_calls_is_noticed() -> None:
    class MoreReads(Reads, Protocol):
        def nobody_asks(self) -> None: ...

    assert missing("reads", MoreReads, used(CALLERS)) == {"nobody_asks"}
    assert missing("reads", MoreReads, used(SENTENCES)) == {"nobody_asks"}
