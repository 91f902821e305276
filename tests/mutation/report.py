"""The report: ``make mutation``, for some of the modules with ``ARGS="release run/binding"``.

Ends with an error where a folder has a score below the least one, and where ``equivalent.toml`` names a
mutant that there is not or that the tests kill.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from mutation.mutants import mutants_of
from mutation.trial import Outcome, tried, warmed_up

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "src/pinwheel/core"
LEAST = 90.0
"""Per cent of a folder's mutants that are killed."""
SLOWER = 5
"""So many times what the tests take on the module as it is, and some seconds, a mutant may take."""


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


class Report(NamedTuple):
    """What is told of one module."""

    score: Score
    lines: list[str]
    wrong: list[str]
    """What ``equivalent.toml`` says of it, and should not."""


def main(arguments: Sequence[str]) -> int:
    tests: dict[str, list[str]] = _toml("modules.toml")["tests"]
    untold = {f"{p.parent.name}/{p.stem}" for room in _rooms(tests) for p in (CORE / room).glob("[!_]*.py")}
    if untold != set(tests):
        print("modules.toml and core differ:", *sorted(untold ^ set(tests)))
        return 1
    modules = [m for m in tests if not arguments or m in arguments or m.partition("/")[0] in arguments]
    modules.sort(key=lambda module: _file(module).stat().st_size)
    equivalent: list[dict[str, str]] = _toml("equivalent.toml")["mutant"]
    scores: dict[str, Score] = {}
    wrong = []
    # A process for each, since each leaves another module out of what it has imported.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for module in modules:
            of_module = [entry for entry in equivalent if entry["module"] == module]
            report = processes.submit(_checked, module, tests[module], of_module).result()
            scores[module] = report.score
            wrong += report.wrong
            print(*report.lines, sep="\n", flush=True)
    print()
    low = False
    for room in _rooms(modules):
        of_room = [score for module, score in scores.items() if module.startswith(f"{room}/")]
        score = Score(*(sum(numbers) for numbers in zip(*of_room, strict=True)))
        print(f"{room:24}{score}")
        low = low or score.per_cent < LEAST
    print(*wrong, sep="\n")
    return 1 if low or wrong else 0


def _checked(module: str, tests: Sequence[str], equivalent: Iterable[Mapping[str, str]]) -> Report:
    name, path = f"pinwheel.core.{module.replace('/', '.')}", _file(module)
    begun = time.monotonic()
    if warmed_up(name, path, tests) is not Outcome.SURVIVED:
        raise SystemExit(f"The tests of {module} fail on the module as it is: {' '.join(tests)}")
    most = SLOWER * (time.monotonic() - begun) + 5
    found = [
        (mutant, tried(name, path, mutant.tree(), tests, most)) for mutant in mutants_of(path.read_text())
    ]
    named = {(entry["place"], entry["change"]) for entry in equivalent}
    outcomes: Counter[Outcome] = Counter()
    lines, wrong = [], []
    for mutant, outcome in found:
        said = f"{mutant.place}: {mutant.change}"
        if (mutant.place, mutant.change) not in named:
            outcomes[outcome] += 1
            if outcome is Outcome.SURVIVED:
                lines.append(f"    {path.name}:{mutant.line} {said}")
        elif outcome is not Outcome.SURVIVED:
            wrong.append(f"equivalent.toml names what the tests of {module} kill: {said}")
    there = {(mutant.place, mutant.change) for mutant, _ in found}
    wrong += [f"equivalent.toml names no mutant of {module}: {': '.join(each)}" for each in named - there]
    hung = outcomes[Outcome.HUNG]
    score = Score(len(found), outcomes[Outcome.KILLED] + hung, len(named & there))
    head = f"{module:24}{score}, {hung} hung, {time.monotonic() - begun:.0f} s"
    return Report(score, [head, *lines], wrong)


def _file(module: str) -> Path:
    return CORE / f"{module}.py"


def _rooms(modules: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return sorted({module.partition("/")[0] for module in modules})


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text())
