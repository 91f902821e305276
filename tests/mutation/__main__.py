"""The report: ``make mutation``, for some of the modules with ``ARGS="release run/binding"``.

Ends with an error where a folder has a score below the least one, and where ``equivalent.toml`` names a
mutant that there is not or that the tests kill.
"""

from __future__ import annotations

import gc
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mutation.mutants import Mutant, mutants_of
from mutation.trial import Outcome, tried

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "src/pinwheel/core"
LEAST = 90.0
"""Per cent of a folder's mutants that are killed."""
SLOWER = 5
"""So many times what the tests take on the module as it is, and some seconds, a mutant may take."""


class Equivalents:
    """Mutants that no test can tell from the module, each with the reason."""

    def __init__(self, entries: Sequence[Mapping[str, str]]) -> None:
        self._reasons = {(e["module"], e["place"], e["change"]): e["reason"] for e in entries}

    def take(self, module: str, mutant: Mutant) -> bool:
        return self._reasons.pop((module, mutant.place, mutant.change), None) is not None

    def left(self, modules: Sequence[str]) -> list[str]:
        return [
            f"{module}, {place}: {change}" for module, place, change in self._reasons if module in modules
        ]


class Score(NamedTuple):
    mutants: int
    killed: int
    equivalent: int

    @property
    def per_cent(self) -> float:
        counted = self.mutants - self.equivalent
        return 100 * self.killed / counted if counted else 100.0

    def __str__(self) -> str:
        return (
            f"{self.per_cent:5.1f} %  {self.killed} of {self.mutants - self.equivalent} killed, "
            f"{self.equivalent} equivalent"
        )


def main(arguments: Sequence[str]) -> int:
    tests: dict[str, list[str]] = _toml("modules.toml")["tests"]
    untold = {f"{p.parent.name}/{p.stem}" for room in _rooms(tests) for p in (CORE / room).glob("[!_]*.py")}
    if untold != set(tests):
        print("modules.toml and core differ:", *sorted(untold ^ set(tests)))
        return 1
    modules = [m for m in tests if not arguments or m in arguments or m.partition("/")[0] in arguments]
    equivalents = Equivalents(_toml("equivalent.toml").get("mutant", []))
    gc.freeze()  # so that the children's collector leaves the shared pages alone
    scores: dict[str, Score] = {}
    killed: list[str] = []
    for module in sorted(modules, key=lambda module: _file(module).stat().st_size):
        scores[module] = _checked(module, tests[module], equivalents, killed)
    print()
    low = False
    for room in _rooms(modules):
        of_room = [score for module, score in scores.items() if module.startswith(f"{room}/")]
        score = Score(*(sum(numbers) for numbers in zip(*of_room, strict=True)))
        print(f"{room:24}{score}")
        low = low or score.per_cent < LEAST
    wrong = [
        *(f"equivalent.toml has no reason to name what is killed: {mutant}" for mutant in killed),
        *(f"equivalent.toml names what is no mutant: {mutant}" for mutant in equivalents.left(modules)),
    ]
    print(*wrong, sep="\n")
    return 1 if low or wrong else 0


def _checked(module: str, tests: Sequence[str], equivalents: Equivalents, killed: list[str]) -> Score:
    name, path = f"pinwheel.core.{module.replace('/', '.')}", _file(module)
    source = path.read_text()
    begun = time.monotonic()
    mutants = mutants_of(source)
    if tried(name, path, compile(source, path, "exec", 0x400), tests, 600) is not Outcome.SURVIVED:
        raise SystemExit(f"The tests of {module} fail on the module as it is: {' '.join(tests)}")
    most = SLOWER * (time.monotonic() - begun) + 5
    outcomes: Counter[Outcome] = Counter()
    equivalent, survivors = 0, []
    for mutant in mutants:
        outcome = tried(name, path, mutant.tree(), tests, most)
        if equivalents.take(module, mutant):
            equivalent += 1
            if outcome is not Outcome.SURVIVED:
                killed.append(f"{module}, {mutant.place}: {mutant.change}")
            continue
        outcomes[outcome] += 1
        if outcome is Outcome.SURVIVED:
            survivors.append(mutant)
    score = Score(len(mutants), outcomes[Outcome.KILLED] + outcomes[Outcome.HUNG], equivalent)
    print(f"{module:24}{score}, {outcomes[Outcome.HUNG]} hung, {time.monotonic() - begun:.0f} s")
    for mutant in survivors:
        print(f"    {path.name}:{mutant.line} {mutant.place}: {mutant.change}")
    sys.stdout.flush()
    return score


def _file(module: str) -> Path:
    return CORE / f"{module}.py"


def _rooms(modules: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return sorted({module.partition("/")[0] for module in modules})


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
