"""docs/reference says what the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from attrs import fields_dict, frozen

from pinwheel.airflow3.provider_info import get_provider_info
from pinwheel.core.event import DETAILS, EventKind
from pinwheel.core.retention import Keep
from pinwheel.services.show import events

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pinwheel"
LISTED = get_provider_info()["config"]["pinwheel"]["options"]


def script() -> ModuleType:
    path = ROOT / "scripts" / "references"
    spec = spec_from_loader("references", SourceFileLoader("references", str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@frozen
class Asked:
    """An option that the code reads: its name, how, and what it is where nothing says otherwise."""

    name: str
    method: str
    fallback: float


def asked_in(source: str) -> Iterator[Asked]:
    """The options of ``[pinwheel]`` that a module reads."""
    for call in ast.walk(ast.parse(source)):
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr.startswith("get")
            and len(call.args) > 1
            and isinstance(call.args[0], ast.Constant)
            and call.args[0].value == "pinwheel"
        ):
            continue
        (fallback,) = (keyword.value for keyword in call.keywords if keyword.arg == "fallback")
        if isinstance(call.args[1], ast.Constant):
            yield Asked(call.args[1].value, call.func.attr, eval(ast.unparse(fallback), {}))
        else:
            # One for each field of what is kept
            assert (ast.unparse(call.args[1]), ast.unparse(fallback)) == ("f'keep_{name}'", "field.default")
            for name, field in fields_dict(Keep).items():
                yield Asked(f"keep_{name}", call.func.attr, field.default)


ASKED = [asked for path in sorted(SOURCE.rglob("*.py")) for asked in asked_in(path.read_text())]


def test_the_references_are_those_of_todays_code() -> None:
    written = script().pages()
    there = {path.name: path.read_text() for path in (ROOT / "docs" / "reference").iterdir()}
    assert there == written, "The code changed: run make references"


def test_each_option_that_is_read_is_listed_and_each_that_is_listed_is_read() -> None:
    assert {asked.name for asked in ASKED} == LISTED.keys()


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_an_option_is_read_as_what_it_is_listed_as(asked: Asked) -> None:
    listed = LISTED[asked.name]
    methods = {"integer": "getint", "float": "getfloat", "boolean": "getboolean", "string": "get"}
    assert asked.method == methods[listed["type"]]
    default = listed["default"]
    assert asked.fallback == (default if listed["type"] == "string" else float(default))


def test_an_option_that_nobody_listed_is_found_where_it_is_read() -> None:
    source = 'def f(conf): return conf.getint("pinwheel", "keep_nothing", fallback=1 << 3)'
    assert list(asked_in(source)) == [Asked("keep_nothing", "getint", 8)]


def test_each_kind_of_event_has_its_details_and_no_other_detail_is_shown() -> None:
    assert DETAILS.keys() == set(EventKind)
    assert {name for details in DETAILS.values() for name in details} == events.DETAILS


def test_each_kind_of_event_says_what_happened() -> None:
    assert script()._said_of(EventKind).keys() == {kind.name for kind in EventKind}


def test_the_variables_are_those_that_the_commands_read() -> None:
    read = {
        name
        for path in (SOURCE / "cli").rglob("*.py")
        for name in re.findall(r'environ\.get\("(PINWHEEL_\w+|NO_COLOR)"', path.read_text())
    }
    assert script().VARIABLES.keys() == read


def test_each_command_is_in_the_reference_with_each_of_its_options() -> None:
    page = script().cli()
    sections = dict(re.findall(r"^#+ (pinwheel [a-z -]+)\n(.*?)(?=^#|\Z)", page, re.DOTALL | re.MULTILINE))
    assert len(sections) > 25
    assert "`--rerun-failed`" in sections["pinwheel rollback"]
    assert "`--accept-loss NAMES`" in sections["pinwheel db reconcile"]
    assert "[change](#change)" in sections["pinwheel promote"]
    assert "130 | Interrupted" in page
