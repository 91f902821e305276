"""Services on ports in memory run where Airflow is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STORY = """
import sys

sys.modules["airflow"] = None  # importing it, or anything in it, fails
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.release.decide import Verb

world = InMemory()
world.push(a=File())
world.push(a=File(body=1))
world.run("r", "failed")
print(world.do(Verb.ROLLBACK, rerun_failed=True).rerun)
"""


def test_a_push_and_a_rollback_need_no_airflow() -> None:
    tests = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", STORY], cwd=tests, capture_output=True, text=True, timeout=120
    )
    assert (told.stdout.strip(), told.stderr) == ("('r',)", "")
