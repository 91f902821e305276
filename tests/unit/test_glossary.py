"""The glossary has the words that rows, answers and filters hold."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from pinwheel.airflow3.keeper import duties as keeper
from pinwheel.airflow3.processor import duties
from pinwheel.core.parse.plan import Why
from pinwheel.core.release.decide import Verb
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.core.rollout.state import Cause, State
from pinwheel.core.run.binding import BoundBy
from pinwheel.store import verification

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()


def cells(heading: str, column: int) -> list[str]:
    """The cells of one column of the table below a heading."""
    (section,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", GLOSSARY, re.DOTALL | re.MULTILINE)
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [row[column].strip() for row in rows[2:]]


def quoted(texts: list[str]) -> list[str]:
    return [word for text in texts for word in re.findall(r"`([^`]+)`", text)]


@pytest.mark.parametrize("enum", [Track, HoldKind, State, Cause, Answer, BoundBy, Kind, Verb, Why])
def test_the_glossary_has_each_value_of_an_enum_once_and_no_other(enum: type[StrEnum]) -> None:
    assert sorted(quoted(cells(enum.__name__, 0))) == sorted(value.value for value in enum)


def test_the_glossary_has_each_lease() -> None:
    leases = {
        duties.UPKEEP,
        duties.PRUNING,
        duties.RETIRING,
        verification.BUDGET,
        keeper.RUNS,
        keeper.ROLLOUTS,
        keeper.POLICIES,
    }
    assert set(quoted(cells("Leases", 0))) == leases


def test_a_word_stands_once_and_the_code_has_what_the_glossary_says_where() -> None:
    words = re.findall(r"\*\*([^*]+)\*\*", "\n".join([*cells("Glossary", 0), *cells("Words of the code", 0)]))
    assert sorted(words) == sorted(set(words))
    for path in quoted(cells("Words of the code", 2)):
        assert (ROOT / "src" / "pinwheel" / path).exists(), path
