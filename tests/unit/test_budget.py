"""The budgets of the test files themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import budget
from harness.budget import BUDGETS, Meter, tree_seconds

BURN = "import time\nwhile time.process_time() < 0.5: pass"


def test_what_a_file_starts_counts_for_it_while_it_runs_and_after_it_ended() -> None:
    meter = Meter()
    child = subprocess.Popen(
        [sys.executable, "-c", f"{BURN}\nprint(flush=True)\ninput()"], stdin=-1, stdout=-1
    )
    assert child.stdin and child.stdout
    child.stdout.readline()
    meter.charge("a.py")
    assert meter.used["a.py"] >= 0.4
    child.communicate(b"\n")
    meter.charge("b.py")
    assert meter.used["b.py"] < 0.4
    before = tree_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert tree_seconds() - before >= 0.4


def test_a_file_fails_at_twice_its_budget_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "BUDGETS", {"a.py": 10.0, "b.py": 10.0})
    meter = Meter()
    meter.used |= {"a.py": 19.9, "b.py": 20.1, "c.py": 2 * budget.DEFAULT - 1}
    assert meter.over() == ["b.py: 20 CPU seconds, its budget is 10"]
    assert meter.over(soak=True) == []


def test_each_budget_is_of_a_file_that_is_there() -> None:
    here = Path(__file__).parents[1]
    assert [name for name in BUDGETS if not (here / name).is_file()] == []
