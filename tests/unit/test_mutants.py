"""What mutation checks change in a module, and what they leave alone."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from mutation.mutants import mutants_of

MUTATION = Path(__file__).parents[1] / "mutation"
CORE = MUTATION.parents[1] / "src" / "pinwheel" / "core"


def changes(source: str) -> list[str]:
    return [f"{mutant.place}: {mutant.change}" for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x == y", ["x == y → x != y"]),
        ("x < y", ["x < y → x <= y", "x < y → x >= y"]),
        ("x and y", ["x and y → x or y"]),
        ("not x", ["not x → x"]),
        ("x if y else z", ["y → not y"]),
        ("x + y", ["x + y → x - y"]),
        ("x = 1", ["1 → 2"]),
        ("x = True", ["True → False"]),
        ("x = 'y'", ["'y' → 'XXyXX'"]),
        ("x = f'{y}/z'", ["f'{y}/z' → f'{y}XX/zXX'"]),
        ("any(x)", ["any(x) → pass", "any(x) → all(x)"]),
        ("x += y", ["x += y → x -= y", "x += y → pass"]),
        ("raise x", ["raise x → pass"]),
    ],
)
def test_each_kind_of_line_is_changed(source: str, changed: list[str]) -> None:
    assert changes(source) == [f"<module>: {each}" for each in changed]


@pytest.mark.parametrize(
    "source",
    [
        "'''A text that tells what this is.'''",
        "x: Literal['y']",
        "def f(x: 'int') -> 'str': ...",
        "assert x is not None",
        "@frozen(kw_only=True)\nclass X: ...",
        "y = f(reason='no')",
        "y = Wrong('no')",
        "x = 'it is wrong'",
        "x = f'it is {y}'",
        "import x",
        "return None",
    ],
)
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_change_is_told_by_its_place_and_a_second_alike_by_its_number() -> None:
    source = "class X:\n    def f(self):\n        return x == 1 or x == 1\n"
    assert "X.f: x == 1 → x != 1 #2" in changes(source)
    assert "X: 'a b' → 'XXa bXX'" in changes("class X(StrEnum):\n    A = 'a b'"), "it is stored"


def test_one_change_is_made_at_a_time() -> None:
    first, second = (mutant.tree for mutant in mutants_of("x == 1"))
    assert ast.unparse(first()) == "x != 1"
    assert ast.unparse(second()) == "x == 2"


def test_each_mutant_that_is_said_to_be_equivalent_has_a_reason() -> None:
    for entry in tomllib.loads((MUTATION / "equivalent.toml").read_text())["mutant"]:
        assert set(entry) == {"module", "place", "change", "reason"} and entry["reason"].endswith("."), entry


def test_each_module_names_its_own_tests() -> None:
    modules = tomllib.loads((MUTATION / "modules.toml").read_text())["tests"]
    rooms = {module.partition("/")[0] for module in modules}
    assert rooms == {"release", "run", "parse", "rollout"}
    assert set(modules) == {
        f"{room}/{path.stem}" for room in rooms for path in (CORE / room).glob("[!_]*.py")
    }
    for tests in modules.values():
        assert tests and all((MUTATION.parents[1] / test).is_file() for test in tests)
